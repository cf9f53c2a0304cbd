/**
 * Which running jobs get a second attempt at another site, the first answer of which wins. Pure. Only for slots that nothing else wants; it pays near a deadline, or where an
 * attempt takes far longer than such jobs do.
 */
import type { JobId, SiteName } from "../core/job.js";
import { remainingMs } from "./estimates.js";
import { seconds } from "./figures.js";
import { needOf, type Policy, type RoutedJob, type SiteLoad } from "./policy.js";
import { beginMs } from "./reroute.js";
import { estimateRun } from "./run-times.js";
import { withJob } from "./work-ahead.js";

export interface DuplicateRules {
  /** `late`: a job whose answer is expected after its deadline. `stragglers`: also one that takes much longer than expected. */
  readonly when: "never" | "late" | "stragglers";
  /** A straggler has taken so many times what was expected, and at least so long. */
  readonly times: number;
  readonly leastMs: number;
}

export const DUPLICATE_RULES: DuplicateRules = { when: "late", times: 3, leastMs: 30_000 };

/** Running jobs that are looked at in one round. */
const LOOKED_MAX = 512;

/** The second attempt must answer in this share of the time that the first is expected to take still. */
const GAIN_SHARE = 0.7;

/** A job of which one attempt runs. */
export interface RunningAttempt {
  readonly job: RoutedJob;
  readonly policy: Policy;
  readonly site: SiteName;
  /** Since it was given to the site. */
  readonly elapsedMs: number;
  /** When it should have its answer, ms since 1970; null: no deadline. */
  readonly dueMs: number | null;
}

export interface Duplication {
  readonly job: JobId;
  readonly site: SiteName;
  readonly why: string;
}

/** Why it should run a second time, as far as the first attempt goes; null: it should not. */
function reasonOf({ elapsedMs, dueMs }: RunningAttempt, usualMs: number, rules: DuplicateRules, nowMs: number): string | null {
  const leftMs = remainingMs(usualMs, elapsedMs);
  if (dueMs !== null && nowMs + leftMs > dueMs) return `its answer is expected ${seconds(nowMs + leftMs - dueMs)} after its deadline`;
  if (rules.when !== "stragglers" || elapsedMs < Math.max(rules.leastMs, rules.times * usualMs)) return null;
  return `it has taken ${seconds(elapsedMs)}, and ${seconds(usualMs)} were expected`;
}

/**
 * The second attempts to begin now; those with the earliest deadline first, then the oldest.
 *
 * @param running jobs that may run twice
 * @param idle slots by site that are free and for which nothing else waits
 * @param most how many at most
 */
export function planDuplicates(
  running: readonly RunningAttempt[],
  sites: readonly SiteLoad[],
  idle: ReadonlyMap<SiteName, number>,
  nowMs: number,
  rules: DuplicateRules,
  most: number,
): Duplication[] {
  const planned: Duplication[] = [];
  const left = new Map(idle);
  let loads = sites;
  const due = ({ dueMs }: RunningAttempt) => dueMs ?? Number.POSITIVE_INFINITY;
  const order = [...running].sort((a, b) => (due(a) === due(b) ? b.elapsedMs - a.elapsedMs : due(a) - due(b)));
  for (const attempt of order.slice(0, LOOKED_MAX)) {
    if (planned.length >= most || ![...left.values()].some((slots) => slots > 0)) break;
    const here = sites.find(({ name }) => name === attempt.site);
    // What nobody has measured cannot be late.
    if (here === undefined || estimateRun(attempt.job, here, nowMs).by === "nothing") continue;
    const usualMs = beginMs(attempt.job, here, nowMs);
    const reason = reasonOf(attempt, usualMs, rules, nowMs);
    if (reason === null) continue;
    const job = { ...attempt.job, refusedBy: [...attempt.job.refusedBy, attempt.site] };
    const choice = attempt.policy.choose(job, loads, nowMs);
    const to = choice.action === "run" ? loads.find(({ name }) => name === choice.site) : undefined;
    const need = needOf(job.resources).slots;
    if (to === undefined || (left.get(to.name) ?? 0) < need) continue;
    const goMs = beginMs(job, to, nowMs);
    if (goMs > GAIN_SHARE * remainingMs(usualMs, attempt.elapsedMs)) continue;
    left.set(to.name, left.get(to.name)! - need);
    // The next one sees this one there.
    loads = loads.map((load) => (load === to ? withJob(load, job, "run", nowMs) : load));
    planned.push({ job: job.id, site: to.name, why: `${reason}; site ${to.name} is idle and answers in ${seconds(goMs)}` });
  }
  return planned;
}
