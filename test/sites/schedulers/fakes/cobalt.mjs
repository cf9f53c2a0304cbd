/**
 * A fake of Cobalt's qsub, qstat and qdel, as far as the adapter uses them. Built from Cobalt's manual pages and from the logs of jobs (`JOBID.cobaltlog`) that ALCF's users show. A job
 * that has ended is no longer listed. One queue, "default". Run as `cobalt.mjs COMMAND WORDS...`.
 */
import { appendFileSync } from "node:fs";
import { cancel, end, jobOf, jobs, options, submit } from "./fake-queue.mjs";

const WITH_VALUE = [
  "--jobname",
  "-n",
  "-t",
  "--mode",
  "--cwd",
  "-o",
  "-e",
  "--debuglog",
  "-q",
  "-A",
  "--env",
  "--attrs",
  "--dependencies",
  "-u",
  "--header",
];
const [command, ...words] = process.argv.slice(2);
const { found, rest } = options(words, WITH_VALUE);
const STAMP = "Thu Nov 26 08:00:00 2026 +0000 (UTC)";

/** What Cobalt writes when a job ends; here it is written by the next command that looks. */
function writeLogs() {
  for (const { state, endedBy, code, debuglog, logged, id } of jobs()) {
    if (state !== "ended" || logged) continue;
    const lines = [
      ...(endedBy === "walltime" ? ["Info: maximum execution time exceeded; initiating job terminiation"] : []),
      ...(endedBy?.startsWith("deletion") ? ["Info: user delete requested with signal SIGTERM by user me"] : []),
      ...(code === null ? [] : [`Info: task completed normally with an exit code of ${code}; initiating job cleanup and removal`]),
    ];
    try {
      appendFileSync(debuglog, lines.map((line) => `${STAMP} ${line}\n`).join(""), { flag: "wx" });
    } catch (error) {
      if (!["EEXIST", "ENOENT"].includes(error.code)) throw new Error(`log of ${id}: ${error.message}`);
    }
  }
}

const STATES = { queued: "queued", running: "running" };

const commands = {
  qsub() {
    const queue = found["-q"]?.[0] ?? "default";
    if (queue !== "default") return end("", `No such queue: ${queue}\n`, 1);
    const id = submit({
      name: found["--jobname"][0],
      walltimeS: process.env.FAKE_WALLTIME_S === undefined ? Number(found["-t"][0]) * 60 : Number(process.env.FAKE_WALLTIME_S),
      after: found["--dependencies"]?.[0].split(":") ?? [],
      path: rest.at(-1),
      debuglog: found["--debuglog"][0],
      env: (number) => ({ COBALT_JOBID: String(number) }),
    });
    return end(`Job routed to queue "${queue}".\nMemory mode set to cache quad for queue ${queue}\n${id}\n`);
  },
  qstat() {
    if (rest.includes("--version")) return end('version: "qstat.py $Revision: 2154 $, Cobalt 1.0.41.fake"\n');
    if (rest.includes("-Q")) {
      const head = "Name     Users  Groups  MinTime   MaxTime   MaxRunning  MaxQueued  MaxUserNodes  MaxNodeHours  TotalNodes  State";
      return end(
        `${head}\n${"=".repeat(head.length)}\ndefault  None   None    None      06:00:00  None        None       None          None          100         running\n`,
      );
    }
    writeLogs();
    const live = jobs().filter(({ state }) => state !== "ended");
    const rows = live.map(({ id, state, after, name }) => [id, state === "queued" && after.length > 0 ? "dep_hold" : STATES[state], name]);
    const lines = [["JobID", "State", "JobName"], ["=".repeat(30)], ...rows].map((cells) => cells.join("   "));
    return end(`${lines.join("\n")}\n`);
  },
  qdel() {
    const id = Number(rest.at(-1));
    if (jobOf(id) === null || !cancel(id)) return end("", `qdel: Job ${id} not found\n`, 1);
    return end("      Deleted Jobs\nJobID  User\n====================\n");
  },
};
commands[command]();
