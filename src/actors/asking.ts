/** What sites ask for at present; and of those that ask for nothing, because the files of others are on their way, when they will again. */
import type { SiteName } from "../core/job.js";
import type { State } from "../ledger/state.js";
import { besideInMs } from "../router/estimates.js";
import type { SiteFacts } from "../router/policy.js";
import type { Room } from "../router/reroute.js";
import type { TermsBySite } from "./lease-terms.js";
import type { Sites } from "./presence.js";
import { heldAt } from "./site-loads.js";

export interface Asking extends Room {
  /** Slots by site for which a dispatch may give it jobs. */
  readonly slots: ReadonlyMap<SiteName, number>;
  /** How many of those are for jobs whose files it brings while others run. */
  readonly ahead: ReadonlyMap<SiteName, number>;
  /** Jobs that a site takes at most; absent: as many as fit. */
  readonly jobsMax: ReadonlyMap<SiteName, number>;
}

/** @param freeSlots slots of a site that no lease takes; below 0 where it brings files ahead */
export function askingOf(sites: Sites, freeSlots: (site: SiteName) => number): Asking {
  const of = () => new Map<SiteName, number>();
  const [idle, asked, slots, ahead, jobsMax] = [of(), of(), of(), of(), of()];
  for (const [name, { waiter, links, prefetch }] of sites.entries()) {
    if (waiter === null || links === 0) continue;
    const free = freeSlots(name);
    const most = Math.min(waiter.slots, free + prefetch);
    if (most > 0) slots.set(name, most);
    ahead.set(name, Math.min(most, prefetch));
    if (waiter.jobsMax !== undefined) jobsMax.set(name, waiter.jobsMax);
    const jobs = Math.min(most, waiter.jobsMax ?? most);
    idle.set(name, Math.min(jobs, free));
    asked.set(name, jobs);
  }
  return { idle, asked, slots, ahead, jobsMax };
}

/** Files of which nobody has told when they will be there are not taken to be there at once. */
const SOON_MS = 2_000;

/** Until the first of the files that a site brings are there, and it can bring others, ms; 0: it can now. */
export function filesWaitMs(
  state: State,
  sites: Sites,
  terms: TermsBySite,
  site: Pick<SiteFacts, "name" | "links">,
  nowMs: number,
  monotonicMs: number,
): number {
  if (sites.get(site.name)?.waiter?.jobsMax !== 0) return 0;
  const { records, jobs, epochs } = heldAt(state, site.name);
  let least = Number.POSITIVE_INFINITY;
  for (const [at, { id }] of records.entries()) {
    const term = terms.get(id, epochs[at]!, site.name);
    if (term?.phase !== "staged-in") continue;
    const { filesAtMs } = term;
    const job = jobs[at]!;
    if (filesAtMs === undefined) least = Math.min(least, Math.max(SOON_MS, besideInMs(job, site, 0) - (nowMs - job.sinceMs)));
    else if (filesAtMs > monotonicMs) least = Math.min(least, filesAtMs - monotonicMs);
  }
  return least === Number.POSITIVE_INFINITY ? 0 : least;
}
