/** The rows of the detector measurement as Markdown. */
import type { DetectorRow } from "./detectors.js";
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

export function detectorTable(rows: readonly DetectorRow[]): string {
  return markdownTable(COLUMNS, rows);
}
