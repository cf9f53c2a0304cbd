/** A run as text: the table of the facilities, their pilots, the goals, and what went wrong on purpose. Pure. */
import { spreadOf } from "../judge.js";
import { type Column, markdownTable } from "../table.js";
import type { Figures } from "./figures.js";
import type { RunReport } from "./run.js";

const FIRST_RUN_GOAL_S = 1;
const UTILISATION_GOAL = 0.95;

const seconds = (value: number): string => (Number.isFinite(value) ? `${value >= 10 ? value.toFixed(1) : value.toFixed(2)} s` : "-");
const percent = (value: number | null): string => (value === null ? "-" : `${(100 * value).toFixed(1)} %`);

const COLUMNS: readonly Column<Figures>[] = [
  { head: "site", align: "left", cell: ({ name }) => name },
  { head: "jobs", cell: ({ jobs }) => `${jobs}` },
  { head: "queue wait", cell: ({ queueWaitS }) => seconds(queueWaitS) },
  { head: "stage-in", cell: ({ stageInS }) => seconds(stageInS) },
  { head: "delay", cell: ({ delayS }) => seconds(delayS) },
  { head: "run", cell: ({ runS }) => seconds(runS) },
  { head: "stage-out", cell: ({ stageOutS }) => seconds(stageOutS) },
  { head: "total", cell: ({ totalS }) => seconds(totalS) },
  { head: "jobs/min", cell: ({ jobsPerMin }) => jobsPerMin.toFixed(1) },
  { head: "running", cell: ({ running }) => running.toFixed(2) },
  { head: "slots", cell: ({ slots }) => slots.toFixed(2) },
  { head: "used", cell: ({ utilisation }) => percent(utilisation) },
  { head: "used in backlog", cell: ({ utilisationInBacklog }) => percent(utilisationInBacklog) },
];

/** Medians of the stages, and how slots were used, a line for each facility. */
export function figuresTable(figures: readonly Figures[]): string {
  return markdownTable(COLUMNS, figures);
}

/** `3 idle, 1 failed` */
export function counted(counts: Readonly<Record<string, number>>): string {
  const words = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([what, count]) => `${count} ${what}`);
  return words.length === 0 ? "none" : words.join(", ");
}

function spreadText(values: readonly number[]): string {
  if (values.length === 0) return "none";
  const { median, min, max } = spreadOf(values);
  return `${seconds(median)} (median of ${values.length}, ${seconds(min)} to ${seconds(max)})`;
}

export interface Verdict {
  readonly goal: string;
  readonly measured: string;
  /** Null: nothing was measured. */
  readonly reached: boolean | null;
}

/** The goals of a run, and what became of them. */
export function verdicts({ firstRunsS, firstRunsAloneS, figures, jobs, broken }: RunReport): Verdict[] {
  const alone = firstRunsAloneS.length === 0 ? null : spreadOf(firstRunsAloneS);
  const all = figures.at(-1)?.utilisationInBacklog ?? null;
  return [
    {
      goal: `all ${jobs} jobs finished once, with their results, published once`,
      measured: broken.length === 0 ? "so it is" : `${broken.length} findings`,
      reached: broken.length === 0,
    },
    {
      goal: "from allocation granted to first kernel running: under 1 s",
      measured: `${spreadText(firstRunsAloneS)} where a pilot begins alone; ${spreadText(firstRunsS)} beside the others`,
      reached: alone === null ? null : alone.median < FIRST_RUN_GOAL_S,
    },
    {
      goal: "slots used for at least 95 % of their time while jobs wait",
      measured: percent(all),
      reached: all === null ? null : all >= UTILISATION_GOAL,
    },
  ];
}

const WORDS = new Map([
  [true, "reached"],
  [false, "short"],
  [null, "not measured"],
]);

const GOAL_COLUMNS: readonly Column<Verdict>[] = [
  { head: "goal", align: "left", cell: ({ goal }) => goal },
  { head: "measured", align: "left", cell: ({ measured }) => measured },
  { head: "", align: "left", cell: ({ reached }) => WORDS.get(reached) ?? "" },
];

/** All of it, as Markdown that a terminal shows as well. */
export function facilitiesText(report: RunReport): string {
  const { seed, jobs, faults, figures, pilotEnds, pilotStarts, outcomes, published, wholeS } = report;
  const ends = Object.entries(pilotEnds).map(([name, counts]) => `${name}: ${counted(counts)}`);
  const walltimes = Object.values(pilotEnds).reduce((sum, { walltime = 0 }) => sum + walltime, 0);
  const wrong = [
    ...faults,
    ...(walltimes > 0 ? [`${walltimes} pilot${walltimes === 1 ? "" : "s"} left because the walltime was near`] : []),
  ];
  return [
    `${jobs} jobs with seed ${seed} in ${wholeS.toFixed(0)} s; attempts: ${counted(outcomes)}; ${published} results published`,
    "",
    figuresTable(figures),
    "",
    `${pilotStarts} pilots began; they ended: ${ends.join("; ")}`,
    "",
    markdownTable(GOAL_COLUMNS, verdicts(report)),
    "",
    wrong.length === 0 ? "Nothing went wrong on the way." : ["On the way:", "", ...wrong.map((what) => `- ${what}`)].join("\n"),
    ...report.broken.map((what) => `BROKEN ${what}`),
  ].join("\n");
}
