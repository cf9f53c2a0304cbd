/** The pause that an HTTP answer asks for. */

/** A server that asks for a longer pause is asked after this all the same. */
const PAUSE_MAX_MS = 15 * 60_000;

/** Retry-After in ms: seconds, or a date (RFC 9110). Null: it says nothing. */
export function pauseMs(header: string | undefined, nowMs: number): number | null {
  if (header === undefined) return null;
  const ms = /^\d{1,9}$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isNaN(ms) ? null : Math.min(PAUSE_MAX_MS, Math.max(0, ms));
}
