/**
 * Where the job would be answered soonest: the wait for a slot, plus the site's measured mean run time. First cut: no data movement, no
 * allocations to wait for, means without decay. A site without a measurement is taken to be as fast as the others' mean, so it gets tried.
 * A free slot is left idle only where waiting for a busy site gains more than the estimates can be wrong.
 */
import { busyText, candidates, fits, freeFor, needOf, type Policy, type RoutedJob, type RunningJob, type SiteLoad } from "../policy.js";

/** Run time to assume while nothing has been measured anywhere, ms: only its being equal for all sites matters. */
const UNKNOWN_RUN_MS = 10_000;

/** Waiting while a slot is free must gain this share of the answer from the free slot, and at least so long: means are no promises. */
const WAIT_GAIN_SHARE = 0.25;
const WAIT_GAIN_MIN_MS = 1_000;

interface Estimate {
  readonly site: SiteLoad;
  readonly measured: number;
  readonly runMs: number;
  readonly waitMs: number;
  /** It could begin there at once. */
  readonly isFree: boolean;
}

/** Mean over all sites of what was measured for `app`. */
function commonRunMs(app: string, sites: readonly SiteLoad[]): number {
  let count = 0;
  let totalMs = 0;
  for (const { runs } of sites) {
    const run = runs[app];
    if (run === undefined) continue;
    count += run.count;
    totalMs += run.count * run.meanMs;
  }
  return count === 0 ? UNKNOWN_RUN_MS : totalMs / count;
}

/** A job that has outlasted the mean is none of the usual ones: expect it to need as long again as it has run. */
function remainingMs(meanMs: number, elapsedMs: number): number {
  return elapsedMs < meanMs ? meanMs - elapsedMs : elapsedMs;
}

/**
 * When a slot is free for this job, ms from now: the running jobs end first, then those queued ahead take the slots in turn. A queued job
 * is taken to run as long as this one, so whole rounds of them move every slot by the same time.
 */
function waitForSlotMs(job: RoutedJob, site: SiteLoad, runMs: number, sites: readonly SiteLoad[]): number {
  const endOf = ({ app, elapsedMs }: RunningJob) => remainingMs(site.runs[app]?.meanMs ?? commonRunMs(app, sites), elapsedMs);
  const ends = site.running.flatMap((running) => Array.from({ length: needOf(running.resources).slots }, () => endOf(running)));
  while (ends.length < site.slots) ends.push(0);
  ends.sort((a, b) => a - b);
  // The last of the slots that it needs.
  const place = site.reserved.slots + needOf(job.resources).slots - 1;
  return ends[place % site.slots]! + Math.floor(place / site.slots) * runMs;
}

function estimate(job: RoutedJob, site: SiteLoad, sites: readonly SiteLoad[]): Estimate {
  const run = site.runs[job.app];
  const runMs = run?.meanMs ?? commonRunMs(job.app, sites);
  return { site, measured: run?.count ?? 0, runMs, isFree: fits(job, site), waitMs: waitForSlotMs(job, site, runMs, sites) };
}

const seconds = (ms: number) => `${(ms / 1000).toPrecision(2)} s`;

function describe({ site, measured, runMs, waitMs, isFree }: Estimate): string {
  const run = measured === 0 ? "run time not measured yet" : `${seconds(runMs)} mean of ${measured} run${measured === 1 ? "" : "s"}`;
  const wait = isFree ? `${freeFor(site).slots} of ${site.slots} slots free` : `a slot in ${seconds(waitMs)}`;
  return `${site.name} (${wait}, ${run})`;
}

function sooner(a: Estimate, b: Estimate): number {
  const byTime = a.waitMs + a.runMs - (b.waitMs + b.runMs);
  if (byTime !== 0) return byTime;
  const byFree = freeFor(b.site).slots - freeFor(a.site).slots;
  if (byFree !== 0) return byFree;
  return a.site.name < b.site.name ? -1 : 1;
}

const answerMs = ({ waitMs, runMs }: Estimate) => waitMs + runMs;

function whyHere(job: RoutedJob, chosen: Estimate, ranked: readonly Estimate[]): string {
  if (job.site !== null) return `pinned to site ${job.site}`;
  const best = ranked[0]!;
  if (best !== chosen) return `a free slot at ${describe(chosen)}: waiting for ${describe(best)} would not gain enough`;
  const next = ranked[1];
  return next === undefined ? `only ${describe(best)} can run it now` : `soonest at ${describe(best)}, before ${describe(next)}`;
}

export const soonest: Policy = {
  name: "soonest",
  choose(job, sites) {
    const able = candidates(job, sites);
    if (typeof able === "string") return { action: "wait", site: null, reason: able };
    const ranked = able.map((site) => estimate(job, site, sites)).sort(sooner);
    const best = ranked[0]!;
    const free = ranked.find(({ isFree }) => isFree);
    if (free === undefined) {
      const ahead = best.site.queued > 0 ? `, ${best.site.queued} ahead` : "";
      return { action: "wait", site: best.site.name, reason: `${busyText(job, able)}; soonest at ${describe(best)}${ahead}` };
    }
    const gainMs = answerMs(free) - answerMs(best);
    if (gainMs >= Math.max(WAIT_GAIN_MIN_MS, WAIT_GAIN_SHARE * answerMs(free))) {
      const reason = `a slot of ${describe(best)} answers ${seconds(gainMs)} sooner than ${describe(free)}`;
      return { action: "wait", site: best.site.name, reason };
    }
    return { action: "run", site: free.site.name, why: whyHere(job, free, ranked) };
  },
};
