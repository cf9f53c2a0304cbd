/** The published sweep of how many files go in one transfer: 128 datasets, three transfers at a time, two sizes. */
import type { JobSpec } from "../../src/core/job.js";
import { normalOf, type Spread, stream, valueAt } from "../../src/replay/chance.js";
import { ALWAYS, type Shift, type SiteModel } from "../../src/replay/shift.js";
import { runShift } from "../../src/replay/world.js";
import { POLICIES } from "../../src/router/registry.js";
import { type Column, markdownTable } from "../table.js";
import { type Estimate, meanInterval } from "./intervals.js";
import type { Verdict } from "./published.js";

const DATASETS = 128;
const BATCHES = [8, 16, 32, 64, 128] as const;
/** Jobs per minute of the published sweep, by size in MB. */
const PUBLISHED = {
  200: [75.7, 78.3, 85.5, 88.7, 55.5],
  1150: [19.0, 21.4, 19.0, 18.0, 9.5],
} as const;
type Size = keyof typeof PUBLISHED;
const SIZES: readonly Size[] = [200, 1150];

/** Fitted by hand to the ten figures: time before the bytes of a transfer move, its own rate, and that of all together. */
const SET_UP: Spread = { kind: "around", median: 7_000, sigma: 0.2 };
const RATE: Spread = { kind: "around", median: 187e3, sigma: 0.1 };
const LINK_BYTES_PER_MS = 410e3;
/** Off by at most so much of the published figure on the average. */
const AGREES = 0.15;

export interface StagingRow {
  readonly megabytes: Size;
  readonly batch: number;
  readonly published: number;
  readonly model: Estimate;
}

function jobsPerMin(megabytes: Size, batch: number, seed: number): number {
  const id = stream("staging");
  const spec: JobSpec = {
    ...{
      work: { app: "a", parameters: {}, inputs: {}, outputs: {}, overwrite: false },
      tags: {},
      attemptsMax: 1,
      inputBytes: 1e6 * megabytes,
    },
  };
  const times = (job: number) => ({
    setUpMs: valueAt(SET_UP, normalOf(seed, id, job, 1)),
    rateBytesPerMs: valueAt(RATE, normalOf(seed, id, job, 2)),
    ...{ runMs: 0, outMs: 0, resultBytes: 0 },
  });
  const link = { bytesPerMs: LINK_BYTES_PER_MS, transfersMax: 3, jobsPerTransfer: batch, lookMs: 0 };
  const base = { name: "theta", slots: DATASETS, prefetch: 0, apps: ["a"], presence: ALWAYS, slower: [] };
  const site: SiteModel = { ...base, link, times };
  const specs = Array.from({ length: DATASETS }, () => spec);
  const shift: Shift = { name: "staging", startMs: 0, sites: [site], arrivals: () => [{ atMs: 0, specs }][Symbol.iterator]() };
  return DATASETS / (runShift(shift, { policy: POLICIES.soonest!, dispatchMs: 0 }).tally.lastMs / 60_000);
}

/** The sweep. */
export function runStaging(seeds: number): StagingRow[] {
  return SIZES.flatMap((megabytes) =>
    BATCHES.map((batch, at) => ({
      ...{ megabytes, batch, published: PUBLISHED[megabytes][at]! },
      model: meanInterval(Array.from({ length: seeds }, (_, seed) => jobsPerMin(megabytes, batch, seed + 1))),
    })),
  );
}

const COLUMNS: readonly Column<StagingRow>[] = [
  { head: "MB of a dataset", cell: ({ megabytes }) => `${megabytes}` },
  { head: "in one transfer", cell: ({ batch }) => `${batch}` },
  { head: "jobs/min, published", cell: ({ published }) => published.toFixed(1) },
  { head: "model", cell: ({ model }) => `${model.mean.toFixed(1)} ± ${model.half.toFixed(1)}` },
];

/** As Markdown. */
export function stagingText(rows: readonly StagingRow[]): string {
  return markdownTable(COLUMNS, rows);
}

const bestOf = (rows: readonly StagingRow[], of: (row: StagingRow) => number) =>
  rows.reduce((best, row) => (of(row) > of(best) ? row : best)).batch;

/** The model agrees, and has its best where the published sweep has it, or beside that. */
export function stagingVerdicts(rows: readonly StagingRow[]): Verdict[] {
  return SIZES.flatMap((megabytes) => {
    const own = rows.filter((row) => row.megabytes === megabytes);
    const off = own.reduce((sum, { published, model }) => sum + Math.abs(model.mean / published - 1), 0) / own.length;
    const [published, model] = [bestOf(own, (row) => row.published), bestOf(own, (row) => row.model.mean)];
    const steps = Math.abs(Math.log2(published / model));
    return [
      { goal: `${megabytes} MB: off by 15 % at most on the average`, measured: `${(100 * off).toFixed(0)} %`, reached: off <= AGREES },
      {
        goal: `${megabytes} MB: the best number within one step of the published one`,
        measured: `${model}, published ${published}`,
        reached: steps <= 1,
      },
    ];
  });
}
