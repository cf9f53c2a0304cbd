/** Jobs as text for people: one line of a table, a line of live progress, all about one job. */
import type { Attempt, JobView } from "../core/job.js";
import { type Column, formatTable } from "./output.js";

const JOB_COLUMNS: readonly Column[] = ["JOB", "TYPE", "STATE", "SITE", "INPUT", "SUBMITTED", "NOTE"].map((title) => ({ title }));

function fileName(path: string | undefined): string {
  return path?.split("/").at(-1) ?? "-";
}

function percent(progress: number | null): string {
  return progress === null ? "" : `${Math.round(progress * 100)} %`;
}

/** `2026-11-22 10:15:02` in UTC. */
export function shortTime(iso: string | null): string {
  return iso === null ? "-" : iso.slice(0, 19).replace("T", " ");
}

function note({ state, progress, reason }: JobView): string {
  if (state === "running" && progress !== null) return percent(progress);
  return reason ?? "";
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

/** One line per change, for `watch` and `submit --wait`. */
export function changeLine(job: JobView): string {
  const where = job.site === null ? "" : ` at ${job.site}`;
  const what = note(job);
  return `${job.since.slice(11, 19)}  ${job.id}  ${job.state}${where}  ${fileName(job.inputs[0])}${what === "" ? "" : `  (${what})`}`;
}

function attemptLine({ epoch, site, outcome, startedAt, finishedAt, code, reason }: Attempt): string {
  const until = finishedAt === undefined ? "" : ` to ${shortTime(finishedAt)}`;
  const why = code === undefined && !reason ? "" : `: ${[code, reason].filter(Boolean).join(" ")}`;
  return `  ${epoch}  ${outcome} at ${site}, ${shortTime(startedAt)}${until}${why}`;
}

/** Everything about one job. */
export function jobText(job: JobView): string {
  const tags = Object.entries(job.tags).map(([key, value]) => `${key}=${value}`);
  const lines: readonly (readonly [string, string | null])[] = [
    ["job", job.id],
    ["app", `${job.app} (${job.type})`],
    ["state", `${job.state} since ${shortTime(job.since)} UTC${job.progress === null ? "" : `, ${percent(job.progress)}`}`],
    ["reason", job.reason],
    ["site", job.site],
    ["why", job.why],
    ["tags", tags.length === 0 ? null : tags.join(" ")],
    ["submitted", shortTime(job.submittedAt)],
    ["started", job.startedAt && shortTime(job.startedAt)],
    ["finished", job.finishedAt && shortTime(job.finishedAt)],
    ...job.inputs.map((path) => ["input", path] as const),
    ...job.outputs.map(({ path, bytes, sha256 }) => ["output", `${path} (${bytes} bytes, sha256 ${sha256})`] as const),
  ];
  const text = lines.filter(([, value]) => value !== null).map(([name, value]) => `${name.padEnd(10)} ${value}`);
  return [...text, ...(job.attempts.length === 0 ? [] : ["attempts", ...job.attempts.map(attemptLine)])].join("\n");
}
