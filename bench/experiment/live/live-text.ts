/** A live run as text: the facilities and where the jobs went, the rates over time, the stages, and what must hold. Pure. */

import type { Shape } from "../../facilities/facilities.js";
import { figuresTable } from "../../facilities/facilities-table.js";
import { type Column, markdownTable } from "../../table.js";
import { type Flow, type Flows, KINDS, shareOf } from "./flows.js";
import type { LiveReport } from "./run.js";

const percent = (part: number | null): string => (part === null ? "-" : `${(100 * part).toFixed(0)} %`);

function flowColumns({ flows }: Flows, shapes: Readonly<Record<string, Shape>>, slots: Readonly<Record<string, number>>): Column<Flow>[] {
  const all = flows.at(-1)!;
  const shape = (of: (shape: Shape) => string) => (flow: Flow) => (shapes[flow.name] === undefined ? "" : of(shapes[flow.name]!));
  return [
    { head: "site", align: "left", cell: ({ name }) => name },
    { head: "slots", cell: ({ name }) => `${slots[name] ?? ""}` },
    { head: "link", cell: shape(({ mbPerS }) => (mbPerS === null ? "free" : `${mbPerS} MB/s`)) },
    { head: "niceness", cell: shape(({ niceness }) => `${niceness}`) },
    { head: "jobs", cell: ({ finished }) => `${finished}` },
    ...KINDS.map((kind): Column<Flow> => ({ head: kind, cell: ({ kinds }) => `${kinds[kind] ?? 0}` })),
    { head: "jobs/min", cell: ({ perMin }) => perMin.toFixed(1) },
    { head: "share before", cell: (flow) => percent(shareOf(flow, all, 0)) },
    { head: "away", cell: (flow) => percent(shareOf(flow, all, 1)) },
    { head: "after", cell: (flow) => percent(shareOf(flow, all, 2)) },
  ];
}

interface Window {
  readonly fromS: number;
  readonly away: boolean;
  readonly rates: readonly number[];
}

function windowTable({ flows, windowS, outageS: [cutS, backS] }: Flows, victim: string): string {
  const rows = (flows[0]?.windows ?? []).map((_, at): Window => {
    const fromS = at * windowS;
    return { fromS, away: fromS + windowS > cutS && fromS < backS, rates: flows.map(({ windows }) => windows[at] ?? 0) };
  });
  return markdownTable<Window>(
    [
      { head: "from", cell: ({ fromS }) => `${fromS} s` },
      ...flows.map(({ name }, at): Column<Window> => ({ head: name, cell: ({ rates }) => rates[at]!.toFixed(0) })),
      { head: "", align: "left", cell: ({ away }) => (away ? `${victim} away` : "") },
    ],
    rows,
  );
}

/** All of it, as Markdown that a terminal shows as well. */
export function liveText(report: LiveReport): string {
  const { jobs, seed, policy, victim, flows, shapes, slots, figures, broken, schedulers } = report;
  const [cutS, backS] = flows.outageS;
  const back = flows.backAfterS === null ? "it got no job after that" : `its next job came ${flows.backAfterS.toFixed(1)} s later`;
  return [
    `${jobs} jobs with seed ${seed} in ${flows.wholeS.toFixed(0)} s, ${policy}; ${schedulers ? "a real Slurm, a real Grid Engine and a site of its own" : "three sites without schedulers"}. ` +
      `The link of ${victim} was cut after ${cutS.toFixed(0)} s, and back after ${backS.toFixed(0)} s; ${back}.`,
    "",
    "Where the jobs went; shares are those of the leases before the outage, while it was known, and after it:",
    "",
    markdownTable(flowColumns(flows, shapes, slots), flows.flows),
    "",
    `Jobs/min over time, in windows of ${flows.windowS} s:`,
    "",
    windowTable(flows, victim),
    "",
    "Stages, medians:",
    "",
    figuresTable(figures),
    "",
    broken.length === 0
      ? `All ${jobs} jobs ended once, with their results, published once; the share moved, and came back.`
      : "What does not hold:",
    ...broken.map((what) => `BROKEN ${what}`),
  ].join("\n");
}
