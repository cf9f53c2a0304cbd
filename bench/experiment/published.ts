/** The published comparison again, and then on equal terms: every policy, three loads, three workloads, an outage and a site that turns slower. */
import { POLICIES } from "../../src/router/registry.js";
import { capacities } from "./capacity.js";
import { FACILITIES, type Facility, type Source } from "./facilities.js";
import { type Estimate, gapClosed, meanInterval } from "./intervals.js";
import { inWorkers } from "./pool.js";
import { AIMS, COLD, type Contender, policyOf, type RunResult, type Setting, WORKLOADS, type Workload } from "./published-run.js";
import { type MoveResult, SLOW_SITE } from "./slower.js";
import type { Task } from "./worker.js";

/** Rates of transfers as a share of the published ones that makes the model's sites as fast as those of that day. */
export const RATE_SHARE: Readonly<Record<Facility, number>> = { theta: 1.25, cori: 0.5, summit: 1.1 };
/** Runs on other days than the comparison: rates as published. */
const AS_PUBLISHED: Readonly<Record<Facility, number>> = { theta: 1, cori: 1, summit: 1 };
/** Jobs per minute whose files came in the published steady runs, by source. */
const STEADY = { aps: { theta: 16, cori: 29.6, summit: 19.6 }, als: { theta: 12.4, cori: 24.2, summit: 17.9 } } as const;
const ALS_LOAD = 0.8;
/** Jobs per minute that the published agent submitted. */
const REAL_RATE = 116;
/** The two published runs: jobs, and jobs over the last answer of each site, per minute. */
const RUNS = [
  { agent: "rr-agent", jobs: 688, published: { theta: 15.23, cori: 15.96, summit: 15.12 }, went: { theta: 240, cori: 224, summit: 224 } },
  { agent: "sb-agent", jobs: 816, published: { theta: 15.48, cori: 18.52, summit: 16.33 }, went: { theta: 256, cori: 272, summit: 288 } },
] as const;

export const LOADS = [0.5, 0.8, 2.5] as const;
const JOBS = 400;
/** Of runs in which something goes wrong on the way. */
const JOBS_LONG = 960;
const OUTAGE_SITE: Facility = "cori";
const OUTAGE_MS = 600_000;
export const BASE: Contender = "sb-agent";
export const OURS: Contender = "soonest";
const AIM_OF = { medianS: "median", p95S: "p95", jobsPerMin: "last" } as const;
export type Figure = keyof typeof AIM_OF;
export const FIGURES: readonly Figure[] = ["medianS", "p95S", "jobsPerMin"];
export const CONTENDERS: readonly Contender[] = [
  "rr-agent",
  BASE,
  ...Object.keys(POLICIES).filter((name) => name !== "pinned"),
  `${OURS}${COLD}`,
  ...AIMS.map((aim) => `clairvoyant-${aim}`),
  ...AIMS.map((aim) => `planner-${aim}`),
];

export interface SiteCheck {
  readonly agent: string;
  readonly site: Facility;
  readonly jobs: Estimate;
  readonly jobsPerMin: Estimate;
  readonly publishedJobs: number;
  readonly publishedJobsPerMin: number;
}

/** A site with all its work waiting, from one of the beamlines' facilities. */
export interface Steady {
  readonly source: Source;
  readonly site: Facility;
  readonly publishedJobsPerMin: number;
  readonly jobsPerMin: number;
}

export interface Cell {
  readonly source: Source;
  readonly workload: Workload;
  readonly load: number;
  readonly periodS: number;
  readonly contenders: readonly {
    readonly name: string;
    readonly figures: Readonly<Record<Figure, Estimate>>;
    readonly shares: Readonly<Record<Facility, number>>;
  }[];
  /** Share of the gap from the published shortest-backlog to the bound that each policy of the router closes. */
  readonly closed: readonly { readonly name: string; readonly figures: Readonly<Record<Figure, Estimate>> }[];
  /** Of ours over the published shortest-backlog, jobs/min in the same run. */
  readonly gain: Estimate;
  /** Who plans all of it as the bound does, but knows medians only: for each figure its own plan. */
  readonly planned: { readonly figures: Readonly<Record<Figure, Estimate>>; readonly closed: Readonly<Record<Figure, Estimate>> };
  /** The best in each run: who knows everything, or somebody else who did better than that one's plan. */
  readonly bound: Readonly<Record<Figure, Estimate>>;
  /** Runs in which somebody did better than that plan. */
  readonly plansBeaten: Readonly<Record<Figure, number>>;
}

