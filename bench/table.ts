/** Rows of text as a Markdown table, padded so that a terminal shows it as well. */

export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => string;
  readonly align?: "left";
}

export function markdownTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = rows.map((row) => columns.map((column) => column.cell(row)));
  const widths = columns.map((column, at) => Math.max(column.head.length, 3, ...cells.map((line) => line[at]?.length ?? 0)));
  const line = (words: readonly string[]): string =>
    `| ${words.map((word, at) => (columns[at]?.align === "left" ? word.padEnd(widths[at] ?? 0) : word.padStart(widths[at] ?? 0))).join(" | ")} |`;
  const rule = columns.map((column, at) =>
    column.align === "left" ? "-".repeat(widths[at] ?? 3) : `${"-".repeat((widths[at] ?? 3) - 1)}:`,
  );
  return [line(columns.map((column) => column.head)), line(rule), ...cells.map(line)].join("\n");
}

/**
 * A document with everything between its markers replaced.
 *
 * @param what of the markers' names, where a document has several pairs
 * @throws when a marker is missing
 */
export function replaceMeasured(document: string, text: string, what = "measured"): string {
  const [first, last] = [`<!-- ${what}: begin -->`, `<!-- ${what}: end -->`];
  const [begin, end] = [document.indexOf(first), document.indexOf(last)];
  if (begin < 0 || end < begin) throw new Error(`the document lacks its markers ${first} and ${last}`);
  return `${document.slice(0, begin + first.length)}\n${text}\n${document.slice(end)}`;
}

/** Three digits, thousands as k, millions as M, and so on. */
export function engineering(value: number): string {
  const units: readonly [number, string][] = [
    [1e9, " G"],
    [1e6, " M"],
    [1e3, " k"],
  ];
  for (const [size, unit] of units) if (value >= size) return `${(value / size).toPrecision(3)}${unit}`;
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
