/**
 * IBM Spectrum LSF: bsub, bjobs, bacct, bkill, bqueues. States, fields and termination reasons are those of the LSF 10.1 command reference
 * (https://www.ibm.com/docs/en/spectrum-lsf/10.1.0). See docs/schedulers/lsf.md.
 */

import { endedWith, jsonPrinted } from "../batch-printed.js";
import { type States, sighting } from "../batch-sightings.js";
import { waitsIn } from "../free-windows.js";
import {
  type BatchCommand,
  type BatchJob,
  type CommandResult,
  commandFailure,
  type Ending,
  type Outcome,
  type Queue,
  type Scheduler,
  type Sighting,
} from "./define.js";

const UNREACHABLE =
  /LSF is down|please wait|not responding|cannot connect|failed in an LSF library call|communication time ?out|batch daemon/i;
/** For a job or a name that is not there: no fault. */
const NOT_THERE = /is not found|no (unfinished |matching )?jobs? (found|records? found)|no matching job|has already finished/i;

const STATES: States = new Map(
  Object.entries({
    PEND: ["queued", "it waits in the queue"],
    PROV: ["queued", "its nodes are being made ready"],
    WAIT: ["queued", "it waits for the other members of its chunk"],
    PSUSP: ["held", "it is held, by a person"],
    RUN: ["running", "it runs"],
    USUSP: ["suspended", "it is suspended by a person"],
    SSUSP: ["suspended", "it is suspended by LSF, which gives its nodes to others"],
    UNKWN: ["unknown", "LSF has lost contact with its node"],
    ZOMBI: ["unknown", "LSF has given it up, but cannot tell whether its node still runs it"],
  }),
);

/** TERM_NAME of the termination reasons. */
const TERMINATIONS = new Map<string, readonly [Outcome, string]>(
  Object.entries({
    RUNLIMIT: ["time-limit", "it reached its time limit"],
    CPULIMIT: ["time-limit", "it reached its limit of processor time"],
    DEADLINE: ["time-limit", "it was ended at its deadline"],
    WINDOW: ["time-limit", "it was ended when its queue closed for the day"],
    MEMLIMIT: ["out-of-memory", "it used more memory than it had"],
    SWAP: ["out-of-memory", "it used more swap space than it had"],
    PREEMPT: ["preempted", "it had to make room for another job"],
    LOAD: ["preempted", "its node had too much to do"],
    REQUEUE_OWNER: ["preempted", "it was put back into the queue by its owner"],
    REQUEUE_ADMIN: ["preempted", "it was put back into the queue by an administrator"],
    REQUEUE_RC: ["preempted", "it was put back into the queue by a rule"],
    OWNER: ["canceled", "it was canceled by its owner"],
    FORCE_OWNER: ["canceled", "it was canceled by its owner, by force"],
    ADMIN: ["canceled", "it was canceled by an administrator"],
    FORCE_ADMIN: ["canceled", "it was canceled by an administrator, by force"],
    BUCKET_KILL: ["canceled", "it was canceled with many others"],
    CWD_NOTEXIST: ["node-failed", "its node does not have the folder in which it was to begin"],
    CSM_ALLOC: ["node-failed", "its nodes could not be allocated"],
    REMOVE_HUNG_JOB: ["node-failed", "LSF removed it because its node no longer answered"],
    PROCESSLIMIT: ["failed", "it started more processes than it may"],
    THREADLIMIT: ["failed", "it started more threads than it may"],
    DATA: ["failed", "its data could not be staged"],
  }),
);

/** Rounded up. */
const minutes = (seconds: number): string => String(Math.ceil(seconds / 60));

/** The command that submits a job; LSF keeps times in minutes. */
export function bsubCommand({ tag, script, settings: s }: Pick<BatchJob, "tag" | "script" | "settings">): BatchCommand {
  const shape =
    s.cpusPerNode === undefined
      ? ["-nnodes", String(s.nodes)]
      : ["-n", String(s.nodes * s.cpusPerNode), "-R", `span[ptile=${s.cpusPerNode}]`];
  return {
    argv: [
      "bsub",
      ...["-J", tag, "-rn", "-o", "/dev/null", "-W", minutes(s.walltimeS)],
      ...shape,
      ...(s.queue === undefined ? [] : ["-q", s.queue]),
      ...(s.account === undefined ? [] : ["-P", s.account]),
      ...(s.person === undefined ? [] : ["-Jd", `for ${s.person}`]),
      ...(s.constraint === undefined ? [] : ["-R", s.constraint]),
      ...(s.reservation === undefined ? [] : ["-U", s.reservation]),
      ...(s.after === undefined ? [] : ["-w", s.after.map((id) => `ended(${id})`).join(" && ")]),
      ...(s.gpusPerNode === undefined ? [] : ["-gpu", `num=${s.gpusPerNode}`]),
    ],
    stdin: script,
  };
}

