/** The comparison as text. Pure. */
import { type Column, markdownTable } from "../table.js";
import { FACILITIES } from "./facilities.js";
import type { Estimate } from "./intervals.js";
import { type Cell, cellName, type Figure, type Published, type SiteCheck, type Steady, type Verdict } from "./published.js";
import { WORKLOADS } from "./published-run.js";

const fixed = ({ mean, half }: Estimate, digits = 1): string => `${mean.toFixed(digits)} ± ${half.toFixed(digits)}`;
const percent = ({ mean, half }: Estimate): string =>
  Number.isFinite(mean) ? `${(100 * mean).toFixed(0)} ± ${(100 * half).toFixed(0)} %` : "no gap";

const CHECKS: readonly Column<SiteCheck>[] = [
  { head: "agent", align: "left", cell: ({ agent }) => (agent === "rr-agent" ? "round-robin" : "shortest-backlog") },
  { head: "site", align: "left", cell: ({ site }) => site },
  { head: "jobs, published", cell: ({ publishedJobs }) => `${publishedJobs}` },
  { head: "model", cell: ({ jobs }) => fixed(jobs, 0) },
  { head: "jobs/min, published", cell: ({ publishedJobsPerMin }) => publishedJobsPerMin.toFixed(2) },
  { head: "model", cell: ({ jobsPerMin }) => fixed(jobsPerMin, 2) },
];

const STEADY: readonly Column<Steady>[] = [
  { head: "from", align: "left", cell: ({ source }) => source.toUpperCase() },
  { head: "to", align: "left", cell: ({ site }) => site },
  { head: "jobs/min, published", cell: ({ publishedJobsPerMin }) => publishedJobsPerMin.toFixed(1) },
  { head: "model", cell: ({ jobsPerMin }) => jobsPerMin.toFixed(1) },
];

interface Row extends Pick<Cell["contenders"][number], "name" | "figures"> {
  readonly shares: Cell["contenders"][number]["shares"] | null;
  readonly closed: Readonly<Record<Figure, Estimate>> | null;
}

const ROWS: readonly Column<Row>[] = [
  { head: "who chooses", align: "left", cell: ({ name }) => name },
  { head: "median, s", cell: ({ figures }) => fixed(figures.medianS) },
  { head: "p95, s", cell: ({ figures }) => fixed(figures.p95S) },
  { head: "jobs/min", cell: ({ figures }) => fixed(figures.jobsPerMin) },
  {
    head: FACILITIES.join(" / "),
    cell: ({ shares }) => (shares === null ? "" : FACILITIES.map((site) => `${(100 * shares[site]).toFixed(0)} %`).join(" / ")),
  },
  { head: "gap closed: median", cell: ({ closed }) => (closed === null ? "" : percent(closed.medianS)) },
  { head: "p95", cell: ({ closed }) => (closed === null ? "" : percent(closed.p95S)) },
  { head: "jobs/min", cell: ({ closed }) => (closed === null ? "" : percent(closed.jobsPerMin)) },
];

/** The goals and what became of them. */
export const GOALS: readonly Column<Verdict>[] = [
  { head: "goal", align: "left", cell: ({ goal }) => goal },
  { head: "measured", align: "left", cell: ({ measured }) => measured },
  { head: "", align: "left", cell: ({ reached }) => (reached ? "reached" : "short") },
];

function cellText(cell: Cell): string {
  const rows = cell.contenders.map(
    (contender): Row => ({ ...contender, closed: cell.closed.find(({ name }) => name === contender.name)?.figures ?? null }),
  );
  const planned: Row = { name: "planned by medians", shares: null, ...cell.planned };
  const bound: Row = { name: "the best in each run", figures: cell.bound, shares: null, closed: null };
  const { medianS, p95S, jobsPerMin } = cell.plansBeaten;
  const beaten = `Runs in which somebody did better than the plan: median ${medianS}, p95 ${p95S}, jobs/min ${jobsPerMin}.`;
  return `**${cellName(cell)}**, 16 jobs each ${cell.periodS.toFixed(1)} s:\n\n${markdownTable(ROWS, [...rows, planned, bound])}\n\n${beaten}`;
}

/** All of it, as Markdown that a terminal shows as well. */
export function publishedText(published: Published): string {
  const { capacity, checks, steady, cells, outage, slower } = published;
  const capacities = WORKLOADS.map(
    (workload) => `${workload} ${FACILITIES.map((site) => `${site} ${capacity[workload][site].toFixed(1)}`).join(", ")}`,
  );
  const delays = Object.entries(outage.extraS).map(
    ([name, extra]) => `${name} ${fixed(extra)} s (${outage.lost[name]} attempts lost, ${outage.left[name]} jobs left)`,
  );
  const moves = Object.entries(slower).map(
    ([name, { before, soon, settled }]) => `${name} ${percent(before)}, then ${percent(soon)}, in the end ${percent(settled)}`,
  );
  return [
    `The two published runs, all jobs over the last answer of each site:\n\n${markdownTable(CHECKS, checks)}`,
    "",
    `What the model's sites can do, jobs/min: ${capacities.join("; ")}.`,
    "",
    `The published steady runs of other days, XPCS with work waiting at each site, rates as published; published are the jobs whose files came, the model's were answered:\n\n${markdownTable(STEADY, steady)}`,
    ...cells.flatMap((cell) => ["", cellText(cell)]),
    "",
    `Cori down for ten minutes, xpcs at 0.5, mean time to answer more than without: ${delays.join("; ")}.`,
    "",
    `Cori three times slower, xpcs at 0.8, its share of the jobs before, from 2 minutes after on, and in the end: ${moves.join("; ")}.`,
  ].join("\n");
}
