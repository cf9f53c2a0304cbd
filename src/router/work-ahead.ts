/**
 * The work that a site has, as a policy sees it: how many jobs, what is free, and when each slot will be. A view is a value: one with another job is
 * made from it, in the time that it takes to copy its slots. Pure.
 */
import type { SiteCapacity } from "../core/job.js";
import { FRESH_MS, type SiteLearnt } from "../core/learning.js";
import { aloneInMs, remainingMs } from "./estimates.js";
import { hasInAll, type RoutedJob, type Shared, type SiteFacts, type SiteLoad } from "./policy.js";
import { type Prospect, prospectOf, runMs, type Sized } from "./run-times.js";

/** A job that a site holds. */
export interface HeldJob extends Sized {
  /** When it was given to it, ms since 1970. */
  readonly sinceMs: number;
}

/** Within so many standard deviations a job that takes longer than expected is still one of the usual ones. */
const USUAL_SD = 2;

/** What jobs that a site holds leave of it. */
interface Room {
  /** Of it in all. */
  readonly slots: number;
  readonly capacity: SiteCapacity | null;
  readonly running: number;
  /** Slots that these take. */
  readonly busy: number;
  readonly free: Shared;
}

/** Of jobs that a site holds, one after the other, ms. */
interface Expected {
  readonly learnt: SiteLearnt;
  readonly bytesPerS: number | undefined;
  readonly bytes: readonly number[];
  readonly sinceMs: readonly number[];
  readonly slots: readonly number[];
  room: Room | null;
  /** Their files, alone on the link. */
  readonly inMs: readonly number[];
  readonly runMs: readonly number[];
  /** Standard deviation of both; not a number: it was not asked for. */
  readonly sdMs: number[];
  /** Places of those that go by other sites, or by what fades: they are others the next time. */
  readonly passing: readonly number[];
  /** Until then none of the others fades. */
  readonly freshUntilMs: number;
}

/** From turn to turn the same, where the jobs and what they are expected by are. */
const kept = new WeakMap<readonly HeldJob[], Expected>();

function expectedOf(held: readonly HeldJob[], site: SiteFacts, nowMs: number): Expected {
  const before = kept.get(held);
  const bytesPerS = site.links.in?.bytesPerS;
  const isSame = before !== undefined && before.learnt === site.learnt && before.bytesPerS === bytesPerS;
  if (isSame && (before.passing.length === 0 || nowMs < before.freshUntilMs)) {
    for (const at of before.passing) {
      (before.runMs as number[])[at] = runMs(prospectOf(held[at]!, site, nowMs), held[at]!, site);
      before.sdMs[at] = Number.NaN;
    }
    return before;
  }
  const [bytes, sinceMs, slots]: [number[], number[], number[]] = [[], [], []];
  const [inMs, ms, sdMs, passing]: [number[], number[], number[], number[]] = [[], [], [], []];
  let freshUntilMs = Number.POSITIVE_INFINITY;
  let [last, known]: [HeldJob | null, Prospect | null] = [null, null];
  for (let at = 0; at < held.length; at += 1) {
    const job = held[at]!;
    // Mostly those of a scan follow one another.
    if (known === null || job.app !== last!.app || job.inputBytes !== last!.inputBytes) known = prospectOf(job, site, nowMs);
    last = job;
    bytes.push(job.inputBytes ?? 0);
    sinceMs.push(job.sinceMs);
    slots.push(job.resources.slots ?? 1);
    inMs.push(aloneInMs(job, site));
    ms.push(runMs(known, job, site));
    sdMs.push(Number.NaN);
    const { seen, weight } = known;
    if (seen?.isOwn === true && weight >= 1) freshUntilMs = Math.min(freshUntilMs, seen.learnt.ms.at + FRESH_MS);
    else passing.push(at);
  }
  const expected = { learnt: site.learnt, bytesPerS, bytes, sinceMs, slots, room: null, inMs, runMs: ms, sdMs, passing, freshUntilMs };
  kept.set(held, expected);
  return expected;
}

