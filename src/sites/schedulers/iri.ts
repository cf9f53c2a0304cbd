/**
 * The IRI Facility API of the Department of Energy's facilities, versions 1 and 2: jobs through HTTP, nothing of ours on a login node. Shapes and states are those of the published
 * specification (https://api.iri.nersc.gov/api/v2/openapi.json, https://api.alcf.anl.gov/openapi.json) and of its reference implementation. See docs/schedulers/iri.md.
 */
import { createHash } from "node:crypto";
import { posix } from "node:path";
import { z } from "zod";
import { sleep } from "../../core/clock.js";
import { isCode, XpcsError } from "../../core/errors.js";
import { answered, isGood, part, untilDone } from "../api-answers.js";
import { tokenFile } from "../api-credentials.js";
import { API_SETTINGS } from "../api-settings.js";
import { type States, sighting } from "../batch-sightings.js";
import {
  type ApiAnswer,
  type ApiRequest,
  apiFailure,
  type BatchJob,
  type BatchRef,
  type Ending,
  type Machine,
  type Outcome,
  reasonIn,
  type Scheduler,
  type Sighting,
} from "./define.js";
import { pbs } from "./pbs.js";
import { slurm } from "./slurm.js";

const { url, resource, storage, credential, folder, program, siteToken } = API_SETTINGS;
const settings = z
  .strictObject({ url, resource, credential, folder, program, storage: storage.optional(), siteToken: siteToken.optional() })
  .refine(
    (file) => file.storage !== undefined || file.siteToken !== undefined,
    "says neither storage nor siteToken: how do pilots get their token?",
  );

/** Jobs of one page, and pages at most: more than a person may have. */
const PAGE = 100;
const PAGES_MAX = 20;
/** Another request with this key is being worked on. */
const IN_FLIGHT = 409;
const IN_FLIGHT_WAIT_MS = 2_000;
const IN_FLIGHT_TRIES = 5;
const NOT_IMPLEMENTED = 501;
/** What is read of a file: its end. */
const TAIL_BYTES = 64 * 1024;

/** A job that has not ended: phase and sentence. */
const LIVE: States = new Map(
  Object.entries({
    new: ["queued", "it was handed in, and is not in the queue yet"],
    queued: ["queued", "it waits in the queue"],
    held: ["held", "it is held"],
    active: ["running", "it runs"],
  }),
);
const ENDED = new Map<string, readonly [Outcome, string]>(
  Object.entries({
    completed: ["done", "it completed"],
    failed: ["failed", "it failed"],
    canceled: ["canceled", "it was canceled"],
  }),
);

/** Why a job failed, where the API passes on the words of the scheduler behind it. */
const CAUSES: readonly (readonly [RegExp, Outcome, string])[] = [
  [/\bTIMEOUT\b|time ?limit|wall ?time/i, "time-limit", "it reached its time limit"],
  [/OUT_OF_MEMORY|out of memory|\boom\b/i, "out-of-memory", "it used more memory than it had"],
  [/NODE_FAIL|BOOT_FAIL|node fail/i, "node-failed", "a node of it failed"],
  [/PREEMPT/i, "preempted", "it had to make room for another job"],
];

/** It goes into addresses. */
const jobId = z.union([z.string(), z.number().transform(String)]).pipe(z.string().regex(/^[\w.[\]:@-]{1,200}$/));
const JOB = z.object({
  id: jobId,
  // What is not as it should be of one job is no reason to hear nothing of the others.
  status: z
    .object({
      state: z.string(),
      message: z.string().nullish().catch(null),
      exit_code: z.number().nullish().catch(null),
      meta_data: z.record(z.string(), z.unknown()).nullish().catch(null),
    })
    .nullish()
    .catch(null),
  job_spec: z.object({ name: z.string().nullish() }).nullish().catch(null),
});
type Job = z.output<typeof JOB>;
const SUBMITTED = z.object({ id: jobId });
const TASK = z.object({ status: z.string(), result: z.unknown() });
const TASK_MADE = z.object({ task_id: z.string().min(1) });
const CONTENT = z.object({ output: z.union([z.string(), z.object({ content: z.string() }).transform(({ content }) => content)]) });

/** The specification of a job: PSI/J's, as the API has it. */
export function jobSpec({ tag, script, settings: s }: Pick<BatchJob, "tag" | "script" | "settings">): Readonly<Record<string, unknown>> {
  const custom = {
    ...(s.constraint === undefined ? {} : { constraint: s.constraint }),
    ...(s.filesystems === undefined ? {} : { filesystems: s.filesystems.join(":") }),
  };
  const processes = s.cpusPerNode === undefined && s.gpusPerNode === undefined ? {} : { processes_per_node: 1 };
  return {
    executable: "/bin/bash",
    // Without quotes and ends of lines, which not every server passes on as they are. Bash becomes the script, and gets its signals.
    arguments: ["-c", `exec bash <(base64 -d<<<${Buffer.from(script).toString("base64")})`],
    name: tag,
    // Some demand them; the script says where its output goes.
    ...{ stdout_path: "/dev/null", stderr_path: "/dev/null" },
    resources: {
      ...{ node_count: s.nodes, ...processes },
      ...(s.cpusPerNode === undefined ? {} : { cpu_cores_per_process: s.cpusPerNode }),
      ...(s.gpusPerNode === undefined ? {} : { gpu_cores_per_process: s.gpusPerNode }),
    },
    attributes: {
      duration: s.walltimeS,
      ...(s.queue === undefined ? {} : { queue_name: s.queue }),
      ...(s.account === undefined ? {} : { account: s.account }),
      ...(s.reservation === undefined ? {} : { reservation_id: s.reservation }),
      ...(Object.keys(custom).length === 0 ? {} : { custom_attributes: custom }),
    },
  };
}