export interface Outage {
  /** Mean time to answer with it less that without it, s. */
  readonly extraS: Readonly<Record<string, Estimate>>;
  readonly left: Readonly<Record<string, number>>;
  readonly lost: Readonly<Record<string, number>>;
}

export interface Published {
  readonly seeds: number;
  readonly checks: readonly SiteCheck[];
  readonly capacity: Readonly<Record<Workload, Readonly<Record<Facility, number>>>>;
  readonly steady: readonly Steady[];
  readonly cells: readonly Cell[];
  readonly outage: Outage;
  readonly slower: Readonly<Record<string, { readonly before: Estimate; readonly soon: Estimate; readonly settled: Estimate }>>;
}

/** `xpcs at 0.5`, from the APS unless it says so. */
export const cellName = ({ source, workload, load }: Pick<Cell, "source" | "workload" | "load">): string =>
  `${workload}${source === "als" ? " from the ALS" : ""} at ${load}`;
const sumOf = (values: Readonly<Record<Facility, number>>): number => FACILITIES.reduce((sum, site) => sum + values[site], 0);
const seedsOf = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1);
const figureOf = (result: RunResult, figure: Figure): number => result[figure];

function checksOf(results: ReadonlyMap<string, readonly RunResult[]>): SiteCheck[] {
  return RUNS.flatMap(({ agent, published, went }) =>
    FACILITIES.map((site) => {
      const runs = results.get(agent)!;
      const own = runs.map(({ sites }) => sites[site]);
      return {
        ...{ agent, site, publishedJobs: went[site], publishedJobsPerMin: published[site] },
        jobs: meanInterval(own.map(({ jobs }) => jobs)),
        jobsPerMin: meanInterval(own.map(({ jobs, lastS }) => jobs / (lastS / 60))),
      };
    }),
  );
}

/** `runs` has for each seed the results of all contenders. */
function cellOf(cell: Pick<Cell, "source" | "workload" | "load" | "periodS">, runs: readonly (readonly RunResult[])[]): Cell {
  const of = (name: Contender, figure: Figure) => runs.map((results) => figureOf(results[CONTENDERS.indexOf(name)]!, figure));
  const each = <T>(make: (figure: Figure) => T) => Object.fromEntries(FIGURES.map((figure) => [figure, make(figure)])) as Record<Figure, T>;
  const shares = (name: Contender) => {
    const jobs = (site: Facility) => runs.reduce((sum, results) => sum + results[CONTENDERS.indexOf(name)]!.sites[site].jobs, 0);
    const all = FACILITIES.reduce((sum, site) => sum + jobs(site), 0);
    return Object.fromEntries(FACILITIES.map((site) => [site, jobs(site) / all])) as Record<Facility, number>;
  };
  const shown = CONTENDERS.filter((name) => !name.startsWith("planner"));
  const best = (figure: Figure): number[] =>
    runs.map((results) => {
      const all = results.map((result) => figureOf(result, figure));
      return figure === "jobsPerMin" ? Math.max(...all) : Math.min(...all);
    });
  return {
    ...cell,
    contenders: shown.map((name) => ({ name, figures: each((figure) => meanInterval(of(name, figure))), shares: shares(name) })),
    closed: shown
      .filter((name) => policyOf(name) !== null)
      .map((name) => ({ name, figures: each((figure) => gapClosed(of(BASE, figure), of(name, figure), best(figure))) })),
    gain: meanInterval(of(OURS, "jobsPerMin").map((value, at) => value / of(BASE, "jobsPerMin")[at]! - 1)),
    planned: {
      figures: each((figure) => meanInterval(of(`planner-${AIM_OF[figure]}`, figure))),
      closed: each((figure) => gapClosed(of(BASE, figure), of(`planner-${AIM_OF[figure]}`, figure), best(figure))),
    },
    bound: each((figure) => meanInterval(best(figure))),
    plansBeaten: each((figure) => best(figure).filter((value, at) => value !== of(`clairvoyant-${AIM_OF[figure]}`, figure)[at]).length),
  };
}

