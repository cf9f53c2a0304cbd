/**
 * `xpcs site init FILE`: looks at this machine and writes the file of its batch jobs (site-file-text.ts), with the profile of its facility where one is asked for.
 * The text is read back by the rules of the file before it is written.
 */
import { accessSync, constants, readFileSync, writeFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { availableParallelism, cpus, homedir, hostname, tmpdir, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { toXpcsError, XpcsError } from "../core/errors.js";
import { realClock } from "../core/real-clock.js";
import { createMachine } from "../sites/batch-command.js";
import { BATCH_FILE, type BatchFile } from "../sites/batch-file.js";
import { detectSchedulers } from "../sites/detect-scheduler.js";
import type { FacilityProfile } from "../sites/facility-profile.js";
import type { Machine } from "../sites/schedulers/define.js";
import { schedulerNamed } from "../sites/schedulers/registry.js";
import type { CliIo } from "./output.js";
import { parseSettings } from "./settings-file.js";
import { type MachineReport, placeOf, reportDifferences, settingsToFill, siteFileText } from "./site-file-text.js";
import { profileOfHost, readProfile } from "./site-profile.js";
import { userName } from "./user-name.js";

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

/** What a command of a scheduler tells beside what is needed: where it is missing or fails, nothing, and why. */
async function asked<T>(what: string, answer: Promise<readonly T[]>, tell: (text: string) => void): Promise<readonly T[]> {
  try {
    return await answer;
  } catch (error) {
    tell(`${what} were not found: ${toXpcsError(error).message}`);
    return [];
  }
}

/** @throws UNSUPPORTED no batch scheduler answers, or not that of the profile */
async function look(profile: FacilityProfile | null, tell: (text: string) => void): Promise<MachineReport> {
  const machine: Machine = createMachine({
    timeoutMs: 30_000,
    perMinute: 60,
    environment: process.env,
    clock: realClock,
    user: userName(),
  });
  const found = (await detectSchedulers(machine)).filter(({ name }) => name !== "local");
  const wanted = profile?.scheduler.value;
  const [first, ...others] = [...found.filter(({ name }) => name === wanted), ...found.filter(({ name }) => name !== wanted)];
  if (first === undefined) {
    const what =
      "no batch scheduler answers here: load its module, or log in to a submit host; where there is none, xpcs site works without such a file";
    throw new XpcsError("UNSUPPORTED", what);
  }
  if (wanted !== undefined && first.name !== wanted)
    throw new XpcsError("UNSUPPORTED", `the profile ${profile?.name} is of a machine with ${wanted}, and here ${first.name} answers`);
  const scheduler = schedulerNamed(first.name);
  const disks = await Promise.all([...new Set([tmpdir(), ...localMounts()])].map(diskAt));
  return {
    host: hostname(),
    cores: availableParallelism(),
    memoryGb: Math.floor(totalmem() / 1e9),
    kernels: await kernelsHere(),
    disks: disks.filter((disk) => disk !== null),
    schedulers: [first, ...others],
    queues: await scheduler.queues(machine),
    accounts: await asked("accounts", scheduler.accounts(machine), tell),
    nodes: await asked("nodes", scheduler.nodes(machine), tell),
    folder: join(process.env.XDG_STATE_HOME || join(homedir(), ".local", "state"), "xpcs", "batch"),
    profile,
  };
}

/**
 * Writes the file; an existing one is never touched.
 * @param profile name of a facility's profile, or null
 * @throws INVALID_ARGUMENT there is no such profile · UNSUPPORTED no batch scheduler answers, or not that of the profile · ALREADY_EXISTS · IO_FAILED
 */
export async function writeSiteFile(file: string, profile: string | null, io: CliIo): Promise<void> {
  const path = resolve(file);
  const report = await look(profile === null ? null : readProfile(profile), (text) => io.note(text));
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
  const { queue, qos } = placeOf(report);
  const [differences, toFill] = [reportDifferences(report), settingsToFill(report)];
  io.result(
    { file: path, scheduler, version, queue, qos, walltimeS: job.walltimeS, profile, differences, toFill },
    () =>
      `${path}: ${scheduler} ${version}, ${qos === null ? `queue ${queue ?? "of the scheduler's choice"}` : `QOS ${qos}`}${profile === null ? "" : `, profile ${profile}`}`,
  );
  for (const difference of differences) io.note(`differs: ${difference}`);
  const like = profile === null ? profileOfHost(report.host) : null;
  if (like !== null) io.note(`this host looks like one of ${like.title}: xpcs site init FILE --profile ${like.name} knows more of it`);
  if (toFill.length > 0) io.note(`to be filled in, as the facility demands it: ${toFill.join(", ")}`);
  io.note(`look through it, then: xpcs doctor --batch ${path} --probe`);
}