/** The id in `Job <123> is submitted to queue <batch>.` @throws REFUSED · UNAVAILABLE */
export function parseBsub(result: CommandResult): string {
  const id = result.code === 0 ? /^Job <(\d+)> is submitted/m.exec(result.stdout)?.[1] : undefined;
  if (id === undefined) throw commandFailure("bsub", result, UNREACHABLE);
  return id;
}

const FIELDS = "jobid stat exit_code exit_reason pend_reason job_name";

/** Jobs by id, also those that ended within the last hour or so. */
export function bjobsCommand(ids: readonly string[]): BatchCommand {
  return { argv: ["bjobs", "-a", "-o", FIELDS, "-json", ...ids] };
}

/** A person's jobs of a name that have not ended. */
export function bjobsOfTagCommand(user: string, tag: string): BatchCommand {
  return { argv: ["bjobs", "-u", user, "-J", tag, "-o", FIELDS, "-json"] };
}

type JobRecord = Readonly<Record<string, unknown>>;

/** The `RECORDS` of a `-json` listing. @throws REFUSED · UNAVAILABLE · CORRUPT_DATA */
function records(program: string, result: CommandResult): JobRecord[] {
  if (result.stdout.trim() === "") {
    if (result.code === 0 || NOT_THERE.test(result.stderr)) return [];
    throw commandFailure(program, result, UNREACHABLE);
  }
  if (!result.stdout.trimStart().startsWith("{")) {
    if (NOT_THERE.test(`${result.stdout}${result.stderr}`)) return [];
    if (result.code !== 0) throw commandFailure(program, result, UNREACHABLE);
  }
  const found = (jsonPrinted(program, result) as { readonly RECORDS?: unknown } | null)?.RECORDS;
  return Array.isArray(found) ? found.filter((each): each is JobRecord => typeof each === "object" && each !== null) : [];
}

/** `TERM_RUNLIMIT: job killed after ...`, or the same in a line of bacct. */
function termination(text: string): readonly [Outcome, string] | null {
  const name = /\bTERM_([A-Z_]+)/.exec(text)?.[1];
  if (name === undefined || name === "UNKNOWN") return null;
  return TERMINATIONS.get(name) ?? ["failed", `LSF gives the reason ${text.trim()}`];
}

function endingOf(stat: string, exit: string, reason: string): Ending {
  const code = Number.parseInt(exit, 10);
  const exitCode = Number.isNaN(code) ? null : code;
  if (stat === "DONE" || stat === "POST_DONE") return endedWith(0);
  const cause = termination(reason);
  if (cause !== null) return { outcome: cause[0], exitCode, sentence: cause[1] };
  // LSF may say that a job failed although its exit code is 0.
  return exitCode === null || exitCode === 0 ? { outcome: "failed", exitCode, sentence: "it failed" } : endedWith(exitCode);
}

const ENDED = new Set(["DONE", "EXIT", "POST_DONE", "POST_ERR"]);

/** @throws REFUSED · UNAVAILABLE · CORRUPT_DATA */
export function parseBjobs(result: CommandResult): Sighting[] {
  return records("bjobs", result).flatMap((record): Sighting[] => {
    const text = (name: string): string => (typeof record[name] === "string" ? (record[name] as string).trim() : "");
    const [id, stat] = [text("JOBID"), text("STAT")];
    // Of an id that is not there the record has an ERROR.
    if (id === "" || stat === "") return [];
    const why = text("EXIT_REASON");
    if (ENDED.has(stat)) return [sighting("LSF", STATES, { id, state: stat, note: why }, endingOf(stat, text("EXIT_CODE"), why))];
    const isQueued = STATES.get(stat)?.[0] === "queued";
    const note = isQueued ? text("PEND_REASON").replace(/\s+/g, " ") : "";
    const seen = sighting("LSF", STATES, { id, state: stat, note }, null);
    return [note === "" ? seen : { ...seen, sentence: `it waits in the queue: ${note}` }];
  });
}

/** How jobs ended, from `bacct -l -UF`, which has a line per event. @throws REFUSED · UNAVAILABLE */
export function parseBacct(result: CommandResult): Map<string, Ending> {
  if (result.code !== 0) {
    if (NOT_THERE.test(`${result.stdout}${result.stderr}`)) return new Map();
    throw commandFailure("bacct", result, UNREACHABLE);
  }
  const endings = new Map<string, Ending>();
  let id = "";
  for (const line of result.stdout.split("\n")) {
    id = /^Job <(\d+)>/.exec(line)?.[1] ?? id;
    const how = /Completed <(done|exit)>(.*)$/.exec(line);
    if (how !== null && id !== "") endings.set(id, endingOf(how[1] === "done" ? "DONE" : "EXIT", "", how[2] ?? ""));
  }
  return endings;
}

