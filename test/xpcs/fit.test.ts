/** The fit on known curves: exact without noise, honest errors with noise. */
import { describe, expect, it } from "vitest";
import { delayScheme } from "../../src/xpcs/delays.js";
import { type CurvePoint, decayShape, fitDecay, independentLags, type LagCorrelation, PRODUCTS_MIN } from "../../src/xpcs/fit.js";
import { Random } from "../../src/xpcs/random.js";
import { cholesky } from "../../src/xpcs/small-linear.js";

const TRUTH = { rate: 1 / 150, contrast: 0.3, baseline: 1 };

/** Lags of a 20 000 frame series, errors as of photon counting, values on the model. */
function curve(truth = TRUTH, noise = 0.02): CurvePoint[] {
  return delayScheme(20_000, 4).map(({ level, tau }) => ({
    lag: tau,
    width: 2 ** level,
    g2: truth.baseline + truth.contrast * decayShape(truth.rate, tau, 2 ** level),
    error: noise / Math.sqrt(2 ** level),
    pairs: 2500 * 2 ** level,
    products: Math.floor((20_000 - tau) / 2 ** level),
  }));
}

/** A correlation over decades, as few speckles make it: exp(-|ln(ratio of the lags)|). */
const overDecades: LagCorrelation = (a, b) => Math.min(a.lag / b.lag, b.lag / a.lag);

/** The same curve with noise of the given correlation. */
function noisy(points: readonly CurvePoint[], random: Random, correlation: LagCorrelation): CurvePoint[] {
  const root = cholesky(points.map((a) => points.map((b) => correlation(a, b))));
  const independent = points.map(() => random.normal());
  return points.map((point, i) => ({
    ...point,
    g2: point.g2 + point.error * root[i]!.reduce((sum, value, k) => sum + value * independent[k]!, 0),
  }));
}

describe("the averaging of the levels", () => {
  it.each([
    [1, 5, 0.01],
    [2, 10, 0.01],
    [8, 40, 0.02],
    [16, 64, 0.2],
    [4, 4, 0.5],
  ])("of %i frames at lag %i and rate %f is the mean over all frame pairs", (width, lag, rate) => {
    let sum = 0;
    for (let a = 0; a < width; a++) for (let b = 0; b < width; b++) sum += Math.exp(-2 * rate * (lag + b - a));
    expect(decayShape(rate, lag, width)).toBeCloseTo(sum / width ** 2, 12);
  });

  it("neither overflows nor vanishes wrongly at large widths", () => {
    expect(decayShape(1, 4096, 1024)).toBe(0);
    expect(decayShape(1e-6, 4096, 1024)).toBeCloseTo(Math.exp(-2e-6 * 4096), 6);
  });
});

describe("a fit", () => {
  it("returns the parameters of a curve without noise", () => {
    const fit = fitDecay(curve());
    expect(fit.converged).toBe(true);
    expect(fit.rate / TRUTH.rate).toBeCloseTo(1, 7);
    expect(fit.contrast).toBeCloseTo(TRUTH.contrast, 7);
    expect(fit.baseline).toBeCloseTo(TRUTH.baseline, 8);
  });

  it.each([1 / 2, 1 / 20, 1 / 1000, 1 / 3000])("finds the rate %f from its own starting point", (rate) => {
    expect(fitDecay(curve({ ...TRUTH, rate }, 0.001)).rate / rate).toBeCloseTo(1, 6);
  });

  it.each([
    ["independent lags", independentLags],
    ["lags that are correlated over decades", overDecades],
  ] as const)("states errors that are right: pulls of 300 curves of %s have unit spread", (_what, correlation) => {
    const random = new Random(7);
    const pulls = { rate: [] as number[], contrast: [] as number[], baseline: [] as number[] };
    let chi2 = 0;
    let dof = 0;
    for (let i = 0; i < 300; i++) {
      const fit = fitDecay(noisy(curve(), random, correlation), correlation);
      pulls.rate.push((fit.rate - TRUTH.rate) / fit.rateError);
      pulls.contrast.push((fit.contrast - TRUTH.contrast) / fit.contrastError);
      pulls.baseline.push((fit.baseline - TRUTH.baseline) / fit.baselineError);
      chi2 += fit.chi2;
      dof += fit.dof;
    }
    for (const [parameter, values] of Object.entries(pulls)) {
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      const spread = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / (values.length - 1));
      expect(spread, `spread of ${parameter}`).toBeGreaterThan(0.8);
      expect(spread, `spread of ${parameter}`).toBeLessThan(1.25);
      expect(Math.abs(mean), `bias of ${parameter}`).toBeLessThan(0.25);
    }
    if (correlation === independentLags) expect(Math.abs(chi2 / dof - 1)).toBeLessThan(0.05);
  });

  it("would state errors that are too small, were a correlation over decades passed over", () => {
    const random = new Random(8);
    const pulls = Array.from({ length: 100 }, () => {
      const fit = fitDecay(noisy(curve(), random, overDecades));
      return (fit.contrast - TRUTH.contrast) / fit.contrastError;
    });
    expect(pulls.reduce((sum, pull) => sum + pull ** 2, 0) / pulls.length).toBeGreaterThan(1.5 ** 2);
  });

  it("leaves out and counts lags without pairs, value or error", () => {
    const points = curve();
    const broken = points.map((point, i) => {
      if (i === 0) return { ...point, pairs: 0, g2: 0, error: 0 };
      if (i === 1) return { ...point, g2: Number.NaN };
      if (i === 2) return { ...point, error: 0 };
      return point;
    });
    const fit = fitDecay(broken);
    const short = points.filter((point) => point.products < PRODUCTS_MIN).length;
    expect(fit.lagsWithoutPairs).toBe(3);
    expect(fit.lagsAtTheEnd).toBe(short);
    expect(short).toBeGreaterThan(0);
    expect(fit.dof).toBe(points.length - short - 6);
    expect(fit.rate / TRUTH.rate).toBeCloseTo(1, 7);
  });

  it("refuses a curve with fewer than 4 usable lags", () => {
    expect(() => fitDecay(curve().slice(0, 3))).toThrow(/needs 4 lags.* has 3$/);
  });
});
