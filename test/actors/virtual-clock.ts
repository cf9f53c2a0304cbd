/** A clock that tests own: time passes when they say so, and whatever a timer starts comes to rest before the next one runs. */
import { setImmediate } from "node:timers/promises";
import type { Clock } from "../../src/core/clock.js";

export interface VirtualClock extends Clock {
  /** Lets `ms` pass, timer by timer; stops early, after the timer that made it true, when `until` holds. */
  advance(ms: number, until?: () => boolean): Promise<void>;
}

/** Rounds of the event loop after which what is ready to run has come to rest, real input and output aside. */
const ROUNDS = 5;

/** Lets everything that is ready to run come to rest. */
export async function settle(rounds = ROUNDS): Promise<void> {
  for (let round = 0; round < rounds; round += 1) await setImmediate();
}

/** Of a wait: no clock of a machine can do with less. */
const SHORTEST_MS = 0.001;

interface Pending {
  readonly at: number;
  readonly run: () => void;
}

/** @param rounds how often the event loop turns between two timers: once is enough where everything waits for this clock or a promise */
export function virtualClock(startMs = Date.UTC(2026, 0, 1), rounds = ROUNDS): VirtualClock {
  let now = 0;
  let nextId = 0;
  /** By id, which grows: of two that are due at one time the older is first. */
  const timers = new Map<number, Pending>();
  const takeDue = (end: number): Pending | null => {
    let id = -1;
    let first: Pending | null = null;
    for (const [candidate, timer] of timers) {
      if (timer.at > end || (first !== null && timer.at >= first.at)) continue;
      id = candidate;
      first = timer;
    }
    timers.delete(id);
    return first;
  };
  return {
    nowMs: () => startMs + now,
    monotonicMs: () => now,
    after(delayMs, run) {
      const id = nextId++;
      // What rounding leaves of a wait would be no time at all, again and again.
      timers.set(id, { at: now + (delayMs > 0 ? Math.max(SHORTEST_MS, delayMs) : 0), run });
      return { cancel: () => timers.delete(id) };
    },
    async advance(ms, until) {
      const end = now + ms;
      for (;;) {
        await settle(rounds);
        if (until?.()) return;
        const due = takeDue(end);
        if (due === null) break;
        now = Math.max(now, due.at);
        due.run();
      }
      now = end;
      await settle(rounds);
    },
  };
}
