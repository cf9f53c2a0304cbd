/** A clock that tests own: time passes when they say so, and whatever a timer starts comes to rest before the next one runs. */
import { setImmediate } from "node:timers/promises";
import type { Clock } from "../../src/core/clock.js";

export interface VirtualClock extends Clock {
  /** Lets `ms` pass, timer by timer. */
  advance(ms: number): Promise<void>;
}

/** Lets everything that is ready to run come to rest. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 5; round += 1) await setImmediate();
}

export function virtualClock(startMs = Date.UTC(2026, 0, 1)): VirtualClock {
  let now = 0;
  let nextId = 0;
  const timers = new Map<number, { at: number; run: () => void }>();
  return {
    nowMs: () => startMs + now,
    monotonicMs: () => now,
    after(delayMs, run) {
      const id = nextId++;
      timers.set(id, { at: now + Math.max(0, delayMs), run });
      return { cancel: () => timers.delete(id) };
    },
    async advance(ms) {
      const end = now + ms;
      for (;;) {
        await settle();
        const due = [...timers].filter(([, { at }]) => at <= end).sort(([a, x], [b, y]) => x.at - y.at || a - b)[0];
        if (due === undefined) break;
        const [id, { at, run }] = due;
        timers.delete(id);
        now = Math.max(now, at);
        run();
      }
      now = end;
      await settle();
    },
  };
}
