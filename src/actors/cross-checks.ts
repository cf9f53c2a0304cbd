/** Which finished jobs run again at another site so that their results can be compared, and what follows from it (src/ledger/decide-checks.ts has the rules). */
import type { JobId, Lease } from "../core/job.js";
import { type JobRecord, lastSite } from "../ledger/state.js";
import type { Central } from "./central.js";
import { mayRunTwice } from "./duplicates.js";

export interface CrossCheckRules {
  /** Of the jobs that do not say themselves, 0 to 1. */
  readonly share: number;
  /** A check that no site has begun by then is given up. */
  readonly withinMs: number;
}

export const CROSS_CHECK_RULES: CrossCheckRules = { share: 0, withinMs: 86_400_000 };

/** Where the id falls between 0 and 1: the same at every central, and after a restart. FNV-1a, of 32 bits. */
function placeOf(id: JobId): number {
  let hash = 2_166_136_261;
  for (let at = 0; at < id.length; at += 1) hash = Math.imul(hash ^ id.charCodeAt(at), 16_777_619) >>> 0;
  // The last bytes alone move the low bits: mix them upwards.
  hash = Math.imul(hash ^ (hash >>> 16), 2_246_822_507) >>> 0;
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32;
}

/** Whether its result is to be compared. */
export function wantsCheck({ id, spec }: Pick<JobRecord, "id" | "spec">, { share }: CrossCheckRules): boolean {
  return spec.checkOf === undefined && spec.site === undefined && (spec.crossCheck ?? placeOf(id) < share);
}

/** What a site must know of it when it gets the job. */
export function checkTerms(job: Pick<JobRecord, "id" | "spec">, rules: CrossCheckRules): Pick<Lease, "digest" | "check"> {
  if (job.spec.checkOf !== undefined) return { digest: true, check: true };
  return wantsCheck(job, rules) ? { digest: true } : {};
}

/** Within a turn, after a job has finished: begins a check of it, or compares what it checks. */
export function followChecks(central: Central, id: JobId, rules: CrossCheckRules): void {
  const { state, sites, clock } = central;
  const job = state.jobs.get(id);
  if (job?.state !== "finished" || typeof job.summary?.contentSha256 !== "string") return;
  const begin = (of: JobId) => {
    const check = central.newJobId(clock.nowMs());
    central.execute({ type: "crossCheck", job: of, check, withinMs: rules.withinMs }, state.jobs.get(of)?.owner);
  };
  const { checkOf, work } = job.spec;
  if (checkOf !== undefined) {
    for (const event of central.execute({ type: "compare", check: id })) {
      if (event.type !== "crossChecked" || event.agreed) continue;
      if (event.wrong === null) begin(event.job);
      else if (state.sites.has(event.wrong))
        central.execute({ type: "setProbation", site: event.wrong, reason: `cross-check of job ${event.job}: ${event.reason}` });
    }
  } else if (wantsCheck(job, rules)) {
    const site = lastSite(job);
    if (site !== null && mayRunTwice(work.app, site, sites)) begin(id);
  }
}
