/** The order of files that arrive: numbers, what is complete, what is missing and since when, what comes late. */
import { describe, expect, it } from "vitest";
import { FileSeries, lastDigits } from "../../src/stream/file-series.js";

const all = () => true;
const names = (...numbers: number[]): string[] => numbers.map((number) => `scan_${String(number).padStart(4, "0")}.imm`);

/** The numbers that are taken now, each with those missed before it. */
function taken(series: FileSeries, nowMs: number, isComplete: (name: string) => boolean = all, force = false): [number, number][] {
  const found: [number, number][] = [];
  for (let next = series.next(nowMs, isComplete, force); next !== null; next = series.next(nowMs, isComplete, force))
    found.push([next.number, next.missed]);
  return found;
}

describe("a folder of 100 000 files", () => {
  it("is one look and one step for each", () => {
    let asked = 0;
    const series = new FileSeries((name) => {
      asked += 1;
      return lastDigits(name);
    }, 100);
    series.see(Array.from({ length: 100_000 }, (_, i) => `s_${i}.imm`));
    expect(taken(series, 0)).toHaveLength(100_000);
    expect(asked).toBeLessThan(210_000);
  });
});

describe("the number of a name", () => {
  it.each([
    ["scan_0007.imm", "scan_#.imm", 7],
    ["A1_q2_12_raw.h5", "A1_q2_#_raw.h5", 12],
    ["x_data_000001.h5", "x_data_#.h5", 1],
    ["42", "#", 42],
  ])("of %s", (name, series, number) => expect(lastDigits(name)).toEqual({ series, number }));
  it("of a name without digits is none, and those of the ending do not count", () => {
    expect(lastDigits("scan.h5")).toBeNull();
    expect(lastDigits("notes.txt")).toBeNull();
  });
});

describe("a series of files", () => {
  it("comes in the order of its numbers, whatever the order of its names and its arrival", () => {
    const series = new FileSeries(lastDigits, 100);
    series.see(["s_10.imm", "s_9.imm", "s_8.imm"]);
    expect(taken(series, 0)).toEqual([
      [8, 0],
      [9, 0],
      [10, 0],
    ]);
    series.see(["s_12.imm", "s_11.imm"]);
    expect(taken(series, 0)).toEqual([
      [11, 0],
      [12, 0],
    ]);
  });

  it("waits for a number that is not there or not complete, for so long after a later one is complete, and no longer", () => {
    const series = new FileSeries(lastDigits, 100);
    series.see(names(1, 2));
    expect(taken(series, 0, (name) => !name.includes("2"))).toEqual([[1, 0]]);
    expect(taken(series, 500, (name) => !name.includes("2"))).toEqual([]);
    series.see(names(1, 2, 5, 6));
    expect(taken(series, 1_000, (name) => !name.includes("2"))).toEqual([]);
    expect(taken(series, 1_099, (name) => !name.includes("2"))).toEqual([]);
    expect(taken(series, 1_100, (name) => !name.includes("2"))).toEqual([
      [5, 3],
      [6, 0],
    ]);
    series.see(names(1, 2, 5, 6));
    expect(series.late).toEqual(names(2));
  });

  it("takes a missing number that comes in time, and tells of one that comes late", () => {
    const series = new FileSeries(lastDigits, 100);
    series.see(names(3, 5));
    expect(taken(series, 0)).toEqual([[3, 0]]);
    series.see(names(3, 4, 5));
    expect(taken(series, 99)).toEqual([
      [4, 0],
      [5, 0],
    ]);
    series.see(names(2, 3, 4, 5, 7));
    expect(series.late).toEqual(names(2));
    expect(taken(series, 200, all, true)).toEqual([[7, 1]]);
    series.see(names(2, 6, 7));
    expect(series.late).toEqual(names(2, 6));
    expect(series.waiting()).toEqual([]);
  });

  it("is that of the first name; others, and a number twice, are left alone and told", () => {
    const series = new FileSeries(lastDigits, 100);
    series.see(["b_1.imm", "a_1.imm", "a_01.imm", "readme.imm", "a_2.imm"]);
    expect(taken(series, 0).map(([number]) => number)).toEqual([1, 2]);
    expect([...series.others].sort()).toEqual(["a_1.imm", "b_1.imm", "readme.imm"]);
    series.see(["a_3.imm", "b_2.imm"]);
    expect(taken(series, 0)).toEqual([[3, 0]]);
  });
});
