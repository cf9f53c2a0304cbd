/**
 * The rules of cross-checks: a finished job runs again at another site, as a job of its own whose result nobody sees, and the digests of what both found must agree. Where they
 * do not, a third run at a third site decides. Pure, like decide.ts.
 */
import { basename, dirname, join } from "node:path/posix";
import { XpcsError } from "../core/errors.js";
import { type CheckRun, type FileRef, isCommandJob, type JobId, type SiteName, type Work } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { LedgerEvent } from "./events.js";
import { type JobRecord, lastSite, type State } from "./state.js";

/** Runs a finished job once more. */
export interface CrossCheck {
  readonly type: "crossCheck";
  readonly job: JobId;
  /** Id of the job that runs it. */
  readonly check: JobId;
  /** It fails when no site has begun it by then. */
  readonly withinMs: number;
}

/** A job that checks another has finished. */
export interface Compare {
  readonly type: "compare";
  readonly check: JobId;
}

/** A run, and two more at most. */
const CHECKS_MAX = 2;
const ATTEMPTS = 2;

const keyOfCheck = (job: JobId, place: number) => `cross-check/${job}/${place}`;

/** The jobs that check this one, the first first. */
function checksOf(state: State, job: JobId): JobRecord[] {
  const places = Array.from({ length: CHECKS_MAX }, (_, at) => state.keys.get(keyOfCheck(job, at + 1))?.jobs[0]);
  return places.flatMap((id) => (id === undefined ? [] : (state.jobs.get(id) ?? [])));
}

/** What a finished job says of its result; null: nothing that can be compared. */
function runOf(state: State, job: JobRecord): CheckRun | null {
  const sha256 = job.summary?.contentSha256;
  const site = lastSite(job);
  if (job.state !== "finished" || typeof sha256 !== "string" || site === null) return null;
  return { site, host: state.sites.get(site)?.host ?? "", sha256 };
}

/** A name of its own beside the result: a site of a version that knows no checks would publish it. */
function apart({ path }: FileRef): FileRef {
  return { path: join(dirname(path), `cross-check-${basename(path)}`) };
}

function workOfCheck(work: Work): Work {
  if (isCommandJob(work))
    return { ...work, outputs: Object.fromEntries(Object.entries(work.outputs).map(([name, ref]) => [name, apart(ref)])), overwrite: true };
  return work.app === "xpcs.corr" ? { ...work, out: apart(work.out), overwrite: true } : work;
}

function hasSiteFor({ sites }: State, app: string, except: readonly SiteName[]): boolean {
  return [...sites.values()].some(({ name, present, apps }) => present && apps.includes(app) && !except.includes(name));
}

/** The job that runs it again: none where no other site offers the app, or it is pinned, or was checked as often as it may be. NOT_FOUND · REFUSED nothing can be compared. */
export function crossCheck(state: State, { job: id, check, withinMs }: CrossCheck, now: number): readonly LedgerEvent[] | XpcsError {
  const job = state.jobs.get(id);
  if (job === undefined) return new XpcsError("NOT_FOUND", `there is no job ${id}`);
  const run = runOf(state, job);
  if (run === null || job.spec.checkOf !== undefined) return new XpcsError("REFUSED", `job ${id} has no result that could be compared`);
  const checks = checksOf(state, id);
  const key = keyOfCheck(id, checks.length + 1);
  const { work, experiment, resources, inputBytes } = job.spec;
  const sites = [run, ...checks.flatMap((each) => runOf(state, each) ?? [])].map(({ site }) => site);
  const isOver = checks.length >= CHECKS_MAX || checks.some(({ finishedAt }) => finishedAt === null) || state.keys.has(key);
  if (isOver || job.spec.site !== undefined || !hasSiteFor(state, work.app, sites)) return [];
  const spec = {
    work: workOfCheck(work),
    tags: { "cross-check": id },
    attemptsMax: ATTEMPTS,
    // After everything that somebody waits for.
    priority: -LIMITS.priorityMax,
    deadline: new Date(now + withinMs).toISOString(),
    checkOf: { job: id, sites },
    ...(experiment === undefined ? {} : { experiment }),
    ...(resources === undefined ? {} : { resources }),
    ...(inputBytes === undefined ? {} : { inputBytes }),
  };
  return [{ type: "submitted", at: now, jobs: [check], specs: [spec], key, digest: key }];
}

/** Of three runs the one that differs from two that agree. */
function oddOne(runs: readonly CheckRun[]): CheckRun | null {
  const alone = runs.filter(({ sha256 }) => runs.filter((other) => other.sha256 === sha256).length === 1);
  return runs.length > CHECKS_MAX && alone.length === 1 ? alone[0]! : null;
}

const named = ({ site, host }: CheckRun) => `site ${site}${host === "" ? "" : ` (${host})`}`;

function verdictText(runs: readonly CheckRun[], wrong: CheckRun | null): string {
  if (wrong !== null)
    return `${named(wrong)} differs from ${runs
      .filter((run) => run !== wrong)
      .map(named)
      .join(" and ")}, which agree`;
  const all = runs.map(named).join(", ");
  if (new Set(runs.map(({ sha256 }) => sha256)).size === 1) return `${all} agree`;
  return `${all} differ${runs.length > CHECKS_MAX ? ", each from the others" : "; a third run decides"}`;
}

/** What the runs say; nothing while the checked job is not there any more, or said already. */
export function compare(state: State, { check: id }: Compare, now: number): readonly LedgerEvent[] | XpcsError {
  const check = state.jobs.get(id);
  const job = state.jobs.get(check?.spec.checkOf?.job ?? "");
  if (check === undefined || job === undefined) return [];
  const runs = [job, ...checksOf(state, job.id)].flatMap((each) => runOf(state, each) ?? []);
  if (runs.length < 2 || runs.length <= (job.crossCheck?.runs.length ?? 0)) return [];
  const wrong = oddOne(runs);
  const agreed = new Set(runs.map(({ sha256 }) => sha256)).size === 1;
  const verdict = { runs, agreed, wrong: wrong?.site ?? null, reason: verdictText(runs, wrong) };
  return [{ type: "crossChecked", at: now, job: job.id, check: id, ...verdict }];
}
