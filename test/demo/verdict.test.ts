/** The demo's conditions can fail, each for its own reason; its samples and tables are what they claim. */
import { describe, expect, it } from "vitest";
import type { RingFit } from "../../src/demo/curves.js";
import { denseSample, STATIC_PER_RING, scatteringVector, sparseSample } from "../../src/demo/sample.js";
import { pairsTable, physicsFailures, rateTable } from "../../src/demo/verdict.js";

const TRUE_RATE = 50;

function fitWith(change: { ratePerS?: number; errorPerS?: number; chi2?: number; converged?: boolean }): RingFit {
  const point = { width: 1, g2: 1.2, error: 0.01, pairs: 12_345, products: 100 };
  return {
    analysis: "whole",
    ring: { q: 0.0067, radiusPixels: 70, decayRate: 1e-3, decayRatePerS: TRUE_RATE, contrast: 0.3, meanCounts: 0.005 },
    lagS: 2e-5,
    points: [1, 2, 3, 4].map((lag) => ({ ...point, lag })),
    fit: {
      rate: 1e-3,
      rateError: 2e-5,
      contrast: 0.3,
      contrastError: 0.01,
      baseline: 1,
      baselineError: 0.001,
      chi2: change.chi2 ?? 40,
      dof: 40,
      lagsUsed: 43,
      lagsWithoutPairs: 2,
      lagsAtTheEnd: 4,
      converged: change.converged ?? true,
    },
    ratePerS: change.ratePerS ?? TRUE_RATE,
    errorPerS: change.errorPerS ?? 1,
  };
}

describe("the verdict", () => {
  it("passes a good fit", () => {
    expect(physicsFailures([fitWith({})])).toEqual([]);
  });

  it.each([
    ["10 % off", { ratePerS: 55.5, errorPerS: 4 }, /11\.0 % off/],
    ["more than 3 errors off", { ratePerS: 53.5, errorPerS: 1 }, /3\.5 errors off/],
    ["known too badly", { errorPerS: 6 }, /known only to 12\.0 %/],
    ["chi2 too small", { chi2: 18 }, /chi2\/dof is 0\.45/],
    ["chi2 too large", { chi2: 81 }, /chi2\/dof is 2\.0/],
    ["no convergence", { converged: false }, /did not converge/],
    ["not a number", { ratePerS: Number.NaN }, /NaN/],
  ])("fails a fit: %s", (_what, change, reason) => {
    const failures = physicsFailures([fitWith({}), fitWith(change)]);
    expect(failures.join("\n")).toMatch(reason);
    expect(failures[0]).toMatch(/^whole, q = 0\.0067/);
  });
});

describe("the tables", () => {
  it("show truth, fit and error, and how many lags were excluded", () => {
    const row = rateTable([fitWith({ ratePerS: 51, errorPerS: 1 })]).split("\n")[1]!;
    expect(row).toMatch(/whole\s+0\.0067\s+50\.00\s+51\.00 ± 1\.00\s+\+1\.0\s+0\.300 ± 0\.010\s+1\.00\s+43\s+2 \+ 4$/);
  });

  it("show the pairs at lags that are powers of two", () => {
    const lags = pairsTable([fitWith({})])
      .split("\n")
      .slice(1);
    expect(lags.map((line) => line.trim().split(/\s{2,}/))).toEqual([
      ["1", "12 345"],
      ["2", "12 345"],
      ["4", "12 345"],
    ]);
  });
});

describe.each([sparseSample(1), denseSample(1)])("the sample $name", (sample) => {
  it("decays in 100 to 1000 frames, as q squared", () => {
    for (const ring of sample.rings) {
      expect(1 / ring.decayRate).toBeGreaterThan(99);
      expect(1 / ring.decayRate).toBeLessThanOrEqual(1000);
      expect(ring.decayRate / ring.q ** 2).toBeCloseTo(sample.rings[0]!.decayRate / sample.rings[0]!.q ** 2, 6);
    }
  });

  it("has rings of about equal area, each with its own static bins", () => {
    sample.rings.forEach((ring, at) => {
      const pixels = sample.dqmap.filter((bin) => bin === at + 1).length;
      expect(pixels).toBeGreaterThan(1500);
      const photons = pixels * ring.meanCounts * sample.frames;
      // The standard error needs at least 11 photons per pixel.
      expect(photons / pixels).toBeGreaterThan(11);
      const labels = new Set([...sample.sqmap].filter((_, p) => sample.dqmap[p] === at + 1));
      expect([...labels].sort((a, b) => a - b)).toEqual(Array.from({ length: STATIC_PER_RING }, (_, k) => at * STATIC_PER_RING + k + 1));
    });
  });

  it("has the scattering vectors of its geometry", () => {
    const { detector, rings } = sample;
    const wavelength = 12.39842 / detector.energyKeV;
    const angle = Math.atan((rings[0]!.radiusPixels * detector.pixelSizeM) / detector.distanceM);
    expect(scatteringVector(detector, rings[0]!.radiusPixels)).toBeCloseTo(((4 * Math.PI) / wavelength) * Math.sin(angle / 2), 12);
  });
});
