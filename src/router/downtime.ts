/**
 * When a site is there for jobs: its downtimes in force, and the time that is left until the next one against what a job needs there. Pure; the one place
 * that keeps jobs from where they could not end in time.
 */
import type { Downtime } from "../core/downtime.js";
import { spanText, timeText } from "../core/time-text.js";
import { estimateCrossings, estimateRun } from "./estimates.js";
import type { RoutedJob, SiteLoad } from "./policy.js";

export interface Opening {
  /** Why it is closed now; null: it is not. */
  readonly closed: string | null;
  /** Until it closes, ms from now; null: as far as is known it does not. */
  readonly leftMs: number | null;
  /** Why it closes then. */
  readonly next: string | null;
  /** It is a batch job that has only begun: no other will have more time, so an estimate alone keeps no job away. */
  readonly isWhole?: true;
}

/** What is known of a site of which nothing is known. */
export const ALWAYS_OPEN: Opening = { closed: null, leftMs: null, next: null };

const why = ({ kind, text, source }: Downtime): string => `(${[text === "" ? kind : `${kind}: ${text}`, `said by ${source}`].join(", ")})`;

const endOf = ({ toMs }: Downtime): number => toMs ?? Number.POSITIVE_INFINITY;

/** Whether it keeps jobs away at any time. */
function counts({ degraded, removedBy }: Downtime): boolean {
  return degraded === undefined && removedBy === undefined;
}

/** Now and next, by all downtimes of a site. */
export function openingOf(downtimes: readonly Downtime[], nowMs: number): Opening {
  let now: Downtime | null = null;
  let next: Downtime | null = null;
  for (const downtime of downtimes) {
    if (!counts(downtime) || endOf(downtime) <= nowMs) continue;
    if (downtime.fromMs > nowMs) next = next === null || downtime.fromMs < next.fromMs ? downtime : next;
    else if (now === null || endOf(downtime) > endOf(now)) now = downtime;
  }
  if (now !== null) {
    const until = now.toMs === null ? "nobody has said until when" : `until ${timeText(now.toMs)}`;
    return { closed: `is down, ${until} ${why(now)}`, leftMs: 0, next: null };
  }
  if (next === null) return ALWAYS_OPEN;
  return { closed: null, leftMs: next.fromMs - nowMs, next: `goes down at ${timeText(next.fromMs)} ${why(next)}` };
}

/** What a job takes of a site's time once it has a place there, ms: its files' way there and back, and the time that it may run, or is expected to. */
function neededMs(job: RoutedJob, site: SiteLoad, sites: readonly SiteLoad[]): number {
  const { in: stageIn, out: stageOut } = estimateCrossings(job, site, sites);
  const { walltimeS } = job.resources;
  const runMs = walltimeS === undefined ? estimateRun(job, site, sites).ms : 1000 * walltimeS;
  return (stageIn?.ms ?? 0) + runMs + (stageOut?.ms ?? 0);
}

/**
 * Why a downtime keeps this job from this site at present, or null.
 *
 * @param sites all, from which is learned what the job may take
 * @param waitMs until it has a place there
 */
export function closedTo(
  job: RoutedJob,
  site: SiteLoad,
  sites: readonly SiteLoad[],
  waitMs: number = site.pilots?.queueWaitMs ?? 0,
): string | null {
  const { closed, leftMs, next, isWhole } = site.opening ?? ALWAYS_OPEN;
  if (closed !== null) return `site ${site.name} ${closed}`;
  if (leftMs === null || (isWhole && job.resources.walltimeS === undefined)) return null;
  const needMs = waitMs + neededMs(job, site, sites);
  if (needMs <= leftMs) return null;
  return `site ${site.name} ${next}, in ${spanText(leftMs)}, and the job would not end there within ${spanText(needMs)}`;
}
