/**
 * Which jobs that a site holds and has not begun are better off elsewhere. Pure, like a policy, and asked seldom: the policy says where such a job would go
 * now, and it moves only where that pays for the move by far, because estimates are no promises.
 */
import type { JobId, SiteName } from "../core/job.js";
import { closesTooSoon } from "./downtime.js";
import { estimate, stageInMs } from "./estimates.js";
import { seconds } from "./figures.js";
import { ineligible, needOf, type Policy, plus, type RoutedJob, type SiteLoad } from "./policy.js";
import { withJob } from "./work-ahead.js";

/** A move must gain this share of the answer from where the job is, and at least so long: news, a new lease and the files take some s. */
const GAIN_SHARE = 0.3;
const GAIN_MIN_MS = 5_000;
/** Files come slowly that need so many times still as files to that site are expected to take from the beginning: the others' pace was known when it was chosen. */
const LATE_TIMES = 1.5;
/** They must be at another site sooner by this share of the time that they need still. */
const LATE_GAIN_SHARE = 0.4;

/** A job whose files a site brings, or has brought, and which waits for a slot there. */
export interface UnbegunJob {
  readonly id: JobId;
  readonly job: RoutedJob;
  readonly site: SiteName;
  readonly policy: Policy;
  /** Slots that what it took before leaves; below 0: so many are lacking. */
  readonly freeSlots: number;
  /** Until its files are there, ms; 0: they are, or nobody knows. */
  readonly filesInMs: number;
  /** They come slowly. */
  readonly isLate: boolean;
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

/** Slots by site. */
export interface Room {
  /** Free ones, for which nothing else waits. */
  readonly idle: ReadonlyMap<SiteName, number>;
  /** Those for which it asks, also for jobs whose files it brings while others run. */
  readonly asked: ReadonlyMap<SiteName, number>;
}

/** From now to the answer of a job that stays where it is. */
function stayMs({ job, filesInMs }: UnbegunJob, ahead: SiteLoad, nowMs: number): number {
  const { aheadMs, run, stageOut } = estimate(job, ahead, nowMs);
  return Math.max(aheadMs, filesInMs) + run.ms + (stageOut?.ms ?? 0);
}

/** The same of a job that begins at a site whose slot is free. */
export function beginMs(job: RoutedJob, site: SiteLoad, nowMs: number): number {
  const { stageIn, run, stageOut } = estimate(job, site, nowMs);
  return (stageIn?.ms ?? 0) + run.ms + (stageOut?.ms ?? 0);
}

/** Whether files that are at a site in `filesInMs` come slowly there. */
export function comesLate(filesInMs: number, job: Pick<RoutedJob, "inputBytes">, site: SiteLoad): boolean {
  return filesInMs >= GAIN_MIN_MS && filesInMs >= LATE_TIMES * stageInMs(job, site);
}

/** It has been seen how long files take to the site, or that none cross. */
function knowsLink(job: RoutedJob, site: SiteLoad, nowMs: number): boolean {
  return site.links.in === null ? estimate(job, site, nowMs).run.by === "runs" : site.links.in.line !== undefined;
}

/** Where a job should go whose files come so slowly that bringing them to another site pays, or null. */
function lateMove(held: UnbegunJob, here: SiteLoad, sites: readonly SiteLoad[], { asked }: Room, nowMs: number): Move | null {
  const { job, site: from, policy, filesInMs } = held;
  const { slots } = needOf(job.resources);
  const least = Math.max(GAIN_MIN_MS, LATE_GAIN_SHARE * filesInMs);
  const comeSooner = (site: SiteLoad): boolean => filesInMs - stageInMs(job, site) >= least && knowsLink(job, site, nowMs);
  const others = sites.filter((site) => site !== here && (asked.get(site.name) ?? 0) >= slots && comeSooner(site));
  if (others.length === 0) return null;
  const { site: chosen } = policy.choose(job, others, nowMs);
  const to = others.find(({ name }) => name === chosen);
  if (to === undefined) return null;
  const [stay, go] = [stayMs(held, held.ahead(), nowMs), estimate(job, to, nowMs).ms];
  if (stay - go < GAIN_MIN_MS) return null;
  const why = `site ${to.name} answers in ${seconds(go)}, site ${from}, where its files are in ${seconds(filesInMs)}, in ${seconds(stay)}`;
  return { job: job.id, from, to: to.name, why };
}

/** Where the job should go, or null. */
function moveOf(held: UnbegunJob, sites: readonly SiteLoad[], room: Room, nowMs: number): Move | null {
  const { job, site: from, policy } = held;
  const { idle } = room;
  const here = sites.find(({ name }) => name === from);
  // One that is silent hears nothing; its leases run out, and its jobs move then.
  if (here === undefined || !here.up) return null;
  const late = held.isLate ? lateMove(held, here, sites, room, nowMs) : null;
  const need = needOf(job.resources);
  if (late !== null || held.freeSlots >= need.slots) return late;
  const isElsewhere = [...idle].some(([site, slots]) => site !== from && slots >= need.slots);
  const closes = here.opening !== undefined && here.opening.leftMs !== null;
  const barred = ineligible(job, here);
  if (barred === null && !closes && !isElsewhere) return null;
  const ahead = held.ahead();
  const unable = barred ?? closesTooSoon(job, ahead, nowMs);
  if (unable === null && !isElsewhere) return null;
  const stay = unable === null ? stayMs(held, ahead, nowMs) : Number.NaN;
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

type Order = Pick<UnbegunJob, "id" | "freeSlots" | "filesInMs" | "isLate">;

const lateMs = ({ isLate, filesInMs }: Order): number => (isLate ? filesInMs : 0);

/** Those whose slow files are farthest, then those that wait behind most, come first: they gain most. */
export function comesFirst(a: Order, b: Order): number {
  return lateMs(b) - lateMs(a) || a.freeSlots - b.freeSlots || (a.id < b.id ? 1 : -1);
}

/**
 * The moves to make now.
 *
 * @param held jobs that may move
 */
export function planMoves(
  held: readonly UnbegunJob[],
  initial: readonly SiteLoad[],
  room: Room,
  nowMs: number,
  bounds: MoveBounds,
): Move[] {
  const moves: Move[] = [];
  const left = { idle: new Map(room.idle), asked: new Map(room.asked) };
  let sites = [...initial];
  const order = [...held].sort(comesFirst);
  for (const unbegun of order.slice(0, bounds.looked)) {
    if (moves.length >= bounds.moves) break;
    const move = moveOf(unbegun, sites, left, nowMs);
    if (move === null) continue;
    moves.push(move);
    const need = needOf(unbegun.job.resources);
    for (const slots of [left.idle, left.asked]) slots.set(move.to, (slots.get(move.to) ?? 0) - need.slots);
    sites = sites.map((site) => {
      if (site.name === move.to) return withJob(site, unbegun.job, "run", nowMs);
      return site.name === move.from ? { ...site, queued: site.queued - 1, free: plus(site.free, need) } : site;
    });
  }
  return moves;
}
