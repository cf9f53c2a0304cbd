/** Which of the jobs that run central gives to a second site as well (src/router/duplicates.ts), from the ledger and from who is connected. */
import type { SiteName } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import { noDuplicate } from "../ledger/decide-duplicates.js";
import { type JobRecord, runningAttempts, type State } from "../ledger/state.js";
import { type DuplicateRules, type Duplication, planDuplicates, type RunningAttempt } from "../router/duplicates.js";
import { routed } from "./dispatch.js";
import type { Sites } from "./presence.js";
import type { Situation } from "./rerouting.js";

/** A job that waits could take a slot at once. */
function somethingWaits({ jobs, ready }: State, nowMs: number): boolean {
  let looked = 0;
  for (const id of ready) {
    looked += 1;
    if (jobs.get(id)!.notBefore <= nowMs || looked >= LIMITS.dispatchScanMax) return true;
  }
  return false;
}

/** The built-in apps of which another run does no harm. Not a stream: it has one source, and a second receiver would be no sooner. */
const REPEATABLE = ["xpcs.corr", "xpcs.noop"];

/** A command may run twice if the site says that it has none of that name which must not. */
export function mayRunTwice(app: string, site: SiteName, sites: Sites): boolean {
  return REPEATABLE.includes(app) || sites.get(site)?.exclusive?.includes(app) === false;
}

function runningAttempt(job: JobRecord, { terms, policyOf, nowMs }: Situation): RunningAttempt | null {
  const [attempt] = runningAttempts(job);
  if (attempt === undefined || noDuplicate(job, "") !== null || terms.get(job.id, attempt.epoch, attempt.site)?.phase !== "running")
    return null;
  const { deadline } = job.spec;
  const elapsedMs = Math.max(0, nowMs - Date.parse(attempt.startedAt));
  const [question, policy] = [routed(job, nowMs), policyOf(job.spec)];
  return { job: question, policy, site: attempt.site, elapsedMs, dueMs: deadline === undefined ? null : Date.parse(deadline) };
}

/** The second attempts to begin now. */
export function duplicatesFor(situation: Situation, sites: Sites, rules: DuplicateRules): Duplication[] {
  const { state, loads, idle, nowMs } = situation;
  if (rules.when === "never" || ![...idle.values()].some((slots) => slots > 0) || somethingWaits(state, nowMs)) return [];
  const running: RunningAttempt[] = [];
  for (const held of state.leased.values()) {
    for (const id of held) {
      const job = state.jobs.get(id)!;
      if (rules.when === "late" && job.spec.deadline === undefined) continue;
      const attempt = runningAttempt(job, situation);
      if (attempt !== null && mayRunTwice(attempt.job.app, attempt.site, sites)) running.push(attempt);
    }
  }
  if (running.length === 0) return [];
  const planned = planDuplicates(running, loads, idle, nowMs, rules, LIMITS.duplicatesMax);
  return planned.filter(({ job, site }) => mayRunTwice(state.jobs.get(job)!.spec.work.app, site, sites));
}
