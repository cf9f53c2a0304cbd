/** Looks at this machine for `xpcs doctor`. Changes nothing; what cannot be found is null, never an error. */
import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { statfs } from "node:fs/promises";
import { cpus, tmpdir, totalmem } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { toXpcsError } from "../core/errors.js";
import { realClock } from "../core/real-clock.js";
import { createMachine } from "../sites/batch-command.js";
import { detectSchedulers, type FoundScheduler } from "../sites/detect-scheduler.js";
import { inspectBundle } from "./bundle/manifest.js";
import { type MachineFacts, SUBMIT_COMMANDS } from "./doctor-checks.js";
import { userName } from "./user-name.js";

const PROGRAM_TIMEOUT_MS = 5_000;

/** Facts of the machine and of the folder `cwd`. */
export async function probeMachine(cwd: string): Promise<MachineFacts> {
  const compilers = [process.env.CXX, "c++", "g++", "clang++"].filter((name): name is string => name !== undefined && name !== "");
  const [native, bundle, compiler, cmake, rsync, ssh, schedulers, here, temporary] = await Promise.all([
    probeNative(),
    inspectBundle(fileURLToPath(new URL("../..", import.meta.url))),
    firstLine(compilers, ["--version"]),
    firstLine(["cmake"], ["--version"]),
    firstLine(["rsync"], ["--version"]),
    firstLine(["ssh"], ["-V"]),
    probeSchedulers(),
    probeDisk("here", cwd),
    probeDisk("temporary", tmpdir()),
  ]);
  const processors = cpus();
  return {
    nodeVersion: process.versions.node,
    native,
    bundle,
    compiler,
    cmake,
    cpuModel: processors[0]?.model.trim() ?? "unknown",
    cpuThreads: processors.length,
    memoryBytes: totalmem(),
    memoryLimitBytes: memoryLimit(),
    rsync,
    ssh,
    schedulers,
    submitters: SUBMIT_COMMANDS.filter(isOnPath),
    disks: [here, temporary].filter((disk) => disk !== null),
  };
}

/** Loading is the check: a missing build and a missing library both end here. */
async function probeNative(): Promise<MachineFacts["native"]> {
  try {
    const { nativeMachine } = await import("../xpcs/native.js");
    return nativeMachine();
  } catch (error) {
    return { problem: toXpcsError(error).message };
  }
}

/** First line that the first working program prints (ssh prints its version on stderr). */
async function firstLine(programs: readonly string[], args: readonly string[]): Promise<string | null> {
  for (const program of programs) {
    const text = await new Promise<string | null>((resolve) => {
      execFile(program, [...args], { timeout: PROGRAM_TIMEOUT_MS }, (error, stdout, stderr) => {
        resolve(error ? null : `${stdout}\n${stderr}`.trim());
      });
    });
    if (text !== null) return text.split("\n")[0]?.trim() ?? "";
  }
  return null;
}

function probeSchedulers(): Promise<FoundScheduler[]> {
  const limits = { timeoutMs: PROGRAM_TIMEOUT_MS, perMinute: 1_000 };
  return detectSchedulers(createMachine({ ...limits, environment: process.env, clock: realClock, user: userName() }));
}

function isOnPath(program: string): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => folder !== "" && mayAccess(join(folder, program), constants.X_OK));
}

function mayAccess(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

async function probeDisk(name: string, path: string): Promise<MachineFacts["disks"][number] | null> {
  try {
    const { bavail, bsize } = await statfs(path);
    return { name, path, freeBytes: bavail * bsize, writable: mayAccess(path, constants.W_OK) };
  } catch {
    return null;
  }
}

/** Limit of the container or batch job; Node answers with a huge number, or 0, when there is none. */
function memoryLimit(): number | null {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < totalmem() ? limit : null;
}
