/**
 * How long a job would run at a site: from what jobs have shown there, before that from the site's self-test, before that from other sites. Pure; what is worked
 * out for an app and a class of sizes is kept, as it is asked of each waiting job for each site.
 */
import {
  FRESH_MS,
  nominalBytes,
  type RunsLearnt,
  runsOf,
  type SiteLearnt,
  sizeClass,
  spreadOf,
  UNSIZED,
  weightOf,
} from "../core/learning.js";
import type { RoutedJob, SiteFacts } from "./policy.js";

/** Run time to assume while nothing has been measured anywhere, ms: only its being equal for all sites matters. */
const UNKNOWN_RUN_MS = 10_000;
/** Of a photon in a sparse detector file (Rigaku has 8, IMM 6). Frames that are stored whole have more photons, and each costs less. */
const EVENT_BYTES = 8;
/** The app of which a self-test tells. */
const TESTED_APP = "xpcs.corr";
/** Spread of what was not measured by jobs, as a share of it. */
export const UNTRIED_SPREAD = 0.5;
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

type Classes = Readonly<Record<string, RunsLearnt>>;

/** Of the classes the nearest in size; for a job of unknown size the one with most runs. */
function nearest(classes: Classes, name: string): string {
  const names = Object.keys(classes);
  const worse = (one: string): number => {
    if (name === UNSIZED) return -classes[one]!.ms.count;
    return one === UNSIZED ? Number.MAX_VALUE : Math.abs(Number(one) - Number(name));
  };
  return names.reduce((best, one) => (worse(one) < worse(best) ? one : best));
}

/** What runs of an app tell of jobs of a class, whatever their very size. */
export interface Seen {
  /** The class that they are of. */
  readonly name: string;
  readonly learnt: RunsLearnt;
  /** It is the one that was asked for. */
  readonly isOwn: boolean;
  /** Size that the class stands for, bytes; null: none. */
  readonly nominal: number | null;
  /** Of one run, as a share of the mean. */
  readonly spread: number;
}

/** From question to question the same, until more is learnt. */
const known = new WeakMap<Classes, Map<string, Seen>>();

/** What runs of its app tell of a job, or null without any. */
function seenOf(from: SiteLearnt, { app, inputBytes }: Sized): Seen | null {
  const classes = runsOf(from, app);
  if (classes === undefined) return null;
  let byClass = known.get(classes);
  if (byClass === undefined) {
    byClass = new Map();
    known.set(classes, byClass);
  }
  const wanted = sizeClass(inputBytes);
  const before = byClass.get(wanted);
  if (before !== undefined) return before;
  const name = classes[wanted] === undefined ? nearest(classes, wanted) : wanted;
  const learnt = classes[name]!;
  const spread = learnt.ms.mean === 0 ? 0 : Math.min(1, spreadOf(learnt.ms) / learnt.ms.mean);
  const seen = { name, learnt, isOwn: name === wanted, nominal: nominalBytes(name), spread };
  byClass.set(wanted, seen);
  return seen;
}

/** Run time of one of a class of which the mean is known, for a job of this size: within a class times go with the size. */
function scaled(meanMs: number, nominal: number | null, inputBytes: number | null): number {
  return nominal === null || inputBytes === null ? meanMs : (meanMs * inputBytes) / nominal;
}

const testsTell = ({ app, inputBytes }: Sized, { eventsPerCoreS }: SiteFacts): boolean =>
  app === TESTED_APP && inputBytes !== null && eventsPerCoreS !== null;

/** What is known before the site has shown anything. */
function foreseenMs(job: Sized, site: SiteFacts): number {
  if (testsTell(job, site)) return (1000 * job.inputBytes!) / EVENT_BYTES / (site.eventsPerCoreS! * coresOf(job, site));
  const seen = seenOf(site.common, job);
  return seen === null ? UNKNOWN_RUN_MS : scaled(seen.learnt.ms.mean, seen.nominal, job.inputBytes);
}

/** By what the site has shown of jobs of another size, and by how much longer or shorter this size takes at all sites. */
function otherSizeMs({ app, inputBytes }: Sized, site: SiteFacts, { name, learnt, nominal }: Seen): number {
  const classes = runsOf(site.common, app);
  const wanted = sizeClass(inputBytes);
  const [there, here] = [classes?.[wanted], classes?.[name]];
  if (there === undefined || here === undefined || here.ms.mean === 0) return scaled(learnt.ms.mean, nominal, inputBytes);
  return (scaled(there.ms.mean, nominalBytes(wanted), inputBytes) * learnt.ms.mean) / here.ms.mean;
}

