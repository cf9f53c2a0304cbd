/** The run of faults and a surge as text, with the published figures beside it, and its goals. Pure. */
import { type Column, markdownTable } from "../table.js";
import { type Estimate, meanInterval } from "./intervals.js";
import type { Verdict } from "./published.js";
import { PHASES, PUBLISHED, type SurgeRun } from "./surge.js";

/** Runs of each seed: as it would have been, and with stage-in standing still when it did in the published run. */
export interface Surge {
  readonly free: readonly SurgeRun[];
  readonly stalled: readonly SurgeRun[];
}

const fixed = ({ mean, half }: Estimate, digits: number): string =>
  Number.isNaN(half) || half === 0 ? mean.toFixed(digits) : `${mean.toFixed(digits)} ± ${half.toFixed(digits)}`;
const of = (runs: readonly SurgeRun[], value: (run: SurgeRun) => number, digits: number): string =>
  fixed(meanInterval(runs.map(value)), digits);

interface Line {
  readonly what: string;
  readonly published: string;
  readonly value: (run: SurgeRun) => number;
  readonly digits: number;
}

const LINES: readonly Line[] = [
  { what: "jobs submitted", published: `about ${PUBLISHED.jobs}`, value: ({ jobs }) => jobs, digits: 0 },
  { what: "jobs never answered", published: "cannot be told", value: ({ left }) => left, digits: 0 },
  { what: "the last job has run, min", published: `about ${PUBLISHED.lastRunMin}`, value: ({ lastRunMin }) => lastRunMin, digits: 1 },
  { what: "time to answer, median, s", published: "", value: ({ medianS }) => medianS, digits: 0 },
  { what: "time to answer, p95, s", published: "", value: ({ p95S }) => p95S, digits: 0 },
  { what: "launchers killed", published: "one each 2 min", value: ({ kills }) => kills, digits: 0 },
  { what: "attempts lost with them", published: "", value: ({ lost }) => lost, digits: 0 },
  { what: "from a kill until its jobs are given out again, median, s", published: "", value: ({ againS }) => againS.median, digits: 0 },
  {
    what: "from a kill until as many launchers run as before, min",
    published: `${PUBLISHED.regrowMin.join(" to ")} after their walltime`,
    value: ({ regrowMin }) => regrowMin,
    digits: 1,
  },
];

interface PhaseLine {
  readonly name: string;
  readonly published: string;
  readonly at: number;
}

const RATES = ["1 job/s meant", `3 jobs/s meant, about ${PUBLISHED.surgePerS} reached`, "1 job/s meant", ""];
const PHASE_LINES: readonly PhaseLine[] = [...PHASES.map(({ name }) => name), "after the last submission"].map((name, at) => ({
  name,
  published: RATES[at]!,
  at,
}));

/** As Markdown. */
export function surgeText({ free, stalled }: Surge): string {
  const lines: readonly Column<Line>[] = [
    { head: "", align: "left", cell: ({ what }) => what },
    { head: "published", cell: ({ published }) => published },
    { head: "model, with its stall", cell: ({ value, digits }) => of(stalled, value, digits) },
    { head: "model, without", cell: ({ value, digits }) => of(free, value, digits) },
  ];
  const lengthS = (at: number) => (PHASES[at]!.untilMs - PHASES[at]!.fromMs) / 1_000;
  const both = (value: (run: SurgeRun) => number, digits: number) => `${of(stalled, value, digits)} / ${of(free, value, digits)}`;
  const phases: readonly Column<PhaseLine>[] = [
    { head: "phase", align: "left", cell: ({ name }) => name },
    { head: "published", cell: ({ published }) => published },
    {
      head: "model, jobs/s",
      cell: ({ at }) => (at < PHASES.length ? of(free, (run) => run.phases[at]!.submitted / lengthS(at), 2) : ""),
    },
    { head: "answered, with the stall / without", cell: ({ at }) => both((run) => run.phases[at]!.answered, 0) },
    { head: "of 32 nodes busy", cell: ({ at }) => both((run) => run.phases[at]!.nodes, 1) },
    { head: "open at its end", cell: ({ at }) => both((run) => run.phases[at]!.open, 0) },
  ];
  return `${markdownTable(lines, LINES)}\n\n${markdownTable(phases, PHASE_LINES)}`;
}

/** Everything is answered, sooner than in the published run under the same stall. */
export function surgeVerdicts({ free, stalled }: Surge): Verdict[] {
  const all = [...free, ...stalled];
  const sumOf = (value: (run: SurgeRun) => number) => all.reduce((sum, run) => sum + value(run), 0);
  const last = meanInterval(stalled.map(({ lastRunMin }) => lastRunMin));
  return [
    {
      goal: "every job answered, of launchers killed on the way",
      measured: `${sumOf(({ left }) => left)} left, of ${sumOf(({ lost }) => lost)} attempts lost with ${sumOf(({ kills }) => kills)} launchers`,
      reached: all.every(({ left, lost, kills }) => left === 0 && lost > 0 && kills > 0),
    },
    {
      goal: "with the published stall the last job has run no later",
      measured: `${fixed(last, 1)} min, published ${PUBLISHED.lastRunMin}`,
      reached: last.mean <= PUBLISHED.lastRunMin,
    },
  ];
}
