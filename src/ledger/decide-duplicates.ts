/**
 * The rules of a duplicate: a second attempt beside one that runs, under an epoch of its own. Either may complete, the first does, and the other is over. Before one
 * makes its result visible it claims the job, and then it is the only one: whatever holds of a single attempt holds of it. Pure, like decide.ts.
 */
import { XpcsError } from "../core/errors.js";
import type { JobId, SiteName } from "../core/job.js";
import type { LeaseRef } from "../core/protocols.js";
import type { LedgerEvent } from "./events.js";
import { holdsLease } from "./holds-lease.js";
import { type JobRecord, runningAttempts, type State } from "./state.js";

export interface Duplicate {
  readonly type: "duplicate";
  readonly job: JobId;
  readonly site: SiteName;
  readonly why: string;
}

/** An attempt has its result, and is about to make it visible. */
export interface Claim {
  readonly type: "claim";
  readonly lease: LeaseRef;
  readonly site: SiteName;
}

/** Why the job cannot run at `site` too, or null: one attempt of it runs, somewhere else, and none was ever a duplicate. */
export function noDuplicate(job: JobRecord, site: SiteName): string | null {
  const running = runningAttempts(job);
  if (running.length !== 1) return `${running.length} attempts of job ${job.id} run`;
  if (job.cancelRequested) return `job ${job.id} is being canceled`;
  if (running[0]!.site === site) return `job ${job.id} runs at site ${site} already`;
  if (job.attempts.some(({ duplicate }) => duplicate === true)) return `job ${job.id} was duplicated before`;
  return null;
}

/** Gives a job that runs to a second site. NOT_FOUND · REFUSED it does not run, runs twice, or did. */
export function duplicate(state: State, { job: id, site: name, why }: Duplicate, now: number): readonly LedgerEvent[] | XpcsError {
  const job = state.jobs.get(id);
  if (job === undefined) return new XpcsError("NOT_FOUND", `there is no job ${id}`);
  const site = state.sites.get(name);
  if (site?.present !== true) return new XpcsError("REFUSED", `site ${name} is not there`);
  const refusal = noDuplicate(job, name);
  if (refusal !== null) return new XpcsError("REFUSED", refusal);
  return [{ type: "leased", at: now, job: id, epoch: job.epoch + 1, site: name, instance: site.instance, why, duplicate: true }];
}

/** Ends the others. Of a lease that is not held there is nothing to claim; who asks is told so elsewhere. */
export function claim(state: State, { lease, site }: Claim, now: number): readonly LedgerEvent[] {
  const job = state.jobs.get(lease.job);
  if (job === undefined || job.cancelRequested || !holdsLease(job, site, lease)) return [];
  const reason = `attempt ${lease.epoch} at site ${site} had its result first`;
  return runningAttempts(job).flatMap(({ epoch }): LedgerEvent[] =>
    epoch === lease.epoch
      ? []
      : [{ type: "attemptEnded", at: now, job: job.id, epoch, outcome: "canceled", code: null, reason, next: "other", notBefore: 0 }],
  );
}
