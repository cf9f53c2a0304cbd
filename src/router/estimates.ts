/**
 * When a job would be answered at a site, stage by stage, each with its spread: the one estimate that policies, grants and `xpcs explain` share. From what
 * jobs have shown there, before that from the site's self-test, before that from other sites. Pure.
 */
import { nominalBytes, type RunsLearnt, runsOf, type SiteLearnt, sizeClass, spreadOf, UNSIZED, weightOf } from "../core/learning.js";
import { type Promised, STAGES, type StageName } from "../core/promise.js";
import type { LinkRate, RoutedJob, SiteFacts, SiteLoad } from "./policy.js";

/** Run time to assume while nothing has been measured anywhere, ms: only its being equal for all sites matters. */
const UNKNOWN_RUN_MS = 10_000;
/** Of a photon in a sparse detector file (Rigaku has 8, IMM 6). Frames that are stored whole have more photons, and each costs less. */
const EVENT_BYTES = 8;
/** The app of which a self-test tells. */
const TESTED_APP = "xpcs.corr";
/** Spread of what was not measured by jobs, as a share of it. */
const UNTRIED_SPREAD = 0.5;
/** A site of which little is known is taken to be better than expected by so much of its run time at most: so it gets tried, at a bounded cost. */
const OPTIMISM_SHARE = 0.2;

export interface RunEstimate {
  readonly ms: number;
  /** Standard deviation. */
  readonly sdMs: number;
  readonly by: "runs" | "self-test" | "other sites" | "nothing";
  /** By runs of this site and class alone. */
  readonly isOwn: boolean;
  /** Runs behind it, of `by` runs. */
  readonly count: number;
  /** How much shorter it may really be, as little as is known; 0 where enough was seen of late. */
  readonly doubtMs: number;
}

/** What the estimate goes by of a job that waits, or of one that runs. */
export type Sized = Pick<RoutedJob, "app" | "resources" | "inputBytes">;

/** Threads that it gets there: those that it asks for, else its slots' share of the cores. */
export function coresOf({ resources }: Pick<Sized, "resources">, { capacity, slots, pilots }: SiteFacts): number {
  return resources.cores || Math.max(1, Math.floor((capacity?.cores ?? 1) / (pilots?.slotsEach ?? slots))) * (resources.slots ?? 1);
}

/** Of the classes the nearest in size; for a job of unknown size the one with most runs. */
function nearest(classes: Readonly<Record<string, RunsLearnt>>, name: string): string {
  const names = Object.keys(classes);
  const worse = (one: string): number => {
    if (name === UNSIZED) return -classes[one]!.ms.count;
    return one === UNSIZED ? Number.MAX_VALUE : Math.abs(Number(one) - Number(name));
  };
  return names.reduce((best, one) => (worse(one) < worse(best) ? one : best));
}

interface Seen {
  /** The class that they are of. */
  readonly name: string;
  readonly learnt: RunsLearnt;
  /** Of a job of the size in question. */
  readonly ms: number;
}

/** Of a class, for a job of this size. */
function scaled(name: string, { ms }: RunsLearnt, inputBytes: number | null): number {
  const nominal = nominalBytes(name);
  return nominal === null || inputBytes === null ? ms.mean : (ms.mean * inputBytes) / nominal;
}

/** What runs of an app tell of a job of this size, or null without any. */
function seenOf(from: SiteLearnt, { app, inputBytes }: Sized): Seen | null {
  const classes = runsOf(from, app);
  if (classes === undefined) return null;
  const wanted = sizeClass(inputBytes);
  const name = classes[wanted] === undefined ? nearest(classes, wanted) : wanted;
  const learnt = classes[name]!;
  return { name, learnt, ms: scaled(name, learnt, inputBytes) };
}

