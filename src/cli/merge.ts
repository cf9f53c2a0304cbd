/** `xpcs merge`: repeats of one measurement as one result, from their moments. */
import { existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { type Command, Option } from "commander";
import { AVERAGINGS, type Averaging } from "../core/analysis.js";
import { XpcsError } from "../core/errors.js";
import { realClock } from "../core/real-clock.js";
import { doseCsv, doseTable } from "../xpcs/dose.js";
import { type MergeRequest, mergeResults } from "../xpcs/native.js";
import { canStand, judgeRepeats, otherScheme, REJECT_LIMITS, REPEATS_MIN, type RejectLimits, type Verdict } from "../xpcs/repeats.js";
import { readResultFile } from "../xpcs/result-file.js";
import type { ResultFile } from "../xpcs/result-layouts.js";
import { withExample } from "./help.js";
import { positiveOption } from "./option-values.js";
import type { CliIo } from "./output.js";

interface MergeOptions {
  readonly out: string;
  readonly overwrite?: true;
  readonly pooling: "per-repeat" | "pooled";
  readonly averaging?: Averaging;
  readonly reject?: true;
  readonly rejectScales?: number;
  readonly rejectDrift?: number;
  readonly doseTable?: string;
}

/** Results between two lines of progress. */
const PROGRESS_STEP = 100;

/** Repeats that are judged, and what is made of them. */
interface Judged {
  /** Enough are kept. */
  readonly standing: boolean;
  readonly kept: readonly string[];
  readonly rejected: readonly { readonly input: string; readonly reasons: Verdict["reasons"] }[];
  readonly csv: string;
  readonly limits: RejectLimits;
  readonly repeats: NonNullable<MergeRequest["repeats"]>;
  /** Nothing could be said about any g2. */
  readonly g2Unjudged: boolean;
}

async function readRepeats(inputs: readonly string[], io: CliIo): Promise<ResultFile[]> {
  const repeats: ResultFile[] = [];
  for (const input of inputs) {
    const repeat = await readResultFile(input);
    if (repeat.delays.length === 0)
      throw new XpcsError("UNSUPPORTED", `${input} holds a two-time analysis only; multi-tau results can be merged`);
    repeats.push(repeat);
    if (repeats.length % PROGRESS_STEP === 0) io.note(`read ${repeats.length} of ${inputs.length} results`);
  }
  const other = otherScheme(repeats);
  if (other !== null)
    throw new XpcsError("INVALID_ARGUMENT", `${other.path} does not belong to ${repeats[0]!.path}: they differ in the delays or q bins`);
  return repeats;
}

async function judge(inputs: readonly string[], options: MergeOptions, io: CliIo): Promise<Judged> {
  if (inputs.length < REPEATS_MIN)
    throw new XpcsError(
      "INVALID_ARGUMENT",
      `--reject compares each result with all others: it needs ${REPEATS_MIN} or more, not ${inputs.length}`,
    );
  const repeats = await readRepeats(inputs, io);
  const limits = {
    ...REJECT_LIMITS,
    ...(options.rejectScales === undefined ? {} : { scales: options.rejectScales }),
    ...(options.rejectDrift === undefined ? {} : { drift: options.rejectDrift }),
  };
  const verdicts = judgeRepeats(repeats, limits);
  const table = doseTable(repeats, verdicts);
  const rejected = verdicts.flatMap(({ reasons }, at) => (reasons.length > 0 ? [{ input: inputs[at]!, reasons }] : []));
  const reasons = verdicts.map((verdict) => verdict.reasons.map(({ text }) => text).join("; "));
  return {
    standing: canStand(verdicts),
    kept: inputs.filter((_, at) => verdicts[at]!.reasons.length === 0),
    rejected,
    csv: doseCsv(table, repeats, verdicts),
    limits,
    repeats: {
      rows: inputs.length,
      numbers: { ...table.numbers, kept: Float64Array.from(reasons, (text) => Number(text === "")) },
      texts: { file: inputs, reason: reasons },
    },
    g2Unjudged: verdicts.every(({ g2Scatter }) => g2Scatter === null),
  };
}

/** Writes the table under a temporary name, then renames it. */
function writeTable(path: string, csv: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, csv);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new XpcsError("IO_FAILED", `the dose table ${path} cannot be written: ${(error as Error).message}`);
  }
}

