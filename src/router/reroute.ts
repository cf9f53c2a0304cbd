/**
 * Which jobs that a site holds and has not begun are better off elsewhere. Pure, like a policy, and asked seldom: the policy says where such a job would go
 * now, and it moves only where that pays for the move by far, because estimates are no promises.
 */
import type { JobId, SiteName } from "../core/job.js";
import { estimateCrossings, estimateRun, usualRunMs } from "./estimates.js";
import { ineligible, needOf, type Policy, plus, type RoutedJob, type RunningJob, type Shared, type SiteLoad } from "./policy.js";

/** A move must gain this share of the answer from where the job is, and at least so long: news, a new lease and the files take some s. */
const GAIN_SHARE = 0.3;
const GAIN_MIN_MS = 5_000;

/** A job whose files a site brings, or has brought, and which waits for a slot there. */
export interface UnbegunJob {
  readonly job: RoutedJob;
  readonly site: SiteName;
  /** What the site took ahead before it: that comes first. */
  readonly before: Shared;
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

const minus = (a: Shared, b: Shared): Shared =>
  plus(a, { slots: -b.slots, cores: -b.cores, memoryGb: -b.memoryGb, gpus: -b.gpus, nodes: -b.nodes });

/** What a job that has outlasted its mean still takes: as long again. */
export function remainingMs(meanMs: number, elapsedMs: number): number {
  return elapsedMs < meanMs ? meanMs - elapsedMs : elapsedMs;
}

/** When a slot is free for a job that waits there behind `before`, ms from now. */
function waitMs({ job, before }: UnbegunJob, site: SiteLoad, runMs: number, sites: readonly SiteLoad[]): number {
  const endOf = ({ app, elapsedMs }: RunningJob) => remainingMs(app === job.app ? runMs : usualRunMs(app, site, sites), elapsedMs);
  const ends = site.running.flatMap((running) => Array.from({ length: needOf(running.resources).slots }, () => endOf(running)));
  while (ends.length < site.slots) ends.push(0);
  ends.sort((a, b) => a - b);
  const place = before.slots + needOf(job.resources).slots - 1;
  return ends[place % site.slots]! + Math.floor(place / site.slots) * runMs;
}

/** From now to the answer of a job that stays where it is; its files are taken to be there. */
function stayMs(held: UnbegunJob, site: SiteLoad, sites: readonly SiteLoad[]): number {
  const run = estimateRun(held.job, site, sites).ms;
  return waitMs(held, site, run, sites) + run + (estimateCrossings(held.job, site, sites).out?.ms ?? 0);
}

/** The same of a job that begins at a site whose slot is free. */
export function beginMs(job: RoutedJob, site: SiteLoad, sites: readonly SiteLoad[]): number {
  const crossings = estimateCrossings(job, site, sites);
  return (crossings.in?.ms ?? 0) + estimateRun(job, site, sites).ms + (crossings.out?.ms ?? 0);
}

const seconds = (ms: number) => `${(ms / 1000).toPrecision(2)} s`;

/** Where the job should go, or null. */
function moveOf(
  held: UnbegunJob,
  sites: readonly SiteLoad[],
  idle: ReadonlyMap<SiteName, number>,
  policy: Policy,
  nowMs: number,
): Move | null {
  const { job, site: from } = held;
  const here = sites.find(({ name }) => name === from);
  // One that is silent hears nothing; its leases run out, and its jobs move then.
  if (here === undefined || !here.up) return null;
  const need = needOf(job.resources);
  const unable = ineligible(job, here, sites);
  if (unable === null && ![...idle].some(([site, slots]) => site !== from && slots >= need.slots)) return null;
  const choice = policy.choose(job, without(sites, from, need), nowMs);
  const to = sites.find(({ name }) => name === choice.site);
  if (to === undefined || to === here) return null;
  const begins = choice.action === "run" && (idle.get(to.name) ?? 0) >= need.slots;
  if (unable !== null) {
    // A site that drains finishes what it has, if nobody else is free for it.
    if (!begins && here.draining !== null) return null;
    return { job: job.id, from, to: to.name, why: unable };
  }
  if (!begins) return null;
  const [stay, go] = [stayMs(held, here, sites), beginMs(job, to, sites)];
  if (stay - go < Math.max(GAIN_MIN_MS, GAIN_SHARE * stay)) return null;
  return {
    job: job.id,
    from,
    to: to.name,
    why: `a free slot of site ${to.name} answers in ${seconds(go)}, site ${from} in ${seconds(stay)}`,
  };
}

function without(sites: readonly SiteLoad[], name: SiteName, need: Shared): SiteLoad[] {
  return sites.map((site) => (site.name === name ? { ...site, queued: site.queued - 1, reserved: minus(site.reserved, need) } : site));
}

/**
 * The moves to make now. Those that wait behind most come first: they gain most.
 *
 * @param held jobs that may move
 * @param idle slots by site that are free and for which nothing else waits
 */
export function planMoves(
  held: readonly UnbegunJob[],
  initial: readonly SiteLoad[],
  idle: ReadonlyMap<SiteName, number>,
  policy: Policy,
  nowMs: number,
  bounds: MoveBounds,
): Move[] {
  const moves: Move[] = [];
  const left = new Map(idle);
  let sites = [...initial];
  const order = [...held].sort((a, b) => b.before.slots - a.before.slots || (a.job.id < b.job.id ? 1 : -1));
  for (const unbegun of order.slice(0, bounds.looked)) {
    if (moves.length >= bounds.moves) break;
    const move = moveOf(unbegun, sites, left, policy, nowMs);
    if (move === null) continue;
    moves.push(move);
    const { app, resources } = unbegun.job;
    const need = needOf(resources);
    left.set(move.to, (left.get(move.to) ?? 0) - need.slots);
    sites = without(sites, move.from, need).map((site) =>
      site.name === move.to ? { ...site, running: [...site.running, { app, elapsedMs: 0, resources }] } : site,
    );
  }
  return moves;
}