/** What is known before the site has shown anything. */
function foreseen(job: Sized, site: SiteFacts): RunEstimate {
  let ms: number;
  let by: RunEstimate["by"] = "self-test";
  if (job.app === TESTED_APP && job.inputBytes !== null && site.eventsPerCoreS !== null)
    ms = (1000 * job.inputBytes) / EVENT_BYTES / (site.eventsPerCoreS * coresOf(job, site));
  else {
    const seen = seenOf(site.common, job);
    ms = seen?.ms ?? UNKNOWN_RUN_MS;
    by = seen === null ? "nothing" : "other sites";
  }
  return { ms, sdMs: UNTRIED_SPREAD * ms, by, isOwn: false, count: 0, doubtMs: OPTIMISM_SHARE * ms };
}

/** By what the site has shown of jobs of another size, and by how much longer or shorter this size takes at all sites. */
function ofOtherSize({ app, inputBytes }: Sized, site: SiteFacts, { name, learnt, ms }: Seen): number {
  const classes = runsOf(site.common, app);
  const wanted = sizeClass(inputBytes);
  const [there, here] = [classes?.[wanted], classes?.[name]];
  if (there === undefined || here === undefined || here.ms.mean === 0) return ms;
  return (scaled(wanted, there, inputBytes) * learnt.ms.mean) / here.ms.mean;
}

/** Run time of a job of this app and size at a site. What was seen there fades when nothing new is seen, and gives way to what was known before. */
export function estimateRun(job: Sized, site: SiteFacts, nowMs: number): RunEstimate {
  const seen = seenOf(site.learnt, job);
  if (seen === null) return foreseen(job, site);
  const { learnt } = seen;
  const isOwn = seen.name === sizeClass(job.inputBytes);
  const weight = weightOf(learnt.ms, nowMs);
  let ms = isOwn ? seen.ms : ofOtherSize(job, site, seen);
  if (weight < 1) ms = weight * ms + (1 - weight) * foreseen(job, site).ms;
  const spread = learnt.ms.mean === 0 ? 0 : Math.min(1, spreadOf(learnt.ms) / learnt.ms.mean);
  const share = isOwn ? spread : Math.max(spread, UNTRIED_SPREAD);
  const doubt = Math.min(OPTIMISM_SHARE, share / Math.sqrt(weight));
  return { ms, sdMs: share * ms, by: "runs", isOwn: isOwn && weight >= 1, count: learnt.ms.count, doubtMs: doubt * ms };
}

/** Files on their way over a link. */
export interface Crossing {
  readonly ms: number;
  readonly sdMs: number;
  readonly bytes: number;
  /** The rate is that of the self-test: no job's files have crossed yet. */
  readonly tested: boolean;
}

/** Null: nothing crosses, or size or rate are not known. */
function crossing(bytes: number | null, rate: LinkRate | null): Crossing | null {
  if (bytes === null || rate === null) return null;
  const ms = (1000 * bytes) / rate.bytesPerS;
  return { ms, sdMs: rate.spread * ms, bytes, tested: rate.tested };
}

/** What crosses to a site, whatever else does. */
export function estimateStageIn({ inputBytes }: Pick<Sized, "inputBytes">, { links }: SiteFacts): Crossing | null {
  return crossing(inputBytes, links.in);
}

/** What crosses to a site beside all that is on its way there. */
function stageInNow(job: RoutedJob, site: SiteLoad): Crossing | null {
  const alone = estimateStageIn(job, site);
  const line = site.links.in?.line;
  if (alone === null || line === undefined) return alone;
  const ms = line.fixedMs + line.msPerByte * (site.inboundBytes + alone.bytes);
  return { ...alone, ms, sdMs: site.links.in!.spread * ms };
}

function resultBytes(job: Sized, { learnt, common }: SiteFacts): number | null {
  return (seenOf(learnt, job)?.learnt.resultBytes ?? seenOf(common, job)?.learnt.resultBytes)?.mean ?? null;
}

/** Stages of an answer at a site. Files come while the job waits for an allocation and for its turn, so the longer of both counts. */
export interface Estimate {
  readonly site: SiteLoad;
  readonly stageIn: Crossing | null;
  /** Until a pilot begins; 0 where none is waited for. */
  readonly allocationMs: number;
  /** Until what runs and is queued there makes room. */
  readonly aheadMs: number;
  readonly run: RunEstimate;
  readonly stageOut: Crossing | null;
  /** From now to the answer. */
  readonly ms: number;
  readonly sdMs: number;
  /** How much later all of those together whose files are on their way there would have theirs. */
  readonly othersMs: number;
}

