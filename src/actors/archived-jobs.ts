/** The archive as clients list it: newest first, every job looked at, so a page looks at so many and no more. Those
 * that are asked for by their ids are looked up. */
import { experimentOf, type JobId, type JobView } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { JobQuery } from "../core/protocols.js";
import { type JobRecord, lastSite } from "../ledger/state.js";
import type { Central } from "./central.js";
import { archivedView } from "./views.js";

type Filter = Omit<JobQuery, "limit" | "archived" | "after">;

/** True when all that is asked for holds. */
function matches(job: JobRecord, filter: Filter): boolean {
  const same = <T>(wanted: T | undefined, has: T) => wanted === undefined || wanted === has;
  const { spec, submittedAt } = job;
  return (
    same(filter.experiment, experimentOf(spec)) &&
    same(filter.app, spec.work.app) &&
    same(filter.site, lastSite(job) ?? "") &&
    same(filter.owner, job.owner) &&
    (filter.ids?.includes(job.id) ?? true) &&
    (filter.states?.some((state) => state === job.state) ?? true) &&
    (filter.parent === undefined || (spec.parents?.includes(filter.parent) ?? false)) &&
    Object.entries(filter.tags ?? {}).every(([key, value]) => spec.tags[key] === value) &&
    (filter.submittedAfter === undefined || submittedAt >= Date.parse(filter.submittedAfter)) &&
    (filter.submittedBefore === undefined || submittedAt < Date.parse(filter.submittedBefore))
  );
}

/** Jobs that are asked for by their ids, newest first; of the archive alone. */
function namedJobs({ ledger, state }: Central, ids: readonly JobId[], before: JobId | undefined): JobRecord[] {
  const wanted = [...new Set(ids)].filter((id) => !state.jobs.has(id) && (before === undefined || id < before));
  return wanted
    .sort()
    .reverse()
    .flatMap((id) => ledger.archivedJob(id) ?? []);
}

/** One page of the archive. It may be short, or empty, and have others after it. */
export async function archivedPage(central: Central, query: JobQuery): Promise<{ jobs: JobView[]; next: string | null }> {
  const { limit = LIMITS.pageJobsMax, after, ...filter } = query;
  // What was archived before this call is in the store then.
  const chosen = await central.turn(() => filter.ids && namedJobs(central, filter.ids, after));
  const views: JobView[] = [];
  let bytes = 0;
  let looked = 0;
  let last: string | null = null;
  for await (const job of chosen ?? central.ledger.archivedJobs(after)) {
    if (looked >= LIMITS.archiveScanMax) return { jobs: views, next: last };
    if (matches(job, filter)) {
      const view = archivedView(job);
      bytes += JSON.stringify(view).length;
      if (views.length > 0 && (views.length >= limit || bytes > LIMITS.pageBytesMax)) return { jobs: views, next: last };
      views.push(view);
    }
    looked += 1;
    last = job.id;
  }
  return { jobs: views, next: null };
}
