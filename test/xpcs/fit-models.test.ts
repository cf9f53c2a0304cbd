/** Stretched and double exponential and the power law on known curves: exact without noise, honest errors with noise. */
import { describe, expect, it } from "vitest";
import { delayScheme } from "../../src/xpcs/delays.js";
import { type CurvePoint, fitDecay } from "../../src/xpcs/fit.js";
import { doubleShape, fitDouble, fitStretched, stretchedShape } from "../../src/xpcs/fit-models.js";
import { fitPowerLaw } from "../../src/xpcs/power-law.js";
import { Random } from "../../src/xpcs/random.js";

const CONTRAST = 0.3;
const BASELINE = 1;

/** Lags of a 50 000 frame series with the given decay. */
function curve(shape: (lag: number, width: number) => number, noise: number): CurvePoint[] {
  return delayScheme(50_000, 4).map(({ level, tau }) => ({
    lag: tau,
    width: 2 ** level,
    g2: BASELINE + CONTRAST * shape(tau, 2 ** level),
    error: noise / Math.sqrt(2 ** level),
    pairs: 2500 * 2 ** level,
    products: Math.floor((50_000 - tau) / 2 ** level),
  }));
}

/** Answers with curves that have noise. */
function noisyCurves(points: readonly CurvePoint[], seed: number): () => CurvePoint[] {
  const random = new Random(seed);
  return () => points.map((point) => ({ ...point, g2: point.g2 + point.error * random.normal() }));
}

function expectUnitPulls(name: string, pulls: readonly number[]): void {
  const mean = pulls.reduce((a, b) => a + b, 0) / pulls.length;
  const spread = Math.sqrt(pulls.reduce((a, b) => a + (b - mean) ** 2, 0) / (pulls.length - 1));
  expect(spread, `spread of ${name}`).toBeGreaterThan(0.8);
  expect(spread, `spread of ${name}`).toBeLessThan(1.25);
  expect(Math.abs(mean), `bias of ${name}`).toBeLessThan(0.25);
}

describe("the averaging of a stretched decay", () => {
  it.each([
    [1, 5, 0.01, 0.7],
    [8, 40, 0.02, 1.5],
    [32, 160, 0.01, 0.5],
    [64, 320, 0.002, 0.7],
    [256, 1280, 0.0008, 1.7],
  ])("of %i frames at lag %i, rate %f, exponent %f is the mean over all frame pairs", (width, lag, rate, exponent) => {
    let sum = 0;
    for (let a = 0; a < width; a++) for (let b = 0; b < width; b++) sum += Math.exp(-2 * (rate * (lag + b - a)) ** exponent);
    expect(stretchedShape(rate, exponent, lag, width)[0]).toBeCloseTo(sum / width ** 2, width <= 32 ? 12 : 5);
  });
});

describe("the derivatives of the shapes", () => {
  const step = 1e-6;
  it("are those of the stretched decay", () => {
    const at = (logRate: number, logExponent: number): number => stretchedShape(Math.exp(logRate), Math.exp(logExponent), 48, 8)[0];
    const [x, y] = [Math.log(0.02), Math.log(0.8)];
    const [, byRate, byExponent] = stretchedShape(0.02, 0.8, 48, 8);
    expect(byRate).toBeCloseTo((at(x + step, y) - at(x - step, y)) / (2 * step), 7);
    expect(byExponent).toBeCloseTo((at(x, y + step) - at(x, y - step)) / (2 * step), 7);
  });

  it("are those of the double decay", () => {
    const at = (logFast: number, logSlow: number, f: number): number => doubleShape(Math.exp(logFast), Math.exp(logSlow), f, 48, 8)[0];
    const [x, y] = [Math.log(0.02), Math.log(0.004)];
    const [, byFast, bySlow, byFraction] = doubleShape(0.02, 0.004, 0.6, 48, 8);
    expect(byFast).toBeCloseTo((at(x + step, y, 0.6) - at(x - step, y, 0.6)) / (2 * step), 7);
    expect(bySlow).toBeCloseTo((at(x, y + step, 0.6) - at(x, y - step, 0.6)) / (2 * step), 7);
    expect(byFraction).toBeCloseTo((at(x, y, 0.6 + step) - at(x, y, 0.6 - step)) / (2 * step), 7);
  });
});