/** @throws REFUSED · UNAVAILABLE */
function checkBkill(result: CommandResult): void {
  if (result.code !== 0 && !NOT_THERE.test(`${result.stdout}${result.stderr}`)) throw commandFailure("bkill", result, UNREACHABLE);
}

/** @throws REFUSED · UNAVAILABLE · CORRUPT_DATA */
export function parseBqueues(result: CommandResult): Queue[] {
  return records("bqueues", result).flatMap(({ QUEUE_NAME: name, STATUS: status }) =>
    typeof name === "string" ? [{ name, open: /^Open:Active/.test(String(status)), walltimeMaxS: null, nodes: null }] : [],
  );
}

/** Slots and how long they are free, from `bslots`: `15   2 hours 24 minutes 10 seconds`, or `UNLIMITED`. @throws REFUSED · UNAVAILABLE */
export function parseBslots(result: CommandResult): { slots: number; forS: number | null }[] {
  if (/no backfill window/i.test(`${result.stdout}${result.stderr}`)) return [];
  if (result.code !== 0) throw commandFailure("bslots", result, UNREACHABLE);
  return result.stdout.split("\n").flatMap((line): { slots: number; forS: number | null }[] => {
    const [, slots, time = ""] = /^\s*(\d+)\s+(\S.*)$/.exec(line) ?? [];
    if (slots === undefined) return [];
    if (/^UNLIMITED/.test(time)) return [{ slots: Number(slots), forS: null }];
    const part = (unit: string): number => Number(new RegExp(`(\\d+) ${unit}`).exec(time)?.[1] ?? 0);
    return [{ slots: Number(slots), forS: (part("hour") * 60 + part("minute")) * 60 + part("second") }];
  });
}

export const lsf: Scheduler = {
  name: "lsf",
  about: "IBM Spectrum LSF, as at OLCF's Summit",
  takes: ["queue", "account", "constraint", "reservation", "after", "gpusPerNode", "cpusPerNode"],
  ownId: "$LSB_JOBID",
  launch: {
    // With CSM the first line is the launch node, which is none of the job's.
    nodes: "awk '!seen[$0]++' \"$LSB_DJOB_HOSTFILE\" | tail -n {nodes}",
    pilots: [
      "jsrun",
      "--nrs={nodes}",
      "--tasks_per_rs=1",
      "--rs_per_host=1",
      "--cpu_per_rs=ALL_CPUS",
      "--gpu_per_rs=ALL_GPUS",
      "--bind=none",
    ],
    jobs: ["jsrun", "--nrs={ranks}", "--tasks_per_rs=1", "--rs_per_host={ranksPerNode}", "--cpu_per_rs={coresPerRank}"],
  },
  detection: {
    probe: { argv: ["bsub", "-V"] },
    recognise: ({ stdout, stderr }) => /LSF.*?(\d+(?:\.\d+)+)/.exec(`${stdout}\n${stderr}`)?.[1] ?? null,
  },
  submit: async (job, { run }) => parseBsub(await run(bsubCommand(job))),
  find: async (tag, _folder, { run, user }) =>
    parseBjobs(await run(bjobsOfTagCommand(user, tag)))
      .filter(({ phase }) => phase !== "ended")
      .map(({ id }) => id),
  status: async (jobs, { run }) => parseBjobs(await run(bjobsCommand(jobs.map(({ id }) => id)))),
  account: async (jobs, { run }) => parseBacct(await run({ argv: ["bacct", "-l", "-UF", ...jobs.map(({ id }) => id)] })),
  cancel: async ({ id }, { run }) => checkBkill(await run({ argv: ["bkill", id] })),
  // Windows are told in slots, of which only cpusPerNode says how many a node has.
  waits: async ({ nodes, cpusPerNode }, walltimesS, { run }) => {
    if (cpusPerNode === undefined) return walltimesS.map(() => null);
    const windows = parseBslots(await run({ argv: ["bslots"] }));
    return waitsIn(
      windows.map(({ slots, forS }) => ({ nodes: Math.floor(slots / cpusPerNode), forS })),
      nodes,
      walltimesS,
    );
  },
  queues: async ({ run }) => parseBqueues(await run({ argv: ["bqueues", "-o", "queue_name status", "-json"] })),
  accounts: async () => [],
  nodes: async () => [],
};
