/**
 * The rules of jobs: (state, command, now) to the events that follow, or the error that refuses it. Pure: reads the state, changes nothing,
 * asks no clock. A command that has been obeyed already gives no events and no error, so that repeats are harmless.
 * What events do is reduce.ts; which site gets a job is src/router.
 */
import { ERROR_CODES, type ErrorCode, XpcsError } from "../core/errors.js";
import {
  type Attempt,
  experimentOf,
  type JobId,
  type JobSpec,
  type OutputFile,
  type SelfTest,
  type SiteCapacity,
  type SiteName,
} from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { Promised } from "../core/promise.js";
import type { LeaseRef } from "../core/protocols.js";
import { type Archive, archive, type Remove, remove } from "./decide-archive.js";
import { type Modify, modify, type Retry, retry } from "./decide-changes.js";
import { type Compare, type CrossCheck, compare, crossCheck } from "./decide-checks.js";
import { type AddDowntime, addDowntime, type RemoveDowntime, removeDowntime, type SetDowntimes, setDowntimes } from "./decide-downtimes.js";
import { type Claim, claim, type Duplicate, duplicate } from "./decide-duplicates.js";
import type { AttemptEnded, LedgerEvent, Summary } from "./events.js";
import { Family, withChildren } from "./family.js";
import { canResume, holdsLease } from "./holds-lease.js";
import { afterReturn } from "./outlasted.js";
import { type SetProbation, setProbation, withProbation } from "./probation.js";
import { attemptOf, canceledBy, type JobRecord, lastSite, runningAt, runningAttempts, type State } from "./state.js";

export type Command =
  | { readonly type: "submit"; readonly key: string; readonly digest: string; readonly jobs: readonly { id: JobId; spec: JobSpec }[] }
  | { readonly type: "grant"; readonly job: JobId; readonly site: SiteName; readonly why: string; readonly promised?: Promised }
  | { readonly type: "resume"; readonly lease: LeaseRef; readonly site: SiteName }
  | { readonly type: "expire"; readonly lease: LeaseRef }
  | {
      readonly type: "complete";
      readonly site: SiteName;
      readonly lease: LeaseRef;
      readonly outputs: readonly OutputFile[];
      readonly summary: Summary;
      readonly runMs: number;
    }
  | { readonly type: "fail"; readonly site: SiteName; readonly lease: LeaseRef; readonly code: ErrorCode; readonly reason: string }
  | {
      readonly type: "giveBack";
      readonly site: SiteName;
      readonly leases: readonly LeaseRef[];
      readonly reason: string;
      readonly moved?: true;
      /** Those that had begun, as the site has told. */
      readonly begun?: readonly LeaseRef[];
    }
  | { readonly type: "cancel"; readonly ids: readonly JobId[] }
  | { readonly type: "overdue"; readonly job: JobId }
  | Duplicate
  | Claim
  | CrossCheck
  | Compare
  | Modify
  | Retry
  | Archive
  | Remove
  | SetDowntimes
  | AddDowntime
  | RemoveDowntime
  | SetProbation
  | {
      readonly type: "join";
      readonly site: SiteName;
      readonly instance: string;
      readonly host: string;
      readonly slots: number;
      readonly apps: readonly string[];
      readonly capacity?: SiteCapacity;
      readonly selfTest?: SelfTest;
      /** Until its batch job ends, s; absent: it is in none. */
      readonly endsInS?: number;
      /** That batch job waited so long to begin, s; absent: nobody knows. */
      readonly queueWaitS?: number;
      readonly held: readonly LeaseRef[];
    }
  | { readonly type: "leave"; readonly site: SiteName };

type Of<T extends Command["type"]> = Extract<Command, { type: T }>;
export type Decision = readonly LedgerEvent[] | XpcsError;

const unknownJob = (id: JobId) => new XpcsError("NOT_FOUND", `there is no job ${id}`);

function stale(lease: LeaseRef, job: JobRecord): XpcsError {
  const now = job.state === "leased" ? `epoch ${job.epoch} runs at ${lastSite(job)}` : `the job is ${job.state}`;
  const message = `job ${lease.job} epoch ${lease.epoch}: ${now}; discard this attempt's output`;
  return new XpcsError("STALE_LEASE", message, { jobEnded: job.finishedAt !== null });
}

/** Delay before the next attempt after `failures` failures, ms: doubling from `firstMs`; a first that is above the maximum stays. */
export function retryDelayMs(failures: number, firstMs: number = LIMITS.retryDelayMs): number {
  return Math.max(firstMs, Math.min(LIMITS.retryDelayMaxMs, firstMs * 2 ** Math.max(0, failures - 1)));
}

