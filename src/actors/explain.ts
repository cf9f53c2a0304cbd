/** Explains one job: the outlook at each site while it waits, and what was promised and what really was once it was given to one. Reads, decides nothing. */
import type { Explanation, SiteOutlook, StagesMs } from "../core/explanation.js";
import type { Attempt, JobState } from "../core/job.js";
import type { Promised } from "../core/promise.js";
import { keptRatio } from "../ledger/learnt.js";
import { type JobRecord, lastAttempt } from "../ledger/state.js";
import { estimate, stagesOf } from "../router/estimates.js";
import { type RoutedJob, type SiteLoad, whyNot } from "../router/policy.js";
import type { PolicyOf } from "../router/policy-rules.js";
import { routed } from "./dispatch.js";

const allStages = (some: Promised["stagesMs"]): StagesMs => ({ stageIn: 0, allocation: 0, ahead: 0, run: 0, stageOut: 0, ...some });

function outlook(job: RoutedJob, site: SiteLoad, nowMs: number): SiteOutlook {
  const unable = whyNot(job, site, nowMs);
  if (unable !== null) return { site: site.name, unable, ms: null, sdMs: null, stagesMs: allStages({}), runBy: null, runs: 0 };
  const at = estimate(job, site, nowMs);
  return {
    ...{ site: site.name, unable, ms: Math.round(at.ms), sdMs: Math.round(at.sdMs), stagesMs: allStages(stagesOf(at)) },
    ...{ runBy: at.run.by, runs: at.run.count },
  };
}

const ms = (seconds: unknown): number => (typeof seconds === "number" && seconds > 0 ? Math.round(1_000 * seconds) : 0);

function happened(job: JobRecord, attempt: Attempt): Explanation["happened"] {
  if (job.state !== "finished" || job.finishedAt === null) return null;
  const { stageInS, slotWaitS, stageOutS } = job.summary ?? {};
  const stages = { stageIn: ms(stageInS), ahead: ms(slotWaitS), run: Math.round(job.runMs ?? 0), stageOut: ms(stageOutS) };
  const tookMs = job.finishedAt - Date.parse(attempt.startedAt);
  const { promised } = attempt;
  const ratio = promised === undefined ? null : Number(keptRatio(tookMs, promised.ms).toPrecision(3));
  return { ms: tookMs, stagesMs: allStages(stages), ratio };
}

/**
 * @param loads the sites as they are now
 * @param waits what a job that waits is told to wait for
 */
export function explanation(
  job: JobRecord,
  state: JobState,
  loads: readonly SiteLoad[],
  policyOf: PolicyOf,
  waits: (job: JobRecord) => string,
  nowMs: number,
): Explanation {
  const policy = policyOf(job.spec);
  const base = { job: job.id, state, policy: policy.name };
  const attempt = lastAttempt(job);
  if (job.state === "ready" || job.state === "awaiting-parents") {
    const question = routed(job, nowMs);
    const { site } = policy.choose(question, loads, nowMs);
    const sites = loads.map((load) => outlook(question, load, nowMs));
    return { ...base, site, why: waits(job), sites, promised: null, happened: null };
  }
  if (attempt === undefined)
    return { ...base, site: null, why: job.reason ?? "no site has had it", sites: [], promised: null, happened: null };
  const { promised } = attempt;
  return {
    ...base,
    site: attempt.site,
    why: job.why ?? "",
    sites: [],
    promised: promised === undefined ? null : { ...promised, stagesMs: allStages(promised.stagesMs), next: promised.next ?? null },
    happened: happened(job, attempt),
  };
}
