/**
 * The Superfacility API of NERSC: Slurm through HTTP, nothing of ours on a login node. Shapes are those of https://api.nersc.gov/api/v1.2/openapi.json; states and reasons are
 * Slurm's (slurm.ts). See docs/schedulers/sfapi.md.
 */
import { rm } from "node:fs/promises";
import { join, posix } from "node:path";
import { z } from "zod";
import { isCode, XpcsError } from "../../core/errors.js";
import { answered, part, pathParts, untilDone } from "../api-answers.js";
import { clientCredentials } from "../api-credentials.js";
import { API_SETTINGS } from "../api-settings.js";
import { quoted } from "../bash-words.js";
import { note, noted } from "../batch-notes.js";
import type { ApiRequest, BatchJob, BatchRef, Ending, Machine, Scheduler, Sighting } from "./define.js";
import { parseSacct, sbatchCommand, slurm, slurmFailure, slurmSighting } from "./slurm.js";

const { url, resource, credential, tokenUrl, user, folder, program, siteToken } = API_SETTINGS;
const settings = z.strictObject({
  url: url.default("https://api.nersc.gov/api/v1.2"),
  resource: resource.default("perlmutter"),
  tokenUrl: tokenUrl.default("https://oidc.nersc.gov/c2id/token"),
  ...{ credential, user, folder, program },
  siteToken: siteToken.optional(),
});

/** So long a submission whose reply was lost may still be among the API's tasks. */
const TASK_MAX_MS = 10 * 60_000;

const jobId = z.union([z.string(), z.number().transform(String)]).pipe(z.string().regex(/^\d{1,20}$/));
const STARTED = z.object({ task_id: z.string().nullish(), status: z.string(), error: z.string().nullish() });
const TASK = z.object({ status: z.string().nullish(), result: z.string().nullish() });
const TASKS = z.object({ tasks: z.array(TASK).nullish() });
const RESULT = z.object({ status: z.string().nullish(), error: z.string().nullish(), jobid: jobId.nullish() });
const ROW = z.record(z.string(), z.union([z.string(), z.number().transform(String), z.null()]));
const ROWS = z.object({ status: z.string(), output: z.array(ROW).nullish(), error: z.string().nullish() });
const FILE = z.object({ status: z.string(), file: z.string().nullish(), error: z.string().nullish() });
const MACHINE = z.object({ full_name: z.string().nullish(), status: z.string(), description: z.string().nullish() });

type Row = z.output<typeof ROW>;

/** A comment may have spaces in it; no word has a quote. */
const lineWord = (word: string): string => (word.includes(" ") ? word.replace(/=(.*)$/, '="$1"') : word);

/** The script with what sbatch reads in its first lines, where its options go that otherwise are words of a command. */
export function jobText({ tag, script, settings: job }: Pick<BatchJob, "tag" | "script" | "settings">): string {
  const [shell = "", ...lines] = script.split("\n");
  const [, ...words] = sbatchCommand({ tag, script, settings: job }).argv;
  return [shell, ...words.filter((word) => word !== "--parsable").map((word) => `#SBATCH ${lineWord(word)}`), ...lines].join("\n");
}

/** What its tasks end with: a text of JSON. @throws REFUSED it failed, in its words · UNAVAILABLE · CORRUPT_DATA */
function resultOf(what: string, { status, result }: z.output<typeof TASK>): z.output<typeof RESULT> {
  const found = answered(RESULT, what, { status: 200, text: result || "{}" });
  if (status !== "completed" || found.status?.toLowerCase() === "error")
    throw slurmFailure(what, found.error ?? `the API's task is ${status ?? "in no state"}`);
  return found;
}

/** Null: it is not done yet. */
async function taskResult(what: string, id: string, { ask }: Machine): Promise<z.output<typeof RESULT> | null> {
  const task = answered(TASK, what, await ask({ method: "GET", path: `/tasks/${part(id)}` }));
  return task.status === "new" || task.status == null ? null : resultOf(what, task);
}

/** Asks for something that is done later. @returns its task */
async function begin(what: string, request: ApiRequest, { ask }: Machine): Promise<string> {
  const { task_id: id, status, error } = answered(STARTED, what, await ask(request));
  if (status !== "OK" || !id) throw slurmFailure(what, error ?? "the API started no task for it");
  return id;
}

/** In the job's folder: that a submission was begun, and the API's task of it, once that is known. */
const begunPath = (ref: Pick<BatchJob, "folder">): string => join(ref.folder, "begun");
const taskPath = (ref: Pick<BatchJob, "folder">): string => join(ref.folder, "task");

async function submit(job: BatchJob, machine: Machine): Promise<string> {
  const { api, clock } = machine;
  const what = `the submission of ${job.tag}`;
  await note(begunPath(job), String(clock.nowMs()));
  const form = { job: jobText(job), isPath: "false" };
  const id = await begin(what, { method: "POST", path: `/compute/jobs/${part(api().resource)}`, form }, machine);
  await note(taskPath(job), id);
  const { jobid } = await untilDone(clock, what, () => taskResult(what, id, machine));
  if (jobid == null) throw new XpcsError("CORRUPT_DATA", `${what}: the API's task ${id} tells no job`);
  return jobid;
}

/** A listing of squeue or sacct. @throws UNAVAILABLE · REFUSED · CORRUPT_DATA */
async function rows(what: string, { ask, api }: Machine, kwargs: string, sacct: boolean): Promise<readonly Row[]> {
  const path = `/compute/jobs/${part(api().resource)}`;
  const answer = await ask({ method: "GET", path, query: { kwargs, sacct: String(sacct), cached: "false" } });
  const { status, output, error } = answered(ROWS, what, answer);
  if (status !== "OK") throw slurmFailure(what, error ?? "it said no more");
  return output ?? [];
}

