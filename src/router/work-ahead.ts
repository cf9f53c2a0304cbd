/**
 * The work that a site has, as a policy sees it: how many jobs, what is free, and when each slot will be. A view is a value: one with another job is
 * made from it, in the time that it takes to copy its slots. Pure.
 */
import type { SiteLearnt } from "../core/learning.js";
import { aloneInMs, remainingMs } from "./estimates.js";
import { hasInAll, needOf, type RoutedJob, type Shared, type SiteFacts, type SiteLoad } from "./policy.js";
import { prospectOf, runMs, type Sized } from "./run-times.js";

/** A job that a site holds. */
export interface HeldJob extends Sized {
  /** When it was given to it, ms since 1970. */
  readonly sinceMs: number;
}

/** Within so many standard deviations a job that takes longer than expected is still one of the usual ones. */
const USUAL_SD = 2;

function minus(a: Shared, b: Shared): Shared {
  return {
    slots: a.slots - b.slots,
    cores: a.cores - b.cores,
    memoryGb: a.memoryGb - b.memoryGb,
    gpus: a.gpus - b.gpus,
    nodes: a.nodes - b.nodes,
  };
}

/** What is expected of a job that runs, from its grant to the end of its run, ms. */
interface Expected {
  readonly ms: number;
  readonly sdMs: number;
}

interface Kept {
  readonly learnt: SiteLearnt;
  readonly bytesPerS: number | undefined;
  readonly of: readonly Expected[];
}

/** From turn to turn the same, where the jobs and what they are expected by are. */
const kept = new WeakMap<readonly HeldJob[], Kept>();

function expectedOf(held: readonly HeldJob[], site: SiteFacts, nowMs: number): readonly Expected[] {
  const before = kept.get(held);
  const bytesPerS = site.links.in?.bytesPerS;
  if (before !== undefined && before.learnt === site.learnt && before.bytesPerS === bytesPerS) return before.of;
  let isLasting = true;
  const of = held.map((job) => {
    const known = prospectOf(job, site, nowMs);
    const ms = runMs(known, job, site);
    const [inMs, inSpread] = [aloneInMs(job, site), site.links.in?.spread ?? 0];
    isLasting &&= known.seen?.isOwn === true && known.weight >= 1;
    return { ms: inMs + ms, sdMs: Math.hypot(inSpread * inMs, known.spread * ms) };
  });
  // What goes by other sites, or fades, is another the next time.
  if (isLasting) kept.set(held, { learnt: site.learnt, bytesPerS, of });
  return of;
}

/** When a job that runs will leave its slots. */
function endMs({ sinceMs }: HeldJob, expected: Expected, nowMs: number): number {
  const elapsedMs = Math.max(0, nowMs - sinceMs);
  const lateMs = elapsedMs - expected.ms;
  return nowMs + (lateMs > 0 && lateMs < USUAL_SD * expected.sdMs ? expected.sdMs / 2 : remainingMs(expected.ms, elapsedMs));
}

/**
 * A job takes the slots that are free first, from when they and its files are there to the end of its run.
 *
 * @param freeAtMs the slots in order, before and after
 */
function take(freeAtMs: number[], slots: number, job: Sized, site: SiteFacts, sinceMs: number, nowMs: number): void {
  const used = Math.min(slots, freeAtMs.length);
  const beginMs = Math.max(freeAtMs[used - 1] ?? nowMs, sinceMs + aloneInMs(job, site), nowMs);
  const end = beginMs + runMs(prospectOf(job, site, nowMs), job, site);
  let at = used;
  for (; at < freeAtMs.length && freeAtMs[at]! <= end; at += 1) freeAtMs[at - used] = freeAtMs[at]!;
  for (let n = at - used; n < at; n += 1) freeAtMs[n] = end;
}

/** What a view says of the work of a site, beside the facts. */
type Work = Pick<SiteLoad, "granted" | "running" | "queued" | "free" | "inboundBytes" | "inboundJobs" | "freeAtMs">;

