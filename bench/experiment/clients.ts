/**
 * The published agents: a script outside that asks each site for the number of its jobs that wait, then submits a batch to one of them and pins it there.
 * What runs it does not see, nor how fast a site is, and what it has decided it never revises.
 */
import type { JobSpec } from "../../src/core/job.js";
import type { Client, World } from "../../src/replay/world.js";
import { FACILITIES, type Facility } from "./facilities.js";

/** A site that has so many gets none. */
const BACKLOG_MAX = 480;

const pinned = (specs: readonly JobSpec[], site: string): JobSpec[] => specs.map((spec) => ({ ...spec, site }));

/** Jobs that are bound to a site and have not begun there. */
function backlogOf(world: World, site: Facility): number {
  let waiting = world.actor(site)?.waiting ?? 0;
  for (const id of world.state.ready) if (world.state.jobs.get(id)?.spec.site === site) waiting += 1;
  return waiting;
}

/** `sites[submission % n]`; where that is full, the next one. A new one for each run. */
export function roundRobinAgent(): Client {
  let submission = 0;
  return {
    bind(specs, _first, world) {
      for (let tried = 0; tried < FACILITIES.length; tried += 1) {
        const site = FACILITIES[(submission + tried) % FACILITIES.length]!;
        if (backlogOf(world, site) >= BACKLOG_MAX) continue;
        submission += tried + 1;
        return pinned(specs, site);
      }
      submission += 1;
      return pinned(specs, FACILITIES[submission % FACILITIES.length]!);
    },
  };
}

/** The site with the fewest; of equals the first in the list. */
export function shortestBacklogAgent(): Client {
  return {
    bind(specs, _first, world) {
      const backlogs = FACILITIES.map((site) => backlogOf(world, site));
      return pinned(specs, FACILITIES[backlogs.indexOf(Math.min(...backlogs))]!);
    },
  };
}
