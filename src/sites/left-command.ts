/** Ends a command whose kernel host died before it: nothing of an attempt may outlive it. */
import { readFileSync, readlinkSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { PID_FILE } from "./command-plan.js";
import { killGroup } from "./command-runner.js";

/**
 * Kills the process group that an attempt's folder names, if there is one. Only a process that works in that folder: after a restart of the
 * machine the number may be another one's.
 */
export function endLeftCommand(folder: string): void {
  try {
    const pid = Number(readFileSync(join(folder, PID_FILE), "utf8"));
    if (Number.isSafeInteger(pid) && pid > 1 && readlinkSync(`/proc/${pid}/cwd`) === realpathSync(folder)) killGroup(pid, "SIGKILL");
  } catch {
    // No command was running, or it is gone.
  }
}