/** All views have the same fields in the same order, also where one is undefined: the engine reads those many times as fast that are alike. */
function viewOf(site: SiteFacts, { granted, running, queued, free, inboundBytes, inboundJobs, freeAtMs }: Work): SiteLoad {
  const { name, up, pilotOf, submitters, draining, opening, probation, slots, capacity, apps, learnt, common, links } = site;
  const { eventsPerCoreS, pilots } = site;
  const view: { readonly [Field in keyof SiteLoad]-?: SiteLoad[Field] } = {
    name,
    up,
    pilotOf,
    submitters,
    draining,
    opening,
    probation,
    slots,
    capacity,
    apps,
    granted,
    learnt,
    common,
    links,
    eventsPerCoreS,
    pilots,
    running,
    queued,
    free,
    inboundBytes,
    inboundJobs,
    freeAtMs,
  };
  return view;
}

/** Room to sort in, by the number of slots: a new one each time would cost more than the sorting. */
const rooms = new Map<number, Float64Array>();

function roomOf(slots: number): Float64Array {
  const room = rooms.get(slots) ?? new Float64Array(slots);
  rooms.set(slots, room);
  return room;
}

/**
 * A site with what it holds: it runs the oldest, as far as its slots go; the others' files are being brought.
 *
 * @param held oldest first
 */
export function loadOf(site: SiteFacts, held: readonly HeldJob[], nowMs: number): SiteLoad {
  const expected = expectedOf(held, site, nowMs);
  const all = hasInAll(site);
  let [freeSlots, freeCores, freeGb, freeGpus, freeNodes] = [site.slots, all.cores, all.memoryGb, all.gpus, all.nodes];
  let [running, busy] = [0, 0];
  const ends = roomOf(site.slots);
  const rate = site.links.in;
  let [inboundBytes, inboundJobs] = [0, 0];
  for (let at = 0; at < held.length; at += 1) {
    const job = held[at]!;
    if (rate !== null && job.inputBytes !== null && job.inputBytes > 0) {
      const bytes = Math.max(0, job.inputBytes - ((nowMs - job.sinceMs) * rate.bytesPerS) / 1000);
      inboundBytes += bytes;
      inboundJobs += bytes / job.inputBytes;
    }
    const { slots = 1, cores = 0, memoryGb = 0, gpus = 0, nodes = 0 } = job.resources;
    freeSlots -= slots;
    freeCores -= cores;
    freeGb -= memoryGb;
    freeGpus -= gpus;
    freeNodes -= nodes;
    // Those that follow one that waits do so too.
    if (running < at || busy + slots > site.slots) continue;
    running += 1;
    const end = endMs(job, expected[at]!, nowMs);
    for (let n = 0; n < slots; n += 1) ends[busy + n] = end;
    busy += slots;
  }
  for (let n = busy; n < site.slots; n += 1) ends[n] = nowMs;
  ends.sort();
  const freeAtMs: number[] = [];
  for (let n = 0; n < site.slots; n += 1) freeAtMs.push(ends[n]!);
  for (let at = running; at < held.length; at += 1) {
    const job = held[at]!;
    take(freeAtMs, job.resources.slots ?? 1, job, site, job.sinceMs, nowMs);
  }
  const free = { slots: freeSlots, cores: freeCores, memoryGb: freeGb, gpus: freeGpus, nodes: freeNodes };
  return viewOf(site, { granted: site.granted, running, queued: held.length - running, free, inboundBytes, inboundJobs, freeAtMs });
}

/** The site with one more job, which runs there now or waits for its place. */
export function withJob(load: SiteLoad, job: RoutedJob, action: "run" | "wait", nowMs: number): SiteLoad {
  const need = needOf(job.resources);
  const { running, queued, granted, pilots } = load;
  const runs = action === "run";
  const freeAtMs = pilots === undefined ? load.freeAtMs.slice() : load.freeAtMs;
  if (pilots === undefined) take(freeAtMs as number[], need.slots, job, load, nowMs, nowMs);
  return viewOf(load, {
    granted: granted + (runs ? 1 : 0),
    running: running + (runs ? 1 : 0),
    queued: queued + (runs ? 0 : 1),
    free: minus(load.free, need),
    inboundJobs: load.inboundJobs + (load.links.in === null || !job.inputBytes ? 0 : 1),
    inboundBytes: load.inboundBytes + (load.links.in === null ? 0 : (job.inputBytes ?? 0)),
    freeAtMs,
  });
}
