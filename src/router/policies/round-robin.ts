/** Each site in turn, as the published comparison's baseline does: the site that was given the fewest jobs, free or not. */
import { least } from "../least.js";
import type { Policy } from "../policy.js";

export const roundRobin: Policy = {
  name: "round-robin",
  choose: (job, sites, nowMs, alike) =>
    least(job, sites, nowMs, alike, {
      of: ({ granted, queued }) => granted + queued,
      says: ({ name, granted }) => `the turn of site ${name}, which was given ${granted} jobs so far`,
    }),
};