const mine = (machine: Machine): Promise<readonly Row[]> => rows("the list of jobs", machine, `user=${machine.api().user}`, false);

function sightingsIn(found: readonly Row[]): Sighting[] {
  return found.flatMap(({ jobid, state, reason }) => (jobid && state ? [slurmSighting(jobid, state, reason ?? "")] : []));
}

/**
 * A submission that was begun is a task before it is a job.
 *
 * @throws UNAVAILABLE it may still become one
 */
async function find(tag: string, jobFolder: string, machine: Machine): Promise<string[]> {
  const [id, begunMs] = await Promise.all([taskPath, begunPath].map((path) => noted(path({ folder: jobFolder }))));
  const what = `the submission of ${tag}`;
  if (id) {
    try {
      const result = await taskResult(what, id, machine);
      if (result === null) throw new XpcsError("UNAVAILABLE", `${what}: the API's task ${id} is not done yet`);
      if (result.jobid != null) return [result.jobid];
    } catch (error) {
      if (!isCode(error, "REFUSED")) throw error;
      // It failed, or is not known any more: the job may be submitted again, if it is not there.
      await rm(taskPath({ folder: jobFolder }), { force: true });
    }
  }
  const found = (await mine(machine)).filter(({ name }) => name === tag).flatMap(({ jobid }) => (jobid ? [jobid] : []));
  if (found.length > 0 || id || !begunMs || machine.clock.nowMs() - Number(begunMs) > TASK_MAX_MS) return found;
  const { tasks } = answered(TASKS, "the list of tasks", await machine.ask({ method: "GET", path: "/tasks" }));
  if (tasks?.some(({ status }) => status === "new"))
    throw new XpcsError("UNAVAILABLE", `${what}: its reply was lost, and a task of the API is not done yet, which may be it`);
  return [];
}

async function account(jobs: readonly BatchRef[], machine: Machine): Promise<Map<string, Ending>> {
  const found = await rows("accounting", machine, `jobid=${jobs.map(({ id }) => id).join(",")}`, true);
  const lines = found.map((row) =>
    [row.jobidraw ?? row.jobid, row.state, row.exitcode, row.maxrss, row.reqmem].map((cell) => cell ?? "").join("|"),
  );
  return parseSacct({ code: 0, stdout: lines.join("\n"), stderr: "" });
}

async function cancel({ id }: BatchRef, machine: Machine): Promise<void> {
  const what = `the cancellation of job ${id}`;
  const path = `/compute/jobs/${part(machine.api().resource)}/${part(id)}`;
  const answer = await machine.ask({ method: "DELETE", path });
  if (answer.status === 404) return;
  const { status, error } = answered(ROWS.pick({ status: true, error: true }), what, answer);
  if (status !== "OK" && !/Invalid job id|already completing or completed/i.test(error ?? ""))
    throw slurmFailure(what, error ?? "it said no more");
}

/** Runs a line of shell on a login node. */
async function command(what: string, line: string, machine: Machine): Promise<void> {
  const form = { executable: `bash -c ${quoted(line)}` };
  const id = await begin(what, { method: "POST", path: `/utilities/command/${part(machine.api().resource)}`, form }, machine);
  await untilDone(machine.clock, what, () => taskResult(what, id, machine));
}

async function put(path: string, text: string, machine: Machine): Promise<void> {
  const what = `putting ${path} there`;
  const within = quoted(posix.dirname(path));
  // Before the file is there, so that nobody reads it in between.
  await command(what, `mkdir -p -- ${within} && chmod 700 -- ${within}`, machine);
  const at = `/utilities/upload/${part(machine.api().resource)}/${pathParts(path)}`;
  const { status, error } = answered(
    FILE,
    what,
    await machine.ask({ method: "PUT", path: at, file: { name: posix.basename(path), text } }),
  );
  if (status !== "OK") throw slurmFailure(what, error ?? "it said no more");
  await command(what, `chmod 600 -- ${quoted(path)}`, machine);
}

async function get(path: string, { ask, api }: Machine): Promise<string | null> {
  const at = `/utilities/download/${part(api().resource)}/${pathParts(path)}`;
  try {
    const { status, file } = answered(FILE, `reading ${path}`, await ask({ method: "GET", path: at, query: { binary: "false" } }));
    return status === "OK" ? (file ?? null) : null;
  } catch (error) {
    if (isCode(error, "REFUSED")) return null;
    throw error;
  }
}

async function greet(machine: Machine): Promise<string> {
  const { resource: name } = machine.api();
  const found = answered(MACHINE, `the state of ${name}`, await machine.ask({ method: "GET", path: `/status/${part(name)}` }));
  // That may be asked by anybody; this may not.
  await mine(machine);
  return `${found.full_name ?? name} (${found.status})`;
}

export const sfapi: Scheduler = {
  name: "sfapi",
  about: "NERSC's Superfacility API: Slurm through HTTP, from anywhere",
  takes: slurm.takes,
  ownId: slurm.ownId,
  launch: slurm.launch,
  detection: null,
  api: { settings, credential: (file, clock) => clientCredentials(file.credential, file.tokenUrl!, clock), greet, put, get },
  submit,
  find,
  status: async (_jobs, machine) => sightingsIn(await mine(machine)),
  account,
  cancel,
  queues: async () => [],
  accounts: async () => [],
  nodes: async () => [],
};
