/** The run behind `npm run facilities`, whose options scripts/facilities.mjs has read and whose schedulers it has started; how to read it: docs/facilities.md. */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { getPriority } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { machineLine, thisMachine } from "../machine.js";
import { replaceMeasured } from "../table.js";
import { facilitiesText } from "./facilities-table.js";
import { type RunReport, runFacilities } from "./run.js";

/** From build/bench/bench/facilities, where this runs. */
const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../../../..");
const RESULTS = join(ROOT, "bench/results/facilities.jsonl");
const PAGE = join(ROOT, "docs/facilities.md");

interface Settings {
  readonly jobs: number;
  readonly seed: number;
  readonly faults: boolean;
  readonly json: boolean;
  readonly record: boolean;
  readonly folder: string;
  /** Environment of the commands of each scheduler. */
  readonly schedulers: Readonly<Record<"slurm" | "grid-engine", Readonly<Record<string, string>>>>;
}

interface Kept {
  readonly at: string;
  readonly machine: ReturnType<typeof thisMachine>;
  readonly loadAtEnd: number;
  /** Niceness of all of it. */
  readonly priority: number;
  readonly withFaults: boolean;
  readonly report: RunReport;
}

const textOf = ({ at, machine, loadAtEnd, priority, report }: Kept): string =>
  `${machineLine(machine, at)}, ${loadAtEnd} at the end${priority === 0 ? "" : `, all of it at nice ${priority}`}\n\n${facilitiesText(report)}`;

/** The page has the latest run with and the latest one without faults. */
function record(kept: Kept): void {
  appendFileSync(RESULTS, `${JSON.stringify(kept)}\n`);
  const runs = readFileSync(RESULTS, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Kept);
  const parts = [true, false].flatMap((withFaults) => {
    const latest = runs.findLast((run) => run.withFaults === withFaults);
    return latest === undefined ? [] : [`### ${withFaults ? "With faults" : "Without faults"}\n\n${textOf(latest)}`];
  });
  if (existsSync(PAGE)) writeFileSync(PAGE, replaceMeasured(readFileSync(PAGE, "utf8"), `\n${parts.join("\n\n")}\n`));
}

async function main({ jobs, seed, faults, json, record: isKept, folder, schedulers }: Settings): Promise<number> {
  // Sites look for the commands of their scheduler in the environment.
  Object.assign(process.env, schedulers.slurm, schedulers["grid-engine"]);
  const at = new Date().toISOString().slice(0, 16);
  const machine = thisMachine(ROOT);
  const say = (text: string): void => console.error(text);
  const ending = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => ending.abort());
  const report = await runFacilities({ root: ROOT, folder, jobs, seed, faults, slurm: schedulers.slurm, say, signal: ending.signal });
  const kept = { at, machine, loadAtEnd: thisMachine(ROOT).load, priority: getPriority(), withFaults: faults, report };
  console.log(json ? JSON.stringify(kept) : textOf(kept));
  if (isKept && report.broken.length === 0) record(kept);
  return report.broken.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main(JSON.parse(process.env.XPCS_FACILITIES ?? "") as Settings);
} catch (error) {
  console.error(`facilities: ${(error as Error).stack ?? String(error)}`);
  process.exitCode = 1;
}
