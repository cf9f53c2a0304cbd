/**
 * A shift as a central meets it that was there before: some batches, answered long before it begins, have taught it the sites. What the shift itself brings,
 * the same job at the same site and the same transfer at the same moment, is as it is without.
 */
import type { Arrival, LinkModel, Shift, SiteModel } from "../../src/replay/shift.js";

/** The shift begins so long after the first of them, ms: by then what they have taught counts half. A whole number of looks at the transfers. */
export const SHIFT_AFTER_MS = 1_800_000;
const BATCHES = 6;
const PERIOD_MS = 60_000;
/** Jobs of it take other times than those of the shift. */
const PLACES_MAX = 1_000_000;

/**
 * One like `batch` each minute for six minutes; the shift as it was comes `SHIFT_AFTER_MS` after the first.
 *
 * @returns with the number of jobs that came before
 */
export function withHistory(shift: Shift, batch: Arrival): { readonly shift: Shift; readonly jobs: number } {
  const jobs = BATCHES * batch.specs.length;
  const place = (job: number): number => (job < jobs ? PLACES_MAX + job : job - jobs);
  const linkOf = (link: LinkModel): LinkModel => ({
    ...link,
    ...(link.ofTransfer === undefined ? {} : { ofTransfer: (atMs, nth) => link.ofTransfer!(atMs - SHIFT_AFTER_MS, nth) }),
  });
  const sites = shift.sites.map(
    (site): SiteModel => ({
      ...site,
      presence: site.presence.map(({ fromMs, untilMs, leaves }) => ({
        fromMs: fromMs === 0 ? 0 : fromMs + SHIFT_AFTER_MS,
        untilMs: untilMs + SHIFT_AFTER_MS,
        leaves,
      })),
      slower: site.slower.map(({ fromMs, factor }) => ({ fromMs: fromMs + SHIFT_AFTER_MS, factor })),
      link: site.link === null ? null : linkOf(site.link),
      times: (job, spec) => site.times(place(job), spec),
    }),
  );
  function* arrivals(): Generator<Arrival> {
    for (let at = 0; at < BATCHES; at += 1) yield { ...batch, atMs: at * PERIOD_MS };
    const given = shift.arrivals();
    for (let next = given.next(); next.done !== true; next = given.next()) yield { ...next.value, atMs: next.value.atMs + SHIFT_AFTER_MS };
  }
  return { shift: { ...shift, sites, arrivals }, jobs };
}
