/**
 * A fake of IBM Spectrum LSF's bsub, bjobs, bacct, bkill and bqueues, as far as the adapter uses them. Built from the LSF 10.1 command reference (IBM) and its table of termination
 * reasons. One queue, "batch". Run as `lsf.mjs COMMAND WORDS...`.
 */
import { cancel, end, jobOf, jobs, options, stdin, submit } from "./fake-queue.mjs";

const WITH_VALUE = ["-J", "-o", "-W", "-nnodes", "-n", "-R", "-q", "-P", "-U", "-Jd", "-w", "-gpu", "-u"];
const [command, ...words] = process.argv.slice(2);
const { found, rest } = options(words, WITH_VALUE);

const REASONS = {
  walltime: "TERM_RUNLIMIT: job killed after reaching LSF run time limit",
  deletion: "TERM_OWNER: job killed by owner",
  "deletion before start": "TERM_OWNER: job killed by owner",
};

function record(job) {
  const done = job.state === "ended" && job.code === 0 && job.endedBy === null;
  const stat = { queued: "PEND", running: "RUN", ended: done ? "DONE" : "EXIT" }[job.state];
  return {
    JOBID: String(job.id),
    STAT: stat,
    EXIT_CODE: stat === "EXIT" ? String(job.code ?? 130) : "",
    EXIT_REASON: stat === "EXIT" ? (REASONS[job.endedBy] ?? "") : "",
    PEND_REASON:
      stat === "PEND" ? (job.after.length > 0 ? "Job dependency condition not satisfied;" : "New job is waiting for scheduling;") : "",
    JOB_NAME: job.name,
  };
}

const print = (records, code = 0) => end(JSON.stringify({ COMMAND: "bjobs", JOBS: records.length, RECORDS: records }, null, 2), "", code);

const commands = {
  bsub() {
    if (rest.includes("-V")) return end("", "IBM Spectrum LSF Standard 10.1.0.12.fake, Jun 10 2021\n");
    const queue = found["-q"]?.[0] ?? "batch";
    if (queue !== "batch") return end("", `${queue}: No such queue. Job not submitted.\n`, 255);
    const after = [...(found["-w"]?.[0] ?? "").matchAll(/ended\((\d+)\)/g)].map(([, id]) => id);
    const id = submit({
      name: found["-J"][0],
      // Tests do not wait for a whole minute.
      walltimeS: process.env.FAKE_WALLTIME_S === undefined ? Number(found["-W"][0]) * 60 : Number(process.env.FAKE_WALLTIME_S),
      after,
      script: stdin(),
      env: (number) => ({ LSB_JOBID: String(number), LSB_JOBNAME: found["-J"][0] }),
    });
    return end(`Job <${id}> is submitted to queue <${queue}>.\n`);
  },
  bjobs() {
    const [tag] = found["-J"] ?? [];
    if (tag !== undefined) {
      const named = jobs().filter(({ name, state }) => name === tag && state !== "ended");
      return named.length === 0 ? end("", `Job <${tag}> is not found\n`, 255) : print(named.map(record));
    }
    const ids = rest.filter((word) => /^\d+$/.test(word));
    const records = ids.map((id) =>
      jobOf(Number(id)) === null ? { JOBID: id, ERROR: `Job <${id}> is not found` } : record(jobOf(Number(id))),
    );
    return print(records, records.some(({ ERROR }) => ERROR !== undefined) ? 255 : 0);
  },
  bacct() {
    const ended = rest.flatMap((id) => (jobOf(Number(id))?.state === "ended" ? [jobOf(Number(id))] : []));
    if (ended.length === 0) return end("", "No matching job records found\n", 255);
    const lines = ended.map((job) => {
      const { STAT, EXIT_REASON } = record(job);
      const reason = EXIT_REASON === "" ? "" : ` ${EXIT_REASON}.`;
      return `Job <${job.id}>, Job Name <${job.name}>, User <me>, Project <default>, Status <${STAT}>, Queue <batch>, Command <#!/bin/bash>\nThu Nov 26 08:00:00: Completed <${STAT === "DONE" ? "done" : "exit"}>;${reason}\n`;
    });
    return end(
      `\nAccounting information about jobs that are:\n  - submitted by all users.\n------------------------------\n\n${lines.join("\n")}`,
    );
  },
  bkill() {
    const id = rest.at(-1);
    if (jobOf(Number(id)) === null) return end("", `Job <${id}>: No matching job found\n`, 255);
    if (!cancel(Number(id))) return end("", `Job <${id}>: Job has already finished\n`, 255);
    return end(`Job <${id}> is being terminated\n`);
  },
  bqueues() {
    print([
      { QUEUE_NAME: "batch", STATUS: "Open:Active" },
      { QUEUE_NAME: "killable", STATUS: "Closed:Inact" },
    ]);
  },
};
commands[command]();
