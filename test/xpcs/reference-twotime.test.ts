/** Every two-time reference case through the native core, from the file to the result file, against XPCS-Eigen's results. */
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { correlateFile } from "../../src/xpcs/native.js";
import { readGroup, type StagedCase, stageCase, TWO_TIME_CASES, worstDifference } from "./reference-case.js";

/** XPCS-Eigen adds in single precision. */
const TOLERANCE = 2e-5;

describe("two-time agrees with XPCS-Eigen to 2e-5", () => {
  const staged: StagedCase[] = [];
  const report: string[] = [];
  afterAll(() => {
    for (const each of staged) each.remove();
    console.log(`worst relative difference per two-time case:\n${report.join("\n")}`);
  });

  it("has all 5 cases", () => {
    expect(TWO_TIME_CASES.length).toBe(5);
  });

  it.each(TWO_TIME_CASES)("%s", async (name) => {
    const files = stageCase(name);
    staged.push(files);
    const out = join(files.folder, "out.hdf");
    const options = { compat: "xpcs-eigen", threads: 2 } as const;
    const summary = await correlateFile({ files: { job: files.job }, options, out, overwrite: false, provenance: {} });
    expect(summary.type).toBe("twotime");
    const differences = new Map<string, number>();
    for (const group of ["", "/C2T_all"]) {
      const expected = await readGroup(files.expected, `/exchange${group}`);
      const actual = await readGroup(out, `/exchange${group}`);
      for (const [dataset, theirs] of expected) {
        const ours = actual.get(dataset);
        expect(ours, `${dataset} is missing`).toBeDefined();
        expect(ours!.shape, `shape of ${dataset}`).toEqual(theirs.shape);
        differences.set(dataset, worstDifference(ours!.values, theirs.values));
      }
      expect([...actual.keys()].sort()).toEqual([...expected.keys()].sort());
    }
    const worst = [...differences].sort((a, b) => b[1] - a[1]).slice(0, 4);
    report.push(`  ${name.padEnd(20)} ${worst.map(([dataset, value]) => `${dataset} ${value.toExponential(1)}`).join(", ")}`);
    for (const required of ["sg", "g2full", "g2partials", "pixelSum", "frameSum"]) expect(differences.has(required), required).toBe(true);
    expect(differences.size).toBe(10 + summary.twoTimeBins);
    for (const [dataset, difference] of differences) expect(difference, dataset).toBeLessThan(TOLERANCE);
  });
});
