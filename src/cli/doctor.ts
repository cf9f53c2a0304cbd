/** `xpcs doctor`: is this machine able to analyse and to be a site, and what to do where it is not. */
import type { Command } from "commander";
import { XpcsError } from "../core/errors.js";
import { BATCH_FILE } from "../sites/batch-file.js";
import { checkBatch } from "./doctor-batch.js";
import { type Check, checkMachine, hasFailure } from "./doctor-checks.js";
import { probeMachine } from "./doctor-probe.js";
import { withExample } from "./help.js";
import type { CliIo } from "./output.js";
import { readSettingsFile } from "./settings-file.js";

interface DoctorOptions {
  readonly batch?: string;
  readonly probe?: boolean;
}

/** Adds `doctor`. Exit 1 when a check fails; a warning is not a failure. */
export function registerDoctor(program: Command, io: CliIo): void {
  const command = program
    .command("doctor")
    .description("Check this machine: Node, native core and its kernel path, HDF5, memory, disk, scheduler, transfer tools.")
    .option("--batch <file>", "also check a file of batch settings with this machine's scheduler (docs/schedulers)")
    .option("--probe", "with --batch: submit a job of a moment as well, and wait for it")
    .action(async ({ batch, probe = false }: DoctorOptions) => {
      if (probe && batch === undefined) throw new XpcsError("INVALID_ARGUMENT", "--probe submits a job of --batch FILE: give both");
      const file = batch === undefined ? null : readSettingsFile(BATCH_FILE, batch);
      const checks = [
        ...checkMachine(await probeMachine(process.cwd())),
        ...(file === null ? [] : await checkBatch(file, { probe, signal: io.signal, tell: (text) => io.note(text) })),
      ];
      io.result({ checks }, () => formatChecks(checks));
      if (hasFailure(checks)) io.exitWith(1);
    });
  withExample(
    command,
    "xpcs doctor",
    "xpcs doctor --batch batch.json --probe",
    "xpcs doctor --json | jq '.checks[] | select(.status != \"ok\")'",
  );
}

function formatChecks(checks: readonly Check[]): string {
  const width = Math.max(...checks.map((check) => check.name.length));
  return checks
    .flatMap((check) => {
      const line = `${check.status.padEnd(4)}  ${check.name.padEnd(width)}  ${check.found}`;
      return check.advice === null ? [line] : [line, `${" ".repeat(width + 8)}-> ${check.advice}`];
    })
    .join("\n");
}
