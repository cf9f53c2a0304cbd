/** The rows beside boost_corr as Markdown. */
import { megabytes } from "../inputs.js";
import type { Spread } from "../judge.js";
import { type Column, engineering, markdownTable } from "../table.js";
import { type BoostRow, sameResult } from "./boost.js";
import type { PeerFacts } from "./peer.js";

const NONE = "-";

function seconds({ median, min, max }: Spread): string {
  const digits = median < 10 ? 2 : 1;
  return `${median.toFixed(digits)} (${min.toFixed(digits)}-${max.toFixed(digits)})`;
}

function times(theirs: number, ours: number): string {
  const ratio = theirs / ours;
  return ratio < 10 ? ratio.toFixed(1) : ratio.toFixed(0);
}

function agreement({ difference, failed }: BoostRow): string {
  if (failed !== null) return `failed: ${failed}`;
  if (difference === null) return NONE;
  const g2 = difference.largest === null ? "no number" : difference.largest.toExponential(1);
  const apart = difference.framesApart ?? 0;
  return apart === 0 ? g2 : `${g2}; ${apart} frames differ`;
}

type Theirs = NonNullable<BoostRow["theirs"]>;

function columns(threads: number): Column<BoostRow>[] {
  const theirs = (cell: (numbers: Theirs, row: BoostRow) => string) => (row: BoostRow) =>
    row.theirs === null ? NONE : cell(row.theirs, row);
  const ratios = (what: (numbers: Theirs) => Spread, ours: (row: BoostRow) => readonly Spread[]) =>
    theirs((numbers, row) => {
      const both = ours(row).map(({ median }) => times(what(numbers).median, median));
      return `${both.join(" / ")}${sameResult(row.difference) ? "" : " (results differ)"}`;
    });
  return [
    { head: "case", align: "left", cell: (row) => row.name },
    { head: "xpcs, 1 thread, s", cell: (row) => seconds(row.one.wallS) },
    { head: `xpcs, ${threads} threads, s`, cell: (row) => seconds(row.all.wallS) },
    { head: "boost_corr, s", cell: theirs(({ wallS }) => seconds(wallS)) },
    {
      head: `ratio, 1 / ${threads}`,
      cell: ratios(
        ({ wallS }) => wallS,
        ({ one, all }) => [one.wallS, all.wallS],
      ),
    },
    {
      head: `inside: xpcs, 1 / ${threads}, s`,
      cell: ({ one, all }) => `${one.insideS.median.toFixed(2)} / ${all.insideS.median.toFixed(2)}`,
    },
    { head: "inside: boost_corr, s", cell: theirs(({ callS }) => seconds(callS)) },
    {
      head: `inside: ratio, 1 / ${threads}`,
      cell: ratios(
        ({ callS }) => callS,
        ({ one, all }) => [one.insideS, all.insideS],
      ),
    },
    { head: "its loop, s", cell: theirs(({ seriesS }, { type }) => (type === "twotime" ? NONE : seriesS.median.toFixed(2))) },
    { head: "GPU memory", cell: theirs(({ gpuBytes }) => (gpuBytes === null ? NONE : megabytes(gpuBytes))) },
    { head: "g2 apart", align: "left", cell: agreement },
  ];
}

/** The line of what it ran on, the table, and one line a case with what it is. */
export function boostTable(rows: readonly BoostRow[], peer: PeerFacts, threads: number): string {
  const gpu = peer.gpu === null ? "no GPU" : `${peer.gpu}, ${peer.gpuMemoryGB} GiB, driver ${peer.driver}`;
  const facts = `boost_corr ${peer.commit}: ${gpu}; PyTorch ${peer.torch}, Python ${peer.python}`;
  const legend = rows.map((row) => `- ${row.name}: ${row.title}; ${engineering(row.events)} events, ${megabytes(row.bytes)}`);
  return `${facts}\n\n${markdownTable(columns(threads), rows)}\n\n${legend.join("\n")}`;
}
