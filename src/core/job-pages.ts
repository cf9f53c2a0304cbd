/** Listings longer than a page. */
import type { JobView } from "./job.js";
import { LIMITS } from "./limits.js";
import type { ClientApi, JobQuery } from "./protocols.js";

/** Asks for page after page until `limit` jobs are there, or no more exist. */
export async function allPages(ask: ClientApi["jobs"], query: JobQuery, limit = Number.POSITIVE_INFINITY): Promise<JobView[]> {
  const found: JobView[] = [];
  let after: string | undefined;
  do {
    const page = await ask({
      ...query,
      limit: Math.min(limit - found.length, LIMITS.pageJobsMax),
      ...(after === undefined ? {} : { after }),
    });
    found.push(...page.jobs);
    after = page.next ?? undefined;
  } while (after !== undefined && found.length < limit);
  return found;
}
