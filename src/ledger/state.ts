/**
 * The state that the ledger's events add up to: jobs, idempotency keys, sites. Plain records, replaced and never changed, so a view may
 * keep one. What is not in the ledger (who is connected, progress, lease deadlines) is not here but in src/actors.
 */
import type { Downtime } from "../core/downtime.js";
import type { Attempt, CrossCheckResult, JobId, JobSpec, OutputFile, SelfTest, SiteCapacity, SiteChecks, SiteName } from "../core/job.js";
import type { SiteLearnt } from "../core/learning.js";
import type { LinkLine } from "../core/link-line.js";
import type { Summary } from "./events.js";
import { HeldJobs } from "./held-jobs.js";
import { JobIndex } from "./job-index.js";
import { JobOrder } from "./job-order.js";
import type { Doubt, Probation } from "./probation.js";
import { groupOf } from "./ready-group.js";
import { ReadyQueue } from "./ready-queue.js";

/** A leased job is staged-in, running or staged-out: which of them its site tells, and the ledger does not keep. */
export type RecordState = "awaiting-parents" | "ready" | "leased" | "finished" | "failed" | "canceled";

export interface JobRecord {
  readonly id: JobId;
  /** Position in the order of submission, from 0. */
  readonly index: number;
  readonly spec: JobSpec;
  /** Idempotency key of its request; absent in checkpoints from before this field until they are read. */
  readonly key?: string;
  /** Who submitted it; absent in ledgers from before tokens had names. */
  readonly owner?: string;
  readonly state: RecordState;
  /** Since when it is in this state. */
  readonly since: number;
  /** Sequence number of the last event that changed it. */
  readonly changed: number;
  /** Its place among the ready jobs, in the order of submission: behind all that had been submitted when it was last retried; absent: its own. */
  readonly place?: number;
  readonly epoch: number;
  /** Oldest first; the last `ATTEMPTS_KEPT`. */
  readonly attempts: readonly Attempt[];
  /** Attempts that count towards `attemptsMax`: failed or lost. */
  readonly attemptsCounted: number;
  /** Times that it was recalled before it began, since it was submitted or last retried; absent: never. */
  readonly moves?: number;
  /** How often it was not done when its site had to end, though it had most of its time; absent: never. */
  readonly outlasted?: number;
  /** Sites that said they can never run it, since it was submitted or last retried; absent: none. */
  readonly refusedBy?: readonly SiteName[];
  readonly why: string | null;
  /** The attempt whose loss made it ready, which may go on until the job is granted again; null: none. Absent in checkpoints from before this field: the last, if it was lost. */
  readonly resumable?: number | null;
  readonly notBefore: number;
  readonly cancelRequested: boolean;
  /** Who asked for the cancel; absent before, and in ledgers from before tokens had names. */
  readonly canceledBy?: string;
  readonly reason: string | null;
  readonly outputs: readonly OutputFile[];
  readonly summary: Summary | null;
  /** Duration of its run by the site's clock; absent before it has finished, and in ledgers from before this field. */
  readonly runMs?: number;
  readonly submittedAt: number;
  readonly finishedAt: number | null;
  /** Absent: it was not compared. */
  readonly crossCheck?: CrossCheckResult;
}

/** A job that is returned again and again must not grow without bound. */
export const ATTEMPTS_KEPT = 50;

export interface RunStats {
  readonly count: number;
  readonly totalMs: number;
  /** Of what these runs made; absent before any made something, and in checkpoints from before this field. */
  readonly results?: { readonly count: number; readonly bytes: number };
}

/** Those of both. */
export function addRuns(a: RunStats | undefined, b: RunStats): RunStats {
  if (a === undefined) return b;
  const both = a.results !== undefined && b.results !== undefined;
  const results = both ? { count: a.results.count + b.results.count, bytes: a.results.bytes + b.results.bytes } : (a.results ?? b.results);
  return { count: a.count + b.count, totalMs: a.totalMs + b.totalMs, ...(results === undefined ? {} : { results }) };
}

/** Bytes that crossed a link, and the time that took; what is older counts less. */
export interface LinkStats {
  readonly bytes: number;
  readonly ms: number;
}

export interface SiteRecord {
  readonly name: SiteName;
  readonly instance: string;
  readonly host: string;
  readonly slots: number;
  readonly apps: readonly string[];
  /** Absent: it did not say. */
  readonly capacity?: SiteCapacity;
  /** What it measured before it had jobs; absent: it did not tell. */
  readonly selfTest?: SelfTest;
  readonly joinedAt: number;
  /** When it said goodbye; absent while it is there, and in checkpoints from before this field. */
  readonly leftAt?: number;
  /** False after a goodbye. */
  readonly present: boolean;
  /** Leases ever granted. */
  readonly granted: number;
  readonly runs: Readonly<Record<string, RunStats>>;
  /** Of its files, in and out; absent before any has crossed, and in checkpoints from before this field. */
  readonly links?: { readonly in?: LinkStats; readonly out?: LinkStats };
  /** Absent: none of its runs was compared. */
  readonly checks?: SiteChecks;
  /** When the batch job ends in which it works, ms since 1970; absent: it is in none. */
  readonly endsAt?: number;
  /** That batch job waited so long to begin, s; absent: nobody knows. */
  readonly queueWaitS?: number;
  /** What is held against it; absent: nothing. */
  readonly doubts?: readonly Doubt[];
  /** Absent: it is on none. */
  readonly probation?: Probation;
  /** Time that files took here against what was on its way at the same time; absent before any, and in checkpoints from before this field. */
  readonly inLine?: LinkLine;
  /** When jobs with files were given to it of late, ms since 1970, and how large those are; absent as before. */
  readonly sent?: readonly (readonly [at: number, bytes: number])[];
  /** What its completions have taught; absent before the first, and in checkpoints from before this field. */
  readonly learnt?: SiteLearnt;
}

