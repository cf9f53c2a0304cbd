/** Each site in turn, as the published comparison's baseline does: the site that was given the fewest jobs, free or not. */
import { busyText, candidates, fits, type Policy } from "../policy.js";

export const roundRobin: Policy = {
  name: "round-robin",
  choose(job, sites) {
    const able = candidates(job, sites);
    if (typeof able === "string") return { action: "wait", site: null, reason: able };
    const turn = [...able].sort((a, b) => a.granted + a.queued - (b.granted + b.queued) || (a.name < b.name ? -1 : 1))[0]!;
    if (fits(job, turn)) {
      return { action: "run", site: turn.name, why: `the turn of site ${turn.name}, which was given ${turn.granted} jobs so far` };
    }
    return { action: "wait", site: turn.name, reason: `the turn of site ${turn.name}, and ${busyText(job, [turn])}` };
  },
};
