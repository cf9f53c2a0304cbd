/** `xpcs submit INPUT...`: hands files to central, one job per input, and may wait for them. */
import type { Command } from "commander";
import { XpcsError } from "../core/errors.js";
import { checkFolder, makeFolder } from "../ledger/make-folder.js";
import { type Analysis, readAnalyses } from "./analyses-file.js";
import { addCentralOptions, type CentralOptions, withClient } from "./client-settings.js";
import { addConfigOption, readsConfig } from "./config-file.js";
import { addCorrOptions, parseCorrOptions } from "./corr-options.js";
import { withExample } from "./help.js";
import { inputFiles } from "./input-files.js";
import { addJobOptions, type JobOptions, specOf } from "./job-options.js";
import { collectTexts, rangeOption } from "./option-values.js";
import type { CliIo } from "./output.js";
import { submitAndWait } from "./submit-and-wait.js";
import { type SubmitWords, submitSpecs } from "./submit-specs.js";

interface SubmitOptions extends CentralOptions, JobOptions, Omit<Analysis, "input"> {
  readonly range?: readonly number[];
  readonly analyses?: string;
  readonly overwrite?: true;
  readonly key?: string;
  readonly wait?: true;
}

/** How errors name --out. */
const RESULTS_FOLDER = "the folder of the results (--out)";

/** One analysis: what it has of its own, over what was typed. */
function wordsOf(own: Analysis, words: readonly string[], typed: SubmitOptions): SubmitWords {
  const analysis = { ...typed, ...own };
  const { qmap, job, metadata, monitor, out, range } = analysis;
  return {
    inputs: inputFiles(own.input ?? words, range),
    qmaps: qmap ?? [],
    ...(job === undefined ? {} : { job }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(monitor === undefined ? {} : { monitor }),
    ...(out === undefined ? {} : { out }),
    overwrite: typed.overwrite === true,
    options: parseCorrOptions(analysis),
    shared: specOf(typed),
    repeatable: typed.key !== undefined,
  };
}

async function submit(words: readonly string[], options: SubmitOptions, io: CliIo): Promise<void> {
  const { analyses, key } = options;
  const owns: readonly Analysis[] = analyses === undefined ? [{}] : readAnalyses(analyses);
  if (words.length > 0 && owns.every(({ input }) => input !== undefined))
    throw new XpcsError("INVALID_ARGUMENT", `${words[0]} would not be read: every analysis of ${analyses} has an input of its own`);
  const all = owns.map((own) => wordsOf(own, words, options));
  const folders = new Set(all.flatMap(({ out }) => out ?? []));
  for (const folder of folders) await checkFolder(folder, RESULTS_FOLDER);
  const jobs = submitSpecs(all);
  await withClient(options, async (client) => {
    // Only now: a central that cannot be reached must not leave an empty folder behind.
    for (const folder of folders) await makeFolder(folder, RESULTS_FOLDER);
    await submitAndWait(client, { jobs, key, wait: options.wait === true }, io);
  });
}

/** Adds the command to the program. */
export function registerSubmit(program: Command, io: CliIo): void {
  const command = program
    .command("submit")
    .argument("[input...]", "raw detector files, or quoted patterns of their names; one job each, or one for each q-map")
    .description("Hand detector files to central; prints the job ids. The result of NAME.ext is NAME_results.hdf.");
  command
    .option("--range <list>", "numbers such as 53-57,60, for the # in INPUT; every one must be there", rangeOption)
    .option("--analyses <file>", "several analyses of each shot: a YAML or JSON list of what each has of its own")
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
  withExample(
    command,
    "xpcs submit scan_*.bin --qmap qmap.hdf --frame-time 2e-5 --tag sample=latex --wait",
    "xpcs submit 'scan_#.bin' --range 53-57,60 --qmap qmap.hdf",
  );
}
