/** Times and spans as a person reads them in a sentence. */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** `2026-11-22 10:15 UTC`. */
export function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** `12 s`, `5 min`, `3.5 h`, `4 days`. */
export function spanText(ms: number): string {
  if (ms < 2 * MINUTE_MS) return `${Math.max(0, Math.round(ms / 1000))} s`;
  if (ms < 2 * HOUR_MS) return `${Math.round(ms / MINUTE_MS)} min`;
  if (ms < 48 * HOUR_MS) return `${Math.round((10 * ms) / HOUR_MS) / 10} h`;
  return `${Math.round(ms / (24 * HOUR_MS))} days`;
}
