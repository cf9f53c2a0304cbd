/**
 * What each event does to the state. Deterministic and total: no clock, no rules, no refusals; those are decide.ts's. Changes `state` in
 * place, because central holds a hundred thousand jobs, but replaces records instead of changing them.
 */
import type { Attempt, JobChanges, JobId, JobSpec, SiteName } from "../core/job.js";
import { archivedJob, archivedKey, type Dirty, retireJobs } from "./checkpoint.js";
import type { AttemptEnded, Completed, CrossChecked, LedgerEvent, Removed, SiteJoined, Submitted } from "./events.js";
import { inLineWith, learntWith, linksWith, sentWith } from "./learnt.js";
import { afterFailure, afterOthersSuccess, afterSuccess, keptOnJoin, onProbation, otherSitesOf, trusted } from "./probation.js";
import { ATTEMPTS_KEPT, addJob, addRuns, attemptOf, canceledBy, indexJob, type JobRecord, type SiteRecord, type State } from "./state.js";

const iso = (ms: number) => new Date(ms).toISOString();

function updateJob(state: State, id: JobId, change: (job: JobRecord) => Partial<JobRecord>): void {
  const before = state.jobs.get(id);
  // Decisions are made on the state, so an event of an unknown job cannot be written; a damaged ledger is found by its checksums.
  if (before === undefined) return;
  const after = { ...before, ...change(before), changed: state.sequence };
  state.jobs.set(id, after);
  indexJob(state, before, after);
}

/** The attempts after one of them has changed. What it said before goes: an attempt that was thought lost, and then completes, has no reason any more. */
function changed(job: JobRecord, of: number, change: Partial<Attempt>): readonly Attempt[] {
  return job.attempts.map((attempt) => {
    if (attempt.epoch !== of) return attempt;
    const { site, epoch, startedAt, outcome, duplicate, promised } = attempt;
    const kept = { ...(duplicate === undefined ? {} : { duplicate }), ...(promised === undefined ? {} : { promised }) };
    return { ...{ site, epoch, startedAt, outcome }, ...kept, ...change };
  });
}

/** The attempts of a job that has its result: what else runs is over. */
function finishedAttempts(job: JobRecord, { epoch, at }: Completed): readonly Attempt[] {
  const finishedAt = iso(at);
  return changed(job, epoch, { outcome: "finished", finishedAt }).map((attempt) =>
    attempt.outcome === "running" ? { ...attempt, outcome: "canceled", finishedAt, reason: `attempt ${epoch} answered first` } : attempt,
  );
}

/** The one list that grows in place: before version 4 each of the thousand jobs of a request has an event, and a new list would copy those before. */
function enterKey(state: State, { key, digest, jobs }: Submitted): void {
  const known = state.keys.get(key);
  if (known === undefined) state.keys.set(key, { digest, jobs: [...jobs] });
  else for (const job of jobs) (known.jobs as JobId[]).push(job);
}

/** A check does not go where its job ran before. */
function refusedFrom({ checkOf }: JobSpec): Pick<JobRecord, "refusedBy"> {
  return checkOf === undefined ? {} : { refusedBy: checkOf.sites };
}

/** One for all jobs that have none: a hundred thousand empty lists are some MB. */
const NONE: readonly never[] = [];

function submitted(state: State, event: Submitted, owner: string | undefined): void {
  const awaits = new Set(event.awaits);
  // A clock that was set back must not upset the order of submission.
  const submittedAt = Math.max(event.at, state.order.lastMs);
  for (let place = 0; place < event.jobs.length; place += 1) {
    const job: JobRecord = {
      id: event.jobs[place]!,
      index: state.order.end,
      spec: event.specs[place]!,
      key: event.key,
      ...(owner === undefined ? {} : { owner }),
      state: awaits.has(place) ? "awaiting-parents" : "ready",
      since: event.at,
      changed: state.sequence,
      epoch: 0,
      attempts: NONE,
      attemptsCounted: 0,
      why: null,
      notBefore: 0,
      cancelRequested: false,
      ...refusedFrom(event.specs[place]!),
      reason: null,
      outputs: NONE,
      summary: null,
      submittedAt,
      finishedAt: null,
    };
    addJob(state, job);
  }
  enterKey(state, event);
}

