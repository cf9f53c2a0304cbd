/**
 * Where the job would be answered soonest: the wait for a slot, or for its files, whichever is longer, plus run time, plus the way back of the result
 * (estimates.ts). Where pilots are still to begin, the wait is that of the queue. First cut: means without decay. A site without a measurement is taken to be as fast as the others' mean, so it
 * gets tried. A free slot is left idle only where waiting for a busy site gains more than the estimates can be wrong.
 */

import { closedTo } from "../downtime.js";
import { type Crossing, estimateCrossings, estimateRun, type RunEstimate, usualRunMs } from "../estimates.js";
import { busyText, candidates, fits, freeFor, needOf, type Policy, type RoutedJob, type RunningJob, type SiteLoad } from "../policy.js";

/** Waiting while a slot is free must gain this share of the answer from the free slot, and at least so long: means are no promises. */
const WAIT_GAIN_SHARE = 0.25;
const WAIT_GAIN_MIN_MS = 1_000;

interface Estimate {
  readonly site: SiteLoad;
  readonly run: RunEstimate;
  readonly stageIn: Crossing | null;
  readonly stageOut: Crossing | null;
  readonly waitMs: number;
  /** It could begin there at once. */
  readonly isFree: boolean;
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
  // The last of the slots that it needs.
  const place = site.reserved.slots + needOf(job.resources).slots - 1;
  if (site.pilots !== undefined) {
    const { count, slotsEach, queueWaitMs } = site.pilots;
    // One that has waited longer is taken to wait as long again, so that nobody waits for ever for pilots that do not come.
    return remainingMs(queueWaitMs, job.waitedMs) + Math.floor(place / (count * slotsEach)) * runMs;
  }
  // A job that is like this one is taken to be of its size.
  const known = new Map([[job.app, runMs]]);
  const runOf = (app: string): number => {
    const ms = known.get(app) ?? usualRunMs(app, site, sites);
    known.set(app, ms);
    return ms;
  };
  const endOf = ({ app, elapsedMs }: RunningJob) => remainingMs(runOf(app), elapsedMs);
  const ends = site.running.flatMap((running) => Array.from({ length: needOf(running.resources).slots }, () => endOf(running)));
  while (ends.length < site.slots) ends.push(0);
  ends.sort((a, b) => a - b);
  return ends[place % site.slots]! + Math.floor(place / site.slots) * runMs;
}

function estimate(job: RoutedJob, site: SiteLoad, sites: readonly SiteLoad[]): Estimate {
  const run = estimateRun(job, site, sites);
  const { in: stageIn, out: stageOut } = estimateCrossings(job, site, sites);
  return { site, run, stageIn, stageOut, isFree: fits(job, site), waitMs: waitForSlotMs(job, site, run.ms, sites) };
}

const seconds = (ms: number) => `${(ms / 1000).toPrecision(2)} s`;

function runText({ ms, by, count }: RunEstimate): string {
  if (by === "runs") return `${seconds(ms)} mean of ${count} run${count === 1 ? "" : "s"}`;
  return by === "self-test" ? `${seconds(ms)} by its self-test` : "run time not measured yet";
}

function crossingText(what: string, crossing: Crossing | null): string[] {
  if (crossing === null) return [];
  const { ms, bytes, tested } = crossing;
  return [
    `${seconds(ms)} to ${what} ${bytes < 1e9 ? `${(bytes / 1e6).toPrecision(2)} MB` : `${(bytes / 1e9).toPrecision(2)} GB`}${tested ? " by its self-test" : ""}`,
  ];
}

function describe({ site, run, stageIn, stageOut, waitMs, isFree }: Estimate): string {
  const wait =
    site.pilots !== undefined
      ? `a pilot in ${seconds(waitMs)}`
      : isFree
        ? `${freeFor(site).slots} of ${site.slots} slots free`
        : `a slot in ${seconds(waitMs)}`;
  const parts = [wait, ...crossingText("bring", stageIn), runText(run), ...crossingText("send back", stageOut)];
  return `${site.name} (${parts.join(", ")})`;
}

/** Files come while the job waits for a slot. */
const answerMs = ({ waitMs, run, stageIn, stageOut }: Estimate) => Math.max(waitMs, stageIn?.ms ?? 0) + run.ms + (stageOut?.ms ?? 0);

function sooner(a: Estimate, b: Estimate): number {
  const byTime = answerMs(a) - answerMs(b);
  if (byTime !== 0) return byTime;
  const byFree = freeFor(b.site).slots - freeFor(a.site).slots;
  if (byFree !== 0) return byFree;
  return a.site.name < b.site.name ? -1 : 1;
}

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
    const able = candidates(job, sites, true);
    if (typeof able === "string") return { action: "wait", site: null, reason: able };
    const all = able.map((site) => estimate(job, site, sites));
    // A place that is free too late, since the site closes, is none.
    const tooLate = all.map(({ site, waitMs }) => closedTo(job, site, sites, waitMs));
    const ranked = all.filter((_, at) => tooLate[at] === null).sort(sooner);
    const best = ranked[0];
    if (best === undefined) return { action: "wait", site: null, reason: `${busyText(job, able)}; ${tooLate.join("; ")}` };
    const free = ranked.find(({ isFree }) => isFree);
    if (free === undefined) {
      const ahead = best.site.queued > 0 ? `, ${best.site.queued} ahead` : "";
      return { action: "wait", site: best.site.name, reason: `${busyText(job, able)}; soonest at ${describe(best)}${ahead}` };
    }
    const gainMs = answerMs(free) - answerMs(best);
    if (gainMs >= Math.max(WAIT_GAIN_MIN_MS, WAIT_GAIN_SHARE * answerMs(free))) {
      const reason = `a ${best.site.pilots === undefined ? "slot" : "pilot"} of ${describe(best)} answers ${seconds(gainMs)} sooner than ${describe(free)}`;
      return { action: "wait", site: best.site.name, reason };
    }
    return { action: "run", site: free.site.name, why: whyHere(job, free, ranked) };
  },
};
