/** The schedulers, in the order in which they are looked for. */
import { XpcsError } from "../../core/errors.js";
import { cobalt } from "./cobalt.js";
import type { Scheduler } from "./define.js";
import { gridEngine } from "./grid-engine.js";
import { iri } from "./iri.js";
import { local } from "./local.js";
import { lsf } from "./lsf.js";
import { oar } from "./oar.js";
import { pbs } from "./pbs.js";
import { sfapi } from "./sfapi.js";
import { slurm } from "./slurm.js";

export const SCHEDULERS: readonly Scheduler[] = [slurm, pbs, lsf, cobalt, gridEngine, oar, local, iri, sfapi];

/**
 * The scheduler of a name.
 * @throws INVALID_ARGUMENT there is none
 */
export function schedulerNamed(name: string): Scheduler {
  const found = SCHEDULERS.find((scheduler) => scheduler.name === name);
  if (found) return found;
  throw new XpcsError("INVALID_ARGUMENT", `there is no scheduler "${name}": ${SCHEDULERS.map((each) => each.name).join(", ")}`);
}
