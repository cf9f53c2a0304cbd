/** Parts of one transfer, none of which is worth anything alone. */
import { setMaxListeners } from "node:events";
import { isCode, XpcsError } from "../../core/errors.js";
import { type Lanes, lanes } from "./lanes.js";

/**
 * Does all parts. The first failure stops the others.
 * @param lane how many go at a time; absent: all
 * @returns what each gave, in order
 * @throws why it failed, when all have ended: not that the others were stopped for it
 */
export async function together<T>(
  signal: AbortSignal,
  parts: readonly ((signal: AbortSignal) => Promise<T>)[],
  lane: Lanes = lanes(parts.length),
): Promise<T[]> {
  const broken = new AbortController();
  const stop = AbortSignal.any([signal, broken.signal]);
  // Each part listens.
  setMaxListeners(0, stop);
  const all = parts.map((part) =>
    lane.run(async () => {
      if (stop.aborted) throw new XpcsError("CANCELED", "the transfer was stopped");
      try {
        return await part(stop);
      } catch (error) {
        broken.abort();
        throw error;
      }
    }),
  );
  const reasons = (await Promise.allSettled(all)).flatMap((end) => (end.status === "rejected" ? [end.reason as unknown] : []));
  if (reasons.length > 0) throw reasons.find((reason) => !isCode(reason, "CANCELED")) ?? reasons[0];
  return Promise.all(all);
}
