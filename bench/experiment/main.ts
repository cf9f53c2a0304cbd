/** `npm run experiment -- published|surge|staging|scaling`, whose builds scripts/experiment-virtual.mjs has made (docs/experiment.md). */
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { machineLine, thisMachine } from "../machine.js";
import { markdownTable, replaceMeasured } from "../table.js";
import { runPublished, type Verdict, verdictsOf } from "./published.js";
import { GOALS, publishedText } from "./published-table.js";
import { runScaling, scalingText, scalingVerdicts } from "./scaling.js";
import { runStaging, stagingText, stagingVerdicts } from "./staging.js";
import { runSurge } from "./surge.js";
import { surgeText, surgeVerdicts } from "./surge-table.js";

/** From build/bench/bench/experiment, where this runs. */
const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../../../..");
const PAGE = join(ROOT, "docs/experiment.md");
const WORKERS_MAX = 4;

/** What an experiment answers. */
interface Answer {
  readonly figures: unknown;
  readonly text: string;
  readonly verdicts: readonly Verdict[];
}

interface Experiment {
  readonly seeds: number;
  /** It runs in processes of its own. */
  readonly inWorkers?: true;
  /** Its first seed can be chosen. */
  readonly fromSeed?: true;
  run(seeds: number, workers: number, say: (text: string) => void, firstSeed: number): Promise<Answer>;
}

const EXPERIMENTS: Readonly<Record<string, Experiment>> = {
  published: {
    seeds: 30,
    inWorkers: true,
    async run(seeds, workers, say) {
      const figures = await runPublished(seeds, workers, say);
      return { figures, text: publishedText(figures), verdicts: verdictsOf(figures) };
    },
  },
  surge: {
    seeds: 10,
    fromSeed: true,
    async run(seeds, _workers, _say, firstSeed) {
      const each = (withStall: boolean) => Array.from({ length: seeds }, (_, at) => runSurge(firstSeed + at, withStall));
      const figures = { free: each(false), stalled: each(true) };
      return { figures, text: surgeText(figures), verdicts: surgeVerdicts(figures) };
    },
  },
  staging: {
    seeds: 10,
    async run(seeds) {
      const figures = runStaging(seeds);
      return { figures, text: stagingText(figures), verdicts: stagingVerdicts(figures) };
    },
  },
  scaling: {
    seeds: 10,
    async run(seeds) {
      const figures = runScaling(seeds);
      return { figures, text: scalingText(figures), verdicts: scalingVerdicts(figures) };
    },
  },
};

function usage(text: string): never {
  console.error(`experiment: ${text}\n${readFileSync(join(ROOT, "bench/experiment/usage.txt"), "utf8")}`);
  process.exit(2);
}

function count(name: string, text: string, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > max) usage(`--${name} ${text} is no whole number from 1 to ${max}`);
  return value;
}

function options(words: string[]) {
  try {
    const { values } = parseArgs({
      args: words,
      options: {
        seeds: { type: "string" },
        seed: { type: "string" },
        workers: { type: "string" },
        check: { type: "boolean", default: false },
        json: { type: "string" },
        record: { type: "boolean", default: false },
      },
    });
    return values;
  } catch (error) {
    return usage((error as Error).message);
  }
}

const [name = "", ...words] = process.argv.slice(2);
const experiment = EXPERIMENTS[name];
if (experiment === undefined) usage(`there is no experiment "${name}"`);
const { seeds, seed, workers, check, json, record } = options(words);
if (workers !== undefined && experiment.inWorkers === undefined) usage(`--workers: ${name} runs in one process`);
if (seed !== undefined && experiment.fromSeed === undefined) usage(`--seed: ${name} begins with seed 1`);
const firstSeed = seed === undefined ? 1 : count("seed", seed, 1_000_000);
const at = new Date().toISOString().slice(0, 16);
const machine = thisMachine(ROOT);
const runs = seeds === undefined ? experiment.seeds : count("seeds", seeds, 1_000);
const startMs = performance.now();
const processes = workers === undefined ? Math.min(WORKERS_MAX, availableParallelism()) : count("workers", workers, 64);
const { figures, text: figuresText, verdicts } = await experiment.run(runs, processes, (said) => console.error(said), firstSeed);
const text = `${runs} seed${runs === 1 ? "" : "s"}${seed === undefined ? "" : ` from ${firstSeed} on`}; ± is half of a 95 % interval of the mean.\n\n${figuresText}\n\n${markdownTable(GOALS, verdicts)}`;
const tookS = (performance.now() - startMs) / 1_000;
const head = `${machineLine(machine, at)}; ${tookS.toFixed(0)} s`;
console.log(`${head}\n\n${text}`);
if (json !== undefined) writeFileSync(json, `${JSON.stringify({ at, machine, tookS, figures, verdicts })}\n`);
if (record) writeFileSync(PAGE, replaceMeasured(readFileSync(PAGE, "utf8"), `\n${head}\n\n${text}\n`, name));
const short = verdicts.filter(({ reached }) => !reached);
for (const { goal, measured } of short) console.error(`short: ${goal}: ${measured}`);
process.exitCode = check && short.length > 0 ? 1 : 0;
