/**
 * The work that a site has, as a policy sees it: how many jobs, what is free, and when each slot will be. A view is a value: one with another job is
 * made from it, in the time that it takes to copy its slots. Pure.
 */
import type { SiteLearnt } from "../core/learning.js";
import { estimateRun, estimateStageIn, remainingMs, type Sized } from "./estimates.js";
import { hasInAll, needOf, type RoutedJob, type Shared, type SiteFacts, type SiteLoad } from "./policy.js";

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
    const run = estimateRun(job, site, nowMs);
    const stageIn = estimateStageIn(job, site);
    isLasting &&= run.isOwn;
    return { ms: (stageIn?.ms ?? 0) + run.ms, sdMs: Math.hypot(stageIn?.sdMs ?? 0, run.sdMs) };
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

/** The slots in order, once a job that begins then has taken those that it needs. */
function taken(freeAtMs: readonly number[], slots: number, job: Sized, site: SiteFacts, sinceMs: number, nowMs: number): number[] {
  const used = Math.min(slots, freeAtMs.length);
  const beginMs = Math.max(freeAtMs[used - 1] ?? nowMs, sinceMs + (estimateStageIn(job, site)?.ms ?? 0), nowMs);
  const end = beginMs + estimateRun(job, site, nowMs).ms;
  let at = used;
  while (at < freeAtMs.length && freeAtMs[at]! <= end) at += 1;
  const after = freeAtMs.slice(used, at);
  for (let n = 0; n < used; n += 1) after.push(end);
  for (; at < freeAtMs.length; at += 1) after.push(freeAtMs[at]!);
  return after;
}

/**
 * A site with what it holds: it runs the oldest, as far as its slots go; the others' files are being brought.
 *
 * @param held oldest first
 */
export function loadOf(site: SiteFacts, held: readonly HeldJob[], nowMs: number): SiteLoad {
  const expected = expectedOf(held, site, nowMs);
  const free = { ...hasInAll(site), slots: site.slots };
  let [running, busy] = [0, 0];
  const ends = new Float64Array(site.slots).fill(nowMs);
  const rate = site.links.in;
  let [inboundBytes, inboundJobs] = [0, 0];
  const ahead: HeldJob[] = [];
  for (let at = 0; at < held.length; at += 1) {
    const job = held[at]!;
    if (rate !== null && job.inputBytes !== null && job.inputBytes > 0) {
      const bytes = Math.max(0, job.inputBytes - ((nowMs - job.sinceMs) * rate.bytesPerS) / 1000);
      inboundBytes += bytes;
      inboundJobs += bytes / job.inputBytes;
    }
    const { slots = 1, cores = 0, memoryGb = 0, gpus = 0, nodes = 0 } = job.resources;
    free.slots -= slots;
    free.cores -= cores;
    free.memoryGb -= memoryGb;
    free.gpus -= gpus;
    free.nodes -= nodes;
    if (busy + slots > site.slots) ahead.push(job);
    else {
      running += 1;
      ends.fill(endMs(job, expected[at]!, nowMs), busy, busy + slots);
    }
    busy += slots;
  }
  ends.sort();
  let freeAtMs: number[] = [];
  for (let at = 0; at < ends.length; at += 1) freeAtMs.push(ends[at]!);
  for (const job of ahead) freeAtMs = taken(freeAtMs, job.resources.slots ?? 1, job, site, job.sinceMs, nowMs);
  const { slots, cores, memoryGb, gpus, nodes } = free;
  return { ...site, running, queued: ahead.length, free: { slots, cores, memoryGb, gpus, nodes }, inboundBytes, inboundJobs, freeAtMs };
}

/** The site with one more job, which runs there now or waits for its place. */
export function withJob(load: SiteLoad, job: RoutedJob, action: "run" | "wait", nowMs: number): SiteLoad {
  const need = needOf(job.resources);
  const { running, queued, granted, pilots, freeAtMs } = load;
  const runs = action === "run";
  return {
    ...load,
    running: running + (runs ? 1 : 0),
    granted: granted + (runs ? 1 : 0),
    queued: queued + (runs ? 0 : 1),
    free: minus(load.free, need),
    inboundJobs: load.inboundJobs + (load.links.in === null || !job.inputBytes ? 0 : 1),
    inboundBytes: load.inboundBytes + (load.links.in === null ? 0 : (job.inputBytes ?? 0)),
    freeAtMs: pilots === undefined ? taken(freeAtMs, need.slots, job, load, nowMs, nowMs) : freeAtMs,
  };
}
