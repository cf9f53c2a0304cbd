/**
 * Who knows everything: all jobs that will come, and how long each stage of each would take at each site. Binds each job to the site where it is answered
 * soonest, then changes that for the better as long as it finds how. A plan for each of the figures that are compared, since one plan is not the best in all.
 * The schedule of a site follows from who goes there by recurrences, which the simulation repeats to the ms: a test compares them.
 */
import type { JobSpec } from "../../src/core/job.js";
import { stream, uniformOf } from "../../src/replay/chance.js";
import type { LinkModel, SiteModel } from "../../src/replay/shift.js";
import { quantileOf } from "../../src/replay/tally.js";
import type { Client } from "../../src/replay/world.js";

export type Aim = "median" | "p95" | "last";

export interface Known {
  readonly sites: readonly SiteModel[];
  readonly specs: readonly JobSpec[];
  /** When each is submitted, and at once with its site, ms. */
  readonly atMs: Float64Array;
  /** By site and job, ms. */
  readonly runMs: readonly Float64Array[];
  readonly outMs: readonly Float64Array[];
  readonly bytes: Float64Array;
}

/** What is to be known of a shift. */
export function everything(sites: readonly SiteModel[], arrivals: readonly { atMs: number; specs: readonly JobSpec[] }[]): Known {
  const specs = arrivals.flatMap((arrival) => [...arrival.specs]);
  const atMs = Float64Array.from(arrivals.flatMap((arrival) => arrival.specs.map(() => arrival.atMs)));
  const each = sites.map((site) => specs.map((spec, job) => site.times(job, spec)));
  const bytes = Float64Array.from(specs.map(({ inputBytes = 0 }) => inputBytes));
  const of = (what: "runMs" | "outMs") => each.map((times) => Float64Array.from(times.map((time) => time[what])));
  return { sites, specs, atMs, runMs: of("runMs"), outMs: of("outMs"), bytes };
}

/** When something is free again, earliest first. */
function replaceFirst(heap: Float64Array, value: number): void {
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child += 1;
    if (heap[child]! >= value) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = value;
}

/** When the files of each of `jobs`, in the order in which they come to the site, are there, ms. */
function stagedAt(known: Known, { transfersMax, jobsPerTransfer, lookMs, ofTransfer }: LinkModel, jobs: readonly number[]): Float64Array {
  const staged = new Float64Array(jobs.length);
  const free = new Float64Array(transfersMax);
  let [lastMs, nth] = [Number.NEGATIVE_INFINITY, 0];
  for (let from = 0, end = 0; from < jobs.length; from = end) {
    const first = jobs[from]!;
    const beatMs = (Math.floor(known.atMs[first]! / lookMs) + 1) * lookMs;
    const beginMs = Math.max(beatMs, Math.ceil(free[0]! / lookMs) * lookMs);
    let bytes = 0;
    while (end < jobs.length && end - from < jobsPerTransfer && known.atMs[jobs[end]!]! <= beginMs) {
      bytes += known.bytes[jobs[end]!]!;
      end += 1;
    }
    nth = beginMs === lastMs ? nth + 1 : 0;
    lastMs = beginMs;
    const { setUpMs, rateBytesPerMs } = ofTransfer!(beginMs, nth);
    const endMs = beginMs + setUpMs + bytes / rateBytesPerMs;
    replaceFirst(free, endMs);
    staged.fill(endMs, from, end);
  }
  return staged;
}

/** When each of `jobs` is answered at the site, ms. */
export function answeredAt(known: Known, site: number, jobs: readonly number[]): Float64Array {
  const { slots, link } = known.sites[site]!;
  const staged = stagedAt(known, link!, jobs);
  const order = Array.from(jobs, (_, place) => place).sort((a, b) => staged[a]! - staged[b]! || a - b);
  const free = new Float64Array(slots);
  const answered = new Float64Array(jobs.length);
  for (const place of order) {
    const job = jobs[place]!;
    const endMs = Math.max(staged[place]!, free[0]!) + known.runMs[site]![job]!;
    replaceFirst(free, endMs);
    answered[place] = endMs + known.outMs[site]![job]!;
  }
  return answered;
}

/** The figure that is to be small; the mean decides among equals, so that there is always a way down. */
function costOf(known: Known, aim: Aim, answers: readonly Float64Array[], jobs: readonly (readonly number[])[]): number {
  const all = new Float64Array(known.specs.length);
  let at = 0;
  let sum = 0;
  let last = 0;
  for (const [site, own] of answers.entries())
    for (let place = 0; place < own.length; place += 1) {
      const answer = own[place]! - known.atMs[jobs[site]![place]!]!;
      last = Math.max(last, own[place]!);
      all[at++] = answer;
      sum += answer;
    }
  const mean = sum / all.length;
  if (aim === "last") return last + 0.01 * mean;
  return quantileOf(all.sort(), aim === "median" ? 0.5 : 0.95) + 0.2 * mean;
}

/** Each job, in order, to where it is answered first. */
function greedy(known: Known): number[][] {
  const jobs: number[][] = known.sites.map(() => []);
  for (let job = 0; job < known.specs.length; job += 1) {
    const ends = known.sites.map((_, site) => answeredAt(known, site, [...jobs[site]!, job]).at(-1)!);
    jobs[ends.indexOf(Math.min(...ends))]!.push(job);
  }
  return jobs;
}

/** Puts a job into a list that is in order. */
function entered(jobs: readonly number[], job: number): number[] {
  let at = jobs.length;
  while (at > 0 && jobs[at - 1]! > job) at -= 1;
  return [...jobs.slice(0, at), job, ...jobs.slice(at)];
}

/**
 * Sites of all jobs, by their places.
 *
 * @param tries changes that are tried
 */
export function bestPlan(known: Known, aim: Aim, seed: number, tries: number): Uint8Array {
  let jobs = greedy(known);
  let answers = jobs.map((own, site) => answeredAt(known, site, own));
  let cost = costOf(known, aim, answers, jobs);
  const site = new Uint8Array(known.specs.length);
  for (const [place, own] of jobs.entries()) for (const job of own) site[job] = place;
  const id = stream(`plan ${aim}`);
  for (let tried = 0; tried < tries; tried += 1) {
    const job = Math.floor(uniformOf(seed, id, tried, 0) * site.length);
    const from = site[job]!;
    const to = (from + 1 + Math.floor(uniformOf(seed, id, tried, 1) * (jobs.length - 1))) % jobs.length;
    // Every other time two jobs change places.
    const there = jobs[to]!;
    const back = tried % 2 === 1 && there.length > 0 ? there[Math.floor(uniformOf(seed, id, tried, 2) * there.length)]! : null;
    const nextFrom = jobs[from]!.filter((other) => other !== job);
    const nextTo = entered(back === null ? there : there.filter((other) => other !== back), job);
    const next = [...jobs];
    next[from] = back === null ? nextFrom : entered(nextFrom, back);
    next[to] = nextTo;
    const nextAnswers = [...answers];
    for (const place of [from, to]) nextAnswers[place] = answeredAt(known, place, next[place]!);
    const nextCost = costOf(known, aim, nextAnswers, next);
    if (nextCost >= cost) continue;
    [jobs, answers, cost] = [next, nextAnswers, nextCost];
    site[job] = to;
    if (back !== null) site[back] = from;
  }
  return site;
}

/** Who submits by a plan. */
export function clairvoyant(known: Known, plan: Uint8Array): Client {
  return {
    bind: (specs, first) => specs.map((spec, at) => ({ ...spec, site: known.sites[plan[first + at]!]!.name })),
  };
}