/** The same job, the same key: a UUID (RFC 9562, version 8) of its specification. */
export function idempotencyKey(spec: Readonly<Record<string, unknown>>): string {
  const hex = createHash("sha256").update(JSON.stringify(spec)).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

async function submit(job: BatchJob, { ask, api, clock }: Machine): Promise<string> {
  const spec = jobSpec(job);
  const request: ApiRequest = { method: "POST", path: `/compute/job/${part(api().resource)}`, json: spec };
  const withKey: ApiRequest = { ...request, headers: { "idempotency-key": idempotencyKey(spec) } };
  let answer = await ask(withKey);
  for (let tries = 1; answer.status === IN_FLIGHT && tries < IN_FLIGHT_TRIES; tries += 1) {
    await sleep(clock, IN_FLIGHT_WAIT_MS);
    answer = await ask(withKey);
  }
  // It keeps no keys, and has done nothing.
  if (answer.status === NOT_IMPLEMENTED && /idempotency/i.test(answer.text)) answer = await ask(request);
  return answered(SUBMITTED, `the submission of ${job.tag}`, answer).id;
}

/** It says that there is no such job, or none at all; not that there is no such page, which says nothing about jobs. */
function isUnknown({ status, text }: ApiAnswer): boolean {
  const reason = reasonIn(text) ?? "";
  if (status === 404 || status === 410) return reason !== "" && !/^(resource )?not found\.?$/i.test(reason);
  return status === 400 && /not found|no such|unknown job|does not exist/i.test(reason);
}

/** Of the person's jobs on that machine, page by page. */
async function list({ ask, api }: Machine, query: Readonly<Record<string, string>>): Promise<Map<string, Job>> {
  const found = new Map<string, Job>();
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const answer = await ask({
      ...{ method: "POST", path: `/compute/status/${part(api().resource)}` },
      query: { offset: String(page * PAGE), limit: String(PAGE), ...query },
    });
    // An empty list may be answered so.
    if (isUnknown(answer)) break;
    const jobs = answered(z.array(JOB), "the list of jobs", answer);
    const before = found.size;
    for (const job of jobs) found.set(job.id, job);
    if (jobs.length < PAGE || found.size === before) break;
  }
  return found;
}

/** Where a server cannot list in that way, there are other ways to ask. */
async function listIfItCan(machine: Machine, query: Readonly<Record<string, string>>): Promise<Map<string, Job>> {
  try {
    return await list(machine, query);
  } catch (error) {
    if (isCode(error, "REFUSED")) return new Map();
    throw error;
  }
}

/** Null: the API does not know it. */
async function one(id: string, { ask, api }: Machine): Promise<Job | null> {
  const path = `/compute/status/${part(api().resource)}/${part(id)}`;
  const answer = await ask({ method: "GET", path, query: { historical: "true" } });
  return isUnknown(answer) ? null : answered(JOB, `the state of job ${id}`, answer);
}

function endingOf({ status }: Job): Ending | null {
  const known = ENDED.get(status?.state ?? "");
  if (known === undefined) return null;
  const [outcome, sentence] = known;
  const code = status!.exit_code ?? null;
  const exitCode = code !== null && Number.isInteger(code) && code >= 0 && code <= 255 ? code : null;
  if (outcome === "done") {
    if (code === null || code === 0) return { outcome, exitCode, sentence };
    return { outcome: "failed", exitCode, sentence: `it ended with exit code ${code}` };
  }
  const told = `${status!.message ?? ""} ${JSON.stringify(status!.meta_data ?? {})}`;
  const cause = CAUSES.find(([words]) => words.test(told));
  return cause === undefined ? { outcome, exitCode, sentence } : { outcome: cause[1], exitCode, sentence: cause[2] };
}

/** What is said of a job. */
export function sightingOf(job: Job): Sighting {
  const { id, status } = job;
  const [state, note] = [status?.state ?? "", status?.message?.slice(0, 200) ?? ""];
  return sighting("the API", LIVE, { id, state, note }, endingOf(job));
}

/** A listing may lack young jobs and those that have ended: they are asked for by their ids. */
async function status(jobs: readonly BatchRef[], machine: Machine): Promise<Sighting[]> {
  const listed = await listIfItCan(machine, { historical: "false" });
  const others = await Promise.all(jobs.filter(({ id }) => !listed.has(id)).map(({ id }) => one(id, machine)));
  return [...listed.values(), ...others.filter((job) => job !== null)].map(sightingOf);
}