/** All of it. */
export async function runPublished(seeds: number, workers: number, say: (text: string) => void): Promise<Published> {
  const base = { source: "aps", rateShare: RATE_SHARE } as const;
  say("capacities of the model");
  const capacity = Object.fromEntries(WORKLOADS.map((workload) => [workload, capacities({ ...base, workload })])) as Published["capacity"];
  const periodOf = (workload: Workload, load: number) => (16 / (load * sumOf(capacity[workload]))) * 60_000;

  const both = (["aps", "als"] as const).map((source) => ({
    source,
    jobsPerMin: capacities({ source, workload: "xpcs", rateShare: AS_PUBLISHED }),
  }));
  const steady = both.flatMap(({ source, jobsPerMin }) =>
    FACILITIES.map((site) => ({ source, site, publishedJobsPerMin: STEADY[source][site], jobsPerMin: jobsPerMin[site] })),
  );

  const runsTasks: Task[] = [];
  const place = new Map<string, number>();
  const add = (name: string, contenders: readonly Contender[], setting: Setting) => {
    place.set(name, runsTasks.length);
    for (const seed of seedsOf(seeds)) runsTasks.push({ kind: "runs", contenders, setting, seed });
  };
  for (const { agent, jobs } of RUNS) add(agent, [agent], { ...base, workload: "xpcs", jobs, periodMs: (16 / REAL_RATE) * 60_000 });
  const cells: Pick<Cell, "source" | "workload" | "load" | "periodS">[] = [];
  for (const workload of WORKLOADS)
    for (const load of LOADS) {
      const periodMs = periodOf(workload, load);
      cells.push({ source: "aps", workload, load, periodS: periodMs / 1_000 });
      add(cellName(cells.at(-1)!), CONTENDERS, { ...base, workload, jobs: JOBS, periodMs });
    }
  const als = both.find(({ source }) => source === "als")!;
  const alsPeriodMs = (16 / (ALS_LOAD * sumOf(als.jobsPerMin))) * 60_000;
  cells.push({ source: "als", workload: "xpcs", load: ALS_LOAD, periodS: alsPeriodMs / 1_000 });
  add(cellName(cells.at(-1)!), CONTENDERS, {
    ...{ source: "als", rateShare: AS_PUBLISHED, workload: "xpcs", jobs: JOBS, periodMs: alsPeriodMs },
  });
  const long: Setting = { ...base, workload: "xpcs", jobs: JOBS_LONG, periodMs: periodOf("xpcs", 0.8) };
  // Where the others can carry what the one that fails leaves.
  const calm: Setting = { ...long, periodMs: periodOf("xpcs", 0.5) };
  const third = ((JOBS_LONG / 16) * calm.periodMs) / 3;
  const presence = [
    { fromMs: 0, untilMs: third, leaves: false },
    { fromMs: third + OUTAGE_MS, untilMs: Number.POSITIVE_INFINITY, leaves: false },
  ];
  const compared = [BASE, OURS];
  add("whole", compared, calm);
  add("outage", compared, { ...calm, more: { [OUTAGE_SITE]: { presence } } });
  say(`${runsTasks.length} runs of seeds, in ${workers} processes`);
  const answers = await inWorkers<readonly RunResult[]>(runsTasks, workers);
  const runsOf = (name: string) => answers.slice(place.get(name)!, place.get(name)! + seeds);

  const slowTasks = compared.flatMap((contender) =>
    seedsOf(seeds).map((seed): Task => ({ kind: "slower", contender, setting: long, seed })),
  );
  say(`a site that turns slower: ${slowTasks.length} runs`);
  const moves = await inWorkers<MoveResult>(slowTasks, workers);
  const [whole, outage] = [runsOf("whole"), runsOf("outage")];
  const byContender = <T>(make: (at: number) => T) => Object.fromEntries(compared.map((name, at) => [name, make(at)])) as Record<string, T>;
  const sumAt = (at: number, of: (result: RunResult) => number) => outage.reduce((sum, results) => sum + of(results[at]!), 0);
  return {
    seeds,
    capacity,
    steady,
    checks: checksOf(new Map(RUNS.map(({ agent }) => [agent, runsOf(agent).map(([result]) => result!)]))),
    cells: cells.map((cell) => cellOf(cell, runsOf(cellName(cell)))),
    outage: {
      extraS: byContender((at) => meanInterval(outage.map((results, seed) => results[at]!.meanS - whole[seed]![at]!.meanS))),
      left: byContender((at) => sumAt(at, ({ left }) => left)),
      lost: byContender((at) => sumAt(at, ({ lost }) => lost)),
    },
    slower: byContender((at) => {
      const own = moves.slice(at * seeds, (at + 1) * seeds);
      const of = (what: "before" | "soon" | "settled") => meanInterval(own.map((move) => move[what]));
      return { before: of("before"), soon: of("soon"), settled: of("settled") };
    }),
  };
}

