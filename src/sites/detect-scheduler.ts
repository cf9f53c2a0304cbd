/** Which schedulers a machine has, from what the commands on its PATH say of themselves. */
import { isCode } from "../core/errors.js";
import type { Detection, Machine } from "./schedulers/define.js";
import { SCHEDULERS } from "./schedulers/registry.js";

export interface FoundScheduler {
  readonly name: string;
  readonly version: string;
}

async function versionOf(detection: Detection | null, { run }: Pick<Machine, "run">): Promise<string | null> {
  if (detection === null) return null;
  try {
    return detection.recognise(await run(detection.probe));
  } catch (error) {
    // One that gives no answer is not there, as far as this can tell.
    if (["NOT_FOUND", "DEADLINE_EXCEEDED", "IO_FAILED"].some((code) => isCode(error, code as "NOT_FOUND"))) return null;
    throw error;
  }
}

/** Those that answer, in the order of the registry; `local` is on every machine, and last. */
export async function detectSchedulers(machine: Machine): Promise<FoundScheduler[]> {
  const found = await Promise.all(SCHEDULERS.map(async ({ name, detection }) => ({ name, version: await versionOf(detection, machine) })));
  return found.flatMap(({ name, version }) => (version === null ? [] : [{ name, version }]));
}