/** The specification after `changes`: null takes a field away. */
export function changedSpec(spec: JobSpec, changes: JobChanges): JobSpec {
  return Object.fromEntries(Object.entries({ ...spec, ...changes }).filter(([, value]) => value !== null)) as unknown as JobSpec;
}

function attemptEnded(job: JobRecord, event: AttemptEnded): Partial<JobRecord> {
  const attempts = changed(job, event.epoch, {
    outcome: event.outcome,
    finishedAt: iso(event.at),
    reason: event.reason,
    ...(event.code === null ? {} : { code: event.code }),
  });
  const site = attemptOf(job, event.epoch)?.site ?? null;
  if (event.next === "other") {
    const refusedBy = event.code === "REFUSED" && site !== null ? { refusedBy: [...(job.refusedBy ?? []), site] } : {};
    return { ...refusedBy, attempts, reason: `attempt ${event.epoch} at site ${site} ended: ${event.reason}` };
  }
  // A site that refuses has not tried: another one may.
  const refused = event.code === "REFUSED" && event.next === "retry";
  const counts = (event.outcome === "failed" || event.outcome === "lost") && !refused;
  const attemptsCounted = job.attemptsCounted + (counts ? 1 : 0);
  if (event.next === "retry") {
    const refusedBy = refused ? [...(job.refusedBy ?? []), site!] : job.refusedBy;
    return {
      ...(refusedBy === undefined ? {} : { refusedBy }),
      ...(event.moved === true ? { moves: (job.moves ?? 0) + 1 } : {}),
      ...(event.outlasted === true ? { outlasted: (job.outlasted ?? 0) + 1 } : {}),
      state: "ready",
      since: event.at,
      attempts,
      attemptsCounted,
      resumable: event.outcome === "lost" ? event.epoch : null,
      notBefore: event.notBefore,
      reason: event.reason,
    };
  }
  const state = event.next === "fail" ? "failed" : "canceled";
  return { state, since: event.at, attempts, attemptsCounted, reason: event.reason, finishedAt: event.at };
}

function siteJoined(state: State, event: SiteJoined): void {
  const before = state.sites.get(event.site);
  state.sites.set(event.site, {
    name: event.site,
    instance: event.instance,
    host: event.host,
    slots: event.slots,
    apps: event.apps,
    ...(event.capacity === undefined ? {} : { capacity: event.capacity }),
    ...(event.selfTest === undefined ? {} : { selfTest: event.selfTest }),
    ...(event.endsAt === undefined ? {} : { endsAt: event.endsAt }),
    ...(event.queueWaitS === undefined ? {} : { queueWaitS: event.queueWaitS }),
    ...keptOnJoin(before, event),
    joinedAt: event.at,
    present: true,
    granted: before?.granted ?? 0,
    runs: before?.runs ?? {},
    ...(before?.links === undefined ? {} : { links: before.links }),
    ...(before?.checks === undefined ? {} : { checks: before.checks }),
    ...(before?.learnt === undefined ? {} : { learnt: before.learnt }),
    ...(before?.inLine === undefined ? {} : { inLine: before.inLine }),
  });
}

function updateSite(state: State, name: SiteName | undefined, change: (site: SiteRecord) => SiteRecord): void {
  const before = state.sites.get(name ?? "");
  if (before !== undefined) state.sites.set(before.name, change(before));
}

/** Sites where a job had failed that is finished now. */
function others(state: State, event: Completed): SiteName[] {
  const job = state.jobs.get(event.job);
  return job === undefined ? [] : otherSitesOf(job, attemptOf(job, event.epoch)?.site);
}

/** The site of an attempt that has ended. */
function siteOf(state: State, { job: id, epoch }: Pick<Completed, "job" | "epoch">): SiteRecord | undefined {
  const job = state.jobs.get(id);
  return job && state.sites.get(attemptOf(job, epoch)?.site ?? "");
}

