/**
 * No scheduler: a batch job is a process group on this machine, which goes on when the site ends. A job's id is its script's process id
 * and start time, so that another process of that number is not taken for it. The walltime is kept by timeout(1). See docs/schedulers/local.md.
 */
import { readFile } from "node:fs/promises";
import { sleep } from "../../core/clock.js";
import { XpcsError } from "../../core/errors.js";
import { noted } from "../batch-notes.js";
import { batchFiles } from "../batch-script.js";
import { killGroup } from "../command-runner.js";
import type { BatchJob, BatchRef, Machine, Scheduler, Sighting } from "./define.js";

/** From SIGTERM to SIGKILL. */
const GRACE_S = 10;
/** For the script's first lines. */
const START_PATIENCE_MS = 10_000;
const START_LOOK_MS = 20;

/** Where they are in /proc/PID/stat, counted from behind the program's name (proc(5)). */
const STATE = 0;
const GROUP = 2;
const START_TIME = 19;

interface Alive {
  readonly group: number;
}

/** @returns null: that process has ended, whatever has its number now */
async function alive(id: string): Promise<Alive | null> {
  const [pid, startTime] = id.split("-");
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => null);
  if (stat === null) return null;
  // The name is in brackets and may hold brackets and spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields[START_TIME] !== startTime || fields[STATE] === "Z" || fields[STATE] === "X") return null;
  return { group: Number(fields[GROUP]) };
}

/** Nodes are so many times this machine. */
async function submit({ tag, folder, scriptPath, settings }: BatchJob, { start, clock }: Machine): Promise<string> {
  let ended: number | null | undefined;
  let failure: unknown;
  const limit = ["timeout", "--signal=TERM", `--kill-after=${GRACE_S}`, String(settings.walltimeS)] as const;
  start([...limit, "/bin/bash", scriptPath]).then(
    (code) => {
      ended = code;
    },
    (error: unknown) => {
      failure = error;
    },
  );
  const endMs = clock.monotonicMs() + START_PATIENCE_MS;
  for (;;) {
    // Looked at before the id: a job may have come to its end since.
    const over = ended !== undefined;
    const id = await noted(batchFiles(folder).claimedId);
    if (id !== null) return id;
    if (failure !== undefined) throw failure;
    if (over)
      throw new XpcsError(
        "REFUSED",
        `the script of ${tag} ended before it began (exit code ${ended}): an earlier start was cut off, or its folder cannot be written`,
      );
    if (clock.monotonicMs() > endMs)
      throw new XpcsError("DEADLINE_EXCEEDED", `the script of ${tag} did not begin within ${START_PATIENCE_MS / 1000} s`);
    await sleep(clock, START_LOOK_MS);
  }
}

async function status({ id }: BatchRef): Promise<Sighting> {
  if ((await alive(id)) !== null) return { id, phase: "running", words: "", sentence: "it runs on this machine", ending: null };
  const sentence = "its process is gone and left no exit code: it was killed, or the machine was restarted";
  return { id, phase: "ended", words: "", sentence: "its process has ended", ending: { outcome: "gone", exitCode: null, sentence } };
}

export const local: Scheduler = {
  name: "local",
  about: "no scheduler: processes of this machine",
  takes: [],
  ownId: "$$-$(cut -d' ' -f22 /proc/$$/stat)",
  launch: {
    nodes: "for node in $(seq {nodes}); do uname -n; done",
    pilots: [],
    jobs: ["mpiexec", "-n", "{ranks}"],
  },
  detection: {
    probe: { argv: ["timeout", "--version"] },
    recognise: ({ stdout }) => /^timeout \(GNU coreutils\) (\S+)/.exec(stdout)?.[1] ?? null,
  },
  submit,
  // What has begun is known by its claim, which batch-jobs.ts reads; a second start of the rest would do nothing.
  find: async () => [],
  status: (jobs) => Promise.all(jobs.map(status)),
  account: async () => new Map(),
  cancel: async ({ id }) => {
    const found = await alive(id);
    // timeout(1), in the same group, passes it on and kills what does not end.
    if (found !== null) killGroup(found.group, "SIGTERM");
  },
  queues: async () => [],
  accounts: async () => [],
  nodes: async () => [],
};