/** A site other than `than` is there that offers the app, may have the job, and has not refused it. */
function hasOtherSite(state: State, job: JobRecord, than: SiteName): boolean {
  const { site: pinned, work } = job.spec;
  const refused = [...(job.refusedBy ?? []), than];
  return [...state.sites.values()].some(
    ({ name, present, apps }) => present && apps.includes(work.app) && !refused.includes(name) && (pinned ?? name) === name,
  );
}

/** What the sites that refused the job said, oldest first: "site a: ...; site b: ...". */
export function refusals({ attempts, refusedBy = [] }: JobRecord): string {
  const said = refusedBy.flatMap((site) => attempts.findLast((attempt) => attempt.site === site && attempt.code === "REFUSED") ?? []);
  return said.map(({ site, reason = "" }) => `site ${site}: ${reason}`).join("; ");
}

interface Ending extends Pick<AttemptEnded, "outcome" | "code" | "reason"> {
  readonly moved?: true | undefined;
  /** It was given back after it had begun. */
  readonly hasBegun?: boolean;
}

/** Ends an attempt that runs, and decides what becomes of the job: nothing, as long as another one runs. */
function endAttempt(
  state: State,
  job: JobRecord,
  attempt: Attempt,
  { moved, hasBegun = false, ...ending }: Ending,
  now: number,
): AttemptEnded {
  const { site, epoch } = attempt;
  const base = { type: "attemptEnded", at: now, job: job.id, epoch, ...ending } as const;
  const others = runningAttempts(job).length > 1;
  if (job.cancelRequested)
    return { ...base, outcome: "canceled", reason: canceledBy(job.canceledBy), next: others ? "other" : "cancel", notBefore: 0 };
  if (others) return { ...base, next: "other", notBefore: 0 };
  if (moved === true) return { ...base, next: "retry", notBefore: now, moved };
  if (hasBegun) return { ...base, ...afterReturn(state, job, attempt, now) };
  if (ending.outcome === "returned") return { ...base, next: "retry", notBefore: now };
  const refused = ending.code === "REFUSED";
  if (refused && hasOtherSite(state, job, site)) return { ...base, next: "retry", notBefore: now };
  const counted = job.attemptsCounted + 1;
  const hopeless = ending.code !== null && ERROR_CODES[ending.code].retry === "no";
  if (hopeless || counted >= job.spec.attemptsMax) {
    const before = refusals(job);
    if (refused && before !== "") {
      const all = `site ${site}: ${ending.reason} (refused before: ${before})`;
      return { ...base, reason: all.slice(0, LIMITS.reasonCharsMax), next: "fail", notBefore: 0 };
    }
    const reason =
      hopeless || job.spec.attemptsMax === 1 ? ending.reason : `${ending.reason} (attempt ${counted} of ${job.spec.attemptsMax}, the last)`;
    return { ...base, reason, next: "fail", notBefore: 0 };
  }
  return { ...base, next: "retry", notBefore: ending.outcome === "lost" ? now : now + retryDelayMs(counted, job.spec.retryDelayMs) };
}

/** The refusal of a key that another request came with. */
export function keyConflict(key: string): XpcsError {
  return new XpcsError("KEY_CONFLICT", `the key "${key}" was used for another request: use a new key for a new request`);
}

function submit(state: State, command: Of<"submit">, now: number): Decision {
  const known = state.keys.get(command.key);
  if (known !== undefined) {
    if (known.digest === command.digest) return [];
    return keyConflict(command.key);
  }
  const family = new Family(state);
  const waits = new Set<JobId>();
  const failed: LedgerEvent[] = [];
  for (const { id, spec } of command.jobs) {
    const stranger = family.stranger(spec);
    if (stranger !== null) return stranger;
    const verdict = family.verdict(spec);
    family.enter(id, spec);
    if (verdict.kind !== "ready") waits.add(id);
    if (verdict.kind === "fail") failed.push(family.failed(id, verdict.reason, now));
  }
  return [...submissions(command, waits, now), ...failed];
}

/** The events of a request, one for each run of jobs of the same experiment. */
function submissions({ key, digest, jobs }: Of<"submit">, waits: ReadonlySet<JobId>, now: number): LedgerEvent[] {
  const events: LedgerEvent[] = [];
  for (let from = 0, end = 0; from < jobs.length; from = end) {
    const experiment = experimentOf(jobs[from]!.spec);
    while (end < jobs.length && experimentOf(jobs[end]!.spec) === experiment) end += 1;
    const run = jobs.slice(from, end);
    const awaits = run.flatMap(({ id }, place) => (waits.has(id) ? [place] : []));
    events.push({
      ...{ type: "submitted", at: now, jobs: run.map(({ id }) => id), specs: run.map(({ spec }) => spec), key, digest },
      ...(awaits.length === 0 ? {} : { awaits }),
    });
  }
  return events;
}

