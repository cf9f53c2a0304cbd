/** Injected time. Everything below the composition roots takes a Clock, so that tests can own time. */

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall clock, ms since 1970 UTC: for records that people read, never for measuring. */
  nowMs(): number;
  /** Monotonic ms: for deadlines and leases. */
  monotonicMs(): number;
  after(delayMs: number, run: () => void): Timer;
}

/** Reason of an abort that only ends a wait: without one each abort makes an error, with a stack. */
export const WOKEN = "woken";

/** Resolves after `delayMs`, or as soon as `signal` is aborted. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const finish = (): void => {
      timer.cancel();
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const timer = clock.after(delayMs, finish);
    signal?.addEventListener("abort", finish);
  });
}
