/** What is told of a run with a policy: counts, times to answer, use of the sites, bytes. Pure. */
import type { SiteName } from "../core/job.js";
import type { SiteModel } from "./shift.js";
import { quantileOf, type Tally } from "./tally.js";

export interface SiteFigures {
  readonly site: SiteName;
  readonly slots: number;
  readonly jobs: number;
  /** Slots that ran something, over those that were there, from the first submission to the last answer; null: it was not there. */
  readonly utilisation: number | null;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export interface RunFigures {
  readonly policy: string;
  readonly jobs: number;
  readonly finished: number;
  readonly failed: number;
  /** Jobs that had not ended when nothing could happen any more. */
  readonly left: number;
  readonly lostAttempts: number;
  /** From the first submission to the last answer, s. */
  readonly wholeS: number;
  readonly jobsPerMin: number;
  /** From a job's submission to its answer, s. */
  readonly answerMedianS: number;
  readonly answerP95S: number;
  readonly answerMeanS: number;
  /** Of all sites together; null: none was there. */
  readonly utilisation: number | null;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly withDeadline: number;
  /** Of those: answered after it, or not begun before it. */
  readonly deadlineMisses: number;
  /** Mean number of jobs under way, as it was, and by Little's law from rate and mean time: the two agree, or the run is wrong. */
  readonly underWay: number;
  readonly underWayByLittle: number;
  readonly sites: readonly SiteFigures[];
}

/** Slots x ms that a site offers from `fromMs` to `untilMs`. */
function offeredMs({ slots, presence }: SiteModel, fromMs: number, untilMs: number): number {
  return presence.reduce((sum, span) => sum + slots * Math.max(0, Math.min(untilMs, span.untilMs) - Math.max(fromMs, span.fromMs)), 0);
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
const ratio = (part: number, whole: number): number | null => (whole > 0 ? part / whole : null);

/** The figures of a run. */
export function figuresOf(policy: string, tally: Tally, models: readonly SiteModel[]): RunFigures {
  const { firstMs, lastMs, submitted, finished, failed, canceled, lost, late, due } = tally;
  const sorted = Float64Array.from(tally.answersMs.values).sort();
  const totalMs = sorted.reduce((sum, value) => sum + value, 0);
  const wholeMs = Math.max(0, lastMs - firstMs);
  const sites = models.map((model): SiteFigures & { busyMs: number; offeredMs: number } => {
    const { jobs = 0, busyMs = 0, bytesIn = 0, bytesOut = 0 } = tally.sites.get(model.name) ?? {};
    const offered = offeredMs(model, firstMs, lastMs);
    const own = { site: model.name, slots: model.slots, jobs, utilisation: ratio(busyMs, offered), bytesIn, bytesOut };
    return { ...own, busyMs, offeredMs: offered };
  });
  return {
    policy,
    jobs: submitted,
    finished,
    failed,
    left: submitted - finished - failed - canceled,
    lostAttempts: lost,
    wholeS: wholeMs / 1_000,
    jobsPerMin: wholeMs > 0 ? finished / (wholeMs / 60_000) : Number.NaN,
    answerMedianS: quantileOf(sorted, 0.5) / 1_000,
    answerP95S: quantileOf(sorted, 0.95) / 1_000,
    answerMeanS: totalMs / finished / 1_000,
    utilisation: ratio(sumOf(sites.map(({ busyMs }) => busyMs)), sumOf(sites.map((site) => site.offeredMs))),
    bytesIn: sumOf(sites.map(({ bytesIn }) => bytesIn)),
    bytesOut: sumOf(sites.map(({ bytesOut }) => bytesOut)),
    withDeadline: due,
    deadlineMisses: late,
    underWay: tally.underWayMs / wholeMs,
    underWayByLittle: totalMs / wholeMs,
    sites: sites.map(({ busyMs: _busyMs, offeredMs: _offeredMs, ...site }) => site),
  };
}
