/**
 * Cobalt, ALCF's scheduler of Theta and before: qsub, qstat, qdel. Its machines are retired, so this adapter is thin. States are those of the manual page of
 * qstat and of its source; how a job ended stands only in the log that it writes for it. See docs/schedulers/cobalt.md.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { clockSeconds, endedWith } from "../batch-printed.js";
import { endingsIn, idsOf, type Listed, type States, sighting } from "../batch-sightings.js";
import { waitsIn } from "../free-windows.js";
import { type BatchCommand, type BatchJob, type CommandResult, commandFailure, type Ending, type Queue, type Scheduler } from "./define.js";

const UNREACHABLE = /failed to connect|connection (refused|timed out)|unable to (contact|find|connect)|component lookup|can't communicate/i;
const NOT_THERE = /not found|no match|no jobs? |does not exist/i;
/** In the job's own folder. */
const LOG = "cobalt.log";

const STATES: States = new Map(
  Object.entries({
    queued: ["queued", "it waits in the queue"],
    starting: ["queued", "its nodes are being made ready"],
    running: ["running", "it runs"],
    exiting: ["ending", "it is ending"],
    killing: ["ending", "it is being ended"],
    terminal: ["ending", "it is ending"],
    hold: ["held", "it is held"],
    user_hold: ["held", "its owner holds it"],
    admin_hold: ["held", "an administrator holds it"],
    "user_hold+admin_hold": ["held", "its owner and an administrator hold it"],
    maxrun_hold: ["held", "its owner runs as many jobs as the queue allows"],
    dep_hold: ["held", "it waits for other jobs"],
    dep_fail: ["held", "a job for which it waits failed, so it will never start"],
    preempting: ["suspended", "it has to make room for another job"],
    preempted: ["suspended", "it had to make room for another job"],
  }),
);

/** The command that submits a job; Cobalt keeps times in minutes, and wants the script as a file. */
export function qsubCommand({ tag, folder, scriptPath, settings: s }: Omit<BatchJob, "script">): BatchCommand {
  return {
    argv: [
      "qsub",
      ...["--jobname", tag, "-n", String(s.nodes), "-t", String(Math.ceil(s.walltimeS / 60)), "--mode", "script"],
      ...["--cwd", "/", "-o", "/dev/null", "-e", "/dev/null", "--debuglog", join(folder, LOG)],
      ...(s.queue === undefined ? [] : ["-q", s.queue]),
      ...(s.account === undefined ? [] : ["-A", s.account]),
      ...(s.person === undefined ? [] : ["--env", `XPCS_BATCH_FOR=${s.person.replaceAll(" ", "_")}`]),
      ...(s.constraint === undefined ? [] : ["--attrs", s.constraint]),
      ...(s.after === undefined ? [] : ["--dependencies", s.after.join(":")]),
      scriptPath,
    ],
  };
}

/** The line that is a number; others are notes. @throws REFUSED · UNAVAILABLE */
export function parseQsub(result: CommandResult): string {
  const id = result.code === 0 ? /^(\d+)\s*$/m.exec(result.stdout)?.[1] : undefined;
  if (id === undefined) throw commandFailure("qsub", result, UNREACHABLE);
  return id;
}

/** All jobs of a person that have not ended. */
export function qstatCommand(user: string): BatchCommand {
  return { argv: ["qstat", "-u", user, "--header", "JobID:State:JobName"] };
}

/** @throws REFUSED · UNAVAILABLE */
export function parseQstat(result: CommandResult): Listed[] {
  if (result.code !== 0) {
    if (NOT_THERE.test(result.stderr)) return [];
    throw commandFailure("qstat", result, UNREACHABLE);
  }
  return result.stdout.split("\n").flatMap((line) => {
    const [id = "", state = "", tag = ""] = line.trim().split(/\s+/);
    if (!/^\d+$/.test(id) || state === "") return [];
    return [{ ...sighting("Cobalt", STATES, { id, state }, null), tag }];
  });
}

/** How a job ended, from its log. Null: that does not say so. */
export function parseLog(text: string): Ending | null {
  const code = /task completed normally with an exit code of (-?\d+)/.exec(text)?.[1];
  const exitCode = code === undefined ? null : Number(code);
  if (/maximum execution time exceeded/.test(text)) return { outcome: "time-limit", exitCode, sentence: "it reached its time limit" };
  const by = /user delete (?:requested )?with signal \S+(?: requested)?(?: by user (\S+))?/.exec(text);
  if (by !== null)
    return { outcome: "canceled", exitCode, sentence: `it was deleted${by[1] === undefined ? "" : ` by ${by[1].replace(/;$/, "")}`}` };
  if (exitCode !== null) return endedWith(exitCode);
  return /abnormally|unable to run|failed to (boot|start)/i.test(text)
    ? { outcome: "node-failed", exitCode, sentence: "its nodes could not run it" }
    : null;
}

