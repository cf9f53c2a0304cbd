/** Keeps a transfer within a bandwidth: who has bytes to move asks, and waits until they may go. */
import { type Clock, sleep } from "../../core/clock.js";

export interface RateLimit {
  /** Resolves when so many bytes may go; undefined: now. */
  take(bytes: number, signal: AbortSignal): Promise<void> | undefined;
}

/** A quarter of a second's bytes may go at once: otherwise each piece would wait for a timer. */
const BURST_S = 0.25;

/** @param mbPerS MB of 10^6 bytes per s; undefined: no bound */
export function createRateLimit(mbPerS: number | undefined, clock: Clock): RateLimit {
  if (mbPerS === undefined) return { take: () => undefined };
  const bytesPerMs = mbPerS * 1_000;
  /** When all bytes that were granted have gone, monotonic ms. */
  let freeMs = clock.monotonicMs();
  return {
    take(bytes, signal) {
      const nowMs = clock.monotonicMs();
      freeMs = Math.max(freeMs, nowMs - BURST_S * 1_000) + bytes / bytesPerMs;
      return freeMs > nowMs ? sleep(clock, freeMs - nowMs, signal) : undefined;
    },
  };
}
