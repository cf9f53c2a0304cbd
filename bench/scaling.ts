/** Question: how much faster is `xpcs corr` on more threads? The inputs are those of the kernel cases; no other program runs. */
import { join } from "node:path";
import { DELAYS_PER_LEVEL, type KernelCase } from "./cases.js";
import { megabytes, prepareInput } from "./inputs.js";
import { type Spread, spreadOf } from "./judge.js";
import { clearScratch, type OurRun, runSupported, type Workplace } from "./programs.js";
import { type Column, engineering, markdownTable } from "./table.js";

export interface ScalingSettings {
  readonly place: Workplace;
  readonly dataFolder: string;
  readonly runs: number;
  readonly threads: readonly number[];
  readonly say: (text: string) => void;
}

export interface ScalingPoint {
  readonly threads: number;
  /** The whole process. */
  readonly wallS: Spread;
  /** Reading and correlating. */
  readonly workS: Spread;
  readonly cpuS: number;
}

export interface ScalingRow {
  readonly name: string;
  readonly title: string;
  readonly frames: number;
  readonly events: number;
  readonly bytes: number;
  readonly points: readonly ScalingPoint[];
}

/** 1, 2, 4, ... and `most` itself. */
export function threadCounts(most: number): number[] {
  const counts: number[] = [];
  for (let count = 1; count < most; count *= 2) counts.push(count);
  return [...counts, most];
}

/** Measures one case; each round goes through all numbers of threads. */
export function measureScaling(which: KernelCase, { place, dataFolder, runs, threads, say }: ScalingSettings): ScalingRow {
  clearScratch(place);
  const { input: shape, type, name, title } = which;
  const input = prepareInput(place.tool, dataFolder, shape, say);
  const job = join(place.scratch, "job.hdf");
  place.tool.job(job, {
    shape,
    input: input.path,
    delaysPerLevel: DELAYS_PER_LEVEL,
    type,
    exchangeDimensions: which.exchangeDimensions === true,
  });
  place.tool.stream(input.path, threads.at(-1) ?? 1);
  const done: OurRun[][] = threads.map(() => []);
  for (let round = 1; round <= runs; round++) {
    for (const [at, count] of threads.entries()) {
      done[at]?.push(runSupported(place, { args: ["--job", job], threads: count }, name));
    }
    say(`${name} ${round}/${runs}: ${done.map((some) => some.at(-1)?.wallS.toFixed(2)).join(" ")} s on ${threads.join(" ")} threads`);
  }
  const points = done.map((some, at) => ({
    threads: threads[at] ?? 0,
    wallS: spreadOf(some.map(({ wallS }) => wallS)),
    workS: spreadOf(some.map(({ summary: { timings } }) => timings.readS + timings.correlateS)),
    cpuS: spreadOf(some.map(({ userS, systemS }) => userS + systemS)).median,
  }));
  return { name, title, frames: shape.frames, events: input.events, bytes: input.bytes, points };
}

/** Seconds of the process and of reading and correlating for each number of threads, and the factor over one thread. */
export function scalingTable(rows: readonly ScalingRow[], threads: readonly number[]): string {
  const cell = (row: ScalingRow, at: number): string => {
    const [first, point] = [row.points[0], row.points[at]];
    if (first === undefined || point === undefined) return "-";
    const factor = at === 0 ? "" : ` (${(first.workS.median / point.workS.median).toFixed(1)} x)`;
    return `${point.wallS.median.toFixed(2)}: ${point.workS.median.toFixed(3)}${factor}`;
  };
  const best = (row: ScalingRow): number => Math.min(...row.points.map(({ workS }) => workS.median));
  const columns: Column<ScalingRow>[] = [
    { head: "case", align: "left", cell: (row) => row.name },
    ...threads.map((count, at) => ({ head: `${count} thread${count === 1 ? "" : "s"}, s`, cell: (row: ScalingRow) => cell(row, at) })),
    { head: "best frames/s", cell: (row) => engineering(row.frames / best(row)) },
    { head: "best events/s", cell: (row) => engineering(row.events / best(row)) },
  ];
  const legend = rows.map((row) => `- ${row.name}: ${row.title}; ${engineering(row.events)} events, ${megabytes(row.bytes)}`);
  return `${markdownTable(columns, rows)}\n\n${legend.join("\n")}`;
}