/** What is known now of jobs of an app and class at a site, whatever their very size. */
export interface Prospect {
  /** Null: the site has shown none. */
  readonly seen: Seen | null;
  /** What that is worth now, in recent runs. */
  readonly weight: number;
  /** Standard deviation, as a share of the run time. */
  readonly spread: number;
  /** How much shorter it may really be, as a share of it. */
  readonly doubt: number;
  /** What one makes, bytes; null: not known. */
  readonly resultBytes: number | null;
  /** Where recent runs of the very class tell all: their mean for the size that it stands for, ms, and that size; else NaN. */
  readonly meanMs: number;
  readonly nominal: number | null;
}

function prospect(job: Sized, { learnt, common }: SiteFacts, nowMs: number): Prospect {
  const seen = seenOf(learnt, job);
  const resultBytes = (seen?.learnt.resultBytes ?? seenOf(common, job)?.learnt.resultBytes)?.mean ?? null;
  if (seen === null)
    return { seen, weight: 0, spread: UNTRIED_SPREAD, doubt: OPTIMISM_SHARE, resultBytes, meanMs: Number.NaN, nominal: null };
  const weight = weightOf(seen.learnt.ms, nowMs);
  const spread = seen.isOwn ? seen.spread : Math.max(seen.spread, UNTRIED_SPREAD);
  const meanMs = seen.isOwn && weight >= 1 ? seen.learnt.ms.mean : Number.NaN;
  return { seen, weight, spread, doubt: Math.min(OPTIMISM_SHARE, spread / Math.sqrt(weight)), resultBytes, meanMs, nominal: seen.nominal };
}

interface KeptProspect {
  readonly as: Prospect;
  /** When it was worked out. */
  readonly atMs: number;
  /** Until then it is the same; before `atMs`: only then. */
  readonly untilMs: number;
  /** It goes by these. */
  readonly learnt: SiteLearnt;
  readonly common: SiteLearnt | null;
}

/** Of a site, by app and class. Views of it that are made of one another, with one more job each, have their links in common. */
const prospects = new WeakMap<SiteFacts["links"], Map<string, Map<string, KeptProspect>>>();

/** Asked for each job and site, so it is kept as long as it is the same. */
export function prospectOf(job: Sized, site: SiteFacts, nowMs: number): Prospect {
  const { learnt, common, links } = site;
  let byApp = prospects.get(links);
  if (byApp === undefined) {
    byApp = new Map();
    prospects.set(links, byApp);
  }
  let byClass = byApp.get(job.app);
  if (byClass === undefined) {
    byClass = new Map();
    byApp.set(job.app, byClass);
  }
  const name = sizeClass(job.inputBytes);
  const kept = byClass.get(name);
  if (
    kept !== undefined &&
    kept.learnt === learnt &&
    (kept.common === null || kept.common === common) &&
    (kept.atMs === nowMs || (kept.atMs < nowMs && nowMs < kept.untilMs))
  )
    return kept.as;
  const as = prospect(job, site, nowMs);
  const { seen } = as;
  const isOwn = seen?.learnt.resultBytes !== undefined;
  const untilMs = seen === null ? Number.POSITIVE_INFINITY : seen.learnt.ms.at + FRESH_MS;
  byClass.set(name, { as, atMs: nowMs, untilMs, learnt, common: isOwn ? null : common });
  return as;
}

/** Run time of a job at a site, ms. What was seen there fades when nothing new is seen, and gives way to what was known before. */
export function runMs({ seen, weight, meanMs, nominal }: Prospect, job: Sized, site: SiteFacts): number {
  if (!Number.isNaN(meanMs)) return scaled(meanMs, nominal, job.inputBytes);
  if (seen === null) return foreseenMs(job, site);
  const ms = seen.isOwn ? scaled(seen.learnt.ms.mean, seen.nominal, job.inputBytes) : otherSizeMs(job, site, seen);
  return weight < 1 ? weight * ms + (1 - weight) * foreseenMs(job, site) : ms;
}

/** The same with all that is told of it. @param ms as `runMs` has it */
export function runEstimate({ seen, weight, spread, doubt }: Prospect, ms: number, job: Sized, site: SiteFacts): RunEstimate {
  const [sdMs, doubtMs] = [spread * ms, doubt * ms];
  if (seen !== null) return { ms, sdMs, by: "runs", isOwn: seen.isOwn && weight >= 1, count: seen.learnt.ms.count, doubtMs };
  const byOthers = seenOf(site.common, job) === null ? "nothing" : "other sites";
  return { ms, sdMs, by: testsTell(job, site) ? "self-test" : byOthers, isOwn: false, count: 0, doubtMs };
}

/** Run time of a job of this app and size at a site. */
export function estimateRun(job: Sized, site: SiteFacts, nowMs: number): RunEstimate {
  const known = prospectOf(job, site, nowMs);
  return runEstimate(known, runMs(known, job, site), job, site);
}
