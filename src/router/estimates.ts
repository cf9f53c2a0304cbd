/**
 * How long the stages of a job take at a site: from what jobs have shown there, before that from the site's self-test, before that from other sites. Pure.
 */
import type { RoutedJob, SiteLoad } from "./policy.js";

/** Run time to assume while nothing has been measured anywhere, ms: only its being equal for all sites matters. */
const UNKNOWN_RUN_MS = 10_000;
/** Of a photon in a sparse detector file (Rigaku has 8, IMM 6). Frames that are stored whole have more photons, and each costs less. */
const EVENT_BYTES = 8;
/** The app of which a self-test tells. */
const TESTED_APP = "xpcs.corr";

export interface RunEstimate {
  readonly ms: number;
  readonly by: "runs" | "self-test" | "other sites" | "nothing";
  /** Runs behind it, of `by` runs. */
  readonly count: number;
}

/** Mean over all sites of what was measured for `app`, or null. */
function commonRunMs(app: string, sites: readonly SiteLoad[]): number | null {
  let count = 0;
  let totalMs = 0;
  for (const { runs } of sites) {
    const run = runs[app];
    if (run === undefined) continue;
    count += run.count;
    totalMs += run.count * run.meanMs;
  }
  return count === 0 ? null : totalMs / count;
}

/** Threads that it gets there: those that it asks for, else its slots' share of the cores. */
function coresOf({ resources }: RoutedJob, { capacity, slots, pilots }: SiteLoad): number {
  return resources.cores || Math.max(1, Math.floor((capacity?.cores ?? 1) / (pilots?.slotsEach ?? slots))) * (resources.slots ?? 1);
}

/** Run time of an app at a site, for a job of unknown size, ms. */
export function usualRunMs(app: string, site: SiteLoad, sites: readonly SiteLoad[]): number {
  return site.runs[app]?.meanMs ?? commonRunMs(app, sites) ?? UNKNOWN_RUN_MS;
}

/** Run time of a job of this app and size at a site. */
export function estimateRun(job: RoutedJob, site: SiteLoad, sites: readonly SiteLoad[]): RunEstimate {
  const run = site.runs[job.app];
  if (run !== undefined) return { ms: run.meanMs, by: "runs", count: run.count };
  if (job.app === TESTED_APP && job.inputBytes !== null && site.eventsPerCoreS !== null) {
    const events = job.inputBytes / EVENT_BYTES;
    return { ms: (1000 * events) / (site.eventsPerCoreS * coresOf(job, site)), by: "self-test", count: 0 };
  }
  const common = commonRunMs(job.app, sites);
  return common === null ? { ms: UNKNOWN_RUN_MS, by: "nothing", count: 0 } : { ms: common, by: "other sites", count: 0 };
}

/** Mean size of the results of an app: at this site, else at any; null: none is known. */
function resultBytes(app: string, site: SiteLoad, sites: readonly SiteLoad[]): number | null {
  const sizeAt = ({ runs }: SiteLoad) => runs[app]?.resultBytes ?? null;
  const own = sizeAt(site);
  if (own !== null) return own;
  const known = sites.map(sizeAt).filter((bytes) => bytes !== null);
  return known.length === 0 ? null : known.reduce((sum, bytes) => sum + bytes, 0) / known.length;
}

export interface Crossing {
  readonly ms: number;
  readonly bytes: number;
  /** The rate is that of the self-test: no job's files have crossed yet. */
  readonly tested: boolean;
}

/** What crosses to a site and back. Null: nothing, or size or rate are not known. */
export function estimateCrossings(
  job: RoutedJob,
  site: SiteLoad,
  sites: readonly SiteLoad[],
): { readonly in: Crossing | null; readonly out: Crossing | null } {
  const crossing = (bytes: number | null, rate: SiteLoad["links"]["in"]): Crossing | null =>
    bytes === null || rate === null ? null : { ms: (1000 * bytes) / rate.bytesPerS, bytes, tested: rate.tested };
  return { in: crossing(job.inputBytes, site.links.in), out: crossing(resultBytes(job.app, site, sites), site.links.out) };
}
