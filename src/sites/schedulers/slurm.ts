/**
 * Slurm: sbatch, squeue, sacct, scancel, sinfo, sacctmgr. States and reasons are those of "JOB STATE CODES" and "JOB REASON CODES" in the manual page of
 * squeue (https://slurm.schedmd.com/squeue.html). See docs/schedulers/slurm.md.
 */

import { XpcsError } from "../../core/errors.js";
import { clockText, printedBytes } from "../batch-printed.js";
import type { BatchSettings } from "../batch-settings.js";
import { type States, sighting } from "../batch-sightings.js";
import {
  type Account,
  type BatchCommand,
  type BatchJob,
  type CommandResult,
  commandFailure,
  type Ending,
  type NodeKind,
  nodeKinds,
  type Outcome,
  type Queue,
  type Scheduler,
  type Sighting,
} from "./define.js";

const UNREACHABLE =
  /Unable to contact slurm|Socket timed out|Zero Bytes were transmitted|Connection (refused|timed out)|Transport endpoint|Communication connection failure|temporarily un|authentication error|Munge (en|de)code failed/i;

/** States of a job that has not ended: phase and sentence. */
const LIVE: States = new Map(
  Object.entries({
    PENDING: ["queued", "it waits in the queue"],
    CONFIGURING: ["queued", "its nodes are being made ready"],
    REQUEUED: ["queued", "it was put back into the queue"],
    REQUEUE_FED: ["queued", "it was put back into the queue of a federation"],
    REQUEUE_HOLD: ["held", "it was put back into the queue and is held"],
    RESV_DEL_HOLD: ["held", "it is held because its reservation was deleted"],
    SPECIAL_EXIT: ["held", "it was put back into the queue after a special exit and is held"],
    RUNNING: ["running", "it runs"],
    RESIZING: ["running", "it runs and is changing its size"],
    SIGNALING: ["running", "it runs and is being sent a signal"],
    COMPLETING: ["ending", "it is ending: some of its processes may still be there"],
    STAGE_OUT: ["ending", "it is ending: its files are being staged out"],
    SUSPENDED: ["suspended", "it is suspended, its cores are given to others"],
    STOPPED: ["suspended", "it is stopped, its cores are kept"],
  }),
);

/** States of a job that has ended. */
const ENDED = new Map<string, readonly [Outcome, string]>(
  Object.entries({
    COMPLETED: ["done", "it completed"],
    FAILED: ["failed", "it failed"],
    CANCELLED: ["canceled", "it was canceled by its owner or an administrator"],
    TIMEOUT: ["time-limit", "it reached its time limit"],
    DEADLINE: ["time-limit", "it was ended at its deadline"],
    OUT_OF_MEMORY: ["out-of-memory", "it used more memory than it had"],
    PREEMPTED: ["preempted", "it had to make room for another job"],
    NODE_FAIL: ["node-failed", "a node of it failed"],
    BOOT_FAIL: ["node-failed", "a node of it did not boot"],
    LAUNCH_FAILED: ["node-failed", "it could not be started on its nodes"],
    RECONFIG_FAIL: ["node-failed", "its nodes could not be configured"],
    REVOKED: ["canceled", "another cluster of the federation took it"],
  }),
);