export interface Verdict {
  readonly goal: string;
  readonly measured: string;
  readonly reached: boolean;
}

const percent = (value: number): string => `${(100 * value).toFixed(0)} %`;
const within = ({ mean, half }: Estimate, text: (value: number) => string): string => `${text(mean)} ± ${text(half)}`;

/** With what is closed by who knows medians only, and all that is to come. */
const besidePlan = (closed: Estimate, { planned }: Cell, figure: Figure): string =>
  `${within(closed, percent)}; planned by medians ${percent(planned.closed[figure].mean)}`;

/** What was to be reached, and whether it was. */
export function verdictsOf({ cells, outage, slower }: Published): Verdict[] {
  const verdicts: Verdict[] = [];
  const closedBy = (cell: Cell, figure: Figure) => cell.closed.find(({ name }) => name === OURS)!.figures[figure];
  const names = { medianS: "the median", p95S: "the 95th percentile", jobsPerMin: "jobs/min" } as const;
  for (const cell of cells.filter(({ load }) => load < 1))
    for (const figure of ["medianS", "p95S"] as const) {
      const closed = closedBy(cell, figure);
      const goal = `${cellName(cell)}: 60 % of the gap in ${names[figure]} closed`;
      verdicts.push({ goal, measured: besidePlan(closed, cell, figure), reached: closed.mean >= 0.6 });
    }
  const full = (workload: Workload) => cells.find((cell) => cell.workload === workload && cell.load > 1)!;
  const { gain } = full("xpcs");
  verdicts.push({
    goal: "xpcs at 2.5: no throughput lost, within the interval",
    measured: within(gain, percent),
    reached: gain.mean + gain.half >= 0,
  });
  const closed = closedBy(full("mix"), "jobsPerMin");
  const measured = besidePlan(closed, full("mix"), "jobsPerMin");
  verdicts.push({ goal: "mix at 2.5: half of the gap in jobs/min closed", measured, reached: closed.mean >= 0.5 });
  const [base, ours] = [outage.extraS[BASE]!, outage.extraS[OURS]!];
  verdicts.push({
    goal: "outage: every job answered",
    measured: `${outage.left[OURS]} left, of ${outage.lost[OURS]} attempts lost`,
    reached: outage.left[OURS] === 0 && outage.lost[OURS]! > 0,
  });
  verdicts.push({
    goal: "outage: at most half of the extra delay",
    measured: `${within(ours, (s) => `${s.toFixed(1)} s`)} of ${within(base, (s) => `${s.toFixed(1)} s`)}`,
    reached: ours.mean <= base.mean / 2,
  });
  const move = slower[OURS]!;
  const moved = (move.before.mean - move.soon.mean) / (move.before.mean - move.settled.mean);
  verdicts.push({
    goal: `${SLOW_SITE} 3 times slower: after 2 minutes its share has moved at least half of the way`,
    measured: `${percent(move.before.mean)}, then ${percent(move.soon.mean)}, in the end ${percent(move.settled.mean)}`,
    reached: move.before.mean > move.settled.mean && moved >= 0.5,
  });
  return verdicts;
}
