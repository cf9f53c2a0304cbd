/**
 * The site that has finished most jobs of late, as the published experiment is described, among those with a place free: of all of them when none has. Of
 * several the first by name.
 */
import { finishedPerHour } from "../../core/learning.js";
import { figure } from "../figures.js";
import { least } from "../least.js";
import { fits, type Policy, type SiteLoad } from "../policy.js";

export const highestThroughput: Policy = {
  name: "highest-throughput",
  choose(job, sites, nowMs, alike) {
    const rate = ({ learnt }: SiteLoad) => finishedPerHour(learnt.finished, nowMs);
    return least(job, sites, nowMs, alike, {
      // Below 0 with a place free.
      of: (site) => (fits(job, site) ? -1 - rate(site) : 1 / (1 + rate(site))),
      says: (site) => `the highest throughput is that of site ${site.name}: ${figure(rate(site), 3)} jobs an hour of late`,
    });
  },
};