/** Why a job waits. */
const REASONS = new Map(
  Object.entries({
    Resources: "it waits for nodes to become free",
    Priority: "jobs of higher priority come first",
    Dependency: "it waits for other jobs",
    DependencyNeverSatisfied: "it waits for a job that ended otherwise than demanded, so it will never start",
    BeginTime: "it waits for the time at which it may begin",
    Prolog: "its nodes are being prepared",
    Licenses: "it waits for a licence",
    Reservation: "it waits for its reservation to begin",
    ReservationDeleted: "its reservation was deleted",
    ReqNodeNotAvail: "a node that it needs is down, drained or reserved",
    NodeDown: "a node that it needs is down",
    BadConstraints: "no node has what it asks for",
    InvalidAccount: "its account does not exist",
    InvalidQOS: "its QOS does not exist or may not be used here",
    PartitionConfig: "it asks for more than its partition has",
    PartitionDown: "its partition is down",
    PartitionInactive: "its partition is not active",
    PartitionNodeLimit: "it asks for more nodes than its partition allows",
    PartitionTimeLimit: "it asks for more time than its partition allows",
    JobHeldUser: "its owner holds it",
    JobHeldAdmin: "an administrator holds it",
    JobArrayTaskLimit: "its array runs as many tasks as it may",
    JobLaunchFailure: "it could not be started",
    Cleaning: "its earlier run is being cleaned up",
    FrontEndDown: "no front end runs",
    SystemFailure: "Slurm or its file system failed",
    BurstBufferStageIn: "its files are being staged in",
    BurstBufferResources: "it waits for room in the burst buffer",
    QOSUsageThreshold: "its QOS has used up what it may",
    MaxMemPerLimit: "it asks for more memory per node or core than it may",
  }),
);

/** Families of reasons: limits of an association, a QOS or a partition, each for every kind of resource. */
const REASON_FAMILIES: readonly (readonly [RegExp, string])[] = [
  [/^QOS.*Limit$|^QOSMax|^QOSGrp|^QOSMin|^QOSNotAllowed|^QOSTimeLimit|^QOSResourceLimit/, "a limit of its QOS is reached"],
  [/^Assoc/, "a limit of its account is reached"],
  [/^(Max|Grp|Min).*(Limit|PerAccount|PerUser|Per)/, "a limit on resources is reached"],
  [/^ReqNodeNotAvail/, "a node that it needs is down, drained or reserved"],
  [/^Partition/, "its partition does not allow it"],
  [/^BurstBuffer/, "it waits for the burst buffer"],
];

/** Exit code of what SIGKILL ended. */
const KILLED = 137;
const NO_REASON = new Set(["", "None", "NonZeroExitCode", "(null)"]);

function reasonSentence(reason: string): string | null {
  if (NO_REASON.has(reason)) return null;
  return REASONS.get(reason) ?? REASON_FAMILIES.find(([pattern]) => pattern.test(reason))?.[1] ?? `Slurm gives the reason "${reason}"`;
}

/** `days-hours:minutes:seconds`. */
const duration = (seconds: number): string => `${Math.floor(seconds / 86_400)}-${clockText(seconds % 86_400)}`;

function optional(flag: string, value: string | number | undefined): string[] {
  return value === undefined ? [] : [`--${flag}=${value}`];
}

/** The command that submits a job; Slurm keeps times in minutes and rounds up. */
export function sbatchCommand({ tag, script, settings }: Pick<BatchJob, "tag" | "script" | "settings">): BatchCommand {
  const s: BatchSettings = settings;
  return {
    argv: [
      "sbatch",
      "--parsable",
      `--job-name=${tag}`,
      "--no-requeue",
      // The script says where its output goes; a path here would be a pattern with % in it.
      "--output=/dev/null",
      "--chdir=/",
      `--nodes=${s.nodes}`,
      `--time=${duration(s.walltimeS)}`,
      ...optional("partition", s.queue),
      ...optional("account", s.account),
      ...optional("comment", s.person === undefined ? undefined : `for ${s.person}`),
      ...optional("qos", s.qos),
      ...optional("constraint", s.constraint),
      ...optional("reservation", s.reservation),
      ...optional("dependency", s.after === undefined ? undefined : `afterany:${s.after.join(":")}`),
      ...optional("gpus-per-node", s.gpusPerNode),
      ...(s.cpusPerNode === undefined ? [] : ["--ntasks-per-node=1", `--cpus-per-task=${s.cpusPerNode}`]),
      ...optional("mem", s.memoryGbPerNode === undefined ? undefined : `${Math.ceil(s.memoryGbPerNode * 1000)}M`),
    ],
    stdin: script,
  };
}

