/** The rules of downtimes: what feeds and people say becomes one event for each source, and only where it differs from what is known. Pure, as decide.ts. */
import { BY_HAND, type Downtime } from "../core/downtime.js";
import { XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import { timeText } from "../core/time-text.js";
import type { LedgerEvent } from "./events.js";
import type { State } from "./state.js";

/** What a feed says now. What it has said before, and says again, keeps its first time and whoever had it removed. */
export interface SetDowntimes {
  readonly type: "setDowntimes";
  readonly source: string;
  readonly downtimes: readonly Downtime[];
}

/** Somebody enters one by hand. Idempotent by its id. */
export interface AddDowntime {
  readonly type: "addDowntime";
  readonly downtime: Downtime;
}

/** Somebody removes one, whatever its source. Idempotent. */
export interface RemoveDowntime {
  readonly type: "removeDowntime";
  readonly id: string;
  readonly person: string;
}

/** What is over is kept for so long beside the others that were entered by hand, ms. */
const OVER_KEPT_MS = 24 * 3_600_000;

const sameWords = (a: Downtime, b: Downtime): boolean =>
  a.id === b.id &&
  a.site === b.site &&
  a.fromMs === b.fromMs &&
  a.toMs === b.toMs &&
  a.kind === b.kind &&
  a.text === b.text &&
  a.degraded === b.degraded;

const event = (source: string, downtimes: readonly Downtime[], at: number): LedgerEvent => ({
  type: "downtimesSet",
  at,
  source,
  downtimes,
});

/** The event of what a feed says now; none where that is known. */
export function setDowntimes(state: State, { source, downtimes }: SetDowntimes, now: number): LedgerEvent[] {
  const before = state.downtimes.get(source) ?? [];
  const known = new Map(before.map((downtime) => [downtime.id, downtime]));
  const next = downtimes.map((downtime) => {
    const earlier = known.get(downtime.id);
    if (earlier === undefined) return downtime;
    if (sameWords(earlier, downtime)) return earlier;
    return earlier.removedBy === undefined ? downtime : { ...downtime, removedBy: earlier.removedBy };
  });
  const isKnown = next.length === before.length && next.every((downtime, at) => downtime === before[at]);
  return isKnown ? [] : [event(source, next, now)];
}

/** By hand, without what is over. */
function handMade(state: State, now: number): Downtime[] {
  const isOver = ({ toMs, removedBy, fetchedMs }: Downtime): boolean =>
    (toMs !== null && toMs + OVER_KEPT_MS < now) || (removedBy !== undefined && fetchedMs + OVER_KEPT_MS < now);
  return (state.downtimes.get(BY_HAND) ?? []).filter((downtime) => !isOver(downtime));
}

/** The event of one that was entered by hand, or why it is refused. */
export function addDowntime(state: State, { downtime }: AddDowntime, now: number): LedgerEvent[] | XpcsError {
  const { id, toMs } = downtime;
  const known = state.downtimes.get(BY_HAND)?.find((other) => other.id === id);
  // Its kind is central's word, and another one once it has begun.
  if (known !== undefined)
    return sameWords(known, { ...downtime, kind: known.kind }) ? [] : new XpcsError("KEY_CONFLICT", `there is a downtime ${id} already`);
  if (toMs !== null && toMs <= now) return new XpcsError("INVALID_ARGUMENT", `a downtime until ${timeText(toMs)} is over already`);
  const others = handMade(state, now);
  if (others.length >= LIMITS.downtimesMax)
    return new XpcsError("OVERLOADED", `there are ${others.length} downtimes by hand: remove some (xpcs site downtime --remove)`);
  return [event(BY_HAND, [...others, downtime], now)];
}

/** The event of one that was removed, or why there is none to remove. */
export function removeDowntime(state: State, { id, person }: RemoveDowntime, now: number): LedgerEvent[] | XpcsError {
  for (const [source, said] of state.downtimes) {
    const found = said.find((downtime) => downtime.id === id);
    if (found === undefined) continue;
    if (found.removedBy !== undefined) return [];
    const left = source === BY_HAND ? handMade(state, now) : said;
    return [
      event(
        source,
        left.map((downtime) => (downtime === found ? { ...found, removedBy: person } : downtime)),
        now,
      ),
    ];
  }
  return new XpcsError("NOT_FOUND", `there is no downtime ${id}: xpcs site downtime shows them`);
}
