/**
 * `xpcs site init FILE`: looks at this machine and writes the file of its batch jobs (docs/schedulers/README.md), with what it found as comments. The text is made by
 * a pure function, and is read back by the rules of the file before it is written.
 */
import { accessSync, constants, readFileSync, writeFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { availableParallelism, cpus, homedir, hostname, tmpdir, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { toXpcsError, XpcsError } from "../core/errors.js";
import { realClock } from "../core/real-clock.js";
import { createMachine } from "../sites/batch-command.js";
import { BATCH_FILE, type BatchFile } from "../sites/batch-file.js";
import { detectSchedulers, type FoundScheduler } from "../sites/detect-scheduler.js";
import type { Queue } from "../sites/schedulers/define.js";
import { schedulerNamed } from "../sites/schedulers/registry.js";
import type { CliIo } from "./output.js";
import { parseSettings } from "./settings-file.js";
import { userName } from "./user-name.js";

export interface MachineReport {
  readonly host: string;
  readonly cores: number;
  readonly memoryGb: number;
  /** Of this machine's processor, or why there is none. */
  readonly kernels: string;
  readonly disks: readonly { readonly path: string; readonly freeGb: number }[];
  /** Batch schedulers that answer; at least one. */
  readonly schedulers: readonly [FoundScheduler, ...FoundScheduler[]];
  /** Of the first scheduler. */
  readonly queues: readonly Queue[];
  /** For the folders of batch jobs. */
  readonly folder: string;
}

const WALLTIME_S = 3_600;
const WALLTIME_LEAST_S = 60;
/** As src/sites/batch-settings.ts has it; a queue of another name cannot be asked for. */
const QUEUE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.@+/-]{0,127}$/;
const QUEUES_TOLD = 50;

/** Words of other programs in a comment: one line, whatever they hold. */
const inComment = (text: string): string => JSON.stringify(text).slice(1, -1);

function timeText(seconds: number | null): string {
  if (seconds === null) return "no limit told";
  return seconds >= 7_200 ? `${Math.floor(seconds / 360) / 10} h` : `${Math.floor(seconds / 6) / 10} min`;
}

/** The first open queue that gives a minute or more. */
function queueOf(queues: readonly Queue[]): Queue | null {
  return (
    queues.find(({ name, open, walltimeMaxS }) => open && QUEUE_NAME.test(name) && (walltimeMaxS ?? WALLTIME_S) >= WALLTIME_LEAST_S) ?? null
  );
}

function queueLines(queues: readonly Queue[]): string[] {
  if (queues.length === 0) return ["  # The scheduler names no queues."];
  const told = queues.slice(0, QUEUES_TOLD).map(({ name, open, walltimeMaxS, nodes }) => {
    const size = nodes === null ? "" : `, ${nodes} nodes`;
    return `  #   ${inComment(name)}: ${timeText(walltimeMaxS)}${size}${open ? "" : ", closed"}`;
  });
  const more = queues.length > QUEUES_TOLD ? [`  #   and ${queues.length - QUEUES_TOLD} more`] : [];
  return ["  # Queues, with the longest walltime of a job:", ...told, ...more];
}

/** The file's text. Pure. @param file its name, for the commands in it */
export function siteFileText(report: MachineReport, file: string): string {
  const { host, cores, memoryGb, kernels, disks, schedulers, queues, folder } = report;
  const [{ name, version }, ...others] = schedulers;
  const { takes } = schedulerNamed(name);
  const queue = queueOf(queues);
  const walltimeS = Math.min(WALLTIME_S, queue?.walltimeMaxS ?? WALLTIME_S);
  const also = others.map((each) => `${each.name} ${inComment(each.version)}`).join(", ");
  const ask = (setting: (typeof takes)[number], line: string, why: string): string[] =>
    takes.includes(setting) ? [`  # ${why}`, `  # ${line}`] : [];
  return [
    `# Batch jobs of this site, as xpcs site init found things on ${inComment(host)}. Look through it, then:`,
    `#   xpcs doctor --batch ${inComment(file)} --probe`,
    `#   xpcs site --batch ${inComment(file)} --name NAME --work DIR`,
    "# All settings: docs/schedulers/README.md and docs/pilots.md of xpcs.",
    "",
    `# ${name} ${inComment(version)} answers here.${also === "" ? "" : ` So does ${also}: to use that one, write its name.`}`,
    `scheduler: ${name}`,
    "",
    "# A folder for each batch job. The nodes must see it under the same path.",
    `folder: ${JSON.stringify(folder)}`,
    "",
    "job:",
    ...queueLines(queues),
    ...(queue === null || !takes.includes("queue") ? ["  # queue: NAME"] : [`  queue: ${JSON.stringify(queue.name)}`]),
    "  nodes: 1",
    `  # Of a pilot, s.${queue?.walltimeMaxS == null ? "" : ` This queue gives at most ${queue.walltimeMaxS}.`}`,
    `  walltimeS: ${walltimeS}`,
    ...ask("account", "account: NAME", "What is charged, where the facility asks for it."),
    ...ask("qos", "qos: NAME", "Quality of service, likewise."),
    ...ask("filesystems", "filesystems: [home]", "File systems that a job needs, where the facility asks for them."),
    ...ask("constraint", "constraint: EXPRESSION", "Which nodes."),
    ...ask("cpusPerNode", `cpusPerNode: ${cores}`, "Cores of a node, where a job may have a part of it."),
    ...ask("memoryGbPerNode", "memoryGbPerNode: 16", "Its memory, GB of 10^9 bytes."),
    "  # Bash lines before the command.",
    '  # lines: ["export TMPDIR=/local/scratch"]',
    "",
    "pilots:",
    "  # Never more batch jobs than this at a time, and of them so many that wait.",
    "  max: 1",
    "  queuedMax: 1",
    "  # One leaves when it has had nothing to do for this long, s.",
    "  idleS: 120",
    "",
    "commands:",
    "  # The scheduler is asked no more often than this.",
    "  perMinute: 30",
    "",
    `# This machine (nodes may be other): ${cores} cores, ${memoryGb} GB; kernels: ${inComment(kernels)}.`,
    "# Disks of it with room for --work; a pilot's must be one that the nodes have:",
    ...disks.map(({ path, freeGb }) => `#   ${inComment(path)}: ${freeGb} GB free`),
    "",
  ].join("\n");
}

/** Mount points of disks of this machine, from /proc; none where it does not say. */
function localMounts(): string[] {
  try {
    return readFileSync("/proc/self/mounts", "utf8")
      .split("\n")
      .map((line) => line.split(" "))
      .filter(([, , type]) => /^(ext[234]|xfs|btrfs|zfs|f2fs)$/.test(type ?? ""))
      .map(([, path]) => path!.replace(/\\([0-7]{3})/g, (_all, code: string) => String.fromCharCode(Number.parseInt(code, 8))));
  } catch {
    return [];
  }
}

async function diskAt(path: string): Promise<{ path: string; freeGb: number } | null> {
  try {
    accessSync(path, constants.W_OK);
    const { bavail, bsize } = await statfs(path);
    return { path, freeGb: Math.floor((bavail * bsize) / 1e9) };
  } catch {
    return null;
  }
}

async function kernelsHere(): Promise<string> {
  try {
    const { nativeMachine } = await import("../xpcs/native.js");
    return `${nativeMachine().kernelPath} (${cpus()[0]?.model.trim() ?? "unknown processor"})`;
  } catch (error) {
    return toXpcsError(error).message;
  }
}

/** @throws UNSUPPORTED no batch scheduler answers */
async function look(): Promise<MachineReport> {
  const machine = createMachine({
    timeoutMs: 30_000,
    perMinute: 60,
    environment: process.env,
    clock: realClock,
    user: userName(),
  });
  const [first, ...others] = (await detectSchedulers(machine)).filter(({ name }) => name !== "local");
  if (first === undefined) {
    const what =
      "no batch scheduler answers here: load its module, or log in to a submit host; where there is none, xpcs site works without such a file";
    throw new XpcsError("UNSUPPORTED", what);
  }
  const disks = await Promise.all([...new Set([tmpdir(), ...localMounts()])].map(diskAt));
  return {
    host: hostname(),
    cores: availableParallelism(),
    memoryGb: Math.floor(totalmem() / 1e9),
    kernels: await kernelsHere(),
    disks: disks.filter((disk) => disk !== null),
    schedulers: [first, ...others],
    queues: await schedulerNamed(first.name).queues(machine),
    folder: join(process.env.XDG_STATE_HOME || join(homedir(), ".local", "state"), "xpcs", "batch"),
  };
}

/**
 * Writes the file; an existing one is never touched.
 * @throws UNSUPPORTED no batch scheduler answers · ALREADY_EXISTS · IO_FAILED
 */
export async function writeSiteFile(file: string, io: CliIo): Promise<void> {
  const path = resolve(file);
  const report = await look();
  const text = siteFileText(report, path);
  const { scheduler, job }: BatchFile = parseSettings(BATCH_FILE, text, path);
  try {
    writeFileSync(path, text, { flag: "wx" });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") throw new XpcsError("ALREADY_EXISTS", `${path} is there already, and stays as it is: name another file`);
    throw new XpcsError("IO_FAILED", `cannot write ${path}: ${message}`);
  }
  const { version } = report.schedulers[0];
  io.result(
    { file: path, scheduler, version, queue: job.queue ?? null, walltimeS: job.walltimeS },
    () => `${path}: ${scheduler} ${version}, queue ${job.queue ?? "of the scheduler's choice"}`,
  );
  io.note(`look through it, then: xpcs doctor --batch ${path} --probe`);
}