/** The id from what `sbatch --parsable` prints: `ID` or `ID;CLUSTER`. @throws REFUSED · UNAVAILABLE */
export function parseSbatch(result: CommandResult): string {
  const id = result.code === 0 ? /^(\d+)(;|$)/m.exec(result.stdout.trim())?.[1] : undefined;
  if (id === undefined) throw commandFailure("sbatch", result, UNREACHABLE);
  return id;
}

/** Asks when a job would begin, and submits nothing. */
export function testOnlyCommand(settings: BatchSettings): BatchCommand {
  const { argv } = sbatchCommand({ tag: "xpcs-when", script: "", settings });
  return { argv: [...argv, "--test-only"], stdin: "#!/bin/sh\n" };
}

/** Ms since 1970, from `sbatch: Job 7 to start at 2026-11-26T11:20:00 using ...`, in the time zone of this process. Null: it does not say. */
export function parseTestOnly({ stderr, stdout }: CommandResult): number | null {
  const found = /to start at (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)/.exec(`${stderr}\n${stdout}`)?.[1];
  const ms = found === undefined ? Number.NaN : Date.parse(found);
  return Number.isNaN(ms) ? null : ms;
}

/** Id, state, reason and name of the person's jobs, also of those that ended a little while ago. The name is last: another's may have a `|` in it. */
export function squeueCommand(user: string, tag?: string): BatchCommand {
  return {
    argv: ["squeue", "--noheader", "--states=all", `--user=${user}`, ...optional("name", tag), "--format=%i|%T|%r|%j"],
  };
}

/** @throws UNAVAILABLE · REFUSED */
export function parseSqueue(result: CommandResult): Sighting[] {
  if (result.code !== 0) throw commandFailure("squeue", result, UNREACHABLE);
  return result.stdout.split("\n").flatMap((line) => {
    const [id = "", state = "", reason = ""] = line.split("|").map((cell) => cell.trim());
    if (id === "" || state === "") return [];
    return [slurmSighting(id, state, reason)];
  });
}

/** What is said of a job of that state and reason. */
export function slurmSighting(id: string, state: string, reason: string): Sighting {
  const seen = sighting("Slurm", LIVE, { id, state, note: NO_REASON.has(reason) ? "" : reason }, endingOf(state, null));
  if (seen.phase !== "queued") return seen;
  return { ...seen, phase: reason.startsWith("JobHeld") ? "held" : "queued", sentence: reasonSentence(reason) ?? seen.sentence };
}

/** Of a state, or of the same with ` by UID` after it. Null: it has not ended, or that is not known. */
function endingOf(state: string, exitCode: number | null): Ending | null {
  const [word = "", ...more] = state.split(" ");
  const known = ENDED.get(word);
  if (known === undefined) return null;
  const [outcome, sentence] = known;
  const by = word === "CANCELLED" && more[0] === "by" ? ` (user id ${more[1]})` : "";
  return { outcome, exitCode, sentence: `${sentence}${by}` };
}

/** States, exit codes and memory of jobs and of their steps. */
export function sacctCommand(ids: readonly string[]): BatchCommand {
  return { argv: ["sacct", "--noheader", "--parsable2", `--jobs=${ids.join(",")}`, "--format=JobIDRaw,State,ExitCode,MaxRSS,ReqMem"] };
}

/** `100M`, also with the n (per node) of older versions after it. Per core (c) says nothing of the job: null. */
const memoryBytes = (text: string): number | null => printedBytes(text.trim().replace(/n$/, ""));

/**
 * How jobs ended. A step that ran out of memory is the reason why its job failed; where Slurm kills by polling, without cgroups, it says
 * only that a job was killed, and the memory of the step tells why. Without a failed job whose script has no record yet; empty where accounting is off.
 *
 * @throws UNAVAILABLE · REFUSED
 */
