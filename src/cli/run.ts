/** `xpcs run APP`: a job that runs a command which sites allow by name; the site checks and types its parameters. */
import { resolve } from "node:path";
import type { Command } from "commander";
import type { FileRef } from "../core/job.js";
import { addCentralOptions, type CentralOptions, withClient } from "./client-settings.js";
import { withExample } from "./help.js";
import { inputBytesOf } from "./input-bytes.js";
import { addJobOptions, type JobOptions, specOf } from "./job-options.js";
import { collectPairs } from "./option-values.js";
import type { CliIo } from "./output.js";
import { submitAndWait } from "./submit-and-wait.js";

type Pairs = Readonly<Record<string, string>>;

interface RunOptions extends CentralOptions, JobOptions {
  readonly param?: Pairs;
  readonly input?: Pairs;
  readonly output?: Pairs;
  readonly overwrite?: true;
  readonly key?: string;
  readonly wait?: true;
}

function refs(files: Pairs = {}): Record<string, FileRef> {
  return Object.fromEntries(Object.entries(files).map(([name, path]) => [name, { path: resolve(path) }]));
}

/** Adds the command to the program. */
export function registerRun(program: Command, io: CliIo): void {
  const command = program
    .command("run")
    .argument("<app>", "name of the command in the sites' settings")
    .description("Run a command that sites allow by name (docs/apps.md); prints the job id.");
  command
    .option("--param <name=value>", "a parameter of the command (repeat for more)", collectPairs)
    .option("--input <name=file>", "a file that it reads (repeat for more)", collectPairs)
    .option("--output <name=file>", "a file that it makes (repeat for more)", collectPairs)
    .option("--overwrite", "replace outputs that are there")
    .option("--key <text>", "idempotency key: the same request again makes no second job")
    .option("--wait", "wait until the job has ended; exit code 1 when it failed or was canceled");
  addCentralOptions(addJobOptions(command)).action(async (app: string, options: RunOptions) => {
    const { param: parameters = {}, overwrite = false, key, wait = false } = options;
    const work = { app, parameters, inputs: refs(options.input), outputs: refs(options.output), overwrite };
    const jobs = [{ work, ...specOf(options), ...inputBytesOf(Object.values(work.inputs)) }];
    await withClient(options, (client) => submitAndWait(client, { jobs, key, wait }, io));
  });
  withExample(command, "xpcs run diagonalise --param size=5000 --output result=eigenvalues.npy --cores 4 --wait");
}
