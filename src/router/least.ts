/** Policies that take, of the sites that can have the job, the one with the least of something: whether it is free, or the job waits for it. */
import { type Alike, ableAt, busyText, type Choice, fits, type RoutedJob, type SiteLoad, whyNone } from "./policy.js";

export interface Measure {
  readonly of: (site: SiteLoad) => number;
  /** Why this one, as a sentence's beginning. */
  readonly says: (site: SiteLoad) => string;
}

/** The first by name of those that have the least. */
export function least(job: RoutedJob, sites: readonly SiteLoad[], nowMs: number, alike: Alike | undefined, { of, says }: Measure): Choice {
  const able = ableAt(job, sites, nowMs, alike ?? {}, false);
  if (able.length === 0) return { action: "wait", site: null, why: () => whyNone(job, sites, nowMs, false) };
  // They are sorted by name.
  let best = sites[able[0]!]!;
  let leastSoFar = of(best);
  for (let nth = 1; nth < able.length; nth += 1) {
    const site = sites[able[nth]!]!;
    const measured = of(site);
    if (measured < leastSoFar) [best, leastSoFar] = [site, measured];
  }
  if (fits(job, best)) return { action: "run", site: best.name, why: () => says(best) };
  return { action: "wait", site: best.name, why: () => `${says(best)}, and ${busyText(job, [best])}` };
}
