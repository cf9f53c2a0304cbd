/** The rows of the kernel measurement as text. */
import { megabytes } from "./inputs.js";
import type { Verdict } from "./judge.js";
import type { KernelRow, ProgramNumbers } from "./kernels.js";
import { type Column, engineering, markdownTable } from "./table.js";

const NONE = "-";

function seconds(numbers: ProgramNumbers | null): string {
  if (numbers === null) return NONE;
  const { median, min, max } = numbers.wallS;
  const digits = median < 10 ? 2 : 1;
  return `${median.toFixed(digits)} (${min.toFixed(digits)}-${max.toFixed(digits)})`;
}

function verdictText({ what, value, reach, stretch, status }: Verdict): string {
  const scale = what === "eventsPerCoreS" ? 1e-6 : what === "memory" ? 100 : 1;
  const unit = what === "eventsPerCoreS" ? " M events/s/core" : what === "memory" ? " % of memory bound" : " x";
  const number = value === null ? "?" : (value * scale).toFixed(1);
  const goal = reach === stretch ? `${reach * scale}` : `${reach * scale}/${stretch * scale}`;
  return `${number}${unit} of ${goal}: ${status}`;
}

function columns(hasContender: boolean): Column<KernelRow>[] {
  const ours = (cell: (numbers: NonNullable<KernelRow["ours"]>) => string) => (row: KernelRow) =>
    row.ours === null ? NONE : cell(row.ours);
  return [
    { head: "case", align: "left", cell: (row) => row.name },
    { head: "threads", cell: (row) => `${row.threads}` },
    { head: "xpcs, s", cell: (row) => (row.ours === null ? "not supported" : seconds(row.ours)) },
    { head: "XPCS-Eigen, s", cell: (row) => (hasContender ? seconds(row.contender) : "XPCS_EIGEN not set") },
    { head: "ratio", cell: (row) => (row.ratio === null ? NONE : row.ratio.toFixed(1)) },
    { head: "CPU s", cell: (row) => [row.ours, row.contender].map((n) => (n === null ? NONE : n.cpuS.median.toFixed(2))).join(" / ") },
    { head: "read+correlate+write, s", cell: ours((n) => [n.readS, n.correlateS, n.writeS].map((s) => s.toFixed(2)).join(" + ")) },
    { head: "frames/s", cell: ours((n) => engineering(n.framesPerS)) },
    { head: "events/s", cell: ours((n) => engineering(n.eventsPerS)) },
    { head: "bytes/s", cell: ours((n) => engineering(n.bytesPerS)) },
    { head: "of bound", cell: ours((n) => `${(100 * n.boundFraction).toFixed(1)} %`) },
    {
      head: "peak memory",
      cell: (row) => [row.ours, row.contender].map((n) => (n === null ? NONE : megabytes(n.maxRssBytes))).join(" / "),
    },
    { head: "goals", align: "left", cell: (row) => row.verdicts.map(verdictText).join("; ") },
  ];
}

/** The table and one line per case with what it is and how large. */
export function kernelTable(rows: readonly KernelRow[], hasContender: boolean): string {
  const legend = rows.map((row) => {
    const bound = row.bound;
    const adds = bound?.multiplyAddS == null ? "" : `, multiply-adds ${bound.multiplyAddS.toFixed(3)} s`;
    const checked = row.difference === null ? "" : `, results differ by ${row.difference.toExponential(1)}`;
    return `- ${row.name}: ${row.title}; ${engineering(row.events)} events, ${megabytes(row.bytes)}; bound: read ${bound?.streamS.toFixed(3) ?? NONE} s${adds}${checked}`;
  });
  return `${markdownTable(columns(hasContender), rows)}\n\n${legend.join("\n")}`;
}
