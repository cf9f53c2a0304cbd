/** `xpcs experiment archive|verify|show|remove`: a whole experiment as one file, and what is in such a file. */
import { resolve } from "node:path";
import { Argument, type Command } from "commander";
import { archivedView } from "../actors/views.js";
import { XpcsError } from "../core/errors.js";
import { type ExperimentFile, readExperiment } from "../ledger/experiment-file.js";
import { addCentralOptions, type CentralOptions, experimentOption, withClient } from "./client-settings.js";
import { withExample } from "./help.js";
import { jobTable } from "./job-text.js";
import type { CliIo } from "./output.js";
import { checkThere } from "./text-file.js";
import { checkFree, linesOf, writeWhole } from "./whole-file.js";

const ACTIONS = ["archive", "verify", "show", "remove"] as const;
type Action = (typeof ACTIONS)[number];

interface ExperimentOptions extends CentralOptions {
  readonly file: string;
  readonly overwrite?: true;
}

async function readFile(path: string): Promise<ExperimentFile> {
  checkThere(path, "the archived experiment");
  return readExperiment(linesOf(path));
}

interface Facts {
  readonly experiment: string;
  readonly jobs: number;
  readonly events: number;
  readonly sites: number;
  readonly withoutHistory: number;
}

function factsOf({ experiment, jobs, events, sites, withoutHistory }: ExperimentFile): Facts {
  return { experiment, jobs: jobs.length, events, sites: sites.length, withoutHistory };
}

function factsText(done: string, { experiment, jobs, events, withoutHistory }: Facts): string {
  const lost = withoutHistory === 0 ? "" : `; of ${withoutHistory} jobs the ledger had forgotten the first events`;
  return `${experiment} ${done}: ${jobs} jobs, ${events} events${lost}`;
}

/** @throws INVALID_ARGUMENT the file is another experiment's */
function checkName(given: string | undefined, { experiment }: ExperimentFile): void {
  if (given !== undefined && given !== experiment) throw new XpcsError("INVALID_ARGUMENT", `the file holds ${experiment}, not ${given}`);
}

async function archive(experiment: string, path: string, options: ExperimentOptions, io: CliIo): Promise<void> {
  checkFree(path, options.overwrite === true);
  const facts = await withClient(options, (client) => writeWhole(path, client.archiveExperiment(experiment), readFile)).then(factsOf);
  io.result(facts, () => factsText("is archived and verified", facts));
}

async function remove(experiment: string, path: string, options: ExperimentOptions, io: CliIo): Promise<void> {
  const file = await readFile(path);
  checkName(experiment, file);
  const { sequence, jobs } = file;
  const removed = await withClient(options, (client) => client.removeExperiment({ experiment, jobs: jobs.length, sequence }));
  io.result({ experiment, removed }, () => `${experiment} is out of the ledger: ${removed} jobs; ${path} has them`);
}

async function run(action: Action, experiment: string | undefined, options: ExperimentOptions, io: CliIo): Promise<void> {
  const path = resolve(options.file);
  if (options.overwrite === true && action !== "archive")
    throw new XpcsError("INVALID_ARGUMENT", `${action} replaces nothing: --overwrite is for archive`);
  if (action === "archive" || action === "remove") {
    if (experiment === undefined) throw new XpcsError("INVALID_ARGUMENT", `${action} needs the experiment: CYCLE/NAME`);
    return action === "archive" ? archive(experiment, path, options, io) : remove(experiment, path, options, io);
  }
  const file = await readFile(path);
  checkName(experiment, file);
  const facts = factsOf(file);
  if (action === "verify") return io.result(facts, () => factsText("is whole", facts));
  const jobs = file.jobs.map(archivedView).reverse();
  io.result(jobs, () => jobTable(jobs));
}

/** Adds the command to the program. */
export function registerExperiment(program: Command, io: CliIo): void {
  const command = program
    .command("experiment")
    .addArgument(new Argument("<action>", "what to do").choices(ACTIONS))
    .argument("[experiment]", "CYCLE/NAME; with verify and show: what the file must hold", experimentOption)
    .description(
      "Write all of an experiment (jobs, ledger events, digests of the results) to one file, read it, and take it out of the ledger.",
    )
    .requiredOption("--file <file>", "the archived experiment")
    .option("--overwrite", "replace the file that archive writes");
  addCentralOptions(command).action((action: Action, experiment: string | undefined, options: ExperimentOptions) =>
    run(action, experiment, options, io),
  );
  withExample(
    command,
    "xpcs experiment archive 2026-3/smith --file smith.jsonl",
    "xpcs experiment show --file smith.jsonl",
    "xpcs experiment remove 2026-3/smith --file smith.jsonl",
  );
}
