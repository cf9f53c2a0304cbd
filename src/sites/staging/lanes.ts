/** At most so many at a time; the rest wait in order. */
import { XpcsError } from "../../core/errors.js";

export interface Lanes {
  /** @param signal ends the wait @throws CANCELED it was aborted first · what `work` throws */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** @param count at a time */
export function lanes(count: number): Lanes {
  let free = count;
  const waiting: (() => void)[] = [];
  const turnOf = (signal: AbortSignal | undefined): Promise<void> =>
    new Promise((resolve, reject) => {
      const leave = (): void => {
        waiting.splice(waiting.indexOf(go), 1);
        reject(new XpcsError("CANCELED", "it was stopped while it waited for its turn"));
      };
      const go = (): void => {
        signal?.removeEventListener("abort", leave);
        resolve();
      };
      waiting.push(go);
      signal?.addEventListener("abort", leave, { once: true });
      if (signal?.aborted) leave();
    });
  return {
    async run(work, signal) {
      if (free > 0) free -= 1;
      else await turnOf(signal);
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next === undefined) free += 1;
        else next();
      }
    },
  };
}
