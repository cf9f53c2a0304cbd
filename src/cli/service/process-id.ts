/**
 * Which process is meant, beyond its number: numbers come again, also on other machines that see the same file. A process is named by machine, boot, namespace
 * of process ids and the tick at which it began; only one that fits in all of these is ever sent a signal.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { z } from "zod";
import { XpcsError } from "../../core/errors.js";

/** A machine that has been started, as its processes see it. */
const here = { host: z.string(), machine: z.string(), boot: z.string(), namespace: z.string() };
export const PROCESS_ID = z.object({ ...here, pid: z.int().min(1), startTick: z.string() });
export type ProcessId = z.output<typeof PROCESS_ID>;
export type Here = Omit<ProcessId, "pid" | "startTick">;

/** `elsewhere`: from here nobody can tell. */
export type Life = "alive" | "gone" | "elsewhere";

const textOf = (path: string): string | null => {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return null;
  }
};

/** @throws UNSUPPORTED a system without /proc */
export function whereWeAre(): Here {
  const boot = textOf("/proc/sys/kernel/random/boot_id");
  if (boot === null)
    throw new XpcsError("UNSUPPORTED", "this system has no /proc, by which a site's process is recognised: run xpcs site without start");
  return { host: hostname(), machine: textOf("/etc/machine-id") ?? "", boot, namespace: readlinkSync("/proc/self/ns/pid") };
}

/** When a process of this machine began, in ticks since the boot; null: there is none, or it has ended and was not collected yet. */
export function startTickOf(pid: number): string | null {
  const stat = textOf(`/proc/${pid}/stat`);
  if (stat === null) return null;
  // The name, in parentheses, may hold anything. State is field 3, the start field 22.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? null : (fields[19] ?? null);
}

/** This process. @throws UNSUPPORTED */
export function ownProcess(): ProcessId {
  return { ...whereWeAre(), pid: process.pid, startTick: startTickOf(process.pid) ?? "" };
}

/** Whether a recorded process is there. Pure, but for `startTick`. */
export function lifeOf(recorded: ProcessId, now: Here, startTick: (pid: number) => string | null): Life {
  if (recorded.host !== now.host || recorded.machine !== now.machine) return "elsewhere";
  // Started anew: nothing of before is left.
  if (recorded.boot !== now.boot) return "gone";
  if (recorded.namespace !== now.namespace) return "elsewhere";
  return startTick(recorded.pid) === recorded.startTick ? "alive" : "gone";
}

/** Of a recorded process, as this machine is now. @throws UNSUPPORTED */
export function lifeNow(recorded: ProcessId): Life {
  return lifeOf(recorded, whereWeAre(), startTickOf);
}

/** Sends a signal to exactly that process. @returns whether it was there */
export function signalProcess(recorded: ProcessId, name: NodeJS.Signals): boolean {
  if (lifeNow(recorded) !== "alive") return false;
  try {
    process.kill(recorded.pid, name);
    return true;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ESRCH") return false;
    throw new XpcsError("REFUSED", `process ${recorded.pid} cannot be sent ${name}: ${message}`);
  }
}
