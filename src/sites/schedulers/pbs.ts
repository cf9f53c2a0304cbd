/**
 * PBS Professional and OpenPBS: qsub, qstat, qselect, qdel, pbsnodes. States, comments and exit codes are those of the PBS Professional Reference Guide ("Job States",
 * "Job Exit Codes") and of job.h of OpenPBS (https://github.com/openpbs/openpbs). See docs/schedulers/pbs.md.
 */

import { clockSeconds, clockText, endedWith, jsonPrinted, printedBytes } from "../batch-printed.js";
import { endingsIn, type States, sighting } from "../batch-sightings.js";
import {
  type BatchCommand,
  type BatchJob,
  type CommandResult,
  commandFailure,
  type Ending,
  type Machine,
  type NodeKind,
  nodeKinds,
  type Outcome,
  type Queue,
  type Scheduler,
  type Sighting,
} from "./define.js";

const UNREACHABLE =
  /cannot connect to server|connection refused|connection timed out|end of file|communication failure|server shutting down|no default server|timed out|invalid credential/i;
/** Of qstat, for a job that is not there: no fault. */
const NOT_THERE = /unknown job id|job has finished|has expired/i;
const NO_HISTORY = /not configured to maintain job history/i;

const STATES: States = new Map(
  Object.entries({
    Q: ["queued", "it waits in the queue"],
    T: ["queued", "it is being moved to another queue"],
    M: ["unknown", "it was moved to another server"],
    W: ["queued", "it waits for the time at which it may begin, or for its files"],
    H: ["held", "it is held, by a person or because it waits for other jobs"],
    R: ["running", "it runs"],
    B: ["running", "tasks of its array have begun"],
    E: ["ending", "it is ending"],
    S: ["suspended", "it is suspended: a job of higher priority has its nodes"],
    U: ["suspended", "it is suspended: the owner of its machine is back"],
  }),
);

/** Why a job waits, from the comment of the scheduler. */
const COMMENTS: readonly (readonly [RegExp, string])[] = [
  [/insufficient amount of resource:?\s*([\w.]*)/i, "it waits for nodes or resources to become free"],
  [/not enough (total )?(free )?nodes/i, "it waits for nodes to become free"],
  [/would conflict with reservation or top job/i, "jobs of higher priority come first"],
  [/would cross dedicated time|dedicated time/i, "it would run into a time that is kept for maintenance"],
  [/queue not started/i, "its queue does not start jobs at present"],
  [/queue .*(limit|max)|limit .*queue|would exceed .*queue/i, "a limit of its queue is reached"],
  [
    /(user|project|group|server).*limit|would exceed .*(user|project|group|server|complex)/i,
    "a limit on its owner, project or on all jobs is reached",
  ],
  [/can never run/i, "it asks for more than there is, so it will never start"],
  [/job held.*too many failed attempts/i, "it is held: its start failed too often"],
];

/** Exit codes that PBS itself gives. */
const NEGATIVE = new Map<number, readonly [Outcome, string]>([
  [-1, ["node-failed", "its node could not start it (before its files were there)"]],
  [-2, ["node-failed", "its node could not start it (after its files were there)"]],
  [-3, ["node-failed", "its node could not start it, and it was to be tried again"]],
  [-4, ["node-failed", "it was ended when PBS was started anew on its node"]],
  [-10, ["failed", "its owner is not known on the node"]],
  [-11, ["preempted", "it was taken off its nodes, to be started again"]],
  [-12, ["preempted", "it was checkpointed and ended"]],
  [-14, ["node-failed", "a node of it stopped answering"]],
  [-16, ["refused", "a rule of the facility refused it on its node"]],
  [-17, ["refused", "a rule of the facility refused it on its node"]],
  [-18, ["preempted", "a rule of the facility put it back into the queue"]],
  [-19, ["canceled", "a rule of the facility ended it"]],
  [-20, ["node-failed", "the first of its nodes stopped answering"]],
  [-24, ["failed", "it used more processors than it had"]],
  [-25, ["failed", "it used more processors than it had"]],
  [-26, ["out-of-memory", "it used more virtual memory than it had"]],
  [-27, ["out-of-memory", "it used more memory than it had"]],
  [-28, ["time-limit", "it reached its limit of processor time"]],
  [-29, ["time-limit", "it reached its time limit"]],
  [-30, ["node-failed", "a node could not join it"]],
  [-32, ["node-failed", "its node was set up anew while it ran"]],
]);
/** An exit code above is of a signal. */
const SIGNAL_BASE = 256;
const SIGTERM = 15;

