/**
 * The site with the fewest jobs that wait there, free or not; of several the first by name. The published experiment's policy: it counts what waits, not what
 * runs, and knows nothing of speed, links and sizes.
 */
import { least } from "../least.js";
import type { Policy } from "../policy.js";

export const shortestBacklog: Policy = {
  name: "shortest-backlog",
  choose: (job, sites, nowMs, alike) =>
    least(job, sites, nowMs, alike, {
      of: ({ queued }) => queued,
      says: ({ name, queued }) => `the shortest backlog is that of site ${name}: ${queued} jobs wait there`,
    }),
};
