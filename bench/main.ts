/**
 * `npm run bench -- kernels|boost-corr|scaling|detectors|runtime|staging|stream`: the run, and where its numbers go. How to read them: docs/benchmarks.md,
 * docs/runtime-numbers.md, docs/staging-numbers.md and docs/streaming.md.
 */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, getPriority } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { measureBoost } from "./boost/boost.js";
import { boostTable } from "./boost/boost-table.js";
import { BOOST_CASES } from "./boost/cases.js";
import { findPeer, peerFacts } from "./boost/peer.js";
import { KERNEL_CASES, scaled } from "./cases.js";
import { DETECTORS } from "./detector-cases.js";
import { detectorTable } from "./detector-table.js";
import { detectorShortfall, LEVELS, measureDetector } from "./detectors.js";
import { shortfall } from "./judge.js";
import { kernelTable } from "./kernel-table.js";
import { measureKernel } from "./kernels.js";
import { type Machine, machineLine, thisMachine } from "./machine.js";
import { nativeTool } from "./native-tool.js";
import { type Options, parseOptions, UsageError } from "./options.js";
import { findContender, type Workplace } from "./programs.js";
import { measureMicro } from "./runtime/micro.js";
import { measuredRow, type RuntimeRow, rowShortfall } from "./runtime/row.js";
import { MICRO, RUNTIME_CASES, type RuntimeCase } from "./runtime/rows.js";
import { plainTable, runtimeTable } from "./runtime/runtime-table.js";
import { measureScaling, scalingTable, threadCounts } from "./scaling.js";
import { STAGING_CASES } from "./staging/rows.js";
import { STREAM_CASES } from "./stream/rows.js";
import { replaceMeasured } from "./table.js";

/** From build/bench/bench, where this runs. */
const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");

const USAGE = readFileSync(join(ROOT, "bench/usage.txt"), "utf8").trimEnd();

/** What a question answers with. */
interface Outcome {
  readonly report: object;
  readonly text: string;
  readonly shortfalls: readonly string[];
  readonly record: () => void;
}

function selected<T extends { readonly name: string }>(all: readonly T[], names: readonly string[]): readonly T[] {
  const unknown = names.find((name) => !all.some((one) => one.name === name));
  if (unknown !== undefined) throw new UsageError(`there is no case "${unknown}"; cases: ${all.map((one) => one.name).join(", ")}`);
  return names.length === 0 ? all : all.filter((one) => names.includes(one.name));
}

/** Puts a table into its document, between its markers, and makes the folder of the numbers. */
function writeMeasured(document: string, text: string, what?: string): void {
  const page = join(ROOT, document);
  writeFileSync(page, replaceMeasured(readFileSync(page, "utf8"), text, what));
  mkdirSync(join(ROOT, "bench/results"), { recursive: true });
}

/** The same, and the report as one more line of its file in bench/results. */
function addMeasured(document: string, text: string, results: string, report: object, what?: string): void {
  writeMeasured(document, text, what);
  appendFileSync(join(ROOT, "bench/results", results), `${JSON.stringify(report)}\n`);
}

/** The line above a table of series: where, when, how often and how much of them. */
function seriesLine(machine: Machine, at: string, { runs, scale }: Options): string {
  return `${machineLine(machine, at)}; medians of ${runs}${scale === 1 ? "" : `; ${scale} of the frames`}`;
}

const say = (text: string): void => console.error(text);

/** Built by scripts/bench.mjs for the questions that need it. */
function workplace({ data }: Options): Workplace {
  return { tool: nativeTool(join(ROOT, "build/bench-native/bench/xpcs_bench")), root: ROOT, scratch: join(data, "scratch") };
}

async function kernels(options: Options, at: string): Promise<Outcome> {
  const place = workplace(options);
  const cases = selected(KERNEL_CASES, options.cases).map((which) => scaled(which, options.scale));
  const machine = thisMachine(ROOT);
  const contender = findContender();
  const peak = place.tool.multiplyAdd();
  const rows = [];
  for (const which of cases) {
    rows.push(await measureKernel(which, { place, dataFolder: options.data, contender, runs: options.runs, say }, peak.perSecond));
  }
  const bound = `Integer multiply-adds: ${(peak.perSecond / 1e9).toFixed(0)} G/s on one thread (${peak.path}).`;
  const report = { at, machine, runs: options.runs, scale: options.scale, multiplyAdd: peak, rows };
  const text = `${seriesLine(machine, at, options)}\n${bound}\n\n${kernelTable(rows, contender !== null)}`;
  return {
    report,
    text,
    shortfalls: rows.flatMap((row) => row.verdicts.map((verdict) => shortfall(row.name, verdict)).filter((line) => line !== null)),
    record: () => addMeasured("docs/benchmarks.md", text, "kernels.jsonl", report),
  };
}

const threadsOf = (options: Options): number => options.threads ?? cpus().length;

async function boostCorr(options: Options, at: string): Promise<Outcome> {
  const place = workplace(options);
  const peer = findPeer();
  const cases = selected(BOOST_CASES, options.cases).map((which) => scaled(which, options.scale));
  const [machine, facts, threads] = [thisMachine(ROOT), peerFacts(peer, place), threadsOf(options)];
  const { runs, scale } = options;
  const rows = cases.map((which) => measureBoost(which, { place, dataFolder: options.data, peer, runs, threads, say }));
  const report = { at, machine, peer: facts, runs, scale, threads, rows };
  const text = `${seriesLine(machine, at, options)}\n${boostTable(rows, facts, threads)}`;
  return {
    report,
    text,
    shortfalls: [],
    record: () => addMeasured("docs/benchmarks.md", text, "boost-corr.jsonl", report, "boost_corr"),
  };
}

