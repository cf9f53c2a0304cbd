/**
 * What a feed is: a place where a facility says of its machines how they are, and when they will not be there. A kind of feed is one file here, a plain
 * value listed in registry.ts, and passes test/actors/feeds/conformance.test.ts. It asks and reads; how often, and what follows, is feed-watch.ts's.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import type { DowntimeKind, FacilityState } from "../../core/downtime.js";
import { XpcsError } from "../../core/errors.js";
import { LIMITS } from "../../core/limits.js";

/** As a feed tells it of one machine. */
export interface FeedDowntime {
  /** The same whenever it is told again, and another's for another. */
  readonly id: string;
  readonly fromMs: number;
  /** Null: nobody knows. */
  readonly toMs: number | null;
  readonly kind: DowntimeKind;
  readonly text: string;
  readonly degraded?: true;
}

/** What a feed says of one machine now. */
export interface ResourceNews {
  readonly now: FacilityState;
  /** Unknown: it publishes no schedule, so that no downtime in the list does not mean that there will be none. */
  readonly schedule: "known" | "unknown";
  /** Of now and of later. */
  readonly downtimes: readonly FeedDowntime[];
}

export interface FeedAnswer {
  readonly status: number;
  readonly text: string;
}

/** The outside of a feed. */
export interface FeedSource {
  /** Asks for a path below the feed's address. @throws UNAVAILABLE · DEADLINE_EXCEEDED */
  get(path: string, query?: Readonly<Record<string, string>>): Promise<FeedAnswer>;
  readonly nowMs: number;
  /** Zone of times that name none. */
  readonly zone: string;
}

export interface FeedKind {
  readonly name: string;
  /** One line for people. */
  readonly about: string;
  /** Zone of times that name none, where the settings do not say; null: its times name theirs. */
  readonly zone: string | null;
  /** It may be a file of central's machine, in place of an address. */
  readonly fromFile: boolean;
  /**
   * What it says of these machines: something of each of them.
   *
   * @throws NOT_FOUND it knows no such machine · CORRUPT_DATA its answer is not what it should be · UNAVAILABLE · DEADLINE_EXCEEDED
   */
  read(resources: readonly string[], source: FeedSource): Promise<ReadonlyMap<string, ResourceNews>>;
}

/** Of an answer in an error. */
const SHOWN_CHARS = 200;

const wrong = (what: string, text: string): XpcsError =>
  new XpcsError("CORRUPT_DATA", `${what}: the answer is not what it should be: ${plain(text.slice(0, SHOWN_CHARS))}`);

/**
 * An answer's JSON. All of it must be right: a line that was passed over would be a maintenance that nobody hears of.
 *
 * @throws UNAVAILABLE · CORRUPT_DATA
 */
export function jsonOf<T>(schema: z.ZodType<T>, what: string, { status, text }: FeedAnswer): T {
  if (status !== 200) throw new XpcsError("UNAVAILABLE", `${what}: the feed answered ${status}: ${plain(text.slice(0, SHOWN_CHARS))}`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw wrong(what, text);
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw wrong(`${what}: ${issue?.path.join(".")} ${issue?.message}`, text);
}

/** Without control characters, and short enough for a line. */
export function plain(text: string): string {
  return text
    .replace(/\p{Cc}+/gu, " ")
    .trim()
    .slice(0, LIMITS.tagCharsMax);
}

/** A text, or nothing. */
export const words = z.string().nullish();

/** A time with its zone, as ms since 1970. */
export const instant = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

/** An id of what has none: of what it says. */
export function idOf(...parts: readonly (string | number | null)[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 10);
}

/** @throws CORRUPT_DATA more downtimes of one machine than anybody announces */
export function bounded<T>(what: string, list: readonly T[]): readonly T[] {
  if (list.length <= LIMITS.feedDowntimesMax) return list;
  throw new XpcsError("CORRUPT_DATA", `${what}: the feed tells of ${list.length} downtimes, ${LIMITS.feedDowntimesMax} are the limit`);
}

/** Those that are not over, and take some time. */
export function standing(downtimes: readonly FeedDowntime[], nowMs: number): FeedDowntime[] {
  return downtimes.filter(({ fromMs, toMs }) => toMs === null || (toMs > nowMs && toMs > fromMs));
}

/** "Polaris PM: new switches", of what is told of it. */
export function sentence(...parts: readonly (string | null | undefined)[]): string {
  return plain([...new Set(parts.flatMap((part) => (part ? [part.trim()] : [])))].filter((part) => part !== "").join(": "));
}

/** What it is now by its downtimes; null: they do not say. */
export function stateBy(downtimes: readonly FeedDowntime[], nowMs: number): "down" | "degraded" | null {
  const inForce = downtimes.filter(({ fromMs, toMs }) => fromMs <= nowMs && (toMs === null || toMs > nowMs));
  if (inForce.some(({ degraded }) => degraded === undefined)) return "down";
  return inForce.length > 0 ? "degraded" : null;
}

const missing = (what: string, resource: string): XpcsError => new XpcsError("NOT_FOUND", `${what} knows no machine "${resource}"`);

/** What is said of each machine. @throws NOT_FOUND of one nothing is */
export function newsOf<T>(
  what: string,
  resources: readonly string[],
  find: (resource: string) => T | undefined,
  tell: (found: T, resource: string) => ResourceNews,
): Map<string, ResourceNews> {
  return new Map(
    resources.map((resource) => {
      const found = find(resource);
      if (found === undefined) throw missing(what, resource);
      return [resource, tell(found, resource)] as const;
    }),
  );
}
