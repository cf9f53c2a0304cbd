/**
 * When a site is there for jobs: its downtimes in force, and the time that is left until the next one against what a job needs there. Pure; the one place
 * that keeps jobs from where they could not end in time.
 */
import type { Downtime } from "../core/downtime.js";
import { spanText, timeText } from "../core/time-text.js";
import { estimate } from "./estimates.js";
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

/** Why a downtime that is in force keeps jobs from this site, or null. */
export function closedNow({ name, opening = ALWAYS_OPEN }: SiteLoad): string | null {
  return opening.closed === null ? null : `site ${name} ${opening.closed}`;
}

/** Why this job would not end at this site before the next downtime, if it were given to it now; null: it would. */
export function closesTooSoon(job: RoutedJob, site: SiteLoad, nowMs: number): string | null {
  const { leftMs, next, isWhole } = site.opening ?? ALWAYS_OPEN;
  const { walltimeS } = job.resources;
  if (leftMs === null || (isWhole && walltimeS === undefined)) return null;
  const { ms, run } = estimate(job, site, nowMs);
  // What a job says that it may take counts in place of what is expected.
  const needMs = walltimeS === undefined ? ms : ms - run.ms + 1000 * walltimeS;
  if (needMs <= leftMs) return null;
  return `site ${site.name} ${next}, in ${spanText(leftMs)}, and the job would not end there within ${spanText(needMs)}`;
}
