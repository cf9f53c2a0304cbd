/** Whose a job is at present: who holds a lease, and who may go on with one that had expired. */
import type { SiteName } from "../core/job.js";
import type { LeaseRef } from "../core/protocols.js";
import { attemptOf, type JobRecord } from "./state.js";

/** True when `site` holds exactly this lease. */
export function holdsLease(job: JobRecord, site: SiteName, { epoch }: LeaseRef): boolean {
  const attempt = job.state === "leased" ? attemptOf(job, epoch) : undefined;
  return attempt?.outcome === "running" && attempt.site === site;
}

/** True when this lease expired, by which the job became ready, and the job was not granted again: the site may go on with it. */
export function canResume(job: JobRecord, site: SiteName, { epoch }: LeaseRef): boolean {
  if (job.state !== "ready") return false;
  const attempt = attemptOf(job, epoch);
  // Before there were duplicates the last one was the only one that could have been.
  const isIt = job.resumable === undefined ? job.epoch === epoch : job.resumable === epoch;
  return isIt && attempt?.site === site && attempt.outcome === "lost";
}
