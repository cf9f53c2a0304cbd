/** One run of the published comparison: so many jobs of a workload in batches of 16, bound by an agent or routed by a policy. */
import type { JobSpec } from "../../src/core/job.js";
import type { Arrival, Shift, SiteModel } from "../../src/replay/shift.js";
import { quantileOf, type Tally } from "../../src/replay/tally.js";
import { type RunOptions, runShift } from "../../src/replay/world.js";
import { POLICIES } from "../../src/router/registry.js";
import { type Aim, bestPlan, clairvoyant, everything } from "./clairvoyant.js";
import { roundRobinAgent, shortestBacklogAgent } from "./clients.js";
import { type Facility, facilitySites, jobOf, PROXY, type Source, XPCS } from "./facilities.js";

export const WORKLOADS = ["xpcs", "proxy", "mix"] as const;
export type Workload = (typeof WORKLOADS)[number];

/** Submitted together. */
export const BATCH = 16;
/** What an agent binds is brought at once, as the published sites did. */
const UNBOUNDED = 4_000;
/** Jobs that a site takes beyond its slots where central routes: enough for the files of the next ones to be on their way. */
export const PREFETCH = 64;
/** Until central's turn is over and a site has the job. */
const DISPATCH_MS = 100;
/** Changes of the plan that the clairvoyant tries. */
const TRIES = 1_200;

export const AGENTS = { "rr-agent": roundRobinAgent, "sb-agent": shortestBacklogAgent } as const;
export const AIMS: readonly Aim[] = ["median", "p95", "last"];

/** An agent, a policy of the router, or who knows everything. */
export type Contender = keyof typeof AGENTS | `clairvoyant-${Aim}` | (string & {});

export interface Setting {
  readonly source: Source;
  readonly workload: Workload;
  readonly jobs: number;
  /** From batch to batch, ms. */
  readonly periodMs: number;
  readonly rateShare: Readonly<Record<Facility, number>>;
  /** What goes wrong. */
  readonly more?: Partial<Record<Facility, Partial<SiteModel>>>;
}

export interface RunResult {
  readonly medianS: number;
  readonly p95S: number;
  readonly meanS: number;
  /** All jobs over the last answer. */
  readonly jobsPerMin: number;
  readonly left: number;
  readonly lost: number;
  /** Jobs of each, and when the last one of them was answered, s. */
  readonly sites: Readonly<Record<Facility, { readonly jobs: number; readonly lastS: number }>>;
}

function appOf(workload: Workload, job: number): string {
  if (workload === "mix") return job % 2 === 0 ? XPCS : PROXY;
  return workload === "xpcs" ? XPCS : PROXY;
}

/** The batches of a run. */
export function batchesOf({ jobs, periodMs, workload }: Pick<Setting, "jobs" | "periodMs" | "workload">): Arrival[] {
  return Array.from({ length: Math.ceil(jobs / BATCH) }, (_, batch) => {
    const size = Math.min(BATCH, jobs - batch * BATCH);
    const specs = Array.from({ length: size }, (_job, at): JobSpec => jobOf(appOf(workload, batch * BATCH + at)));
    return { atMs: batch * periodMs, specs };
  });
}

/** Its figures. */
export function resultOf(tally: Tally): RunResult {
  const sorted = Float64Array.from(tally.answersMs.values).sort();
  const of = (site: Facility) => {
    const { jobs = 0, lastMs = 0 } = tally.sites.get(site) ?? {};
    return { jobs, lastS: lastMs / 1_000 };
  };
  return {
    medianS: quantileOf(sorted, 0.5) / 1_000,
    p95S: quantileOf(sorted, 0.95) / 1_000,
    meanS: sorted.reduce((sum, value) => sum + value, 0) / sorted.length / 1_000,
    jobsPerMin: tally.finished / (tally.lastMs / 60_000),
    left: tally.submitted - tally.finished,
    lost: tally.lost,
    sites: { theta: of("theta"), cori: of("cori"), summit: of("summit") },
  };
}

/** @param onDone told of each attempt whose result is there */
export function runOnce(contender: Contender, setting: Setting, seed: number, onDone?: RunOptions["onDone"]): RunResult {
  const { source, rateShare, more = {} } = setting;
  const isRouted = POLICIES[contender] !== undefined;
  const sites = facilitySites({ source, seed, prefetch: isRouted ? PREFETCH : UNBOUNDED, rateShare, more });
  const batches = batchesOf(setting);
  const shift: Shift = { name: "published", startMs: Date.UTC(2021, 3, 2), sites, arrivals: () => batches[Symbol.iterator]() };
  const policy = POLICIES[contender] ?? POLICIES.soonest!;
  const options = { policy, dispatchMs: DISPATCH_MS, ...(onDone === undefined ? {} : { onDone }) };
  if (isRouted) return resultOf(runShift(shift, options).tally);
  const agent = AGENTS[contender as keyof typeof AGENTS];
  if (agent !== undefined) return resultOf(runShift(shift, { ...options, client: agent() }).tally);
  const aim = AIMS.find((name) => contender === `clairvoyant-${name}`);
  if (aim === undefined) throw new Error(`there is no contender ${contender}`);
  const known = everything(sites, batches);
  const client = clairvoyant(known, bestPlan(known, aim, seed, TRIES));
  // Without central's turn, whose end depends on what else happens: a look at the transfers earlier or later, and the plan is of other transfers.
  return resultOf(runShift(shift, { ...options, dispatchMs: 0, client }).tally);
}