export interface KeyRecord {
  readonly digest: string;
  readonly jobs: readonly JobId[];
}

export interface State {
  /** Sequence number of the last event applied; 0 before the first. */
  sequence: number;
  readonly jobs: Map<JobId, JobRecord>;
  readonly order: JobOrder;
  readonly keys: Map<string, KeyRecord>;
  readonly sites: Map<SiteName, SiteRecord>;
  /** By their source; none without any. */
  readonly downtimes: Map<string, readonly Downtime[]>;
  /** Jobs in the archive. */
  archived: number;
  readonly index: JobIndex;
  readonly ready: ReadyQueue;
  /** Jobs that wait for a site or for parents and have a deadline, ms since 1970. */
  readonly due: Map<JobId, number>;
  /** Jobs by each of their parents. */
  readonly children: Map<JobId, JobId[]>;
  /** Leased jobs by site. */
  readonly leased: Map<SiteName, HeldJobs>;
}

/** The state before the first event. */
export function emptyState(): State {
  return {
    sequence: 0,
    jobs: new Map(),
    order: new JobOrder(),
    archived: 0,
    index: new JobIndex(),
    keys: new Map(),
    sites: new Map(),
    downtimes: new Map(),
    ready: new ReadyQueue(),
    due: new Map(),
    children: new Map(),
    leased: new Map(),
  };
}

/** The attempts that run: one of a leased job, or two where it was duplicated. */
export function runningAttempts({ state, attempts }: JobRecord): readonly Attempt[] {
  return state === "leased" ? attempts.filter(({ outcome }) => outcome === "running") : [];
}

/** The attempt of an epoch. */
export function attemptOf({ attempts }: JobRecord, epoch: number): Attempt | undefined {
  return attempts.findLast((attempt) => attempt.epoch === epoch);
}

/** The attempt that runs at a site. */
export function runningAt(job: JobRecord, site: SiteName): Attempt | undefined {
  if (job.state !== "leased") return undefined;
  // Mostly it is the last.
  const last = job.attempts.at(-1);
  if (last?.outcome === "running" && last.site === site) return last;
  return job.attempts.findLast((attempt) => attempt.outcome === "running" && attempt.site === site);
}

/** The attempt that matters: that gave the result, else the latest that runs, else the last. */
export function lastAttempt({ attempts }: JobRecord): Attempt | undefined {
  const last = attempts.at(-1);
  if (last === undefined || last.outcome === "running" || last.outcome === "finished") return last;
  return attempts.findLast(({ outcome }) => outcome === "finished") ?? attempts.findLast(({ outcome }) => outcome === "running") ?? last;
}

/** Its site. */
export function lastSite(job: JobRecord): SiteName | null {
  return lastAttempt(job)?.site ?? null;
}

/** Why a job is canceled. */
export function canceledBy(person: string | undefined): string {
  return `canceled by ${person ?? "its owner"}`;
}

/** Moves a job to the indexes that its state says, from those of what it was. */
export function indexJob(state: State, before: JobRecord | undefined, job: JobRecord): void {
  state.index.update(before, job);
  const { deadline } = job.spec;
  if (job.state === "ready") {
    state.ready.add(job.id, job.spec, job, groupOf(job));
  } else if (before !== undefined) state.ready.delete(job.id);
  if (deadline !== undefined && (job.state === "ready" || job.state === "awaiting-parents")) state.due.set(job.id, Date.parse(deadline));
  else if (before !== undefined) state.due.delete(job.id);
  const holders = runningAttempts(job).map(({ site }) => site);
  for (const { site } of before === undefined ? [] : runningAttempts(before))
    if (!holders.includes(site)) state.leased.get(site)?.delete(job.id);
  for (const site of holders) {
    const held = state.leased.get(site) ?? new HeldJobs();
    state.leased.set(site, held);
    held.add(job.id);
  }
}

/** Enters a job that is new to the state. */
export function addJob(state: State, job: JobRecord): void {
  state.jobs.set(job.id, job);
  state.order.add(job.id, job.submittedAt);
  for (const parent of job.spec.parents === undefined ? [] : new Set(job.spec.parents)) {
    const children = state.children.get(parent);
    if (children === undefined) state.children.set(parent, [job.id]);
    else children.push(job.id);
  }
  indexJob(state, undefined, job);
}

/** Takes jobs that have ended out of the state, with their place in all indexes. */
export function dropJobs(state: State, jobs: readonly JobRecord[]): void {
  const parents = new Set<JobId>();
  for (const job of jobs) {
    state.jobs.delete(job.id);
    state.order.remove(job.index);
    state.index.remove(job);
    state.children.delete(job.id);
    for (const parent of job.spec.parents ?? []) parents.add(parent);
  }
  for (const parent of parents) {
    const left = (state.children.get(parent) ?? []).filter((child) => state.jobs.has(child));
    if (left.length === 0) state.children.delete(parent);
    else state.children.set(parent, left);
  }
}