/** @throws REFUSED · UNAVAILABLE */
function checkQdel(result: CommandResult): void {
  if (result.code !== 0 && !NOT_THERE.test(`${result.stderr}${result.stdout}`)) throw commandFailure("qdel", result, UNREACHABLE);
}

/** Name, limits and state of each queue, from `qstat -Q`. @throws REFUSED · UNAVAILABLE */
export function parseQueues(result: CommandResult): Queue[] {
  if (result.code !== 0) throw commandFailure("qstat", result, UNREACHABLE);
  const [head = "", ...lines] = result.stdout.split("\n").filter((line) => line.trim() !== "" && !/^=+$/.test(line.trim()));
  const titles = head.trim().split(/\s+/);
  return lines.flatMap((line) => {
    const cells = line.trim().split(/\s+/);
    const cell = (title: string): string => cells[titles.indexOf(title)] ?? "";
    if (cell("Name") === "" || cell("State") === "") return [];
    return [
      {
        name: cell("Name"),
        open: cell("State") === "running",
        walltimeMaxS: clockSeconds(cell("MaxTime")),
        nodes: Number.parseInt(cell("MaxNodes"), 10) || null,
      },
    ];
  });
}

/** Idle nodes of a queue, and how long each is free (`-`: nobody was promised it), from `nodelist` of XC systems. @throws REFUSED · UNAVAILABLE */
export function parseNodelist(result: CommandResult, queue: string): { forS: number | null }[] {
  if (result.code !== 0) throw commandFailure("nodelist", result, UNREACHABLE);
  return result.stdout.split("\n").flatMap((line) => {
    const cells = line.trim().split(/\s+/);
    const [, , queues = "", status] = cells;
    const backfill = cells.at(-1) ?? "";
    const forS = clockSeconds(backfill);
    return status === "idle" && queues.split(":").includes(queue) && (forS !== null || backfill === "-") ? [{ forS }] : [];
  });
}

export const cobalt: Scheduler = {
  name: "cobalt",
  about: "Cobalt, as at ALCF's Theta",
  takes: ["queue", "account", "constraint", "after"],
  ownId: "$COBALT_JOBID",
  launch: {
    // Numbers and ranges of them: 3833-3835,4002.
    nodes: `[ -n "$COBALT_PARTNAME" ] && echo "$COBALT_PARTNAME" | tr , '\\n' | awk -F- '{ for (n = $1; n <= $NF; n++) print n }'`,
    pilots: ["aprun", "-n", "{nodes}", "-N", "1", "-cc", "none"],
    jobs: ["aprun", "-n", "{ranks}", "-N", "{ranksPerNode}", "-d", "{coresPerRank}", "-L", "{hosts}"],
  },
  detection: {
    probe: { argv: ["qstat", "--version"] },
    recognise: ({ stdout, stderr }) => /cobalt\D*(\d\S*)/i.exec(`${stdout}\n${stderr}`)?.[1] ?? null,
  },
  submit: async (job, { run }) => parseQsub(await run(qsubCommand(job))),
  find: async (tag, _folder, { run, user }) => idsOf(tag, parseQstat(await run(qstatCommand(user)))),
  status: async (_jobs, { run, user }) => parseQstat(await run(qstatCommand(user))),
  account: async (jobs) => {
    const ended = async (folder: string) => parseLog(await readFile(join(folder, LOG), "utf8").catch(() => ""));
    return endingsIn(await Promise.all(jobs.map(async ({ id, folder }) => ({ id, ending: await ended(folder) }))));
  },
  cancel: async ({ id }, { run }) => checkQdel(await run({ argv: ["qdel", id] })),
  queues: async ({ run }) => parseQueues(await run({ argv: ["qstat", "-Q"] })),
  waits: async ({ nodes, queue = "default" }, walltimesS, { run }) => {
    const free = parseNodelist(await run({ argv: ["nodelist"] }), queue);
    const end = (forS: number | null): number => forS ?? Number.POSITIVE_INFINITY;
    const windows = free.map(({ forS }) => ({ nodes: free.filter((other) => end(other.forS) >= end(forS)).length, forS }));
    return waitsIn(windows, nodes, walltimesS);
  },
  accounts: async () => [],
  nodes: async () => [],
};