/** The command that submits a job. */
export function qsubCommand({ tag, script, settings: s }: Pick<BatchJob, "tag" | "script" | "settings">): BatchCommand {
  const chunk = [
    String(s.nodes),
    ...(s.cpusPerNode === undefined ? [] : [`ncpus=${s.cpusPerNode}`]),
    ...(s.gpusPerNode === undefined ? [] : [`ngpus=${s.gpusPerNode}`]),
    ...(s.memoryGbPerNode === undefined ? [] : [`mem=${Math.ceil(s.memoryGbPerNode * 1000)}mb`]),
    ...(s.constraint === undefined ? [] : [s.constraint]),
  ];
  return {
    argv: [
      "qsub",
      ...["-N", tag, "-S", "/bin/bash", "-r", "n", "-j", "oe", "-o", "/dev/null"],
      ...["-l", `select=${chunk.join(":")}`],
      ...["-l", `walltime=${clockText(s.walltimeS)}`],
      ...(s.place === undefined ? [] : ["-l", `place=${s.place}`]),
      ...(s.filesystems === undefined ? [] : ["-l", `filesystems=${s.filesystems.join(":")}`]),
      ...(s.queue === undefined ? [] : ["-q", s.queue]),
      ...(s.account === undefined ? [] : ["-A", s.account]),
      // It has no comment of its owner's, but lists the variables.
      ...(s.person === undefined ? [] : ["-v", `XPCS_BATCH_FOR=${s.person.replaceAll(" ", "_")}`]),
      ...(s.after === undefined ? [] : ["-W", `depend=afterany:${s.after.join(":")}`]),
    ],
    stdin: script,
  };
}

/** The whole id, `123.SERVER`. @throws REFUSED · UNAVAILABLE */
export function parseQsub(result: CommandResult): string {
  const id = result.code === 0 ? /^(\d+(?:\.[\w.-]+)?)\s*$/m.exec(result.stdout)?.[1] : undefined;
  if (id === undefined) throw commandFailure("qsub", result, UNREACHABLE);
  return id;
}

/** Ids of a person's jobs of a name that have not ended; the name must be whole. */
export function qselectCommand(user: string, tag: string): BatchCommand {
  return { argv: ["qselect", "-u", user, "-N", tag] };
}

/** @throws REFUSED · UNAVAILABLE */
export function parseQselect(result: CommandResult): string[] {
  if (result.code !== 0) throw commandFailure("qselect", result, UNREACHABLE);
  return result.stdout.split("\n").flatMap((line) => (/^\d+\S*$/.test(line.trim()) ? [line.trim()] : []));
}

/** All about jobs, also about those that have ended (`-x`), as JSON. */
export function qstatCommand(ids: readonly string[], history = true): BatchCommand {
  return { argv: ["qstat", ...(history ? ["-x"] : []), "-f", "-F", "json", ...ids] };
}

interface QstatJob {
  readonly job_state?: unknown;
  readonly Exit_status?: unknown;
  readonly comment?: unknown;
}

function endingOf({ Exit_status: status, comment }: QstatJob): Ending {
  const code = typeof status === "number" ? status : Number.parseInt(String(status ?? ""), 10);
  const said = typeof comment === "string" ? comment : "";
  if (Number.isNaN(code)) return { outcome: "canceled", exitCode: null, sentence: "it was deleted before it ran" };
  if (code < 0) {
    const [outcome, sentence] = NEGATIVE.get(code) ?? ["failed", `PBS gives exit code ${code}${said === "" ? "" : `: ${said}`}`];
    return { outcome, exitCode: null, sentence };
  }
  if (code === SIGNAL_BASE + SIGTERM)
    return { outcome: "canceled", exitCode: 128 + SIGTERM, sentence: "it was deleted by its owner or an administrator" };
  if (code > SIGNAL_BASE) return { outcome: "failed", exitCode: code - 128, sentence: `it was ended by signal ${code - SIGNAL_BASE}` };
  return endedWith(code);
}

function sightingOf(id: string, job: QstatJob): Sighting {
  const state = String(job.job_state ?? "");
  const comment = typeof job.comment === "string" ? job.comment : "";
  const seen = sighting("PBS", STATES, { id, state, note: comment }, state === "F" || state === "X" ? endingOf(job) : null);
  const why = seen.phase === "queued" || seen.phase === "held" ? COMMENTS.find(([pattern]) => pattern.test(comment))?.[1] : undefined;
  return { ...seen, sentence: why ?? seen.sentence };
}

/** @throws REFUSED · UNAVAILABLE · CORRUPT_DATA that is no JSON */
export function parseQstat(result: CommandResult): Sighting[] {
  const faults = result.stderr.split("\n").filter((line) => line.trim() !== "" && !NOT_THERE.test(line));
  if (result.code === null || (result.code !== 0 && (faults.length > 0 || result.stderr.trim() === "")))
    throw commandFailure("qstat", result, UNREACHABLE);
  if (result.stdout.trim() === "") return [];
  const jobs = (jsonPrinted("qstat", result) as { Jobs?: unknown } | null)?.Jobs ?? {};
  return Object.entries(jobs as Record<string, QstatJob | null>).map(([id, job]) => sightingOf(id, job ?? {}));
}