/** When a job that runs, the one at a place, will leave its slots. */
function endMs(held: readonly HeldJob[], at: number, expected: Expected, site: SiteFacts, nowMs: number): number {
  const { sinceMs, inMs, runMs: ownMs, sdMs } = expected;
  const elapsedMs = Math.max(0, nowMs - sinceMs[at]!);
  const expectedMs = inMs[at]! + ownMs[at]!;
  const lateMs = elapsedMs - expectedMs;
  if (lateMs > 0) {
    if (Number.isNaN(sdMs[at]!))
      sdMs[at] = Math.hypot((site.links.in?.spread ?? 0) * inMs[at]!, prospectOf(held[at]!, site, nowMs).spread * ownMs[at]!);
    if (lateMs < USUAL_SD * sdMs[at]!) return nowMs + sdMs[at]! / 2;
  }
  return nowMs + remainingMs(expectedMs, elapsedMs);
}

/**
 * A job takes the slots that are free first, from when they and its files are there to the end of its run.
 *
 * @param freeAtMs the slots in order, before and after
 * @param thereMs when its files are
 */
function take(freeAtMs: number[], slots: number, thereMs: number, ownMs: number, nowMs: number): void {
  const used = Math.min(slots, freeAtMs.length);
  const end = Math.max(freeAtMs[used - 1] ?? nowMs, thereMs, nowMs) + ownMs;
  let at = used;
  for (; at < freeAtMs.length && freeAtMs[at]! <= end; at += 1) freeAtMs[at - used] = freeAtMs[at]!;
  for (let n = at - used; n < at; n += 1) freeAtMs[n] = end;
}

/** Up to so many are sorted by putting each into its place: they are few, and mostly nearly in order. */
const FEW = 64;

function sort(values: Float64Array): void {
  if (values.length > FEW) {
    values.sort();
    return;
  }
  for (let n = 1; n < values.length; n += 1) {
    const value = values[n]!;
    let at = n;
    for (; at > 0 && values[at - 1]! > value; at -= 1) values[at] = values[at - 1]!;
    values[at] = value;
  }
}

/** What a view says of the work of a site, beside the facts. */
type Work = Pick<SiteLoad, "granted" | "running" | "queued" | "free" | "inboundBytes" | "inboundJobs" | "freeAtMs">;