/** What a completion says of its site. */
function countRun(state: State, event: Completed): void {
  const job = state.jobs.get(event.job);
  const attempt = job && attemptOf(job, event.epoch);
  const site = siteOf(state, event);
  if (job === undefined || attempt === undefined || site === undefined) return;
  const { runMs, outputs, summary } = event;
  const { app } = job.spec.work;
  const bytes = outputs.reduce((sum, output) => sum + output.bytes, 0);
  const run = { count: 1, totalMs: runMs, ...(outputs.length === 0 ? {} : { results: { count: 1, bytes } }) };
  const links = linksWith(site.links, summary);
  const inLine = inLineWith(site, Date.parse(attempt.startedAt), summary);
  state.sites.set(site.name, {
    ...site,
    ...(inLine === undefined ? {} : { inLine }),
    runs: { ...site.runs, [app]: addRuns(site.runs[app], run) },
    ...(links === undefined ? {} : { links }),
    learnt: learntWith(site, job.spec, attempt, event),
  });
}

/** Counts a comparison for each of the sites, as far as it says something new of them. */
function crossChecked(state: State, { job, runs, agreed, wrong, reason }: CrossChecked): void {
  updateJob(state, job, () => ({ crossCheck: { agreed, wrong, reason, runs } }));
  for (const { site: name } of runs) {
    const site = state.sites.get(name);
    if (site === undefined) continue;
    const { checks = { agreed: 0, differed: 0, wrong: 0 } } = site;
    const what = name === wrong ? "wrong" : agreed || wrong !== null ? "agreed" : "differed";
    state.sites.set(name, { ...site, checks: { ...checks, [what]: checks[what] + 1 } });
  }
}

function archived(state: State, ids: readonly JobId[], dirty: Dirty | undefined): void {
  const jobs = ids.flatMap((id) => state.jobs.get(id) ?? []);
  retireJobs(state, jobs, dirty);
  state.archived += jobs.length;
}

/** Some of them are live, the others are in the archive, or on their way. */
function removed(state: State, { jobs: ids, keys }: Removed, dirty: Dirty | undefined): void {
  const jobs = ids.flatMap((id) => state.jobs.get(id) ?? []);
  retireJobs(state, jobs, dirty, new Set(keys));
  state.archived -= ids.length - jobs.length;
  if (dirty === undefined) return;
  for (const name of [...ids.map(archivedJob), ...keys.map(archivedKey)]) {
    dirty.archive.delete(name);
    dirty.unarchive.add(name);
  }
}

