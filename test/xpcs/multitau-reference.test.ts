/** The plain correlation against the results of XPCS-Eigen: it must be right before anything is compared with it. */
import { afterAll, describe, expect, it } from "vitest";
import { delayScheme } from "../../src/xpcs/delays.js";
import { correlateReference, keptPixels } from "../../src/xpcs/multitau-reference.js";
import { immSeries, readGroup, readNumbers, type StagedCase, stageCase, worstDifference } from "./reference-case.js";

/** XPCS-Eigen adds in single precision. */
const TOLERANCE = 2e-5;
const PLAIN_CASES = [
  "mt-sparse-imm",
  "mt-dense-imm",
  "mt-sparse-multistatic",
  "mt-masked",
  "mt-short",
  "mt-dpl8",
  "mt-odd-range",
  "mt-stride3",
  "mt-avg4",
  "mt-dense-avg3",
  "mt-paths",
];

describe("the plain correlation agrees with XPCS-Eigen", () => {
  const staged: StagedCase[] = [];
  afterAll(() => {
    for (const each of staged) each.remove();
  });

  it.each(PLAIN_CASES)("%s", async (name) => {
    const files = stageCase(name);
    staged.push(files);
    const setting = async (key: string): Promise<number> => (await readNumbers(files.job, `/xpcs/${key}`))!.values[0]!;
    const dqmap = (await readNumbers(files.job, "/xpcs/dqmap"))!;
    const sqmap = (await readNumbers(files.job, "/xpcs/sqmap"))!;
    const pixels = dqmap.values.length;
    const { frames, series } = immSeries(files.input, pixels, {
      begin: await setting("data_begin_todo"),
      end: await setting("data_end_todo"),
      stride: await setting("stride_frames"),
      average: await setting("avg_frames"),
    });
    const result = correlateReference({
      frames,
      pixels,
      series,
      dqmap: Int32Array.from(dqmap.values),
      sqmap: Int32Array.from(sqmap.values),
      dpl: await setting("delays_per_level"),
    });
    const expected = await readGroup(files.expected, null);
    const differences = {
      tau: worstDifference(
        result.delays.map((delay) => delay.tau),
        expected.get("tau")!.values,
      ),
      G2: worstDifference(result.G2, expected.get("G2")!.values),
      IP: worstDifference(result.IP, expected.get("IP")!.values),
      IF: worstDifference(result.IF, expected.get("IF")!.values),
      "norm-0-g2": worstDifference(result.g2, expected.get("norm-0-g2")!.values),
      "norm-0-stderr": worstDifference(result.stderr, expected.get("norm-0-stderr")!.values),
      "partition-mean-total": worstDifference(result.partitionMean, expected.get("partition-mean-total")!.values),
      pixelSum: worstDifference(result.pixelMean, expected.get("pixelSum")!.values),
      frameSum: worstDifference(result.frameMean, expected.get("frameSum")!.values.subarray(frames)),
    };
    for (const [dataset, difference] of Object.entries(differences)) expect(difference, dataset).toBeLessThan(TOLERANCE);
  });
});

describe("the delay scheme", () => {
  it("has 2 dpl delays at level 0 and dpl at each other", () => {
    expect(delayScheme(5000, 4).length).toBe(44);
    expect(
      delayScheme(5000, 4)
        .slice(0, 14)
        .map((delay) => delay.tau),
    ).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24]);
  });

  it("leaves at least two steps between the largest delay and the end", () => {
    expect(delayScheme(2, 4)).toEqual([{ level: 0, tau: 1 }]);
    expect(delayScheme(1, 4)).toEqual([]);
  });
});

describe("a static bin in several dynamic bins", () => {
  it("keeps the pixels of the dynamic bin that holds most of them", () => {
    expect([...keptPixels(Int32Array.of(1, 1, 2, 2, 0), Int32Array.of(1, 1, 1, 2, 2))]).toEqual([1, 1, 0, 1, 0]);
  });
});
