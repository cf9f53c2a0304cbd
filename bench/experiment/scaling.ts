/** From 4 to 32 nodes at one site: the published jobs per minute of the proxy application, and what the model gives with the same nodes as slots. */
import { ALWAYS, type Shift } from "../../src/replay/shift.js";
import { quantileOf } from "../../src/replay/tally.js";
import { runShift } from "../../src/replay/world.js";
import { POLICIES } from "../../src/router/registry.js";
import { type Column, markdownTable } from "../table.js";
import { type Facility, jobOf, PROXY, timesAt, transfersTo } from "./facilities.js";
import { type Estimate, meanInterval } from "./intervals.js";
import type { Verdict } from "./published.js";

const NODES = [4, 8, 16, 32] as const;
/** Matrices of 5000 x 5000. */
const PUBLISHED = { theta: [5.2, 10.1, 19.8, 41.9], cori: [16.0, 32.3, 59.6, 111.3] } as const;
const SITES = ["theta", "cori"] as const satisfies readonly Facility[];
/** Those runs were on other days than the comparison. */
const AS_PUBLISHED = { theta: 1, cori: 1, summit: 1 };
const JOBS_PER_NODE = 40;
/** Jobs that wait for each node, so that it never lacks one: files are brought ahead. */
const AHEAD = 3;
/** Efficiency from 4 to 32 nodes. */
const EFFICIENCY = 0.85;

export interface ScalingRow {
  readonly site: string;
  readonly nodes: number;
  readonly published: number;
  readonly model: Estimate;
  /** Slots that ran something. */
  readonly used: number;
}

function rateOf(site: Facility, nodes: number, seed: number): { jobsPerMin: number; used: number } {
  const options = { source: "aps", seed, rateShare: AS_PUBLISHED } as const;
  const times = timesAt(site, options);
  // Rates of tasks on a day of large transfers; how many go at once is the site's own affair.
  const link = { ...transfersTo(site, options), jobsPerTransfer: 32 };
  const base = { name: site, slots: nodes, prefetch: AHEAD * nodes, apps: [PROXY], presence: ALWAYS, slower: [] };
  const model = { ...base, link, times };
  const jobs = JOBS_PER_NODE * nodes;
  const specs = Array.from({ length: jobs }, () => jobOf(PROXY));
  const shift: Shift = { name: "scaling", startMs: 0, sites: [model], arrivals: () => [{ atMs: 0, specs }][Symbol.iterator]() };
  const { tally } = runShift(shift, { policy: POLICIES.soonest! });
  const at = tally.atMs.values;
  const jobsPerMin = (jobs / 2 / (quantileOf(at, 0.75) - quantileOf(at, 0.25))) * 60_000;
  return { jobsPerMin, used: tally.sites.get(site)!.busyMs / (nodes * tally.lastMs) };
}

/** The runs. */
export function runScaling(seeds: number): ScalingRow[] {
  return SITES.flatMap((site) =>
    NODES.map((nodes, at) => {
      const runs = Array.from({ length: seeds }, (_, seed) => rateOf(site, nodes, seed + 1));
      const used = runs.reduce((sum, run) => sum + run.used / seeds, 0);
      return { site, nodes, published: PUBLISHED[site][at]!, model: meanInterval(runs.map(({ jobsPerMin }) => jobsPerMin)), used };
    }),
  );
}

const COLUMNS: readonly Column<ScalingRow>[] = [
  { head: "site", align: "left", cell: ({ site }) => site },
  { head: "nodes", cell: ({ nodes }) => `${nodes}` },
  { head: "jobs/min, published", cell: ({ published }) => published.toFixed(1) },
  { head: "model", cell: ({ model }) => `${model.mean.toFixed(1)} ± ${model.half.toFixed(1)}` },
  { head: "slots used", cell: ({ used }) => `${(100 * used).toFixed(0)} %` },
];

/** As Markdown. */
export function scalingText(rows: readonly ScalingRow[]): string {
  return markdownTable(COLUMNS, rows);
}

/** Eight times the nodes, nearly eight times the jobs; and never fewer jobs than published. */
export function scalingVerdicts(rows: readonly ScalingRow[]): Verdict[] {
  return SITES.flatMap((site) => {
    const own = rows.filter((row) => row.site === site);
    const [first, last] = [own[0]!, own.at(-1)!];
    const efficiency = last.model.mean / first.model.mean / (last.nodes / first.nodes);
    const published = last.published / first.published / (last.nodes / first.nodes);
    const fewer = own.filter((row) => row.model.mean < row.published);
    return [
      {
        goal: `${site}: 85 % of the speed of 4 nodes on each of 32`,
        measured: `${(100 * efficiency).toFixed(0)} %, published ${(100 * published).toFixed(0)} %`,
        reached: efficiency >= EFFICIENCY,
      },
      {
        goal: `${site}: no fewer jobs than published`,
        measured: fewer.length === 0 ? "at no number of nodes" : `fewer at ${fewer.map(({ nodes }) => nodes).join(", ")} nodes`,
        reached: fewer.length === 0,
      },
    ];
  });
}
