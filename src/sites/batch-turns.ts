/** Turns: no more of something in a minute than the site's rules allow. */
import { type Clock, sleep } from "../core/clock.js";

const MINUTE_MS = 60_000;

/** Resolves when one more may start, in the order of asking. */
export function createTurns(perMinute: number, clock: Clock): () => Promise<void> {
  const startsMs: number[] = [];
  let last = Promise.resolve();
  const turn = async (): Promise<void> => {
    const oldest = startsMs.length < perMinute ? undefined : startsMs.shift();
    if (oldest !== undefined) {
      const waitMs = oldest + MINUTE_MS - clock.monotonicMs();
      if (waitMs > 0) await sleep(clock, waitMs);
    }
    startsMs.push(clock.monotonicMs());
  };
  return () => {
    last = last.then(turn);
    return last;
  };
}
