/** Policies that take, of the sites that can have the job, the one with the least of something: whether it is free, or the job waits for it. */
import { busyText, type Choice, candidates, fits, type RoutedJob, type SiteLoad } from "./policy.js";

export interface Measure {
  readonly of: (site: SiteLoad) => number;
  /** Why this one, as a sentence's beginning. */
  readonly says: (site: SiteLoad) => string;
}

/** The first by name of those that have the least. */
export function least(job: RoutedJob, sites: readonly SiteLoad[], nowMs: number, { of, says }: Measure): Choice {
  const able = candidates(job, sites, nowMs);
  if ("none" in able) return { action: "wait", site: null, why: able.none };
  // They are sorted by name.
  const best = able.reduce((first, site) => (of(site) < of(first) ? site : first));
  if (fits(job, best)) return { action: "run", site: best.name, why: () => says(best) };
  return { action: "wait", site: best.name, why: () => `${says(best)}, and ${busyText(job, [best])}` };
}