async function scaling(options: Options, at: string): Promise<Outcome> {
  const place = workplace(options);
  const cases = selected(KERNEL_CASES, options.cases).map((which) => scaled(which, options.scale));
  const [machine, threads] = [thisMachine(ROOT), threadCounts(threadsOf(options))];
  const { runs, scale } = options;
  const rows = cases.map((which) => measureScaling(which, { place, dataFolder: options.data, runs, threads, say }));
  const report = { at, machine, runs, scale, rows };
  const text = `${seriesLine(machine, at, options)}\n\n${scalingTable(rows, threads)}`;
  return {
    report,
    text,
    shortfalls: [],
    record: () => addMeasured("docs/benchmarks.md", text, "scaling.jsonl", report, "scaling"),
  };
}

async function detectors(options: Options, at: string): Promise<Outcome> {
  const place = workplace(options);
  const chosen = selected(DETECTORS, options.cases);
  const machine = thisMachine(ROOT);
  const threads = options.threads ?? 1;
  const settings = { place, dataFolder: options.data, runs: options.runs, scale: options.scale, threads, say };
  const rows = chosen.flatMap((detector) => LEVELS.map((level) => measureDetector(detector, level, settings)));
  const report = { at, machine, runs: options.runs, scale: options.scale, rows };
  const text = `${seriesLine(machine, at, options)}\n\n${detectorTable(rows)}`;
  return {
    report,
    text,
    shortfalls: rows.map(detectorShortfall).filter((line) => line !== null),
    record: () => {
      writeMeasured("docs/detectors.md", text, threads === 1 ? "measured" : "many threads");
      const results = threads === 1 ? "detectors.json" : "detectors-many-threads.json";
      writeFileSync(join(ROOT, "bench/results", results), `${JSON.stringify(report, null, 1)}\n`);
    },
  };
}

/** Rows of whole processes, one after the other, and the line of facts about the run. */
async function wholeProcesses(
  cases: readonly RuntimeCase[],
  { runs, scale, data }: Options,
  table: (rows: readonly RuntimeRow[]) => string,
): Promise<{ rows: RuntimeRow[]; facts: (at: string) => string; report: (at: string) => object }> {
  const machine = thisMachine(ROOT);
  const place = { root: ROOT, dataFolder: data, runs, scale, folder: (name: string) => join(data, "scratch", name), say };
  const rows: RuntimeRow[] = [];
  for (const which of cases) {
    rows.push(measuredRow(which, await which.measure(place)));
    say(table(rows.slice(-1)));
  }
  const priority = getPriority();
  const loadAtEnd = thisMachine(ROOT).load;
  const conditions = `${loadAtEnd} at the end${priority === 0 ? "" : `, all of it at nice ${priority}`}`;
  return {
    rows,
    facts: (at) => `${machineLine(machine, at)}, ${conditions}; medians of ${runs} rounds${scale === 1 ? "" : `; ${scale} of the work`}`,
    report: (at) => ({ at, machine, loadAtEnd, priority, runs, scale, rows }),
  };
}

async function runtime(options: Options, at: string): Promise<Outcome> {
  const chosen = selected([...RUNTIME_CASES, { name: MICRO }], options.cases);
  const cases = RUNTIME_CASES.filter((one) => chosen.includes(one));
  const { rows, facts, report: ofRows } = await wholeProcesses(cases, options, (some) => runtimeTable(some, []));
  const micro = chosen.some(({ name }) => name === MICRO) ? await measureMicro(say) : [];
  const report = { ...ofRows(at), micro };
  const text = `${facts(at)}\n\n${runtimeTable(rows, micro)}`;
  return {
    report,
    text,
    shortfalls: rows.map(rowShortfall).filter((line) => line !== null),
    record: () => addMeasured("docs/runtime-numbers.md", text, "runtime.jsonl", report),
  };
}

/** A question of whole processes alone: its cases, the page of its table, and the file in bench/results that keeps its numbers. */
const plainQuestion =
  (cases: readonly RuntimeCase[], page: string, results: string) =>
  async (options: Options, at: string): Promise<Outcome> => {
    const { rows, facts, report: ofRows } = await wholeProcesses(selected(cases, options.cases), options, plainTable);
    const report = ofRows(at);
    const text = `${facts(at)}\n\n${plainTable(rows)}`;
    return {
      report,
      text,
      shortfalls: rows.map(rowShortfall).filter((line) => line !== null),
      record: () => addMeasured(page, text, results, report),
    };
  };

const QUESTIONS: Readonly<Record<string, typeof kernels>> = {
  kernels,
  "boost-corr": boostCorr,
  scaling,
  detectors,
  runtime,
  staging: plainQuestion(STAGING_CASES, "docs/staging-numbers.md", "staging.jsonl"),
  stream: plainQuestion(STREAM_CASES, "docs/streaming.md", "stream.jsonl"),
};

async function main(argv: readonly string[]): Promise<number> {
  const { question, options } = parseOptions(argv, join(ROOT, "build/bench-data"));
  const ask = QUESTIONS[question];
  if (ask === undefined) throw new UsageError(question === "" ? "name a question" : `there is no question "${question}"`);
  mkdirSync(options.data, { recursive: true });
  const outcome = await ask(options, new Date().toISOString().slice(0, 16));
  console.log(outcome.text);
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(outcome.report, null, 1)}\n`);
  if (options.record) outcome.record();
  if (!options.check) return 0;
  for (const line of outcome.shortfalls) console.error(`short of its goal: ${line}`);
  return outcome.shortfalls.length > 0 ? 1 : 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const usage = error instanceof UsageError || (error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS") === true;
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}${usage ? `\n${USAGE}` : ""}`);
  process.exitCode = usage ? 2 : 1;
}