describe("a stretched fit", () => {
  it.each([
    [1 / 150, 0.6],
    [1 / 20, 1],
    [1 / 800, 1.6],
  ])("finds rate %f and exponent %f of a curve without noise", (rate, exponent) => {
    const fit = fitStretched(curve((lag, width) => stretchedShape(rate, exponent, lag, width)[0], 0.001));
    expect(fit.converged).toBe(true);
    expect(fit.rate / rate).toBeCloseTo(1, 5);
    expect(fit.exponent).toBeCloseTo(exponent, 5);
    expect(fit.contrast).toBeCloseTo(CONTRAST, 5);
    expect(fit.baseline).toBeCloseTo(BASELINE, 6);
  });

  it("states errors that are right: pulls of 200 curves have unit spread, and chi2 / dof is 1", () => {
    const truth = { rate: 1 / 150, exponent: 0.7, contrast: CONTRAST, baseline: BASELINE };
    const next = noisyCurves(
      curve((lag, width) => stretchedShape(truth.rate, truth.exponent, lag, width)[0], 0.01),
      11,
    );
    const fits = Array.from({ length: 200 }, () => fitStretched(next()));
    for (const name of ["rate", "exponent", "contrast", "baseline"] as const)
      expectUnitPulls(
        name,
        fits.map((fit) => (fit[name] - truth[name]) / fit[`${name}Error`]),
      );
    const chi2 = fits.reduce((sum, fit) => sum + fit.chi2 / fit.dof, 0) / fits.length;
    expect(Math.abs(chi2 - 1)).toBeLessThan(0.06);
  });

  it("agrees with the single fit on a simple decay", () => {
    const points = noisyCurves(
      curve((lag, width) => stretchedShape(1 / 100, 1, lag, width)[0], 0.01),
      3,
    )();
    const [single, stretched] = [fitDecay(points), fitStretched(points)];
    expect(stretched.chi2).toBeLessThanOrEqual(single.chi2 * (1 + 1e-6));
    expect(Math.abs(stretched.exponent - 1) / stretched.exponentError).toBeLessThan(3);
  });
});

describe("a double fit", () => {
  const truth = { fastRate: 1 / 20, slowRate: 1 / 800, fastFraction: 0.6, contrast: CONTRAST, baseline: BASELINE };
  const shape = (lag: number, width: number): number => doubleShape(truth.fastRate, truth.slowRate, truth.fastFraction, lag, width)[0];

  it("finds both decays of a curve without noise", () => {
    const fit = fitDouble(curve(shape, 0.001));
    expect(fit.converged).toBe(true);
    expect(fit.fastRate / truth.fastRate).toBeCloseTo(1, 4);
    expect(fit.slowRate / truth.slowRate).toBeCloseTo(1, 4);
    expect(fit.fastFraction).toBeCloseTo(truth.fastFraction, 5);
    expect(fit.contrast).toBeCloseTo(CONTRAST, 5);
  });

  it("states errors that are right: pulls of 200 curves have unit spread, and chi2 / dof is 1", () => {
    const next = noisyCurves(curve(shape, 0.004), 12);
    const fits = Array.from({ length: 200 }, () => fitDouble(next()));
    for (const name of ["fastRate", "slowRate", "fastFraction", "contrast", "baseline"] as const)
      expectUnitPulls(
        name,
        fits.map((fit) => (fit[name] - truth[name]) / fit[`${name}Error`]),
      );
    const chi2 = fits.reduce((sum, fit) => sum + fit.chi2 / fit.dof, 0) / fits.length;
    expect(Math.abs(chi2 - 1)).toBeLessThan(0.06);
  });

  it("tells a double decay from a single one by chi2", () => {
    const points = noisyCurves(curve(shape, 0.004), 5)();
    expect(fitDecay(points).chi2).toBeGreaterThan(3 * fitDouble(points).chi2);
  });

  it("does not pretend to know two decays where there is one", () => {
    const points = noisyCurves(
      curve((lag, width) => stretchedShape(1 / 100, 1, lag, width)[0], 0.01),
      3,
    )();
    const fit = fitDouble(points);
    const unsure = [fit.fastRateError / fit.fastRate, fit.slowRateError / fit.slowRate, fit.fastFractionError];
    expect(unsure.some((error) => !(error < 0.3)) || fit.fastFraction < 0.05 || fit.fastFraction > 0.95).toBe(true);
  });
});

it.each([fitStretched, fitDouble])("%o refuses a curve with too few lags", (fitCurve) => {
  expect(() => fitCurve(curve(() => 0.5, 0.01).slice(0, 4))).toThrow(/lags with photon pairs; this curve has 4/);
});

describe("the power law", () => {
  const times = (exponent: number, error: number) =>
    [0.002, 0.003, 0.005, 0.008, 0.012].map((q) => ({ q, tau: 3e-6 * q ** exponent, tauError: error * 3e-6 * q ** exponent }));

  it("is exact without noise", () => {
    const fit = fitPowerLaw(times(-2, 0.1));
    expect(fit.exponent).toBeCloseTo(-2, 10);
    expect(fit.prefactor / 3e-6).toBeCloseTo(1, 9);
    expect(fit.chi2).toBeCloseTo(0, 10);
  });

  it("states errors that are right: pulls of 300 sets have unit spread", () => {
    const random = new Random(4);
    const fits = Array.from({ length: 300 }, () =>
      fitPowerLaw(times(-1.5, 0.05).map((point) => ({ ...point, tau: point.tau + point.tauError * random.normal() }))),
    );
    expectUnitPulls(
      "exponent",
      fits.map((fit) => (fit.exponent + 1.5) / fit.exponentError),
    );
    expectUnitPulls(
      "prefactor",
      fits.map((fit) => (fit.prefactor - 3e-6) / fit.prefactorError),
    );
  });

  it("leaves out points without a value, and refuses fewer than two", () => {
    const [first, ...rest] = times(-2, 0.1);
    const broken = [{ ...first!, tau: Number.NaN }, { ...first!, tauError: 0 }, { ...first!, q: 0 }, ...rest];
    expect(fitPowerLaw(broken).pointsUsed).toBe(4);
    expect(() => fitPowerLaw([first!])).toThrow(/2 values of q/);
  });
});