/** Says what was dropped and why, and refuses where too little is left. */
function report({ standing, rejected, g2Unjudged }: Judged, total: number, table: string, io: CliIo): void {
  for (const { input, reasons } of rejected) io.note(`dropped ${input}: ${reasons.map(({ text }) => text).join("; ")}`);
  if (g2Unjudged) io.note("warning: no g2 was compared: too few repeats have 20 photon pairs at a lag");
  if (standing) return;
  throw new XpcsError(
    "INVALID_ARGUMENT",
    `${rejected.length} of ${total} results would be dropped, so that none of them can stand for the others: nothing was merged; see ${table}, then merge the good ones by name without --reject, or widen --reject-scales and --reject-drift`,
  );
}

async function merge(results: readonly string[], options: MergeOptions, io: CliIo): Promise<void> {
  const [inputs, out] = [results.map((path) => resolve(path)), resolve(options.out)];
  if (options.reject === undefined && (options.rejectScales ?? options.rejectDrift ?? options.doseTable) !== undefined)
    throw new XpcsError("INVALID_ARGUMENT", "--reject-scales, --reject-drift and --dose-table belong to --reject: give it too");
  const table = options.reject === undefined ? null : resolve(options.doseTable ?? `${out.replace(/\.[^./]*$/, "")}_dose.csv`);
  for (const path of options.overwrite === true ? [] : [out, ...(table === null ? [] : [table])])
    if (existsSync(path)) throw new XpcsError("ALREADY_EXISTS", `the output ${path} exists; --overwrite replaces it`);
  const judged = table === null ? null : await judge(inputs, options, io);
  if (judged !== null && table !== null) {
    writeTable(table, judged.csv);
    report(judged, inputs.length, table, io);
  }
  const summary = mergeResults({
    inputs: judged?.kept ?? inputs,
    out,
    overwrite: options.overwrite === true,
    pooling: options.pooling,
    ...(options.averaging === undefined ? {} : { averaging: options.averaging }),
    provenance: {
      started_at: new Date(realClock.nowMs()).toISOString(),
      ...(judged === null ? {} : { reject_limits: JSON.stringify(judged.limits), rejected: JSON.stringify(judged.rejected) }),
    },
    ...(judged === null ? {} : { repeats: judged.repeats }),
  });
  if (summary.twoTimeLeftOut) io.note("warning: two-time results of the inputs are left out: C2 matrices are not merged");
  const value = { ...summary, rejected: judged?.rejected ?? [], doseTable: table };
  io.result(value, () =>
    [
      summary.out,
      `  ${summary.repeats} repeats, ${summary.delays} delays, ${summary.dynamicBins} dynamic bins`,
      ...(judged === null
        ? []
        : [`  ${judged.rejected.length} of ${inputs.length} results dropped${listed(judged.rejected)}`, `  ${table}`]),
    ].join("\n"),
  );
}

function listed(rejected: Judged["rejected"]): string {
  return rejected.map(({ input, reasons }) => `\n    ${basename(input)}: ${reasons.map(({ criterion }) => criterion).join(", ")}`).join("");
}

/** Adds the command to the program. */
export function registerMerge(program: Command, io: CliIo): void {
  const command = program
    .command("merge")
    .argument("<result...>", "results of `xpcs corr` in one layout: repeats with one q-map, length and delay scheme")
    .description("Add repeats of one measurement up. No pair of photons crosses from one repeat to the next.")
    .requiredOption("--out <file>", "merged result; written under a temporary name, then renamed")
    .option("--overwrite", "replace the result and the dose table if they are there")
    .addOption(
      new Option("--pooling <how>", "normalise with the product of the means of each repeat, or of all")
        .choices(["per-repeat", "pooled"])
        .default("per-repeat"),
    )
    .addOption(new Option("--averaging <how>", "of the static bins of a q bin (default: that of the results)").choices(AVERAGINGS))
    .option("--reject", "leave out repeats by intensity jump, drift or outlying g2; says which and why, and writes a dose table")
    .option(
      "--reject-scales <n>",
      `robust standard deviations from the median that are too far (default: ${REJECT_LIMITS.scales})`,
      positiveOption,
    )
    .option(
      "--reject-drift <fraction>",
      `change of the intensity within a repeat that is too much (default: ${REJECT_LIMITS.drift})`,
      positiveOption,
    )
    .option("--dose-table <file>", "CSV of g2 against dose, a row per repeat and q bin (default: OUT's name with _dose.csv)")
    .action((results: string[], options: MergeOptions) => merge(results, options, io));
  withExample(command, "xpcs merge run_*_results.hdf --out run_merged.hdf", "xpcs merge run_*_results.hdf --reject --out run_merged.hdf");
}