function grant(state: State, command: Of<"grant">, now: number): Decision {
  const job = state.jobs.get(command.job);
  if (job === undefined) return unknownJob(command.job);
  const site = state.sites.get(command.site);
  if (site?.present !== true) return new XpcsError("REFUSED", `site ${command.site} is not there`);
  if (job.state !== "ready" || job.notBefore > now) return new XpcsError("REFUSED", `job ${job.id} cannot be granted now`);
  const { why, promised } = command;
  const leased = { type: "leased", at: now, job: job.id, epoch: job.epoch + 1, site: site.name, instance: site.instance, why } as const;
  return [{ ...leased, ...(promised === undefined ? {} : { promised }) }];
}

function resume(state: State, { lease, site }: Of<"resume">, now: number): Decision {
  const job = state.jobs.get(lease.job);
  if (job === undefined) return unknownJob(lease.job);
  if (holdsLease(job, site, lease)) return [];
  if (!canResume(job, site, lease)) return stale(lease, job);
  return [{ type: "resumed", at: now, job: job.id, epoch: lease.epoch }];
}

function expire(state: State, { lease }: Of<"expire">, now: number): Decision {
  const job = state.jobs.get(lease.job);
  if (job === undefined) return unknownJob(lease.job);
  const attempt = runningAttempts(job).find(({ epoch }) => epoch === lease.epoch);
  if (attempt === undefined) return [];
  return [endAttempt(state, job, attempt, { outcome: "lost", code: null, reason: `site ${attempt.site} stopped renewing its lease` }, now)];
}

function complete(state: State, command: Of<"complete">, now: number): Decision {
  const { lease, site } = command;
  const job = state.jobs.get(lease.job);
  if (job === undefined) return unknownJob(lease.job);
  const attempt = attemptOf(job, lease.epoch);
  if (attempt?.outcome === "finished" && attempt.site === site) return [];
  if (!holdsLease(job, site, lease) && !canResume(job, site, lease)) return stale(lease, job);
  const { outputs, summary, runMs } = command;
  return [{ type: "completed", at: now, job: job.id, epoch: lease.epoch, outputs, summary, runMs }];
}

function fail(state: State, { lease, site, code, reason }: Of<"fail">, now: number): Decision {
  const job = state.jobs.get(lease.job);
  if (job === undefined) return unknownJob(lease.job);
  const attempt = attemptOf(job, lease.epoch);
  if (attempt !== undefined && holdsLease(job, site, lease))
    return [endAttempt(state, job, attempt, { outcome: "failed", code, reason }, now)];
  // A repeat, or the attempt was counted as lost before: either way there is nothing left to record.
  const ended = attempt?.site === site && (attempt.outcome === "failed" || attempt.outcome === "canceled" || attempt.outcome === "lost");
  return ended ? [] : stale(lease, job);
}

function giveBack(state: State, command: Of<"giveBack">, now: number): Decision {
  const events: LedgerEvent[] = [];
  for (const lease of command.leases) {
    const job = state.jobs.get(lease.job);
    if (job === undefined) return unknownJob(lease.job);
    // What it does not hold any more it cannot give back; that is where it wants to be.
    const attempt = attemptOf(job, lease.epoch);
    if (attempt === undefined || !holdsLease(job, command.site, lease)) continue;
    const { reason, moved, begun = [] } = command;
    const hasBegun = begun.some(({ job: id, epoch }) => id === lease.job && epoch === lease.epoch);
    events.push(endAttempt(state, job, attempt, { outcome: "returned", code: null, reason, moved, hasBegun }, now));
  }
  return events;
}

function cancel(state: State, command: Of<"cancel">, now: number): Decision {
  const events: LedgerEvent[] = [];
  for (const id of new Set(command.ids)) {
    const job = state.jobs.get(id);
    if (job === undefined) return unknownJob(id);
    if (job.state === "ready" || job.state === "awaiting-parents") events.push({ type: "canceled", at: now, job: id });
    else if (job.state === "leased" && !job.cancelRequested) events.push({ type: "cancelRequested", at: now, job: id });
  }
  return events;
}

function overdue(state: State, command: Of<"overdue">, now: number): Decision {
  const dueMs = state.due.get(command.job);
  if (dueMs === undefined || dueMs > now) return [];
  const reason = `its deadline ${new Date(dueMs).toISOString()} passed before a site began it`;
  return [{ type: "failed", at: now, job: command.job, reason }];
}

