/** The rows of the detector measurement as Markdown. */
import type { DetectorRow, Together } from "./detectors.js";
import { type Column, engineering, markdownTable } from "./table.js";

const COLUMNS: readonly Column<DetectorRow>[] = [
  { head: "detector", align: "left", cell: (row) => row.detector },
  { head: "pixels", cell: (row) => engineering(row.pixels) },
  { head: "frames/s", cell: (row) => engineering(row.framesPerS) },
  { head: "photons per pixel and frame", cell: (row) => `${row.level} ${row.mean.toExponential(1)}` },
  { head: "events/s", cell: (row) => engineering(row.eventsPerS) },
  { head: "one core, frames/s", cell: (row) => engineering(row.sustainedFramesPerS) },
  { head: "one core, events/s", cell: (row) => engineering(row.sustainedEventsPerS) },
  { head: "real-time factor", cell: (row) => engineering(row.realTimeFactor) },
  { head: "cores", cell: (row) => `${row.cores}` },
  { head: "write, s", cell: (row) => row.writeS.toFixed(2) },
  { head: "measured", align: "left", cell: (row) => `${row.framesMeasured} frames${row.stage === "" ? "" : `, ${row.stage}`}` },
];

/** The columns of one core, less the cores that would be needed: what the threads together did is measured. */
function columnsTogether(threads: number): Column<DetectorRow>[] {
  const cell = (value: (row: Together) => number) => (row: DetectorRow) => (row.together === null ? "-" : engineering(value(row.together)));
  const kept = COLUMNS.filter(({ head }) => !["cores", "one core, events/s", "real-time factor", "write, s"].includes(head));
  return [
    ...kept.slice(0, -1),
    { head: `${threads} threads, frames/s`, cell: cell((row) => row.sustainedFramesPerS) },
    { head: `${threads} threads, events/s`, cell: cell((row) => row.sustainedEventsPerS) },
    { head: "real-time factor", cell: cell((row) => row.realTimeFactor) },
    ...kept.slice(-1),
  ];
}

export function detectorTable(rows: readonly DetectorRow[]): string {
  const together = rows.find((row) => row.together !== null)?.together;
  return markdownTable(together == null ? COLUMNS : columnsTogether(together.threads), rows);
}
