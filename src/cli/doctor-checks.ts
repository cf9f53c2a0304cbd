/**
 * What `xpcs doctor` concludes from what it found: one line per fact with ok, warn or fail, and what to do.
 * Pure: the looking is doctor-probe.ts, so each conclusion can be tested without such a machine.
 */
import type { FoundScheduler } from "../sites/detect-scheduler.js";
import type { NativeMachine } from "../xpcs/native.js";
import type { BundleState } from "./bundle/manifest.js";

export type CheckStatus = "ok" | "warn" | "fail";

export interface Check {
  readonly name: string;
  readonly status: CheckStatus;
  readonly found: string;
  /** What to do about it; null when there is nothing to do. */
  readonly advice: string | null;
}

/** Facts of one machine. `null`: not there. */
export interface MachineFacts {
  readonly nodeVersion: string;
  /** The native core's own report, or why it does not load. */
  readonly native: NativeMachine | { readonly problem: string };
  /** The bundle that this program was unpacked from; null in a checkout. */
  readonly bundle: BundleState | null;
  readonly compiler: string | null;
  readonly cmake: string | null;
  readonly cpuModel: string;
  readonly cpuThreads: number;
  readonly memoryBytes: number;
  /** A limit below the machine's memory (container, batch job), if there is one. */
  readonly memoryLimitBytes: number | null;
  readonly rsync: string | null;
  readonly ssh: string | null;
  /** Those that answered. */
  readonly schedulers: readonly FoundScheduler[];
  /** Which of SUBMIT_COMMANDS are on PATH. */
  readonly submitters: readonly string[];
  readonly disks: readonly { readonly name: string; readonly path: string; readonly freeBytes: number; readonly writable: boolean }[];
}

const NODE_MIN = [20, 17] as const;
const GIB = 1024 ** 3;
/** A result file is some 10 MB; a raw series some GB. */
const DISK_FAIL_BYTES = 0.25 * GIB;
const DISK_WARN_BYTES = 5 * GIB;
/** Maps, moments and read buffers of a 1-Mpixel detector take a few hundred MB. */
const MEMORY_WARN_BYTES = 2 * GIB;

/** Commands that submit jobs, of whatever scheduler. */
export const SUBMIT_COMMANDS = ["sbatch", "qsub", "bsub"] as const;

/** All checks, in the order of reading. */
export function checkMachine(facts: MachineFacts): Check[] {
  return [
    checkNode(facts.nodeVersion),
    ...checkNative(facts),
    ...(facts.bundle === null ? checkBuildTools(facts) : [checkBundle(facts.bundle)]),
    { name: "cpu", status: "ok", found: `${facts.cpuModel}, ${facts.cpuThreads} threads`, advice: null },
    checkMemory(facts),
    ...facts.disks.map(checkDisk),
    checkScheduler(facts),
    checkTransfer("rsync", facts.rsync),
    checkTransfer("ssh", facts.ssh),
  ];
}

/** True when something must be done before this machine can work. */
export function hasFailure(checks: readonly Check[]): boolean {
  return checks.some((check) => check.status === "fail");
}

function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const suffices = major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1]);
  return suffices
    ? { name: "node", status: "ok", found: version, advice: null }
    : { name: "node", status: "fail", found: version, advice: `install Node ${NODE_MIN.join(".")} or newer, then run npm run setup` };
}

/** Changed files that are named. */
const NAMED_MAX = 3;

function checkBundle({ version, glibc, files, changed }: BundleState): Check {
  if (changed.length === 0)
    return { name: "bundle", status: "ok", found: `${version}, all ${files} files as they were made; needs glibc ${glibc}`, advice: null };
  const more = changed.length > NAMED_MAX ? ` and ${changed.length - NAMED_MAX} more` : "";
  const found = `${version}: not as they were made: ${changed.slice(0, NAMED_MAX).join(", ")}${more}`;
  return { name: "bundle", status: "fail", found, advice: "delete its folder and paste the join line again (docs/bundle.md)" };
}

function checkBuildTools({ compiler, cmake, native }: MachineFacts): Check[] {
  const needed = "problem" in native;
  return [checkBuildTool("compiler", compiler, "g++", needed), checkBuildTool("cmake", cmake, "cmake", needed)];
}

function checkNative({ native, bundle }: MachineFacts): Check[] {
  if ("problem" in native)
    return [
      {
        name: "native core",
        status: "fail",
        found: native.problem.replace(/: run `npm run setup`$/, ""),
        advice: bundle === null ? "run npm run setup in the project's folder" : "ask for a bundle that was made for such a machine",
      },
    ];
  const features = native.cpuFeatures.length > 0 ? ` (this CPU has ${native.cpuFeatures.join(" ")})` : "";
  return [
    { name: "native core", status: "ok", found: `built with ${native.compiler}`, advice: null },
    { name: "kernel path", status: "ok", found: `${native.kernelPath}${features}`, advice: null },
    { name: "HDF5", status: "ok", found: native.hdf5Version, advice: null },
  ];
}

function checkBuildTool(name: string, found: string | null, packageName: string, needed: boolean): Check {
  if (found !== null) return { name, status: "ok", found, advice: null };
  const advice = `install it (apt, dnf: ${packageName === "g++" ? "g++, gcc-c++" : packageName}), or let npm run setup do it`;
  return needed
    ? { name, status: "fail", found: "not found", advice }
    : { name, status: "warn", found: "not found", advice: `only needed to build the native core again; ${advice}` };
}

function checkMemory(facts: MachineFacts): Check {
  const limit = facts.memoryLimitBytes;
  const usable = limit !== null && limit < facts.memoryBytes ? limit : facts.memoryBytes;
  const found = usable < facts.memoryBytes ? `${gib(usable)} (limit; the machine has ${gib(facts.memoryBytes)})` : gib(usable);
  return usable >= MEMORY_WARN_BYTES
    ? { name: "memory", status: "ok", found, advice: null }
    : { name: "memory", status: "warn", found, advice: "large detectors may need more: raise the limit, or run one slot per site" };
}

function checkDisk(disk: MachineFacts["disks"][number]): Check {
  const name = `disk ${disk.name}`;
  const found = `${gib(disk.freeBytes)} free at ${disk.path}`;
  if (!disk.writable)
    return { name, status: "warn", found: `${disk.path} is not writable`, advice: "give results another folder with --out" };
  if (disk.freeBytes < DISK_FAIL_BYTES) return { name, status: "fail", found, advice: "free some space: results would not fit" };
  if (disk.freeBytes < DISK_WARN_BYTES) return { name, status: "warn", found, advice: "little space for raw data and results" };
  return { name, status: "ok", found, advice: null };
}

/** Several schedulers share the names of their commands, so each was asked for its version. */
function checkScheduler({ schedulers, submitters }: MachineFacts): Check {
  const name = "scheduler";
  const found = schedulers.filter((each) => each.name !== "local").map((each) => `${each.name} ${each.version}`);
  if (found.length > 0) return { name, status: "ok", found: found.join(", "), advice: null };
  if (submitters.length === 0)
    return { name, status: "ok", found: "none on PATH: a site here runs its jobs on this machine", advice: null };
  const advice = "load the scheduler's module, or log in to a submit host";
  return { name, status: "warn", found: `${submitters.join(", ")}, but no scheduler that is known answers`, advice };
}

function checkTransfer(name: string, version: string | null): Check {
  return version !== null
    ? { name, status: "ok", found: version, advice: null }
    : {
        name,
        status: "warn",
        found: "not found",
        advice: `install ${name} to move files between facilities; a shared file system needs none`,
      };
}

function gib(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`;
}