/** All views have the same fields in the same order, also where one is undefined: the engine reads those many times as fast that are alike. */
function viewOf(site: SiteFacts, { granted, running, queued, free, inboundBytes, inboundJobs, freeAtMs }: Work): SiteLoad {
  const { name, up, pilotOf, submitters, draining, opening, probation, slots, capacity, apps, learnt, common, links } = site;
  const { eventsPerCoreS, filesWaitMs, pilots } = site;
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
    filesWaitMs,
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

function sortingRoom(slots: number): Float64Array {
  const room = rooms.get(slots) ?? new Float64Array(slots);
  rooms.set(slots, room);
  return room;
}

/** What the first `count` of them leave. */
function leftBy(held: readonly HeldJob[], site: SiteFacts, count: number): Room {
  const { slots: has, capacity } = site;
  const all = hasInAll(site);
  let [freeSlots, freeCores, freeGb, freeGpus, freeNodes] = [has, all.cores, all.memoryGb, all.gpus, all.nodes];
  let [running, busy] = [0, 0];
  for (let at = 0; at < count; at += 1) {
    const { slots = 1, cores = 0, memoryGb = 0, gpus = 0, nodes = 0 } = held[at]!.resources;
    freeSlots -= slots;
    freeCores -= cores;
    freeGb -= memoryGb;
    freeGpus -= gpus;
    freeNodes -= nodes;
    // Those that follow one that waits do so too.
    if (running < at || busy + slots > has) continue;
    running += 1;
    busy += slots;
  }
  const free = { slots: freeSlots, cores: freeCores, memoryGb: freeGb, gpus: freeGpus, nodes: freeNodes };
  return { slots: has, capacity, running, busy, free };
}

/** The same as long as the jobs and the site are. */
function roomOf(held: readonly HeldJob[], site: SiteFacts, count: number, expected: Expected): Room {
  if (count < held.length) return leftBy(held, site, count);
  if (expected.room?.slots !== site.slots || expected.room.capacity !== site.capacity) expected.room = leftBy(held, site, count);
  return expected.room;
}

/**
 * A site with what it holds: it runs the oldest, as far as its slots go; the others' files are being brought.
 *
 * @param held oldest first
 * @param count so many of them, if not all
 */
export function loadOf(site: SiteFacts, held: readonly HeldJob[], nowMs: number, count = held.length): SiteLoad {
  const expected = expectedOf(held, site, nowMs);
  const { bytes, sinceMs, slots, inMs, runMs: ownMs } = expected;
  const { running, busy, free } = roomOf(held, site, count, expected);
  const rate = site.links.in;
  let [inboundBytes, inboundJobs] = [0, 0];
  for (let at = 0; rate !== null && at < count; at += 1) {
    const size = bytes[at]!;
    const left = size - ((nowMs - sinceMs[at]!) * rate.bytesPerS) / 1000;
    if (size <= 0 || left <= 0) continue;
    inboundBytes += left;
    inboundJobs += left / size;
  }
  const ends = sortingRoom(site.slots);
  for (let at = 0, n = 0; at < running; at += 1) {
    const end = endMs(held, at, expected, site, nowMs);
    for (const next = n + slots[at]!; n < next; n += 1) ends[n] = end;
  }
  ends.fill(nowMs, busy);
  sort(ends);
  const freeAtMs: number[] = [];
  for (let n = 0; n < site.slots; n += 1) freeAtMs.push(ends[n]!);
  const hasFaded = expected.passing.length === 0 && nowMs >= expected.freshUntilMs;
  for (let at = running; at < count; at += 1) {
    const own = hasFaded ? runMs(prospectOf(held[at]!, site, nowMs), held[at]!, site) : ownMs[at]!;
    take(freeAtMs, slots[at]!, sinceMs[at]! + inMs[at]!, own, nowMs);
  }
  return viewOf(site, { granted: site.granted, running, queued: count - running, free, inboundBytes, inboundJobs, freeAtMs });
}

/** The site with `count` more jobs like this one, of which `runs` run. */
function withTaken(load: SiteLoad, job: RoutedJob, count: number, runs: number, freeAtMs: readonly number[]): SiteLoad {
  const { slots = 1, cores = 0, memoryGb = 0, gpus = 0, nodes = 0 } = job.resources;
  const { granted, running, queued, free, links, inboundJobs, inboundBytes } = load;
  const bytes = links.in === null ? 0 : (job.inputBytes ?? 0);
  return viewOf(load, {
    granted: granted + runs,
    running: running + runs,
    queued: queued + count - runs,
    free: {
      slots: free.slots - count * slots,
      cores: free.cores - count * cores,
      memoryGb: free.memoryGb - count * memoryGb,
      gpus: free.gpus - count * gpus,
      nodes: free.nodes - count * nodes,
    },
    inboundJobs: inboundJobs + (bytes === 0 ? 0 : count),
    inboundBytes: inboundBytes + count * bytes,
    freeAtMs,
  });
}

/** The site with one more job, which runs there now or waits for its place. @param known as `prospectOf` has it */
export function withJob(
  load: SiteLoad,
  job: RoutedJob,
  action: "run" | "wait",
  nowMs: number,
  known = prospectOf(job, load, nowMs),
): SiteLoad {
  const { slots = 1 } = job.resources;
  const { pilots } = load;
  const freeAtMs = pilots === undefined ? load.freeAtMs.slice() : load.freeAtMs;
  if (pilots === undefined) {
    const own = runMs(known, job, load);
    take(freeAtMs as number[], slots, nowMs + aloneInMs(job, load), own, nowMs);
  }
  return withTaken(load, job, 1, action === "run" ? 1 : 0, freeAtMs);
}

/**
 * The site with `count` more jobs like this one, which wait for their places: about as `withJob` would have it one after the other, in the time of one. As many at a time as there
 * are slots for have them turn after turn.
 */
export function withMany(load: SiteLoad, job: RoutedJob, count: number, nowMs: number): SiteLoad {
  const { slots = 1 } = job.resources;
  const { pilots } = load;
  let { freeAtMs } = load;
  if (pilots === undefined) {
    const own = runMs(prospectOf(job, load, nowMs), job, load);
    const inMs = nowMs + aloneInMs(job, load);
    const each = Math.max(1, Math.floor(load.slots / Math.max(1, slots)));
    const [turns, later] = [Math.floor(count / each), (count % each) * slots];
    // The slots that are free first have one turn more.
    const after = Float64Array.from(freeAtMs, (ms, at) => {
      const runs = turns + (at < later ? 1 : 0);
      return runs === 0 ? ms : Math.max(ms, inMs) + own * runs;
    });
    freeAtMs = [...after.sort()];
  }
  return withTaken(load, job, count, 0, freeAtMs);
}
