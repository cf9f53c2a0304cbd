/** `xpcs submit INPUT...`: hands files to central, one job per input, and may wait for them, or watch for more. */
import { basename } from "node:path";
import type { Command } from "commander";
import { XpcsError } from "../core/errors.js";
import { realClock } from "../core/real-clock.js";
import type { XpcsClient } from "../index.js";
import { checkFolder, makeFolder } from "../ledger/make-folder.js";
import { checkCompanion, isCompanion, SettledFiles } from "../sites/settled-files.js";
import { type Analysis, readAnalyses } from "./analyses-file.js";
import { addCentralOptions, type CentralOptions, withClient } from "./client-settings.js";
import { addConfigOption, readsConfig } from "./config-file.js";
import { addCorrOptions, parseCorrOptions } from "./corr-options.js";
import { withExample } from "./help.js";
import { filesThere, inputFiles } from "./input-files.js";
import { addJobOptions, type JobOptions, specOf } from "./job-options.js";
import { collectTexts, rangeOption, secondsOption } from "./option-values.js";
import type { CliIo } from "./output.js";
import { submitAndWait } from "./submit-and-wait.js";
import { checkShared, type SubmitWords, submitSpecs } from "./submit-specs.js";
import { type FolderWatch, watchAndSubmit } from "./submit-watch.js";

interface SubmitOptions extends CentralOptions, JobOptions, Omit<Analysis, "input"> {
  readonly range?: readonly number[];
  readonly analyses?: string;
  readonly overwrite?: true;
  readonly key?: string;
  readonly wait?: true;
  readonly watch?: true;
  readonly settle?: number;
  readonly companion?: string;
}

/** How errors name --out. */
const RESULTS_FOLDER = "the folder of the results (--out)";

/** One analysis of some files: what it has of its own, over what was typed. */
function wordsOf(own: Analysis, inputs: readonly string[], typed: SubmitOptions): SubmitWords {
  const analysis = { ...typed, ...own };
  const { qmap, job, metadata, monitor, out } = analysis;
  return {
    inputs,
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

/** Rests for so long unless told otherwise, s: more than a network file system takes to show a change. */
const SETTLE_S = 5;

/** Options that need the files to be there, or would mean the same time for files of different days. */
const NOT_WATCHED = ["range", "wait", "deadline"] as const;

function checkWatch(options: SubmitOptions): void {
  const { watch, companion, settle } = options;
  if (watch === undefined) {
    if (companion !== undefined || settle !== undefined)
      throw new XpcsError("INVALID_ARGUMENT", "--settle and --companion say when a watched file is complete: add --watch");
    return;
  }
  const unfit = NOT_WATCHED.find((name) => options[name] !== undefined);
  if (unfit !== undefined) throw new XpcsError("INVALID_ARGUMENT", `--${unfit} does not go with --watch`);
  if (companion !== undefined) checkCompanion(companion);
}

async function watchFolders(
  owns: readonly Analysis[],
  words: readonly string[],
  options: SubmitOptions,
  client: XpcsClient,
  io: CliIo,
): Promise<void> {
  const { companion = null, overwrite = false, key = null } = options;
  const { settle = companion === null ? SETTLE_S : 0 } = options;
  const watched = [...new Set(owns.flatMap(({ input }) => input ?? words))];
  io.note(`watching ${watched.join(" ")}; Ctrl-C ends the watching, not the jobs`);
  /** What is there for each analysis, as last listed. */
  let there: ReadonlySet<string>[] = [];
  const watch: FolderWatch = {
    list() {
      there = owns.map(({ input }) => new Set(filesThere(input ?? words)));
      return [...new Set(there.flatMap((files) => [...files]))].filter((path) => !isCompanion(basename(path), companion));
    },
    specsOf(file, again) {
      const analyses = owns.filter((_, at) => there[at]!.has(file)).map((own) => wordsOf(own, [file], options));
      return submitSpecs(analyses.map((analysis) => ({ ...analysis, repeatable: !again })));
    },
    files: new SettledFiles(realClock, { settleMs: 1_000 * settle, companion }),
    ...{ overwrite, key, client, clock: realClock },
  };
  await watchAndSubmit(watch, io);
}

async function submit(words: readonly string[], options: SubmitOptions, io: CliIo): Promise<void> {
  const { analyses, key, range, watch } = options;
  checkWatch(options);
  const owns: readonly Analysis[] = analyses === undefined ? [{}] : readAnalyses(analyses);
  if (words.length > 0 && owns.every(({ input }) => input !== undefined))
    throw new XpcsError("INVALID_ARGUMENT", `${words[0]} would not be read: every analysis of ${analyses} has an input of its own`);
  const all = owns.map((own) => wordsOf(own, watch ? [] : inputFiles(own.input ?? words, range), options));
  const folders = new Set(all.flatMap(({ out }) => out ?? []));
  for (const folder of folders) await checkFolder(folder, RESULTS_FOLDER);
  const jobs = watch ? [] : submitSpecs(all);
  if (watch) checkWatched(all, owns, words);
  await withClient(options, async (client) => {
    // Only now: a central that cannot be reached must not leave an empty folder behind.
    for (const folder of folders) await makeFolder(folder, RESULTS_FOLDER);
    if (watch) await watchFolders(owns, words, options, client, io);
    else await submitAndWait(client, { jobs, key, wait: options.wait === true }, io);
  });
}

/** What would be wrong with every file is told at once. */
function checkWatched(all: readonly SubmitWords[], owns: readonly Analysis[], words: readonly string[]): void {
  if (words.length === 0 && owns.some(({ input }) => input === undefined))
    throw new XpcsError("INVALID_ARGUMENT", "give what shall be watched: a folder, or a quoted pattern such as '/data/scan_*.bin'");
  for (const analysis of all) checkShared(analysis);
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
    .option("--watch", "go on with the files that come, each when it is complete, until Ctrl-C; INPUT may be a folder")
    .option("--settle <s>", "with --watch: complete when unchanged for so long; 0: as soon as it is there (default: 5)", secondsOption)
    .option("--companion <name>", "with --watch: complete when this file is beside it, * standing for its name, such as '*.done'")
    .option("--wait", "wait until the jobs have ended; exit code 1 when one failed or was canceled");
  addConfigOption(addCentralOptions(addCorrOptions(addJobOptions(command))));
  readsConfig(command, { repeatable: ["tag", "parent", "qmap"] }).action((inputs: string[], options: SubmitOptions) =>
    submit(inputs, options, io),
  );
  withExample(
    command,
    "xpcs submit scan_*.bin --qmap qmap.hdf --frame-time 2e-5 --tag sample=latex --wait",
    "xpcs submit 'scan_#.bin' --range 53-57,60 --qmap qmap.hdf",
    "xpcs submit '/data/2026-3/scan_*.bin' --watch --qmap qmap.hdf --out results",
  );
}
