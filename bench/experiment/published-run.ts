/** One run of the published comparison: so many jobs of a workload in batches of 16, bound by an agent or routed by a policy. */
import type { JobSpec, SiteName } from "../../src/core/job.js";
import type { Arrival, Shift, SiteModel } from "../../src/replay/shift.js";
import { quantileOf, type Tally } from "../../src/replay/tally.js";
import { type RunOptions, runShift } from "../../src/replay/world.js";
import type { Policy } from "../../src/router/policy.js";
import { POLICIES } from "../../src/router/registry.js";
import { type Aim, bestPlan, clairvoyant, everything } from "./clairvoyant.js";
import { roundRobinAgent, shortestBacklogAgent } from "./clients.js";
import { BYTES_PER_TRANSFER, type Facility, facilitySites, jobOf, PROXY, type Source, XPCS } from "./facilities.js";
import { SHIFT_AFTER_MS, withHistory } from "./history.js";

export const WORKLOADS = ["xpcs", "proxy", "mix"] as const;
export type Workload = (typeof WORKLOADS)[number];

/** Submitted together. */
export const BATCH = 16;
/** What an agent binds is brought at once, as the published sites did. */
const UNBOUNDED = 4_000;
/** Of a policy in a central that knows nothing of the sites at the beginning. */
export const COLD = "-cold";
/** Jobs that a site takes beyond its slots where central routes: enough for the files of the next ones to be on their way. */
export const PREFETCH = 64;
/** Until central's turn is over and a site has the job. */
const DISPATCH_MS = 100;
/** Changes of the plan that the clairvoyant tries. */
const TRIES = 1_200;

export const AGENTS = { "rr-agent": roundRobinAgent, "sb-agent": shortestBacklogAgent } as const;
export const AIMS: readonly Aim[] = ["median", "p95", "last"];

/**
 * An agent, a policy of the router (with `-cold`: in a central that has seen nothing yet), who knows everything, or who plans as that one does but knows of all
 * times no more than the median.
 */
export type Contender = keyof typeof AGENTS | `clairvoyant-${Aim}` | `planner-${Aim}` | (string & {});

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

/** What was over before a shift began. */
interface Past {
  readonly startMs: number;
  readonly jobs: number;
  readonly at: Readonly<Partial<Record<string, number>>>;
}

const NO_PAST: Past = { startMs: 0, jobs: 0, at: {} };

/** Its figures. */
export function resultOf(tally: Tally, past = NO_PAST): RunResult {
  const sorted = Float64Array.from(tally.answersMs.values.subarray(past.jobs)).sort();
  const of = (site: Facility) => {
    const { jobs = 0, lastMs = 0 } = tally.sites.get(site) ?? {};
    return { jobs: jobs - (past.at[site] ?? 0), lastS: (lastMs - past.startMs) / 1_000 };
  };
  return {
    medianS: quantileOf(sorted, 0.5) / 1_000,
    p95S: quantileOf(sorted, 0.95) / 1_000,
    meanS: sorted.reduce((sum, value) => sum + value, 0) / sorted.length / 1_000,
    jobsPerMin: (tally.finished - past.jobs) / ((tally.lastMs - past.startMs) / 60_000),
    left: tally.submitted - tally.finished,
    lost: tally.lost,
    sites: { theta: of("theta"), cori: of("cori"), summit: of("summit") },
  };
}

/** An attempt whose result is there; times are those of the shift, ms. */
export interface Answered {
  /** Its place in the shift. */
  readonly job: number;
  readonly leasedMs: number;
  readonly answeredMs: number;
}

type OnAnswer = (answered: Answered, site: SiteName) => void;

const telling =
  (onAnswer: OnAnswer, jobs = 0, startMs = 0): NonNullable<RunOptions["onDone"]> =>
  ({ id, leasedMs }, site, { nowMs }) =>
    onAnswer({ job: Number(id) - jobs, leasedMs: leasedMs - startMs, answeredMs: nowMs - startMs }, site);

/** A policy of the router, in a central that has a ledger of earlier work. */
function runLater(shift: Shift, batch: Arrival, options: RunOptions, onAnswer: OnAnswer): RunResult {
  const { shift: later, jobs } = withHistory(shift, batch);
  const startMs = SHIFT_AFTER_MS;
  const at: Record<string, number> = {};
  const count: OnAnswer = (answered, site) => {
    if (answered.job >= 0) return onAnswer(answered, site);
    if (answered.answeredMs >= 0) throw new Error("the work of before is not over when the shift begins");
    at[site] = (at[site] ?? 0) + 1;
  };
  const { tally } = runShift(later, { ...options, onDone: telling(count, jobs, startMs) });
  return resultOf(tally, { startMs, jobs, at });
}

/** The policy of a contender that the router has; null: it is none. */
export function policyOf(contender: Contender): Policy | null {
  return POLICIES[contender.replace(COLD, "")] ?? null;
}

export function runOnce(contender: Contender, setting: Setting, seed: number, onAnswer: OnAnswer = () => {}): RunResult {
  const { source, rateShare, more = {} } = setting;
  const routed = policyOf(contender);
  const held = routed === null ? { prefetch: UNBOUNDED } : { prefetch: PREFETCH, bytesPerTransfer: BYTES_PER_TRANSFER };
  const sites = facilitySites({ source, seed, ...held, rateShare, more });
  const batches = batchesOf(setting);
  const shift: Shift = { name: "published", startMs: Date.UTC(2021, 3, 2), sites, arrivals: () => batches[Symbol.iterator]() };
  const options: RunOptions = { policy: routed ?? POLICIES.soonest!, dispatchMs: DISPATCH_MS, onDone: telling(onAnswer) };
  if (routed !== null)
    return contender.endsWith(COLD) ? resultOf(runShift(shift, options).tally) : runLater(shift, batches[0]!, options, onAnswer);
  const agent = AGENTS[contender as keyof typeof AGENTS];
  if (agent !== undefined) return resultOf(runShift(shift, { ...options, client: agent() }).tally);
  const [kind, aim] = contender.split("-") as [string, Aim];
  if (!AIMS.includes(aim) || (kind !== "clairvoyant" && kind !== "planner")) throw new Error(`there is no contender ${contender}`);
  const foreseen = kind === "planner" ? facilitySites({ source, seed, ...held, rateShare, more, isTypical: true }) : sites;
  const known = everything(foreseen, batches);
  const client = clairvoyant(known, bestPlan(known, aim, seed, TRIES));
  // Without central's turn, whose end depends on what else happens: a look at the transfers earlier or later, and the plan is of other transfers.
  return resultOf(runShift(shift, { ...options, dispatchMs: 0, client }).tally);
}
