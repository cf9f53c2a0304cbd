/** Times on the clock of a place, as ms since 1970. */

const PARTS = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" } as const;
const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone) ?? new Intl.DateTimeFormat("en-US", { timeZone: zone, hourCycle: "h23", era: "short", ...PARTS });
  formats.set(zone, known);
  return known;
}

/** Whether there is a zone of that name, as `America/Chicago`. */
export function isZone(zone: string): boolean {
  try {
    formatOf(zone);
    return true;
  } catch {
    return false;
  }
}

/** What the clock there shows at a moment, as if it were UTC, ms. */
function shownMs(ms: number, zone: string): number {
  const parts = Object.fromEntries(
    formatOf(zone)
      .formatToParts(ms)
      .map(({ type, value }) => [type, Number(value)]),
  );
  return Date.UTC(parts.year!, parts.month! - 1, parts.day, parts.hour, parts.minute, parts.second);
}

/**
 * The moment at which the clock of `zone` shows a time. One that is shown twice, when summer time ends, is the first of both; one that is skipped is as
 * much later.
 *
 * @param text `2026-10-21T06:00:00`, also without seconds or with parts of them, or `2026-10-21`; NaN for another
 */
export function zonedMs(text: string, zone: string): number {
  if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?)?$/.test(text)) return Number.NaN;
  const asUtc = Date.parse(text.includes("T") ? `${text}Z` : `${text}T00:00:00Z`);
  if (Number.isNaN(asUtc)) return Number.NaN;
  const offsetAt = (ms: number): number => shownMs(ms, zone) - Math.floor(ms / 1000) * 1000;
  // The offset before and after any change of the clock that is near.
  const candidates = [asUtc - offsetAt(asUtc - 86_400_000), asUtc - offsetAt(asUtc + 86_400_000)].sort((a, b) => a - b);
  return candidates.find((ms) => offsetAt(ms) === asUtc - ms) ?? candidates.at(-1)!;
}
