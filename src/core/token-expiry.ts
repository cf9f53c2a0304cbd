/** When to warn of a token's end: 12 h and 2 h before it. */
import type { Clock, Timer } from "./clock.js";

const HOUR_MS = 3_600_000;
/** Hours before the end, the latest warning first. */
const WARNINGS_H = [2, 12] as const;

/** The warning that is due when `leftMs` are left: 12 or 2 (hours); null when there is time enough. */
export function warningOfExpiry(leftMs: number): 12 | 2 | null {
  return WARNINGS_H.find((hours) => leftMs <= hours * HOUR_MS) ?? null;
}

/** "1 h 50 min", "45 min": what is left of a token. */
export function timeLeft(leftMs: number): string {
  const minutes = Math.max(0, Math.floor(leftMs / 60_000));
  const hours = Math.floor(minutes / 60);
  return hours === 0 ? `${minutes} min` : `${hours} h ${minutes % 60} min`;
}

/**
 * Calls `warn` 12 h and 2 h before the end, at once for one that is due already.
 *
 * @param expiresInMs from now; null: never
 */
export function beforeExpiry(clock: Clock, expiresInMs: number | null, warn: (leftMs: number) => void): Timer {
  let timer: Timer | null = null;
  if (expiresInMs === null) return { cancel() {} };
  const endMs = clock.monotonicMs() + expiresInMs;
  let given = Number.POSITIVE_INFINITY;
  const look = (): void => {
    const leftMs = endMs - clock.monotonicMs();
    const due = warningOfExpiry(leftMs);
    if (due !== null && due < given) {
      given = due;
      warn(leftMs);
    }
    if (given === 2) return;
    // Timers of more than 24 days fire at once, so a far end is approached in steps.
    const nextMs = leftMs - (due === null ? 12 : 2) * HOUR_MS;
    timer = clock.after(Math.min(Math.max(nextMs, 1), 24 * HOUR_MS), look);
  };
  look();
  return { cancel: () => timer?.cancel() };
}