/** What has outlasted what was expected is none of the usual ones: it is taken to need as long again as it has taken. */
export function remainingMs(expectedMs: number, elapsedMs: number): number {
  return elapsedMs < expectedMs ? expectedMs - elapsedMs : elapsedMs;
}

/** When `job` would be answered at `site`, if it were given to it now. */
export function estimate(job: RoutedJob, site: SiteLoad, nowMs: number): Estimate {
  const run = estimateRun(job, site, nowMs);
  const stageIn = stageInNow(job, site);
  const stageOut = crossing(resultBytes(job, site), site.links.out);
  const { slots = 1 } = job.resources;
  const { pilots, freeAtMs } = site;
  let [allocationMs, aheadMs] = [0, 0];
  if (pilots === undefined) aheadMs = Math.max(0, (freeAtMs[Math.min(slots, freeAtMs.length) - 1] ?? nowMs) - nowMs);
  else {
    // One that has waited longer is taken to wait as long again, so that nobody waits for ever for pilots that do not come.
    allocationMs = remainingMs(pilots.queueWaitMs, job.waitedMs);
    aheadMs = Math.floor((slots - 1 - site.free.slots) / (pilots.count * pilots.slotsEach)) * run.ms;
  }
  const waitMs = allocationMs + aheadMs;
  const inMs = stageIn?.ms ?? 0;
  // The work ahead is of jobs whose run times spread as this one's does.
  const aheadSd = run.ms === 0 ? 0 : (aheadMs * run.sdMs) / run.ms;
  const waitSd = waitMs >= inMs ? Math.hypot(UNTRIED_SPREAD * allocationMs, aheadSd) : (stageIn?.sdMs ?? 0);
  const ms = Math.max(waitMs, inMs) + run.ms + (stageOut?.ms ?? 0);
  const othersMs = site.inboundJobs * (site.links.in?.line?.msPerByte ?? 0) * (stageIn?.bytes ?? 0);
  return { site, stageIn, allocationMs, aheadMs, run, stageOut, ms, sdMs: Math.hypot(waitSd, run.sdMs, stageOut?.sdMs ?? 0), othersMs };
}

/** Runs have shown that it takes longer than the site lets anything run, by more than they spread: it could not finish there. */
export function cannotFinish(job: RoutedJob, site: SiteLoad, nowMs: number): string | null {
  const limitS = site.capacity?.walltimeS ?? null;
  if (limitS === null) return null;
  const { by, ms, sdMs } = estimateRun(job, site, nowMs);
  if (by !== "runs" || ms - 2 * sdMs <= 1000 * limitS) return null;
  return `the job takes about ${Math.round(ms / 1000)} s at site ${site.name}, which allows ${limitS} s`;
}

const STAGE_OF: Readonly<Record<StageName, (at: Estimate) => number>> = {
  stageIn: ({ stageIn }) => stageIn?.ms ?? 0,
  allocation: ({ allocationMs }) => allocationMs,
  ahead: ({ aheadMs }) => aheadMs,
  run: ({ run }) => run.ms,
  stageOut: ({ stageOut }) => stageOut?.ms ?? 0,
};

/** The stages of an estimate that take any time, ms. */
export function stagesOf(at: Estimate): Promised["stagesMs"] {
  const stages = STAGES.map((name) => [name, Math.round(STAGE_OF[name](at))] as const);
  return Object.fromEntries(stages.filter(([, ms]) => ms > 0));
}

/** What is promised when a job is given to a site, with the best of the others beside it. */
export function promiseOf(at: Estimate, next: Estimate | null): Promised {
  return {
    ms: Math.round(at.ms),
    sdMs: Math.round(at.sdMs),
    stagesMs: stagesOf(at),
    ...(next === null ? {} : { next: { site: next.site.name, ms: Math.round(next.ms) } }),
  };
}
