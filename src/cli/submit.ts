/** `xpcs submit INPUT...`: hands files to central, one job per input, and may wait for them. */
import type { Command } from "commander";
import { checkFolder, makeFolder } from "../ledger/make-folder.js";
import { addCentralOptions, type CentralOptions, withClient } from "./client-settings.js";
import { addConfigOption, readsConfig } from "./config-file.js";
import { addCorrOptions, parseCorrOptions, type RawCorrOptions } from "./corr-options.js";
import { withExample } from "./help.js";
import { addJobOptions, type JobOptions, specOf } from "./job-options.js";
import { collectTexts } from "./option-values.js";
import type { CliIo } from "./output.js";
import { submitAndWait } from "./submit-and-wait.js";
import { submitSpecs } from "./submit-specs.js";

interface SubmitOptions extends CentralOptions, JobOptions, RawCorrOptions {
  readonly qmap?: readonly string[];
  readonly job?: string;
  readonly out?: string;
  readonly overwrite?: true;
  readonly key?: string;
  readonly wait?: true;
}

/** How errors name --out. */
const RESULTS_FOLDER = "the folder of the results (--out)";

async function submit(inputs: readonly string[], options: SubmitOptions, io: CliIo): Promise<void> {
  const { qmap, job, metadata, out, key } = options;
  const shared = specOf(options);
  if (out !== undefined) await checkFolder(out, RESULTS_FOLDER);
  const jobs = submitSpecs({
    inputs,
    qmaps: qmap ?? [],
    ...(job === undefined ? {} : { job }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(options.monitor === undefined ? {} : { monitor: options.monitor }),
    ...(out === undefined ? {} : { out }),
    overwrite: options.overwrite === true,
    options: parseCorrOptions(options),
    shared,
    repeatable: key !== undefined,
  });
  await withClient(options, async (client) => {
    // Only now: a central that cannot be reached must not leave an empty folder behind.
    if (out !== undefined) await makeFolder(out, RESULTS_FOLDER);
    await submitAndWait(client, { jobs, key, wait: options.wait === true }, io);
  });
}

/** Adds the command to the program. */
export function registerSubmit(program: Command, io: CliIo): void {
  const command = program
    .command("submit")
    .argument("[input...]", "raw detector files; one job each, or one for each q-map")
    .description("Hand detector files to central; prints the job ids. The result of NAME.ext is NAME_results.hdf.");
  command
    .option("--qmap <file>", "partition maps (NeXus, as pySimpleMask writes them); repeat for a job and a result each", collectTexts)
    .option("--job <file>", "legacy job file with maps and settings")
    .option("--out <folder>", "folder of the results, made if missing (default: beside each input)")
    .option("--overwrite", "replace results that are there")
    .option("--key <text>", "idempotency key: the same request again makes no second job")
    .option("--wait", "wait until the jobs have ended; exit code 1 when one failed or was canceled");
  addConfigOption(addCentralOptions(addCorrOptions(addJobOptions(command))));
  readsConfig(command, { repeatable: ["tag", "parent", "qmap"] }).action((inputs: string[], options: SubmitOptions) =>
    submit(inputs, options, io),
  );
  withExample(command, "xpcs submit scan_*.bin --qmap qmap.hdf --frame-time 2e-5 --tag sample=latex --wait");
}
