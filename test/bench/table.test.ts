/** Tables and marked documents. */
import { describe, expect, it } from "vitest";
import { engineering, markdownTable, replaceMeasured } from "../../bench/table.js";

describe("tables", () => {
  it("pads cells so that a terminal shows columns", () => {
    const rows = [
      { name: "a", value: 1 },
      { name: "long", value: 1000 },
    ];
    const text = markdownTable(
      [
        { head: "name", align: "left", cell: (row: (typeof rows)[number]) => row.name },
        { head: "n", cell: (row: (typeof rows)[number]) => `${row.value}` },
      ],
      rows,
    );
    expect(text.split("\n")).toEqual(["| name |    n |", "| ---- | ---: |", "| a    |    1 |", "| long | 1000 |"]);
  });

  it.each([
    [1234567, "1.23 M"],
    [25e9, "25.0 G"],
    [999, "999"],
    [12.345, "12.3"],
    [4700, "4.70 k"],
  ])("%d reads %s", (value, text) => {
    expect(engineering(value)).toBe(text);
  });
});

describe("a document with markers", () => {
  const page = "# A\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nafter\n";

  it("keeps all but what stands between them", () => {
    expect(replaceMeasured(page, "new")).toBe("# A\n<!-- measured: begin -->\nnew\n<!-- measured: end -->\nafter\n");
    expect(replaceMeasured(replaceMeasured(page, "one"), "two")).toBe(replaceMeasured(page, "two"));
  });

  it("is refused without them", () => {
    expect(() => replaceMeasured("# A\n", "new")).toThrow("lacks its markers");
  });
});
