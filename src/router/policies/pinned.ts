/** Where the job says, and nowhere else: for a central whose users choose themselves. Of the pilots of a site the one that is free first. */
import { least } from "../least.js";
import type { Policy } from "../policy.js";

export const pinned: Policy = {
  name: "pinned",
  choose(job, sites, nowMs, alike) {
    if (job.site === null)
      return { action: "wait", site: null, why: () => "it names no site, and the policy pinned chooses none: xpcs modify --site" };
    const { site } = job;
    return least(job, sites, nowMs, alike, { of: ({ freeAtMs }) => freeAtMs[0] ?? 0, says: () => `pinned to site ${site}` });
  },
};
