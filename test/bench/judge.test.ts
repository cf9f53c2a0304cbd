/** What the bench makes of its numbers. Measures nothing. */
import { describe, expect, it } from "vitest";
import { boundOf, multiplyAdds } from "../../bench/bounds.js";
import { KERNEL_CASES, type KernelCase, meanOfOccupancy, scaled } from "../../bench/cases.js";
import { DETECTORS } from "../../bench/detector-cases.js";
import { type DetectorRow, detectorShortfall, seriesOf } from "../../bench/detectors.js";
import { expectedBytes } from "../../bench/inputs.js";
import { judge, memoryBound, shortfall, spreadOf } from "../../bench/judge.js";

const RATIO = { what: "ratio", reach: 50, stretch: 75 } as const;
const MEMORY = { what: "memory", reach: 1, stretch: 1 } as const;

function caseNamed(name: string): KernelCase {
  const found = KERNEL_CASES.find((which) => which.name === name);
  if (found === undefined) throw new Error(`no case ${name}`);
  return found;
}

describe("spread", () => {
  it("takes the middle, whatever the order", () => {
    expect(spreadOf([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
    expect(spreadOf([4, 1, 2, 3])).toEqual({ median: 2.5, min: 1, max: 4 });
    expect(spreadOf([7])).toEqual({ median: 7, min: 7, max: 7 });
  });
});

describe("goals", () => {
  it.each([
    [74.9, "reached"],
    [75, "stretch"],
    [50, "reached"],
    [49.9, "short"],
    [null, "not measured"],
  ] as const)("a ratio of %s is %s", (value, status) => {
    expect(judge(RATIO, value).status).toBe(status);
  });

  it("wants less memory, not more", () => {
    expect(judge(MEMORY, 0.9).status).toBe("stretch");
    expect(judge(MEMORY, 1.1).status).toBe("short");
  });

  it("names what fell short, and what nobody measured", () => {
    expect(shortfall("dense", judge(RATIO, 12.34))).toBe("dense: 12.3 x XPCS-Eigen, the goal is at least 50.0 x XPCS-Eigen");
    expect(shortfall("dense", judge(RATIO, null))).toContain("not measured");
    expect(shortfall("dense", judge(RATIO, 50))).toBeNull();
    expect(shortfall("dense", judge(MEMORY, 1.5))).toContain("150 % of the memory bound, the goal is at most 100 %");
  });

  it("bounds memory by events and pixels", () => {
    expect(memoryBound(1e6, { format: "imm-sparse", rows: 100, columns: 1000, frames: 1, mean: 1 })).toBe(12e6 + 6.4e6 + 150e6);
  });
});

describe("cases", () => {
  it("have names of their own", () => {
    expect(new Set(KERNEL_CASES.map((which) => which.name)).size).toBe(KERNEL_CASES.length);
    expect(new Set(DETECTORS.map((detector) => detector.name)).size).toBe(DETECTORS.length);
  });

  it("occupy the fraction of pixels that they say", () => {
    expect(1 - Math.exp(-meanOfOccupancy(0.05))).toBeCloseTo(0.05, 12);
  });

  it("keep all but the frames when scaled", () => {
    const which = caseNamed("dense");
    expect(scaled(which, 0.1)).toEqual({ ...which, input: { ...which.input, frames: 50 } });
  });
});

describe("bounds", () => {
  it("counts the products of the multi-tau scheme", () => {
    const which = caseNamed("dense");
    const tiny = { ...which, input: { ...which.input, rows: 2, columns: 3, frames: 8 } };
    // Eight frames, four delays per level: delays 1 to 7 at level 0, with 7 to 1 pairs.
    expect(multiplyAdds(tiny)).toBe(6 * 28);
  });

  it("is the larger of reading and multiplying, and reading alone where photons are rare", () => {
    const dense = caseNamed("dense");
    const products = multiplyAdds(dense);
    expect(boundOf(dense, 0.25, products).boundS).toBe(0.5);
    expect(boundOf(dense, 0.75, products).boundS).toBe(0.75);
    expect(boundOf(caseNamed("sparse-1"), 0.25, 1)).toEqual({ streamS: 0.25, multiplyAddS: null, boundS: 0.25 });
  });
});

describe("detectors", () => {
  const row = (part: Partial<DetectorRow>): DetectorRow => ({
    detector: "a",
    pixels: 1,
    framesPerS: 1,
    level: "typical",
    mean: 0.1,
    eventsPerS: 1,
    framesMeasured: 1,
    sustainedFramesPerS: 1,
    sustainedEventsPerS: 1,
    writeS: 1,
    realTimeFactor: 1,
    cores: 1,
    stage: "",
    together: null,
    ...part,
  });

  it.each(DETECTORS)("$name: series are short enough to make", (detector) => {
    for (const mean of detector.means) {
      const shape = seriesOf(detector, mean, 1);
      expect(shape.frames).toBeGreaterThanOrEqual(64);
      expect(expectedBytes(shape)).toBeLessThan(3e9);
    }
  });

  it("wants the typical measurement within a node", () => {
    expect(detectorShortfall(row({ cores: 64 }))).toBeNull();
    expect(detectorShortfall(row({ cores: 65 }))).toContain("needs 65 cores");
    expect(detectorShortfall(row({ cores: 65, level: "high" }))).toBeNull();
  });
});
