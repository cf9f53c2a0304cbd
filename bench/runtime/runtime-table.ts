/** The rows of the runtime as text. */
import { type Column, engineering, markdownTable } from "../table.js";
import type { MicroRow } from "./micro.js";
import { isReached, type RuntimeRow, shown } from "./row.js";

const COLUMNS: readonly Column<RuntimeRow>[] = [
  { head: "row", align: "left", cell: (row) => row.name },
  { head: "what", align: "left", cell: (row) => row.title },
  { head: "goal", cell: (row) => `${row.better === "less" ? "≤" : "≥"} ${shown(row.goal, row.unit)}` },
  { head: "measured", cell: (row) => shown(row.value.median, row.unit) },
  { head: "from - to", cell: (row) => `${shown(row.value.min, row.unit)} - ${shown(row.value.max, row.unit)}` },
  { head: "Balsam", cell: (row) => row.balsam },
  { head: "", align: "left", cell: (row) => (isReached(row) ? "reached" : "short") },
  { head: "beside it", align: "left", cell: (row) => row.beside },
];

const MICRO_COLUMNS: readonly Column<MicroRow>[] = [
  { head: "micro case", align: "left", cell: (row) => row.name },
  { head: "runs/s", cell: (row) => engineering(row.perSecond) },
  { head: "us", cell: (row) => (1e6 / row.perSecond).toPrecision(3) },
  { head: "±", cell: (row) => `${row.errorPercent.toFixed(1)} %` },
];

/** Rows for which there are no figures of others. */
export function plainTable(rows: readonly RuntimeRow[]): string {
  return markdownTable(
    COLUMNS.filter(({ head }) => head !== "Balsam"),
    rows,
  );
}

/** The table of whole processes, and that of the micro cases when there are any. */
export function runtimeTable(rows: readonly RuntimeRow[], micro: readonly MicroRow[]): string {
  const tables = [
    ...(rows.length > 0 ? [markdownTable(COLUMNS, rows)] : []),
    ...(micro.length > 0 ? [markdownTable(MICRO_COLUMNS, micro)] : []),
  ];
  return tables.join("\n\n");
}
