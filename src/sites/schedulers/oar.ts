/**
 * OAR 2.5: oarsub, oarstat, oardel, oarnodes. States and events are those of "Database scheme" in the administrator's manual (Debian package oar-doc;
 * https://oar.readthedocs.io/en/2.5/admin/database-scheme.html). See docs/schedulers/oar.md.
 */

import { sleep } from "../../core/clock.js";
import { clockText, endedWith, jsonPrinted } from "../batch-printed.js";
import { endingsIn, idsOf, type Listed, type States, sighting } from "../batch-sightings.js";
import {
  type BatchCommand,
  type BatchJob,
  type BatchRef,
  type CommandResult,
  commandFailure,
  type Ending,
  type Machine,
  type NodeKind,
  nodeKinds,
  type Outcome,
  type Scheduler,
  type SeenNode,
} from "./define.js";

const UNREACHABLE =
  /cannot connect to (executor|database)|could not connect|DB connection error|DBI connect\(|connection (refused|timed out)/i;
/** Of oardel, for a job that has ended, or is being ended already. */
const NO_MORE = /already killed/i;
const NOT_RUNNING = /is not running/i;

/** OAR ends a job without a warning, so SIGTERM is sent this long before. */
const GRACE_MS = 3_000;
/** How long before its time limit a job gets SIGUSR2, s. */
const warningS = (walltimeS: number): number => Math.min(60, Math.floor(walltimeS / 2));

/** States of a job that has not ended: phase and sentence. */
const LIVE: States = new Map(
  Object.entries({
    Waiting: ["queued", "it waits in the queue"],
    toAckReservation: ["queued", "its reservation is being confirmed"],
    toLaunch: ["queued", "its nodes were chosen"],
    Launching: ["queued", "its nodes are being made ready"],
    Hold: ["held", "it is held, by its owner or an administrator"],
    Running: ["running", "it runs"],
    Suspended: ["suspended", "it is suspended, its nodes are given to others"],
    Resuming: ["suspended", "it is being resumed"],
    Finishing: ["ending", "it is ending"],
    toError: ["ending", "it is ending, something went wrong"],
  }),
);

/** Why a job waits, from its message; those of OAR's own schedulers. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/quota(?!_ok)/i, "a quota is reached"],
  [/no enough matching resources/i, "no free nodes fit what it asks for"],
  [/no enough tokens/i, "it waits for a token, such as a licence"],
  [/due to dependency with the job/i, "it waits for other jobs"],
  [/container \S+ is yet to/i, "it waits for the job in which it runs"],
];

/** Events that tell why a job ended in error; the first that a job has counts. */
const CAUSES = new Map<string, readonly [Outcome, string]>(
  Object.entries({
    WALLTIME: ["time-limit", "it reached its time limit"],
    BESTEFFORT_KILL: ["preempted", "it was of the type besteffort and had to make room for another job"],
    PING_CHECKER_NODE_SUSPECTED: ["node-failed", "a node of it does not answer"],
    PROLOGUE_ERROR: ["node-failed", "the prologue of its node failed"],
    SERVER_PROLOGUE_TIMEOUT: ["node-failed", "the prologue of the server took too long"],
    SERVER_PROLOGUE_EXIT_CODE_ERROR: ["node-failed", "the prologue of the server failed"],
    SERVER_PROLOGUE_ERROR: ["node-failed", "the prologue of the server could not be started"],
    CANNOT_CREATE_TMP_DIRECTORY: ["node-failed", "its node could not make a folder for it"],
    CANNOT_WRITE_NODE_FILE: ["node-failed", "its node could not write the list of nodes"],
    CANNOT_WRITE_PID_FILE: ["node-failed", "its node could not write the number of its process"],
    CPUSET_ERROR: ["node-failed", "its node could not make a set of cores for it"],
    USER_SHELL: ["node-failed", "its node does not know its owner's shell"],
    WORKING_DIRECTORY: ["node-failed", "its node does not have the folder in which it was to begin"],
    OUTPUT_FILES: ["node-failed", "its node could not write its output"],
    SSH_TRANSFER_TIMEOUT: ["node-failed", "its node took too long to take it"],
    BAD_HASHTABLE_DUMP: ["node-failed", "its node could not read what it was given"],
    LAUNCHING_OAREXEC_TIMEOUT: ["node-failed", "its node took too long to start it"],
    EXIT_VALUE_OAREXEC: ["node-failed", "its node ended it in an unknown way"],
    RESERVATION_NO_NODE: ["node-failed", "no node of its reservation answers"],
    LEON_KILL_BIPBIP_TIMEOUT: ["canceled", "it was canceled, and its node did not answer"],
    FRAG_JOB_REQUEST: ["canceled", "it was canceled by its owner or an administrator"],
    EXTERMINATE_JOB: ["node-failed", "its node did not answer when it was ended"],
  }),
);

/** Means the same to every shell. */
const PLAIN = /[A-Za-z0-9_./@+:=,-]/;

/** The command that OAR hands to the login shell of the job's owner: of the path only plain characters, others as `\0ooo` (octal). */
export function commandLine(scriptPath: string): string {
  const path = [...Buffer.from(scriptPath)].map((byte) => {
    const character = String.fromCharCode(byte);
    return PLAIN.test(character) ? character : `\\0${byte.toString(8).padStart(3, "0")}`;
  });
  return `exec /bin/bash -c 'exec /bin/bash "$(printf %b "${path.join("")}")"'`;
}

/** `cluster=dahu&mem>64` as the SQL that OAR takes: `cluster = 'dahu' AND mem > '64'`. */
function sqlOf(constraint: string): string {
  return constraint
    .replace(/([A-Za-z_]\w*)(!=|<=|>=|=|<|>)([\w.:%*-]+)/g, "$1 $2 '$3'")
    .replace(/&+/g, " AND ")
    .replace(/\|+/g, " OR ");
}

/** The command that submits a job. OAR takes the script as a command line, which it keeps in its database. */
export function oarsubCommand({ tag, scriptPath, settings: s }: Pick<BatchJob, "tag" | "scriptPath" | "settings">): BatchCommand {
  const gpus = s.gpusPerNode === undefined ? "" : `/gpu=${s.gpusPerNode}`;
  // Each level counts within the one before it: cores of a GPU, where there are GPUs.
  const cores = s.cpusPerNode === undefined ? "" : `/core=${Math.ceil(s.cpusPerNode / (s.gpusPerNode ?? 1))}`;
  return {
    argv: [
      "oarsub",
      ...["-n", tag, "-d", "/", "-O", "/dev/null", "-E", "/dev/null", "--checkpoint", String(warningS(s.walltimeS))],
      ...["-l", `/nodes=${s.nodes}${gpus}${cores},walltime=${clockText(s.walltimeS)}`],
      ...(s.queue === undefined ? [] : ["-q", s.queue]),
      ...(s.account === undefined ? [] : ["--project", s.account]),
      ...(s.constraint === undefined ? [] : ["-p", sqlOf(s.constraint)]),
      ...(s.after ?? []).flatMap((id) => ["-a", id]),
      commandLine(scriptPath),
    ],
  };
}

/** The id in `OAR_JOB_ID=123`, among notes of the site's rules; a refused job has a negative one. @throws REFUSED · UNAVAILABLE */
export function parseOarsub(result: CommandResult): string {
  const id = result.code === 0 ? /^OAR_JOB_ID=(\d+)\s*$/m.exec(result.stdout)?.[1] : undefined;
  if (id === undefined) throw commandFailure("oarsub", result, UNREACHABLE);
  return id;
}

/** A person's jobs that have not ended. */
export function oarstatCommand(user: string): BatchCommand {
  return { argv: ["oarstat", "-J", "-u", user] };
}

/** Jobs by id, with their events, also those that have ended. */
export function oarstatOfCommand(ids: readonly string[]): BatchCommand {
  return { argv: ["oarstat", "-J", "-f", ...ids.flatMap((id) => ["-j", id])] };
}

type Printed = Readonly<Record<string, unknown>>;

/** The values of the object that a command prints with `-J`; it prints nothing where there is nothing. @throws REFUSED · UNAVAILABLE · CORRUPT_DATA */
function objects(program: string, result: CommandResult): Printed[] {
  if (result.code !== 0) throw commandFailure(program, result, UNREACHABLE);
  if (result.stdout.trim() === "") return [];
  const printed = jsonPrinted(program, result);
  if (typeof printed !== "object" || printed === null) return [];
  return Object.values(printed).filter((each): each is Printed => typeof each === "object" && each !== null);
}

const text = (value: unknown): string => (typeof value === "string" || typeof value === "number" ? String(value) : "");

/** @throws REFUSED · UNAVAILABLE · CORRUPT_DATA */
export function parseOarstat(result: CommandResult): Listed[] {
  return objects("oarstat", result).flatMap((job): Listed[] => {
    const [id, state, message, tag] = [job.Job_Id, job.state, job.message, job.name].map(text) as [string, string, string, string];
    if (!/^\d+$/.test(id) || state === "") return [];
    const seen = sighting("OAR", LIVE, { id, state, note: message }, endingOf(state, job));
    const why = seen.phase === "queued" ? REASONS.find(([pattern]) => pattern.test(message))?.[1] : undefined;
    return [{ ...seen, tag, sentence: `${why ?? seen.sentence}${planned(state, job)}` }];
  });
}

/** When a waiting job will start, as far as OAR has planned it. */
function planned(state: string, { scheduledStart }: Printed): string {
  if (state !== "Waiting" || typeof scheduledStart !== "number" || scheduledStart <= 0) return "";
  return `; OAR means to start it at ${new Date(scheduledStart * 1000).toISOString().slice(0, 16)}Z`;
}

/** Whether a job of the type besteffort was asked to leave before its time: it gets its warning then, and is killed only if it stays. */
function madeRoom({ types, startTime, walltime }: Printed, events: readonly Printed[]): boolean {
  if (!Array.isArray(types) || !types.includes("besteffort") || typeof startTime !== "number" || typeof walltime !== "number") return false;
  const endS = startTime + walltime;
  return events.some(({ type, date }) => type === "CHECKPOINT" && typeof date === "number" && date < endS - warningS(walltime));
}

/** Null: it has not ended, or that is not known. */
function endingOf(state: string, job: Printed): Ending | null {
  const status = job.exit_code;
  // As wait(2) has it: the signal in the low bits.
  const exitCode = typeof status !== "number" ? null : (status & 127) !== 0 ? 128 + (status & 127) : (status >> 8) & 255;
  const events = Array.isArray(job.events) ? job.events.filter((each): each is Printed => typeof each === "object" && each !== null) : [];
  if (state === "Terminated") {
    if (exitCode === null) return { outcome: "failed", exitCode, sentence: "it ended, and OAR does not tell its exit code" };
    if (exitCode !== 0 && madeRoom(job, events))
      return { outcome: "preempted", exitCode, sentence: "it was of the type besteffort and was told to make room for another job" };
    return endedWith(exitCode);
  }
  if (state !== "Error") return null;
  const happened = events.map(({ type }) => type);
  for (const [event, [outcome, sentence]] of CAUSES) if (happened.includes(event)) return { outcome, exitCode, sentence };
  return { outcome: "failed", exitCode, sentence: `it ended in error; OAR says "${text(job.message)}"` };
}

/** SIGTERM, and after a while the end. A job that waits has nothing that could be told. @throws REFUSED · UNAVAILABLE */
async function cancel({ id }: BatchRef, { run, clock }: Machine): Promise<void> {
  const told = await run({ argv: ["oardel", "-s", "TERM", id] });
  if (told.code === 0) await sleep(clock, GRACE_MS);
  else if (!NOT_RUNNING.test(told.stderr)) throw commandFailure("oardel", told, UNREACHABLE);
  const result = await run({ argv: ["oardel", id] });
  if (result.code !== 0 && !NO_MORE.test(result.stderr)) throw commandFailure("oardel", result, UNREACHABLE);
}

/** Each resource of OAR, mostly a core, with the properties that the site gave it. @throws REFUSED · UNAVAILABLE · CORRUPT_DATA */
export function parseOarnodes(result: CommandResult): NodeKind[] {
  const nodes = new Map<string, { cpus: number; cores: Set<string>; gpus: Set<string> }>();
  for (const { network_address, type, state, core, gpu } of objects("oarnodes", result)) {
    const name = text(network_address);
    if (name === "" || type !== "default" || state === "Dead") continue;
    const node = nodes.get(name) ?? { cpus: 0, cores: new Set(), gpus: new Set() };
    node.cpus += 1;
    if (text(core) !== "") node.cores.add(text(core));
    if (text(gpu) !== "") node.gpus.add(text(gpu));
    nodes.set(name, node);
  }
  const seen = [...nodes].map(
    ([name, { cpus, cores, gpus }]): SeenNode => ({
      name,
      cpus,
      cores: cores.size || null,
      // Every site names and counts memory in its own way.
      memoryGb: null,
      gpus: gpus.size || null,
      queues: [],
    }),
  );
  return nodeKinds(seen);
}

const listedOf = async (jobs: readonly BatchRef[], { run }: Machine): Promise<Listed[]> =>
  jobs.length === 0 ? [] : parseOarstat(await run(oarstatOfCommand(jobs.map(({ id }) => id))));

export const oar: Scheduler = {
  name: "oar",
  about: "OAR, as at the ESRF and Grid'5000",
  takes: ["queue", "account", "constraint", "after", "gpusPerNode", "cpusPerNode"],
  ownId: "$OAR_JOB_ID",
  launch: {
    // A line for each core, as a rule.
    nodes: "awk '!seen[$0]++' \"$OAR_NODEFILE\"",
    // It is ssh to the cores of the job: what it starts reads its command line with a shell again.
    pilots: ["oarsh", "{host}"],
    jobs: ["mpiexec", "--mca", "plm_rsh_agent", "oarsh", "-n", "{ranks}", "--map-by", "ppr:{ranksPerNode}:node", "--host", "{hosts}"],
  },
  detection: {
    probe: { argv: ["oarsub", "-V"] },
    recognise: ({ stdout }) => /^OAR version\s*:\s*(\S+)/m.exec(stdout)?.[1] ?? null,
  },
  submit: async (job, { run }) => parseOarsub(await run(oarsubCommand(job))),
  find: async (tag, _folder, { run, user }) => idsOf(tag, parseOarstat(await run(oarstatCommand(user)))),
  status: listedOf,
  account: async (jobs, machine) => endingsIn(await listedOf(jobs, machine)),
  cancel,
  // Its commands tell a person of no queues and no projects.
  queues: async () => [],
  accounts: async () => [],
  nodes: async ({ run }) => parseOarnodes(await run({ argv: ["oarnodes", "-J"] })),
};
