/** Jobs as text for people: one line of a table, a line of live progress, all about one job. */
import type { Clock } from "../core/clock.js";
import { type Attempt, isFinal, type JobId, type JobView } from "../core/job.js";
import { type Column, formatTable } from "./output.js";

const JOB_COLUMNS: readonly Column[] = ["JOB", "TYPE", "STATE", "SITE", "INPUT", "SUBMITTED UTC", "NOTE"].map((title) => ({ title }));

function fileName(path: string | undefined): string {
  return path?.split("/").at(-1) ?? "-";
}

function percent(progress: number | null): string {
  return progress === null ? "" : `${Math.round(progress * 100)} %`;
}

/** `2026-11-22 10:15:02`, in UTC: say so beside it. */
export function shortTime(iso: string | null): string {
  return iso === null ? "-" : iso.slice(0, 19).replace("T", " ");
}

function note({ state, progress, reason }: JobView): string {
  if (state === "running" && progress !== null) return percent(progress);
  return (reason ?? "").replace(/\s+/g, " ");
}

/** A table of jobs, one line each. */
export function jobTable(jobs: readonly JobView[]): string {
  if (jobs.length === 0) return "no jobs";
  return formatTable(
    JOB_COLUMNS,
    jobs.map((job) => [
      job.id,
      job.type,
      job.state,
      job.site ?? "-",
      fileName(job.inputs[0]),
      shortTime(job.submittedAt),
      note(job).slice(0, 80),
    ]),
  );
}

function changeLine(job: JobView, at: string): string {
  const where = job.site === null ? "" : ` at ${job.site}`;
  const what = note(job);
  return `${at.slice(11, 19)} UTC  ${job.id}  ${job.state}${where}  ${fileName(job.inputs[0])}${what === "" ? "" : `  (${what})`}`;
}

/** Writes one line per change, for `watch` and `submit --wait`, with the time since when it is so. */
export function changeLines(clock: Clock): (job: JobView) => string {
  const told = new Map<JobId, string>();
  return (job) => {
    // Told of this state before: it is the progress or the reason that changed, and that just now.
    const isNews = told.get(job.id) !== job.since;
    if (isFinal(job.state)) told.delete(job.id);
    else told.set(job.id, job.since);
    return changeLine(job, isNews ? job.since : new Date(clock.nowMs()).toISOString());
  };
}

const utc = (iso: string) => `${shortTime(iso)} UTC`;

function attemptLine({ epoch, site, outcome, startedAt, finishedAt, duplicate, code, reason }: Attempt): string {
  const until = finishedAt === undefined ? "" : ` to ${utc(finishedAt)}`;
  const why = code === undefined && !reason ? "" : `: ${[code, reason].filter(Boolean).join(" ")}`;
  return `  ${epoch}  ${outcome} at ${site}${duplicate ? " beside another" : ""}, ${utc(startedAt)}${until}${why}`;
}

/** Everything about one job. */
export function jobText(job: JobView): string {
  const tags = Object.entries(job.tags).map(([key, value]) => `${key}=${value}`);
  const needs = Object.entries(job.resources)
    .map(([what, amount]) => `${what} ${Array.isArray(amount) ? amount.join(" and ") : amount}`)
    .join(", ");
  const lines: readonly (readonly [string, string | null])[] = [
    ["job", job.id],
    ["app", `${job.app} (${job.type})`],
    ["state", `${job.state} since ${utc(job.since)}${job.progress === null ? "" : `, ${percent(job.progress)}`}`],
    ["archived", job.archived ? "yes: it can be read, and changes no more" : null],
    ["reason", job.reason],
    ["site", job.site],
    ["why", job.why],
    ["experiment", job.experiment],
    ["parents", job.parents.length === 0 ? null : job.parents.join(" ")],
    ["priority", job.priority === 0 ? null : String(job.priority)],
    ["deadline", job.deadline && utc(job.deadline)],
    ["needs", needs === "" ? null : needs],
    ["tags", tags.length === 0 ? null : tags.join(" ")],
    ["checked", job.crossCheck?.reason ?? null],
    ["submitted", utc(job.submittedAt)],
    ["started", job.startedAt && utc(job.startedAt)],
    ["finished", job.finishedAt && utc(job.finishedAt)],
    ...job.inputs.map((path) => ["input", path] as const),
    ...job.outputs.map(({ path, bytes, sha256 }) => ["output", `${path} (${bytes} bytes, sha256 ${sha256})`] as const),
  ];
  const text = lines.filter(([, value]) => value !== null).map(([name, value]) => `${name.padEnd(10)} ${value}`);
  return [...text, ...(job.attempts.length === 0 ? [] : ["attempts", ...job.attempts.map(attemptLine)])].join("\n");
}
