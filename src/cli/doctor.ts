/** `xpcs doctor`: is this machine able to analyse and to be a site, and what to do where it is not. */
import { hostname } from "node:os";
import type { Command } from "commander";
import { XpcsError } from "../core/errors.js";
import { BATCH_FILE, type BatchFile } from "../sites/batch-file.js";
import { addCentralOptions, type CentralOptions } from "./client-settings.js";
import { checkBatch } from "./doctor-batch.js";
import { type Check, checkMachine, hasFailure } from "./doctor-checks.js";
import { probeMachine } from "./doctor-probe.js";
import { withExample } from "./help.js";
import type { CliIo } from "./output.js";
import { readSettingsFile } from "./settings-file.js";

interface DoctorOptions extends CentralOptions {
  readonly batch?: string;
  readonly probe?: boolean;
  readonly selfTest?: boolean;
  readonly work?: string;
  readonly name?: string;
}

/** The self-test, where it is asked for. @throws INVALID_ARGUMENT */
async function selfTestOf(options: DoctorOptions, file: BatchFile | null, io: CliIo): Promise<Check[]> {
  const { selfTest: asked = false, work, name = hostname() } = options;
  if (!asked) return [];
  const folder = file?.folder ?? work;
  if (folder === undefined)
    throw new XpcsError(
      "INVALID_ARGUMENT",
      "--self-test keeps its numbers in the folder of --batch FILE or in --work DIR: give one of them",
    );
  const { selfTest } = await import("./doctor-self-test.js");
  return selfTest({ ...options, name, file, folder, signal: io.signal, tell: (text) => io.note(text) });
}

/** Adds `doctor`. Exit 1 when a check fails; a warning is not a failure. */
export function registerDoctor(program: Command, io: CliIo): void {
  const command = program
    .command("doctor")
    .description("Check this machine: Node, native core and its kernel path, HDF5, memory, disk, scheduler, transfer tools.")
    .option("--batch <file>", "also check a file of batch settings with this machine's scheduler (docs/schedulers)")
    .option("--probe", "with --batch: submit a job of a moment as well, and wait for it")
    .option("--self-test", "measure correlator, link to central and queue, for a site that uses this --batch or --work (docs/self-test.md)")
    .option("--work <folder>", "with --self-test: the work folder of a site without batch jobs")
    .option("--name <name>", "with --self-test: name of the site (default: the host's name)");
  addCentralOptions(command).action(async (options: DoctorOptions) => {
    const { batch, probe = false } = options;
    if (probe && batch === undefined) throw new XpcsError("INVALID_ARGUMENT", "--probe submits a job of --batch FILE: give both");
    const file = batch === undefined ? null : readSettingsFile(BATCH_FILE, batch);
    const checks = [
      ...checkMachine(await probeMachine(process.cwd())),
      ...(file === null ? [] : await checkBatch(file, { probe, signal: io.signal, tell: (text) => io.note(text) })),
    ];
    // What is not right yet is not worth measuring.
    if (!hasFailure(checks.filter(({ name }) => name.startsWith("batch ")))) checks.push(...(await selfTestOf(options, file, io)));
    io.result({ checks }, () => formatChecks(checks));
    if (hasFailure(checks)) io.exitWith(1);
  });
  withExample(
    command,
    "xpcs doctor",
    "xpcs doctor --batch batch.json --probe",
    "xpcs doctor --batch batch.json --self-test --central wss://beamline.example:7878 --token-file site.token",
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
