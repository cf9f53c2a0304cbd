/**
 * Sites that fail jobs which other sites then finish: what is held against a site, when it is put on probation, and how long it is left alone between the
 * jobs that try it. A job that fails everywhere says nothing against anybody. Pure, on the records of sites; reduce.ts and decide.ts call it.
 */
import { ERROR_CODES, XpcsError } from "../core/errors.js";
import type { JobId, SiteName } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { AttemptEnded, LedgerEvent, SiteJoined } from "./events.js";
import { attemptOf, type JobRecord, type SiteRecord, type State } from "./state.js";

/** An attempt that failed at a site since it last finished a job. */
export interface Doubt {
  readonly job: JobId;
  readonly at: number;
  readonly what: string;
  /** The site went silent. */
  readonly lost?: true;
  /** Another site has finished the job. */
  readonly proven: boolean;
}

export interface Probation {
  readonly since: number;
  readonly reason: string;
  /** Attempts that failed on probation, one after the other. */
  readonly failures: number;
  /** Not tried before this time. */
  readonly probeAt: number;
}

/** Moments without a success in between. */
export const DOUBTS_MAX = 3;
const DOUBTS_KEPT = 30;
const PAUSE_MS = 30_000;
const PAUSE_MAX_MS = 15 * 60_000;

/** Before the next try after so many failed ones, ms. */
export function probePauseMs(failures: number): number {
  return Math.min(PAUSE_MAX_MS, PAUSE_MS * 2 ** failures);
}

/** The site may have been at fault; what a job itself has wrong says nothing of it. */
function mayBeFault({ outcome, code }: AttemptEnded): boolean {
  return outcome === "lost" || (outcome === "failed" && code !== null && ERROR_CODES[code].retry === "counted");
}

/** The site after an attempt that ended there without a result. */
export function afterFailure(site: SiteRecord, event: AttemptEnded): SiteRecord {
  if (!mayBeFault(event)) return site;
  const { probation, doubts = [] } = site;
  if (probation !== undefined) {
    const failures = probation.failures + 1;
    return { ...site, probation: { ...probation, failures, probeAt: event.at + probePauseMs(failures) } };
  }
  const what = `${event.code === null ? "" : `${event.code} `}${event.reason}`;
  const doubt: Doubt = { job: event.job, at: event.at, what, ...(event.outcome === "lost" ? { lost: true } : {}), proven: false };
  return { ...site, doubts: [...doubts, doubt].slice(-DOUBTS_KEPT) };
}

/** The site after it finished a job: nothing is held against it. */
export function afterSuccess(site: SiteRecord): SiteRecord {
  if (site.doubts === undefined) return site;
  const { doubts: _past, ...rest } = site;
  return rest;
}

/** The site after another one finished a job that had failed there. */
export function afterOthersSuccess(site: SiteRecord, job: JobId): SiteRecord {
  if (!site.doubts?.some((doubt) => doubt.job === job && !doubt.proven)) return site;
  return { ...site, doubts: site.doubts.map((doubt) => (doubt.job === job ? { ...doubt, proven: true } : doubt)) };
}

/** Sites where attempts of the job failed, but for one. */
export function otherSitesOf(job: JobRecord, site: SiteName | undefined): SiteName[] {
  if (job.attempts.length < 2) return [];
  const failed = job.attempts.filter(({ outcome, site: at }) => (outcome === "failed" || outcome === "lost") && at !== site);
  return [...new Set(failed.map(({ site: at }) => at))];
}

/** What fails at one time counts once; so do the leases of a site that went silent, which run out within a lease of each other. */
function momentsOf(doubts: readonly Doubt[]): number {
  const failed = new Set(doubts.flatMap(({ at, lost }) => (lost ? [] : [at])));
  let silences = 0;
  let silentAt = Number.NEGATIVE_INFINITY;
  for (const { at, lost } of doubts) {
    if (!lost || at - silentAt < LIMITS.leaseMs) continue;
    silences += 1;
    silentAt = at;
  }
  return failed.size + silences;
}

/** Why a site is to be put on probation once another has finished `job`; null: it is not, or is there already. */
function whyOnProbation(state: State, name: SiteName, job: JobId): string | null {
  const site = state.sites.get(name);
  if (site === undefined || site.probation !== undefined) return null;
  const proven = afterOthersSuccess(site, job).doubts?.filter((doubt) => doubt.proven) ?? [];
  const jobs = new Set(proven.map((doubt) => doubt.job)).size;
  if (Math.min(momentsOf(proven), jobs) < DOUBTS_MAX) return null;
  return `${jobs} jobs in a row failed there and finished elsewhere, the last: ${proven.at(-1)!.what}`.slice(0, LIMITS.reasonCharsMax);
}

/** The site that has just been put on probation. */
export function onProbation(site: SiteRecord, reason: string, at: number): SiteRecord {
  const probation: Probation = { since: at, reason, failures: 0, probeAt: at + probePauseMs(0) };
  return { ...afterSuccess(site), probation };
}

/** The site that is trusted again. */
export function trusted(site: SiteRecord): SiteRecord {
  const { probation: _past, ...rest } = afterSuccess(site);
  return rest;
}

/**
 * What is held against a site that joins anew: on another machine nothing; where it was stopped and started in between, somebody may have mended it, so it
 * is tried at once.
 */
export function keptOnJoin(before: SiteRecord | undefined, event: SiteJoined): Pick<SiteRecord, "doubts" | "probation"> {
  if (before === undefined || before.host !== event.host) return {};
  const { doubts, probation, present } = before;
  const tried = probation === undefined || present ? probation : { ...probation, probeAt: event.at };
  return { ...(doubts === undefined ? {} : { doubts }), ...(tried === undefined ? {} : { probation: tried }) };
}

/** Somebody puts a site on probation, or (reason null) lifts it. Idempotent. */
export interface SetProbation {
  readonly type: "setProbation";
  readonly site: SiteName;
  readonly reason: string | null;
}

/** The event of that, or why it is refused. */
export function setProbation(state: State, { site: name, reason }: SetProbation, now: number): LedgerEvent[] | XpcsError {
  const site = state.sites.get(name);
  if (site === undefined) return new XpcsError("NOT_FOUND", `there is no site ${name}: xpcs sites shows them`);
  if ((site.probation === undefined) === (reason === null)) return [];
  if (reason !== null) return [{ type: "probationBegan", at: now, site: name, reason }];
  return [{ type: "probationEnded", at: now, site: name, reason: "it was lifted by hand" }];
}

/** What follows from completions among `events`: whose turn it is to be on probation, and who is trusted again. */
export function withProbation(state: State, events: readonly LedgerEvent[], now: number): readonly LedgerEvent[] {
  const all = [...events];
  for (const event of events) {
    const job = event.type === "completed" ? state.jobs.get(event.job) : undefined;
    if (event.type !== "completed" || job === undefined) continue;
    const site = attemptOf(job, event.epoch)?.site;
    for (const other of otherSitesOf(job, site)) {
      const reason = whyOnProbation(state, other, job.id);
      if (reason !== null) all.push({ type: "probationBegan", at: now, site: other, reason });
    }
    if (site !== undefined && state.sites.get(site)?.probation !== undefined)
      all.push({ type: "probationEnded", at: now, site, reason: `it finished job ${job.id}` });
  }
  return all;
}
