/** What the HTTP APIs of facilities answer alike: JSON of a shape, parts of addresses, work that is done later. */
import type { z } from "zod";
import { type Clock, sleep } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import { type ApiAnswer, apiFailure } from "./schedulers/define.js";

/** From one look at a task to the next; the last one is kept. */
const LOOKS_MS = [200, 500, 1_000, 2_000, 5_000] as const;
const TASK_PATIENCE_MS = 120_000;

export const isGood = ({ status }: ApiAnswer): boolean => status >= 200 && status < 300;

/**
 * An answer's JSON.
 * @param what that was asked for
 * @throws REFUSED · UNAVAILABLE · CORRUPT_DATA
 */
export function answered<T>(schema: z.ZodType<T>, what: string, answer: ApiAnswer): T {
  if (!isGood(answer)) throw apiFailure(what, answer);
  try {
    return schema.parse(JSON.parse(answer.text));
  } catch {
    throw new XpcsError("CORRUPT_DATA", `${what}: the API answered something else than was asked for: ${answer.text.slice(0, 200)}`);
  }
}

/** A part of an address. */
export const part = encodeURIComponent;

/** A path at the facility as parts of an address, with the slash that it begins with. */
export const pathParts = (path: string): string => path.split("/").map(part).join("/");

/**
 * Looks until something that is done later is done.
 * @param look null: not yet
 * @throws DEADLINE_EXCEEDED · what `look` throws
 */
export async function untilDone<T>(clock: Clock, what: string, look: () => Promise<T | null>): Promise<T> {
  const endMs = clock.monotonicMs() + TASK_PATIENCE_MS;
  for (let looks = 0; clock.monotonicMs() < endMs; looks += 1) {
    const found = await look();
    if (found !== null) return found;
    await sleep(clock, LOOKS_MS[Math.min(looks, LOOKS_MS.length - 1)]!);
  }
  throw new XpcsError("DEADLINE_EXCEEDED", `${what}: the API has not done it within ${TASK_PATIENCE_MS / 1000} s`);
}
