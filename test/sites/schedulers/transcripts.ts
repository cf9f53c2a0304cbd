/** What the commands of schedulers have printed, from test/fixtures/schedulers; where each is from says the README beside it. */
import { readFileSync } from "node:fs";
import type { CommandResult } from "../../../src/sites/schedulers/define.js";

/** @param name `slurm/squeue.txt` */
export function printed(name: string, code = 0): CommandResult {
  return { code, stdout: readFileSync(new URL(`../../fixtures/schedulers/${name}`, import.meta.url), "utf8"), stderr: "" };
}

/** A command that failed. */
export function failed(stderr: string, code = 1): CommandResult {
  return { code, stdout: "", stderr };
}
