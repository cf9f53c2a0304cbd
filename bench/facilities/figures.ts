/** What is told of a facility: medians of its jobs' times, and how well its slots were used, by Little's law. Pure. */
import type { SiteName } from "../../src/core/job.js";
import { spreadOf } from "../judge.js";
import { type FinishedJob, runSpan, type Span, type Story } from "./story.js";

/** Of the jobs that finished at one facility, or at all; times in s are medians. */
export interface Figures {
  readonly name: string;
  readonly jobs: number;
  /** From the submission to the lease under which it finished. */
  readonly queueWaitS: number;
  readonly stageInS: number;
  /** Its files are there, and it waits for a slot. */
  readonly delayS: number;
  readonly runS: number;
  readonly stageOutS: number;
  /** From the submission until central has the result. */
  readonly totalS: number;
  readonly jobsPerMin: number;
  /** Mean number of jobs that ran, over the whole time: finished jobs per second x mean run time. */
  readonly running: number;
  /** Mean number of slots, over the whole time. */
  readonly slots: number;
  /** `running / slots`; null: it had none. */
  readonly utilisation: number | null;
  /** The same over the time in which jobs waited for a site. */
  readonly utilisationInBacklog: number | null;
}

/** How much of `span` lies in `windows`, which do not overlap, ms. */
export function within([fromMs, untilMs]: Span, windows: readonly Span[]): number {
  return windows.reduce((sum, [begin, end]) => sum + Math.max(0, Math.min(untilMs, end) - Math.max(fromMs, begin)), 0);
}

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
const ratio = (part: number, whole: number): number | null => (whole > 0 ? part / whole : null);
const median = (jobs: readonly FinishedJob[], of: (job: FinishedJob) => number): number =>
  jobs.length === 0 ? Number.NaN : spreadOf(jobs.map(of)).median;

/** @param has which sites are of it: a facility with pilots has several */
export function figuresOf(name: string, { finished, slots, backlog, whole }: Story, has: (site: SiteName) => boolean): Figures {
  const jobs = finished.filter(({ site }) => has(site));
  const offered = slots.filter(({ site }) => has(site));
  const wholeMs = whole[1] - whole[0];
  const runMs = (windows: readonly Span[]) => sum(jobs.map((job) => within(runSpan(job), windows)));
  const slotMs = (windows: readonly Span[]) => sum(offered.map((offer) => offer.slots * within(offer.span, windows)));
  const meanRunS = jobs.length === 0 ? 0 : sum(jobs.map(({ runS }) => runS)) / jobs.length;
  const running = (1000 * jobs.length * meanRunS) / wholeMs;
  const meanSlots = slotMs([whole]) / wholeMs;
  return {
    name,
    jobs: jobs.length,
    queueWaitS: median(jobs, ({ submittedMs, leasedMs }) => (leasedMs - submittedMs) / 1000),
    stageInS: median(jobs, ({ stageInS }) => stageInS),
    delayS: median(jobs, ({ delayS }) => delayS),
    runS: median(jobs, ({ runS }) => runS),
    stageOutS: median(jobs, ({ stageOutS }) => stageOutS),
    totalS: median(jobs, ({ submittedMs, finishedMs }) => (finishedMs - submittedMs) / 1000),
    jobsPerMin: (60_000 * jobs.length) / wholeMs,
    running,
    slots: meanSlots,
    utilisation: ratio(running, meanSlots),
    utilisationInBacklog: ratio(runMs(backlog), slotMs(backlog)),
  };
}

/** The script of a batch job of a pilot began. */
export interface PilotStart {
  readonly site: SiteName;
  readonly atMs: number;
}

/**
 * From the begin of each pilot's script until the first work of it that finished, s. Pilots that began when no job waited are left out, and those of whose
 * first work nothing is known.
 */
export function firstRunsS(starts: readonly PilotStart[], { finished, backlog }: Story): number[] {
  return starts.flatMap(({ site, atMs }) => {
    const next = starts.filter((other) => other.site === site && other.atMs > atMs).map((other) => other.atMs);
    const endMs = Math.min(Number.POSITIVE_INFINITY, ...next);
    const jobs = finished.filter((job) => job.site === site && job.leasedMs >= atMs && job.leasedMs < endMs);
    const waited = backlog.some(([begin, end]) => begin <= atMs && atMs < end);
    if (!waited || jobs.length === 0) return [];
    return [(Math.min(...jobs.map((job) => runSpan(job)[0])) - atMs) / 1000];
  });
}