function endHeld(state: State, site: SiteName, ending: Ending, now: number, except: readonly LeaseRef[] = []): LedgerEvent[] {
  const events: LedgerEvent[] = [];
  for (const id of state.leased.get(site) ?? []) {
    const job = state.jobs.get(id);
    const attempt = job && runningAt(job, site);
    if (attempt === undefined || except.some((lease) => lease.job === id && lease.epoch === attempt.epoch)) continue;
    events.push(endAttempt(state, job!, attempt, ending, now));
  }
  return events;
}

/** A site that joins again tells the end of its batch job anew, by other clocks: this much is the same end. */
const ENDS_SAME_MS = 60_000;

function join(state: State, command: Of<"join">, now: number): Decision {
  const { site, instance, host, slots, apps, capacity, selfTest, endsInS, queueWaitS, held } = command;
  const before = state.sites.get(site);
  const endsAt = endsInS === undefined ? undefined : now + 1_000 * endsInS;
  // What a site holds and does not name is over: a grant that did not reach it, or what a process that is gone was running.
  const restarted = before !== undefined && before.instance !== instance;
  const ending: Ending = restarted
    ? { outcome: "lost", code: null, reason: `site ${site} was restarted` }
    : { outcome: "returned", code: null, reason: `the lease did not reach site ${site}` };
  const events: LedgerEvent[] = endHeld(state, site, ending, now, held);
  const same =
    before?.present === true &&
    before.instance === instance &&
    before.host === host &&
    before.slots === slots &&
    before.apps.join("\n") === apps.join("\n") &&
    JSON.stringify([before.capacity, before.selfTest, before.queueWaitS]) === JSON.stringify([capacity, selfTest, queueWaitS]) &&
    Math.abs((before.endsAt ?? 0) - (endsAt ?? 0)) < ENDS_SAME_MS;
  const told = {
    ...(capacity === undefined ? {} : { capacity }),
    ...(selfTest === undefined ? {} : { selfTest }),
    ...(endsAt === undefined ? {} : { endsAt }),
    ...(queueWaitS === undefined ? {} : { queueWaitS }),
  };
  if (!same) events.push({ type: "siteJoined", at: now, site, instance, host, slots, apps, ...told });
  return events;
}

function leave(state: State, { site }: Of<"leave">, now: number): Decision {
  if (state.sites.get(site)?.present !== true) return [];
  const left: LedgerEvent = { type: "siteLeft", at: now, site };
  return [...endHeld(state, site, { outcome: "returned", code: null, reason: `site ${site} was stopped` }, now), left];
}

/**
 * The events that `command` leads to at wall-clock time `now` (ms), or the error that refuses it.
 * Codes: KEY_CONFLICT, NOT_FOUND, STALE_LEASE, REFUSED.
 */
export function decide(state: State, command: Command, now: number): Decision {
  const decision = decideAlone(state, command, now);
  return decision instanceof XpcsError ? decision : withChildren(state, withProbation(state, decision, now), now);
}

function decideAlone(state: State, command: Command, now: number): Decision {
  switch (command.type) {
    case "submit":
      return submit(state, command, now);
    case "grant":
      return grant(state, command, now);
    case "resume":
      return resume(state, command, now);
    case "expire":
      return expire(state, command, now);
    case "complete":
      return complete(state, command, now);
    case "fail":
      return fail(state, command, now);
    case "giveBack":
      return giveBack(state, command, now);
    case "cancel":
      return cancel(state, command, now);
    case "overdue":
      return overdue(state, command, now);
    case "duplicate":
      return duplicate(state, command, now);
    case "claim":
      return claim(state, command, now);
    case "crossCheck":
      return crossCheck(state, command, now);
    case "compare":
      return compare(state, command, now);
    case "modify":
      return modify(state, command, now);
    case "retry":
      return retry(state, command, now);
    case "archive":
      return archive(state, command, now);
    case "remove":
      return remove(state, command, now);
    case "setDowntimes":
      return setDowntimes(state, command, now);
    case "addDowntime":
      return addDowntime(state, command, now);
    case "setProbation":
      return setProbation(state, command, now);
    case "removeDowntime":
      return removeDowntime(state, command, now);
    case "join":
      return join(state, command, now);
    case "leave":
      return leave(state, command, now);
  }
}

/** Of `ids`, which are final and which are (or will be) canceled: the answer to a cancel, also to a repeated one. */
export function cancelOutcome(state: State, ids: readonly JobId[]): { canceled: JobId[]; alreadyFinal: JobId[] } {
  const canceled: JobId[] = [];
  const alreadyFinal: JobId[] = [];
  for (const id of new Set(ids)) {
    const job = state.jobs.get(id);
    if (job === undefined) continue;
    (job.state === "finished" || job.state === "failed" ? alreadyFinal : canceled).push(id);
  }
  return { canceled, alreadyFinal };
}
