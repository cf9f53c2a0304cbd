/**
 * Which jobs that a site holds and has not begun are better off elsewhere. Pure, like a policy, and asked seldom: the policy says where such a job would go
 * now, and it moves only where that pays for the move by far, because estimates are no promises.
 */
import type { JobId, SiteName } from "../core/job.js";
import { closesTooSoon } from "./downtime.js";
import { estimate } from "./estimates.js";
import { seconds } from "./figures.js";
import { ineligible, needOf, type Policy, plus, type RoutedJob, type SiteLoad } from "./policy.js";
import { withJob } from "./work-ahead.js";

/** A move must gain this share of the answer from where the job is, and at least so long: news, a new lease and the files take some s. */
const GAIN_SHARE = 0.3;
const GAIN_MIN_MS = 5_000;

/** A job whose files a site brings, or has brought, and which waits for a slot there. */
export interface UnbegunJob {
  readonly id: JobId;
  readonly job: RoutedJob;
  readonly site: SiteName;
  readonly policy: Policy;
  /** Slots that what it took before leaves; below 0: so many are lacking. */
  readonly freeSlots: number;
  /** The site with what it took before this one, which comes first. Worked out for those that are looked at. */
  readonly ahead: () => SiteLoad;
}

export interface Move {
  readonly job: JobId;
  readonly from: SiteName;
  readonly to: SiteName;
  readonly why: string;
}

export interface MoveBounds {
  /** Jobs that are looked at. */
  readonly looked: number;
  readonly moves: number;
}

/** From now to the answer of a job that stays where it is; its files are taken to be there. */
function stayMs(job: RoutedJob, ahead: SiteLoad, nowMs: number): number {
  const { aheadMs, run, stageOut } = estimate(job, ahead, nowMs);
  return aheadMs + run.ms + (stageOut?.ms ?? 0);
}

/** The same of a job that begins at a site whose slot is free. */
export function beginMs(job: RoutedJob, site: SiteLoad, nowMs: number): number {
  const { stageIn, run, stageOut } = estimate(job, site, nowMs);
  return (stageIn?.ms ?? 0) + run.ms + (stageOut?.ms ?? 0);
}

/** Where the job should go, or null. */
function moveOf(held: UnbegunJob, sites: readonly SiteLoad[], idle: ReadonlyMap<SiteName, number>, nowMs: number): Move | null {
  const { job, site: from, policy } = held;
  const here = sites.find(({ name }) => name === from);
  // One that is silent hears nothing; its leases run out, and its jobs move then.
  if (here === undefined || !here.up) return null;
  const need = needOf(job.resources);
  const isElsewhere = [...idle].some(([site, slots]) => site !== from && slots >= need.slots);
  const closes = here.opening !== undefined && here.opening.leftMs !== null;
  const barred = ineligible(job, here);
  if (barred === null && !closes && !isElsewhere) return null;
  const ahead = held.ahead();
  const unable = barred ?? closesTooSoon(job, ahead, nowMs);
  if (unable === null && !isElsewhere) return null;
  const stay = unable === null ? stayMs(job, ahead, nowMs) : Number.NaN;
  const least = Math.max(GAIN_MIN_MS, GAIN_SHARE * stay);
  const gains = (site: SiteLoad) => stay - beginMs(job, site, nowMs) >= least;
  // The policy is not asked where no site that is idle would gain enough.
  if (unable === null && !sites.some((site) => site !== here && (idle.get(site.name) ?? 0) >= need.slots && gains(site))) return null;
  const without = sites.map((site) => (site === here ? ahead : site));
  const choice = policy.choose(job, without, nowMs);
  const to = sites.find(({ name }) => name === choice.site);
  if (to === undefined || to === here) return null;
  const begins = choice.action === "run" && (idle.get(to.name) ?? 0) >= need.slots;
  if (unable !== null) {
    // A site that drains finishes what it has, if nobody else is free for it.
    if (!begins && here.draining !== null) return null;
    return { job: job.id, from, to: to.name, why: unable };
  }
  if (!begins || !gains(to)) return null;
  return {
    job: job.id,
    from,
    to: to.name,
    why: `a free slot of site ${to.name} answers in ${seconds(beginMs(job, to, nowMs))}, site ${from} in ${seconds(stay)}`,
  };
}

/** Those that wait behind most come first: they gain most. */
export function comesFirst(a: Pick<UnbegunJob, "id" | "freeSlots">, b: Pick<UnbegunJob, "id" | "freeSlots">): number {
  return a.freeSlots - b.freeSlots || (a.id < b.id ? 1 : -1);
}

/**
 * The moves to make now.
 *
 * @param held jobs that may move
 * @param idle slots by site that are free and for which nothing else waits
 */
export function planMoves(
  held: readonly UnbegunJob[],
  initial: readonly SiteLoad[],
  idle: ReadonlyMap<SiteName, number>,
  nowMs: number,
  bounds: MoveBounds,
): Move[] {
  const moves: Move[] = [];
  const left = new Map(idle);
  let sites = [...initial];
  const order = [...held].sort(comesFirst);
  for (const unbegun of order.slice(0, bounds.looked)) {
    if (moves.length >= bounds.moves) break;
    const move = moveOf(unbegun, sites, left, nowMs);
    if (move === null) continue;
    moves.push(move);
    const need = needOf(unbegun.job.resources);
    left.set(move.to, (left.get(move.to) ?? 0) - need.slots);
    sites = sites.map((site) => {
      if (site.name === move.to) return withJob(site, unbegun.job, "run", nowMs);
      return site.name === move.from ? { ...site, queued: site.queued - 1, free: plus(site.free, need) } : site;
    });
  }
  return moves;
}