async function cancel({ id }: BatchRef, machine: Machine): Promise<void> {
  const path = `/compute/cancel/${part(machine.api().resource)}/${part(id)}`;
  const answer = await machine.ask({ method: "DELETE", path });
  if (isGood(answer) || isUnknown(answer)) return;
  const job = await one(id, machine);
  if (job !== null && endingOf(job) === null) throw apiFailure(`the cancellation of job ${id}`, answer);
}

/** Asks for something to be done with a file, and waits for it. Null: it could not be done. */
async function fileTask(what: string, request: ApiRequest, { ask, clock }: Machine): Promise<unknown> {
  const { task_id: id } = answered(TASK_MADE, what, await ask(request));
  const { status, result } = await untilDone(clock, what, async () => {
    const task = answered(TASK, what, await ask({ method: "GET", path: `/task/${part(id)}` }));
    return ["pending", "active"].includes(task.status) ? null : task;
  });
  if (status === "completed") return result;
  throw new XpcsError("REFUSED", `${what}: the task is ${status}: ${JSON.stringify(result ?? null).slice(0, 300)}`);
}

/** In version 1 of the API some methods differ. */
const isFirstVersion = (machine: Machine): boolean => /\/v1\/?$/.test(machine.api().url);

async function put(path: string, text: string, machine: Machine): Promise<void> {
  const { storage: place } = machine.api();
  if (place === undefined) throw new XpcsError("INVALID_ARGUMENT", `${path} cannot be put there: the batch file says no api.storage`);
  const of = (operation: string): string => `/filesystem/${operation}/${part(place)}`;
  const what = `putting ${path} there`;
  const within = posix.dirname(path);
  const chmod = (target: string, mode: string): ApiRequest => ({
    ...{ method: isFirstVersion(machine) ? "PUT" : "POST", path: of("chmod"), json: { path: target, mode } },
  });
  await fileTask(what, { method: "POST", path: of("mkdir"), json: { path: within, parent: true } }, machine);
  // Before the file is there, so that nobody reads it in between.
  await fileTask(what, chmod(within, "700"), machine);
  const file = { name: posix.basename(path), text };
  await fileTask(what, { method: "POST", path: of("upload"), query: { path }, file }, machine);
  await fileTask(what, chmod(path, "600"), machine);
}

async function get(path: string, machine: Machine): Promise<string | null> {
  const { storage: place } = machine.api();
  if (place === undefined) return null;
  const at = `/filesystem/tail/${part(place)}`;
  const request: ApiRequest = isFirstVersion(machine)
    ? { method: "GET", path: at, query: { path, bytes: String(TAIL_BYTES) } }
    : { method: "POST", path: at, json: { path, bytes: TAIL_BYTES } };
  try {
    return CONTENT.parse(await fileTask(`reading ${path}`, request, machine)).output;
  } catch (error) {
    if (isCode(error, "REFUSED") || error instanceof z.ZodError) return null;
    throw error;
  }
}

const RESOURCE = z.object({ name: z.string().nullish(), current_status: z.string().nullish() });

async function greet(machine: Machine): Promise<string> {
  const { resource: id } = machine.api();
  const what = `the state of ${id}`;
  const found = answered(RESOURCE, what, await machine.ask({ method: "GET", path: `/status/resources/${part(id)}` }));
  // That may be asked by anybody; this may not.
  await list(machine, { historical: "false" });
  return `${found.name ?? id} (${found.current_status ?? "of unknown state"})`;
}

/** Words for whichever of the two is behind it: a shell chooses when it starts them. */
function byEither(what: "pilots" | "jobs"): string[] {
  const [ofPbs, ofSlurm] = [pbs, slurm].map(({ launch }) => launch[what].join(" "));
  return ["/bin/bash", "-c", `if [ -n "$PBS_NODEFILE" ]; then exec ${ofPbs} "$@"; else exec ${ofSlurm} "$@"; fi`, "bash"];
}

export const iri: Scheduler = {
  name: "iri",
  about: "the IRI Facility API, as at ALCF, NERSC and ESnet: through HTTP, from anywhere",
  takes: ["queue", "account", "reservation", "constraint", "filesystems", "gpusPerNode", "cpusPerNode"],
  // Of the schedulers behind it.
  // biome-ignore lint/suspicious/noTemplateCurlyInString: of bash
  ownId: "${PBS_JOBID:-$SLURM_JOB_ID}",
  launch: {
    nodes: `if [ -n "$PBS_NODEFILE" ]; then ${pbs.launch.nodes}; else ${slurm.launch.nodes}; fi`,
    pilots: byEither("pilots"),
    jobs: byEither("jobs"),
  },
  detection: null,
  api: { settings, credential: ({ credential: path }) => tokenFile(path), greet, put, get },
  submit,
  find: async (tag, _folder, machine) => {
    const jobs = await listIfItCan(machine, { historical: "true", include_spec: "true" });
    return [...jobs.values()].filter(({ job_spec }) => job_spec?.name === tag).map(({ id }) => id);
  },
  status,
  account: async () => new Map(),
  cancel,
  queues: async () => [],
  accounts: async () => [],
  nodes: async () => [],
};