export function parseSacct(result: CommandResult): Map<string, Ending> {
  if (result.code !== 0) {
    if (/accounting storage is disabled/i.test(`${result.stderr}${result.stdout}`)) return new Map();
    throw commandFailure("sacct", result, UNREACHABLE);
  }
  const endings = new Map<string, Ending>();
  const requested = new Map<string, number | null>();
  const starved = new Map<string, Ending>();
  const scriptEnded = new Set<string>();
  for (const line of result.stdout.split("\n")) {
    const [raw = "", state = "", exit = "", rss = "", asked = ""] = line.split("|");
    const [id = "", step] = raw.trim().split(".");
    const [code, signal] = exit.split(":").map(Number);
    const exitCode = code === undefined || Number.isNaN(code) ? null : signal ? 128 + signal : code;
    const ending = endingOf(state.trim(), exitCode);
    if (id === "" || ending === null) continue;
    if (step === undefined) {
      endings.set(id, ending);
      requested.set(id, memoryBytes(asked));
      continue;
    }
    if (step === "batch") scriptEnded.add(id);
    const used = memoryBytes(rss);
    const limit = requested.get(id) ?? null;
    const tooMuch = exitCode === KILLED && used !== null && limit !== null && used >= limit;
    if (ending.outcome === "out-of-memory" || tooMuch) starved.set(id, endingOf("OUT_OF_MEMORY", exitCode)!);
  }
  for (const [id, { outcome }] of [...endings]) {
    if (outcome !== "failed") continue;
    const ending = starved.get(id);
    if (ending !== undefined) endings.set(id, ending);
    // The record of the job may come before that of its script, which has the reason.
    else if (!scriptEnded.has(id)) endings.delete(id);
  }
  return endings;
}

/** What words of Slurm about something that failed mean, when they come by another way than a command. */
export function slurmFailure(what: string, words: string): XpcsError {
  return new XpcsError(UNREACHABLE.test(words) ? "UNAVAILABLE" : "REFUSED", `${what}: ${words.trim().slice(0, 300)}`);
}

/** @throws UNAVAILABLE · REFUSED */
function checkScancel(result: CommandResult): void {
  const ended = /Invalid job id|already completing or completed/i.test(result.stderr);
  if (result.code !== 0 && !ended) throw commandFailure("scancel", result, UNREACHABLE);
}

function seconds(timeLimit: string): number | null {
  const found = /^(?:(\d+)-)?(?:(?:(\d+):)?(\d+):)?(\d+)$/.exec(timeLimit.trim());
  if (found === null) return null;
  const [days, hours, minutes, secs] = found.slice(1).map((text) => Number(text ?? 0)) as [number, number, number, number];
  return ((days * 24 + hours) * 60 + minutes) * 60 + secs;
}

/** Name, whether it is up, time limit and nodes of each partition. @throws UNAVAILABLE · REFUSED */
export function parseSinfo(result: CommandResult): Queue[] {
  if (result.code !== 0) throw commandFailure("sinfo", result, UNREACHABLE);
  return result.stdout.split("\n").flatMap((line) => {
    const [name = "", available, limit = "", nodes = ""] = line.trim().split("|");
    return name === "" ? [] : [{ name, open: available === "up", walltimeMaxS: seconds(limit), nodes: Number.parseInt(nodes, 10) || null }];
  });
}

/** Default account, account and QOS of each association of a person. */
export function sacctmgrCommand(user: string): BatchCommand {
  return { argv: ["sacctmgr", "--noheader", "--parsable2", "show", "user", user, "withassoc", "format=DefaultAccount,Account,QOS"] };
}

/** Empty where accounting is off. @throws UNAVAILABLE · REFUSED */
export function parseAccounts(result: CommandResult): Account[] {
  if (result.code !== 0) {
    if (/not running a supported accounting_storage|accounting storage is disabled/i.test(`${result.stderr}${result.stdout}`)) return [];
    throw commandFailure("sacctmgr", result, UNREACHABLE);
  }
  const accounts = new Map<string, Account>();
  for (const line of result.stdout.split("\n")) {
    const [usual = "", name = "", qos = ""] = line.trim().split("|");
    if (name === "") continue;
    // One row for each partition that has limits of its own.
    const all = new Set([...(accounts.get(name)?.qos ?? []), ...qos.split(",").filter(Boolean)]);
    accounts.set(name, { name, isDefault: name === usual, qos: [...all] });
  }
  return [...accounts.values()];
}

