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

/** Resolves after `delayMs`. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve);
  });
}
