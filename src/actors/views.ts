/** What people see of the state: the shapes of core/job.ts. Reads, decides nothing. */
import type { DowntimeView, FacilityState } from "../core/downtime.js";
import { type Attempt, experimentOf, isCommandJob, type JobState, type JobView, type SiteView, type Work } from "../core/job.js";
import { jobFiles } from "../core/job-files.js";
import { timeText } from "../core/time-text.js";
import { type JobRecord, type LinkStats, lastSite, type SiteRecord } from "../ledger/state.js";
import type { Term } from "./lease-terms.js";

const iso = (ms: number) => new Date(ms).toISOString();

/** The state as people see it: what the ledger calls leased is where its site says it is. */
export function viewState(job: JobRecord, term: Term | undefined): JobState {
  return job.state === "leased" ? (term?.phase ?? "staged-in") : job.state;
}

function typeOf(work: Work, job: JobRecord): string {
  if (isCommandJob(work)) return work.app;
  if (work.app === "xpcs.noop") return "noop";
  if (work.app === "xpcs.stream") return "multitau";
  // A job file may name the type; then only the finished result can tell.
  const found = job.summary?.type;
  return work.options.type ?? (typeof found === "string" ? found : "multitau");
}

function inputsOf(work: Work): string[] {
  if (isCommandJob(work)) return Object.values(work.inputs).map(({ path }) => path);
  if (work.app === "xpcs.noop") return [];
  // A stream is known by its source.
  return [...(work.app === "xpcs.stream" ? [work.source] : []), ...jobFiles(work).map(({ path }) => path)];
}

function startOf(attempts: readonly Attempt[]): string | null {
  return attempts.at(-1)?.startedAt ?? null;
}

/**
 * A job as clients see it.
 *
 * @param waitsFor why a job that is ready or awaits parents is not running; asked only for one
 */
export function jobView(job: JobRecord, term: Term | undefined, waitsFor: (job: JobRecord) => string): JobView {
  const waits = job.state === "ready" || job.state === "awaiting-parents";
  const { spec } = job;
  return {
    id: job.id,
    app: spec.work.app,
    owner: job.owner ?? null,
    type: typeOf(spec.work, job),
    state: viewState(job, term),
    reason: waits ? waitsFor(job) : ((job.state === "leased" ? term?.reason : undefined) ?? job.reason),
    since: iso(job.since),
    site: waits ? null : lastSite(job),
    why: waits ? null : job.why,
    epoch: job.epoch,
    attempts: job.attempts.map(({ promised: _told, ...attempt }) => attempt),
    inputs: inputsOf(spec.work),
    outputs: job.outputs,
    experiment: experimentOf(spec),
    parents: spec.parents ?? [],
    onParentFailure: spec.onParentFailure ?? "fail",
    priority: spec.priority ?? 0,
    deadline: spec.deadline ?? null,
    resources: spec.resources ?? {},
    attemptsMax: spec.attemptsMax,
    tags: spec.tags,
    progress: job.state === "finished" ? 1 : job.state === "leased" ? (term?.progress ?? null) : null,
    submittedAt: iso(job.submittedAt),
    startedAt: waits ? null : startOf(job.attempts),
    finishedAt: job.finishedAt === null ? null : iso(job.finishedAt),
    archived: false,
    ...(job.crossCheck === undefined ? {} : { crossCheck: job.crossCheck }),
  };
}

/** A job of the archive as clients see it. */
export function archivedView(job: JobRecord): JobView {
  return { ...jobView(job, undefined, () => ""), archived: true };
}

const rateOf = (link: LinkStats | undefined): number | null => (link === undefined ? null : (1000 * link.bytes) / link.ms);

/** "down until 2026-12-07 23:00 UTC (planned: Polaris PM, said by alcf)". */
function downtimeText({ from, to, kind, text, source, state }: DowntimeView): string {
  const until = to === null ? "without an end that is known" : `until ${timeText(Date.parse(to))}`;
  const what = state === "degraded" ? "degraded" : "down";
  const when = state === "to-come" ? `from ${timeText(Date.parse(from))} ` : "";
  return `${what} ${when}${until} (${text === "" ? kind : `${kind}: ${text}`}, said by ${source})`;
}

/** What is known of a site beside its record. */
interface LiveSite {
  readonly up: boolean;
  readonly running: number;
  readonly seenAt: number | null;
  readonly draining: string | null;
  readonly downtime: DowntimeView | null;
  readonly facility: FacilityState | null;
}

function probationView({ probation }: SiteRecord): SiteView["probation"] {
  if (probation === undefined) return null;
  const { since, reason, failures, probeAt } = probation;
  return { since: iso(since), reason, failures, triedAt: iso(probeAt) };
}

/** Whether it takes work, and why not; of one that does, what is to come. */
function stateOf({ present, probation }: SiteRecord, { up, draining, downtime }: LiveSite): Pick<SiteView, "state" | "reason"> {
  if (!present) return { state: "gone", reason: null };
  const coming = downtime === null ? null : downtimeText(downtime);
  if (downtime?.state === "in-force") return { state: "down", reason: coming };
  if (!up) return { state: "silent", reason: coming };
  if (draining !== null) return { state: "draining", reason: draining };
  return probation === undefined ? { state: "up", reason: coming } : { state: "probation", reason: probation.reason };
}

/** A site as clients see it. */
export function siteView(site: SiteRecord, live: LiveSite): SiteView {
  const runs = Object.values(site.runs);
  const finishedJobs = runs.reduce((sum, { count }) => sum + count, 0);
  const totalMs = runs.reduce((sum, run) => sum + run.totalMs, 0);
  const { downtime, facility } = live;
  return {
    name: site.name,
    ...stateOf(site, live),
    downtime,
    probation: probationView(site),
    facility,
    slots: site.slots,
    capacity: site.capacity ?? null,
    apps: site.apps,
    running: live.running,
    host: site.host,
    lastSeenAt: iso(live.seenAt ?? site.leftAt ?? site.joinedAt),
    finishedJobs,
    meanRunS: finishedJobs === 0 ? null : totalMs / finishedJobs / 1000,
    stageInBytesPerS: rateOf(site.links?.in),
    stageOutBytesPerS: rateOf(site.links?.out),
    answerOverPromise: site.learnt?.kept?.mean ?? null,
    selfTest: site.selfTest ?? null,
    ...(site.checks === undefined ? {} : { crossChecks: site.checks }),
  };
}