/** @throws REFUSED · UNAVAILABLE */
function checkQdel(result: CommandResult): void {
  if (result.code !== 0 && !NOT_THERE.test(result.stderr)) throw commandFailure("qdel", result, UNREACHABLE);
}

interface QstatQueue {
  readonly queue_type?: unknown;
  readonly enabled?: unknown;
  readonly started?: unknown;
  readonly resources_max?: { readonly walltime?: unknown; readonly nodect?: unknown };
}

/** Execution and routing queues from `qstat -Q -f -F json`. @throws REFUSED · UNAVAILABLE · CORRUPT_DATA */
export function parseQueues(result: CommandResult): Queue[] {
  if (result.code !== 0) throw commandFailure("qstat", result, UNREACHABLE);
  const value = jsonPrinted("qstat", result) as { readonly Queue?: Readonly<Record<string, QstatQueue>> } | null;
  return Object.entries(value?.Queue ?? {}).map(([name, queue]) => {
    const nodes = Number(queue.resources_max?.nodect);
    const open = String(queue.enabled) === "True" && String(queue.started) === "True";
    return { name, open, walltimeMaxS: clockSeconds(String(queue.resources_max?.walltime)), nodes: Number.isInteger(nodes) ? nodes : null };
  });
}

async function look(ids: readonly string[], { run }: Machine): Promise<Sighting[]> {
  const result = await run(qstatCommand(ids));
  return parseQstat(NO_HISTORY.test(result.stderr) ? await run(qstatCommand(ids, false)) : result);
}

interface PbsNode {
  readonly resources_available?: Readonly<Record<string, unknown>>;
  readonly queue?: unknown;
}

/** `527672488kb`, or a number of bytes, in GB of 10^9. */
function sizeGb(value: unknown): number | null {
  const bytes = printedBytes(String(value));
  return bytes === null ? null : Math.floor(bytes / 1e9);
}

function whole(value: unknown): number | null {
  const number = Number(value ?? Number.NaN);
  return Number.isInteger(number) && number >= 0 ? number : null;
}

/** Nodes from `pbsnodes -a -F json`: what jobs may have of them. @throws REFUSED · UNAVAILABLE · CORRUPT_DATA */
export function parsePbsnodes(result: CommandResult): NodeKind[] {
  if (result.code !== 0) throw commandFailure("pbsnodes", result, UNREACHABLE);
  const value = jsonPrinted("pbsnodes", result) as { readonly nodes?: Readonly<Record<string, PbsNode | null>> } | null;
  return nodeKinds(
    Object.entries(value?.nodes ?? {}).flatMap(([name, node]) => {
      const { ncpus, ngpus, mem } = node?.resources_available ?? {};
      const cpus = whole(ncpus);
      if (cpus === null) return [];
      return {
        name,
        cpus,
        cores: null,
        memoryGb: sizeGb(mem),
        gpus: whole(ngpus),
        queues: typeof node?.queue === "string" ? [node.queue] : [],
      };
    }),
  );
}

export const pbs: Scheduler = {
  name: "pbs",
  about: "PBS Professional and OpenPBS, as at ALCF (Polaris, Aurora)",
  takes: ["queue", "account", "constraint", "after", "gpusPerNode", "cpusPerNode", "memoryGbPerNode", "filesystems", "place"],
  ownId: "$PBS_JOBID",
  launch: {
    // A node is listed once for each process that it was asked for.
    nodes: "awk '!seen[$0]++' \"$PBS_NODEFILE\"",
    pilots: ["pbsdsh", "--"],
    jobs: ["mpiexec", "-n", "{ranks}", "--ppn", "{ranksPerNode}", "--hosts", "{hosts}"],
  },
  detection: {
    probe: { argv: ["qstat", "--version"] },
    recognise: ({ stdout, stderr }) => /pbs_version\s*=\s*(\S+)/.exec(`${stdout}\n${stderr}`)?.[1] ?? null,
  },
  submit: async (job, { run }) => parseQsub(await run(qsubCommand(job))),
  find: async (tag, _folder, { run, user }) => parseQselect(await run(qselectCommand(user, tag))),
  status: (jobs, machine) =>
    look(
      jobs.map(({ id }) => id),
      machine,
    ),
  account: async (jobs, machine) =>
    endingsIn(
      await look(
        jobs.map(({ id }) => id),
        machine,
      ),
    ),
  cancel: async ({ id }, { run }) => checkQdel(await run({ argv: ["qdel", id] })),
  queues: async ({ run }) => parseQueues(await run({ argv: ["qstat", "-Q", "-f", "-F", "json"] })),
  // PBS knows no list of a person's projects; facilities have tools of their own.
  accounts: async () => [],
  nodes: async ({ run }) => parsePbsnodes(await run({ argv: ["pbsnodes", "-a", "-F", "json"] })),
};