/** Such as `gpu:a100:4(S:0-3),nic:2`; `(null)` is none. */
function gpusIn(gres: string): number {
  return [...gres.matchAll(/(?:^|,)gpu(?::[^:,()]+)??:(\d+)(?![\w.:])/g)].reduce((sum, [, number]) => sum + Number(number), 0);
}

/** A line for each node and partition: name, CPUs, sockets:cores:threads, MiB, generic resources, partition. @throws UNAVAILABLE · REFUSED */
export function parseNodes(result: CommandResult): NodeKind[] {
  if (result.code !== 0) throw commandFailure("sinfo", result, UNREACHABLE);
  return nodeKinds(
    result.stdout.split("\n").flatMap((line) => {
      const [name = "", cpus = "", shape = "", memory = "", gres = "", partition = ""] = line.trim().split("|");
      if (name === "" || !/^\d+$/.test(cpus)) return [];
      const [sockets, cores] = shape.split(":").map(Number);
      const mib = Number(memory);
      return {
        name,
        cpus: Number(cpus),
        cores: sockets! * cores! || null,
        memoryGb: Number.isFinite(mib) ? Math.floor((mib * 1024 ** 2) / 1e9) : null,
        gpus: gpusIn(gres),
        queues: partition === "" ? [] : [partition],
      };
    }),
  );
}

export const slurm: Scheduler = {
  name: "slurm",
  about: "Slurm, as at NERSC and OLCF's Frontier",
  takes: ["queue", "account", "qos", "constraint", "reservation", "after", "gpusPerNode", "cpusPerNode", "memoryGbPerNode"],
  ownId: "$SLURM_JOB_ID",
  launch: {
    nodes: 'scontrol show hostnames "$SLURM_JOB_NODELIST"',
    // One pilot that ends takes no other with it. A step has all cores of a node, where nothing binds it to one.
    pilots: [
      ...["srun", "--nodes={nodes}", "--ntasks={nodes}", "--ntasks-per-node=1", "--cpu-bind=none"],
      ...["--export=ALL", "--kill-on-bad-exit=0", "--wait=0"],
    ],
    jobs: [
      ...["srun", "--nodes={nodes}", "--nodelist={hosts}", "--ntasks={ranks}", "--ntasks-per-node={ranksPerNode}"],
      ...["--cpus-per-task={coresPerRank}", "--export=ALL"],
    ],
  },
  detection: {
    probe: { argv: ["sbatch", "--version"] },
    recognise: ({ stdout }) => /^slurm\S*\s+(\S+)/m.exec(stdout)?.[1] ?? null,
  },
  submit: async (job, { run }) => parseSbatch(await run(sbatchCommand(job))),
  find: async (tag, _folder, { run, user }) =>
    parseSqueue(await run(squeueCommand(user, tag)))
      .filter(({ phase }) => phase !== "ended")
      .map(({ id }) => id),
  status: async (_jobs, { run, user }) => parseSqueue(await run(squeueCommand(user))),
  account: async (jobs, { run }) => parseSacct(await run(sacctCommand(jobs.map(({ id }) => id)))),
  cancel: async ({ id }, { run }) => checkScancel(await run({ argv: ["scancel", id] })),
  queues: async ({ run }) => parseSinfo(await run({ argv: ["sinfo", "--noheader", "--format=%R|%a|%l|%D"] })),
  waits: async (settings, walltimesS, { run, clock }) => {
    const waits: (number | null)[] = [];
    for (const walltimeS of walltimesS) {
      const startMs = parseTestOnly(await run(testOnlyCommand({ ...settings, walltimeS })));
      waits.push(startMs === null ? null : Math.max(0, Math.round((startMs - clock.nowMs()) / 1000)));
    }
    return waits;
  },
  accounts: async ({ run, user }) => parseAccounts(await run(sacctmgrCommand(user))),
  nodes: async ({ run }) => parseNodes(await run({ argv: ["sinfo", "--noheader", "--Node", "--format=%N|%c|%z|%m|%G|%R"] })),
};
