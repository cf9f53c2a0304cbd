/** Which ready jobs are alike: in all that says which sites can have them, and about how long they take. Dispatch asks of a group until nothing but a new site would help. */
import type { SiteName } from "../core/job.js";
import { sizeClass } from "../core/learning.js";
import type { ReadyGroup } from "./ready-queue.js";
import type { JobRecord } from "./state.js";

const NONE: readonly never[] = [];

/** Sites where an attempt of the job failed or was lost. */
export function failedAt({ attempts }: Pick<JobRecord, "attempts">): readonly SiteName[] {
  if (attempts.length === 0) return NONE;
  return [...new Set(attempts.filter(({ outcome }) => outcome === "failed" || outcome === "lost").map(({ site }) => site))];
}

/** The group of a job as it is now. */
export function groupOf(job: JobRecord): ReadyGroup {
  const { work, site = null, resources = {}, inputBytes = null, experiment = null, policy, attemptsMax } = job.spec;
  const { owner = null, refusedBy = NONE, attemptsCounted } = job;
  const isLast = attemptsMax - attemptsCounted === 1;
  const alike = JSON.stringify([owner, experiment, work.app, site, failedAt(job), refusedBy, resources, sizeClass(inputBytes), isLast]);
  return { alike, policy };
}