function apply(state: State, event: LedgerEvent, dirty: Dirty | undefined): void {
  switch (event.type) {
    case "submitted":
      submitted(state, event, event.by);
      break;
    case "released":
      updateJob(state, event.job, () => ({ state: "ready", since: event.at }));
      break;
    case "failed":
      updateJob(state, event.job, () => ({ state: "failed", since: event.at, reason: event.reason, finishedAt: event.at }));
      break;
    case "modified":
      updateJob(state, event.job, ({ spec }) => ({ spec: changedSpec(spec, event.changes) }));
      break;
    case "retried":
      updateJob(state, event.job, ({ spec }) => ({
        state: event.awaits ? "awaiting-parents" : "ready",
        since: event.at,
        // It had ended: whoever has waited meanwhile is not overtaken. Before the next one that is submitted.
        place: state.order.end - 0.5,
        attemptsCounted: 0,
        refusedBy: spec.checkOf?.sites ?? [],
        moves: 0,
        outlasted: 0,
        resumable: null,
        notBefore: 0,
        cancelRequested: false,
        reason: null,
        finishedAt: null,
      }));
      break;
    case "leased": {
      const duplicate = event.duplicate === true ? { duplicate: true as const } : {};
      const { site: name, epoch, promised } = event;
      const told = { ...duplicate, ...(promised === undefined ? {} : { promised }) };
      const attempt: Attempt = { site: name, epoch, startedAt: iso(event.at), outcome: "running", ...told };
      const attempts = (job: JobRecord) => [...job.attempts, attempt].slice(-ATTEMPTS_KEPT);
      updateJob(state, event.job, (job) =>
        event.duplicate === true
          ? { epoch: event.epoch, attempts: attempts(job), reason: `it runs at site ${event.site} too: ${event.why}` }
          : { state: "leased", since: event.at, epoch: event.epoch, attempts: attempts(job), why: event.why, reason: null },
      );
      const site = state.sites.get(event.site);
      if (site === undefined) break;
      const sent = sentWith(site.sent, event.at, state.jobs.get(event.job)?.spec.inputBytes ?? 0);
      state.sites.set(site.name, { ...site, granted: site.granted + 1, ...(sent === undefined ? {} : { sent }) });
      break;
    }
    case "resumed":
      updateJob(state, event.job, (job) => {
        const attempts = changed(job, event.epoch, { outcome: "running" });
        return { state: "leased", since: event.at, attempts, attemptsCounted: job.attemptsCounted - 1, reason: null };
      });
      break;
    case "attemptEnded":
      updateJob(state, event.job, (job) => attemptEnded(job, event));
      updateSite(state, siteOf(state, event)?.name, (site) => afterFailure(site, event));
      break;
    case "completed":
      updateJob(state, event.job, (job) => ({
        state: "finished",
        since: event.at,
        attempts: finishedAttempts(job, event),
        outputs: event.outputs,
        summary: event.summary,
        runMs: event.runMs,
        reason: job.cancelRequested ? "it finished before the cancel reached its site" : null,
        finishedAt: event.at,
      }));
      countRun(state, event);
      for (const other of others(state, event)) updateSite(state, other, (site) => afterOthersSuccess(site, event.job));
      updateSite(state, siteOf(state, event)?.name, afterSuccess);
      break;
    case "crossChecked":
      crossChecked(state, event);
      break;
    case "cancelRequested":
      updateJob(state, event.job, () => ({
        cancelRequested: true,
        ...(event.by === undefined ? {} : { canceledBy: event.by }),
        reason: `cancel requested by ${event.by ?? "its owner"}; its site is told to stop`,
      }));
      break;
    case "canceled":
      updateJob(state, event.job, () => ({
        state: "canceled",
        since: event.at,
        cancelRequested: true,
        ...(event.by === undefined ? {} : { canceledBy: event.by }),
        reason: canceledBy(event.by),
        finishedAt: event.at,
      }));
      break;
    case "archived":
      archived(state, event.jobs, dirty);
      break;
    case "removed":
      removed(state, event, dirty);
      break;
    case "siteJoined":
      siteJoined(state, event);
      break;
    case "siteLeft": {
      const site = state.sites.get(event.site);
      if (site !== undefined) state.sites.set(site.name, { ...site, present: false, leftAt: event.at });
      break;
    }
    case "probationBegan":
      updateSite(state, event.site, (site) => onProbation(site, event.reason, event.at));
      break;
    case "probationEnded":
      updateSite(state, event.site, trusted);
      break;
    case "downtimesSet":
      if (event.downtimes.length === 0) state.downtimes.delete(event.source);
      else state.downtimes.set(event.source, event.downtimes);
      break;
  }
}

/** Marks what the event touched, so that a checkpoint writes only that. */
function markDirty(state: State, event: LedgerEvent, dirty: Dirty): void {
  if (event.type !== "submitted") dirty.changes += 1;
  if ("job" in event) dirty.jobs.add(event.job);
  if ("key" in event) dirty.keys.add(event.key);
  if (event.type === "crossChecked") for (const { site } of event.runs) if (state.sites.has(site)) dirty.sites.add(site);
  if (event.type === "downtimesSet") dirty.sources.add(event.source);
  if ("site" in event) dirty.sites.add(event.site);
  else if (event.type === "completed" || event.type === "attemptEnded") {
    const site = siteOf(state, event);
    if (site !== undefined) dirty.sites.add(site.name);
    if (event.type === "completed") for (const other of others(state, event)) if (state.sites.has(other)) dirty.sites.add(other);
  }
}

/** Applies the next event, and adds what it touched to `dirty`. */
export function reduce(state: State, event: LedgerEvent, dirty?: Dirty): void {
  state.sequence += 1;
  apply(state, event, dirty);
  if (dirty !== undefined) markDirty(state, event, dirty);
}
