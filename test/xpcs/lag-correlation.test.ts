/**
 * The correlation between lags: fits that take it state true errors over simulated repeats, with few and with many speckles; it is stored,
 * merged and read, and a damaged one is refused. Against the plain one: property.test.ts. Seeds are fixed: nothing is left to chance.
 */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import h5wasm, { type Dataset } from "h5wasm/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCommandLine } from "../../src/cli/command-line.js";
import { createRun } from "../../src/cli/output.js";
import type { Averaging } from "../../src/core/analysis.js";
import { writeMetadata, writeQmap } from "../../src/demo/sample-files.js";
import type { CorrelatorResult } from "../../src/xpcs/correlators.js";
import { delayScheme } from "../../src/xpcs/delays.js";
import { type CurvePoint, type DecayFit, decayShape, fitDecay, independentLags } from "../../src/xpcs/fit.js";
import { correlationOf, lagsOf } from "../../src/xpcs/lag-correlation.js";
import { correlateFile, createCorrelator, mergeResults } from "../../src/xpcs/native.js";
import { readResultFile } from "../../src/xpcs/result-file.js";
import { simulateEvents } from "../../src/xpcs/simulate.js";
import { nexusSample } from "./nexus-sample.js";

interface Series {
  readonly pixels: number;
  readonly frames: number;
  readonly meanCounts: number;
  readonly decayRate: number;
}

const CONTRAST = 0.3;
const REPEATS = 200;

/** Fits of one simulated series, with its correlation between lags and as if it had none. */
function fitsOf({ pixels, frames, meanCounts, decayRate }: Series, seed: number): Record<"taken" | "passedOver", DecayFit> {
  const ringOfPixel = new Uint16Array(pixels).fill(1);
  const rings = [{ meanCounts, decayRate, contrast: CONTRAST }];
  const { frame, pixel, count } = simulateEvents({ height: 1, width: pixels, frames, ringOfPixel, rings, backgroundCounts: 0, seed });
  const sqmap = Int32Array.from({ length: pixels }, (_, p) => 1 + (p % 3));
  const correlator = createCorrelator({ height: 1, width: pixels, dqmap: new Int32Array(pixels).fill(1), sqmap, threads: 1 });
  correlator.push({ frame, pixel, count: Int32Array.from(count) });
  correlator.setFrames(frames);
  const { g2, g2Err, pairs, lagCorrelation } = correlator.result();
  const points = delayScheme(frames, 4).map(({ level, tau }, d): CurvePoint => {
    const products = Math.floor(frames / 2 ** level) - tau / 2 ** level;
    return { lag: tau, width: 2 ** level, g2: g2[d]!, error: g2Err[d]!, pairs: pairs[d]!, products };
  });
  const lags = points.map(({ lag }) => lag);
  return { taken: fitDecay(points, correlationOf(lags, lagCorrelation, "the result")), passedOver: fitDecay(points, independentLags) };
}

function spreadOf(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}

/** Standard deviation of the pulls of tau, contrast and baseline. */
function pullsOf(fits: readonly DecayFit[], decayRate: number): Record<"tau" | "contrast" | "baseline", number> {
  return {
    tau: spreadOf(fits.map((fit) => (1 / fit.rate - 1 / decayRate) / (fit.rateError / fit.rate ** 2))),
    contrast: spreadOf(fits.map((fit) => (fit.contrast - CONTRAST) / fit.contrastError)),
    baseline: spreadOf(fits.map((fit) => (fit.baseline - 1) / fit.baselineError)),
  };
}

describe("errors of fits over 200 simulated repeats", () => {
  // Speckles in a series of one pixel: about frames x rate. Pixels only make the errors smaller, all of them alike.
  it.each<[string, Series, { readonly contrast: number; readonly tau: number }]>([
    ["few speckles, bright", { pixels: 120, frames: 512, meanCounts: 2, decayRate: 0.02 }, { contrast: 1.6, tau: 1.3 }],
    ["few speckles, dim", { pixels: 400, frames: 512, meanCounts: 0.2, decayRate: 0.02 }, { contrast: 1.4, tau: 1.2 }],
    ["few speckles, more pixels than groups", { pixels: 900, frames: 256, meanCounts: 0.5, decayRate: 0.04 }, { contrast: 1.4, tau: 1.2 }],
    ["many speckles, few photons", { pixels: 3000, frames: 512, meanCounts: 0.03, decayRate: 0.1 }, { contrast: 0, tau: 0 }],
  ])("are right with the correlation between lags: %s", { timeout: 240_000 }, (_what, series, without) => {
    const fits = Array.from({ length: REPEATS }, (_, i) => fitsOf(series, i + 1));
    expect(fits.filter(({ taken }) => taken.converged).length).toBe(REPEATS);
    const taken = pullsOf(
      fits.map((fit) => fit.taken),
      series.decayRate,
    );
    const passedOver = pullsOf(
      fits.map((fit) => fit.passedOver),
      series.decayRate,
    );
    for (const [parameter, spread] of Object.entries(taken)) {
      expect(spread, parameter).toBeGreaterThan(0.8);
      expect(spread, parameter).toBeLessThan(1.25);
    }
    // And what they would be: too small by these factors or more.
    expect(passedOver.contrast).toBeGreaterThan(without.contrast);
    expect(passedOver.tau).toBeGreaterThan(without.tau);
  });
});

describe("the correlation between lags of weighted and robust averages", () => {
  const BIN_PIXELS = 100;
  const [frames, decayRate] = [256, 0.04];
  const lags = delayScheme(frames, 4);

  /** One simulated series, a static bin for each mean of counts. */
  function resultsOf(means: readonly number[], seed: number): Record<"plain" | "weighted" | "robust", CorrelatorResult> {
    const [height, width] = [means.length, BIN_PIXELS];
    const ringOfPixel = Uint16Array.from({ length: height * width }, (_, p) => 1 + Math.floor(p / width));
    const maps = { height, width, dqmap: new Int32Array(height * width).fill(1), sqmap: Int32Array.from(ringOfPixel) };
    const rings = means.map((meanCounts) => ({ meanCounts, decayRate, contrast: CONTRAST }));
    const { frame, pixel, count } = simulateEvents({ height, width, frames, ringOfPixel, rings, backgroundCounts: 0, seed });
    const result = (averaging: Averaging) => {
      const correlator = createCorrelator({ ...maps, averaging, threads: 1 });
      correlator.push({ frame, pixel, count: Int32Array.from(count) });
      correlator.setFrames(frames);
      return correlator.result();
    };
    return { plain: result("plain"), weighted: result("weighted"), robust: result("robust") };
  }

  /** The pull of the sum of g2 over all lags, in whose error every correlation between two of them counts. */
  function pullOf({ g2, g2Err }: CorrelatorResult, matrix: Float64Array): number {
    const n = lags.length;
    let variance = 0;
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) variance += g2Err[i]! * g2Err[j]! * matrix[i * n + j]!;
    const truth = lags.map(({ level, tau }) => 1 + CONTRAST * decayShape(decayRate, tau, 2 ** level));
    return g2.reduce((sum, value, d) => sum + value - truth[d]!, 0) / Math.sqrt(variance);
  }

  const simulated = (means: readonly number[]) => Array.from({ length: REPEATS }, (_, i) => resultsOf(means, i + 1));
  const spread = (all: ReturnType<typeof simulated>, of: Averaging, matrixOf: Averaging) =>
    spreadOf(all.map((results) => pullOf(results[of], results[matrixOf].lagCorrelation)));

  it("is their own: from dim bins to bright ones, which the weighted average is of, that of the plain mean is not", {
    timeout: 240_000,
  }, () => {
    const all = simulated([0.02, 0.02, 0.02, 0.05, 0.05, 0.1, 0.8, 0.8]);
    for (const averaging of ["plain", "weighted"] as const) {
      expect(spread(all, averaging, averaging), averaging).toBeGreaterThan(0.8);
      expect(spread(all, averaging, averaging), averaging).toBeLessThan(1.25);
    }
    expect(spread(all, "weighted", "plain")).toBeGreaterThan(1.8);
  });

  // Bins that scatter alike, as the robust average takes them to; some are beyond its bound in every repeat.
  it("is true for the robust one where bins are alike", { timeout: 240_000 }, () => {
    const all = simulated(new Array<number>(6).fill(0.4));
    for (const averaging of ["plain", "weighted", "robust"] as const) {
      expect(spread(all, averaging, averaging), averaging).toBeGreaterThan(0.8);
      expect(spread(all, averaging, averaging), averaging).toBeLessThan(1.25);
    }
  });
});

describe("in result files", () => {
  let folder: string;
  let input: string;
  /** The whole series, and its halves as repeats of one measurement. */
  let whole: string;
  let halves: readonly [string, string];
  /** Two q bins, of which the first has 10 pixels. */
  let few: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "xpcs-lags-"));
    const { sample, input: raw } = nexusSample(folder, false);
    input = raw;
    const [qmap, fewPixels, metadata] = ["qmap.hdf", "few.hdf", "metadata.hdf"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await writeQmap(qmap, sample);
    let seen = 0;
    const dqmap = sample.dqmap.map((q) => (q === 1 && ++seen > 10 ? 0 : q));
    await writeQmap(fewPixels, { ...sample, dqmap, sqmap: sample.sqmap.map((s, p) => (dqmap[p] === 0 ? 0 : s)) });
    await writeMetadata(metadata, sample, "2026-11-22T10:00:00Z");
    const correlate = async (name: string, map: string, options: Record<string, number>): Promise<string> => {
      const out = join(folder, name);
      await correlateFile({ files: { input, qmap: map, metadata }, options, out, overwrite: false, provenance: {} });
      return out;
    };
    whole = await correlate("whole.hdf", qmap, {});
    halves = [await correlate("first.hdf", qmap, { begin: 1, end: 100 }), await correlate("second.hdf", qmap, { begin: 101, end: 200 })];
    few = await correlate("few_results.hdf", fewPixels, {});
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** The datasets of a result, in [bins, lags, lags] and so on. */
  async function stored(path: string): Promise<Record<"correlation" | "scale" | "freedom", Float64Array>> {
    await h5wasm.ready;
    const file = new h5wasm.File(path, "r");
    const values = (name: string): Float64Array =>
      Float64Array.from((file.get(`/moments/lag_${name}`) as Dataset).value as ArrayLike<number | bigint>, Number);
    const all = { correlation: values("correlation"), scale: values("scale"), freedom: values("freedom") };
    file.close();
    return all;
  }

  /** A copy with one value of a dataset changed. */
  async function damaged(from: string, dataset: string, at: readonly number[], value: number): Promise<string> {
    const path = join(folder, "damaged.hdf");
    copyFileSync(from, path);
    await h5wasm.ready;
    const file = new h5wasm.File(path, "a");
    const target = file.get(dataset) as Dataset;
    const one = dataset.endsWith("lag_scale") ? Float64Array.of(value) : Float32Array.of(value);
    target.write_slice(
      at.map((index) => [index, index + 1]),
      one,
    );
    file.close();
    return path;
  }

  async function view(path: string): Promise<{ code: number; value: ViewJson; err: string }> {
    const text = { out: "", err: "" };
    const into = (name: "out" | "err") => ({
      write: (part: string) => {
        text[name] += part;
      },
    });
    const code = await runCommandLine(["view", path, "--json"], createRun({ stdout: into("out"), stderr: into("err") }, true));
    return { code, value: (code === 0 ? JSON.parse(text.out) : null) as ViewJson, err: text.err };
  }
  interface ViewJson {
    readonly bins: readonly { readonly independentLags: string | null; readonly parameters: readonly { name: string; error: number }[] }[];
    readonly warnings: readonly string[];
  }

  it("it is a correlation between the lags of every q bin, which a fit takes", async () => {
    const result = await readResultFile(whole);
    const { correlation, freedom } = await stored(whole);
    expect(result.lagCorrelation!.values).toEqual([...correlation]);
    expect(Math.min(...freedom)).toBeGreaterThan(60);
    const { correlation: between, independentBecause } = lagsOf(result, 1);
    expect(independentBecause).toBeNull();
    const points = result.delays.map((lag): CurvePoint => ({ lag, width: 1, g2: 1, error: 1, pairs: 1, products: 1 }));
    const n = points.length;
    expect(between(points[2]!, points[5]!)).toBe(correlation[n * n + 2 * n + 5]);
    const { value } = await view(whole);
    expect(value.bins.map(({ independentLags: why }) => why)).toEqual([null, null]);
    expect(value.warnings.join()).not.toMatch(/independent/);
  });

  it("repeats add up their covariances and degrees of freedom", async () => {
    const out = join(folder, "merged.hdf");
    mergeResults({ inputs: halves, out, overwrite: true, pooling: "per-repeat", provenance: {} });
    const [merged, ...parts] = await Promise.all([out, ...halves].map(stored));
    expect([...merged!.freedom]).toEqual([...parts[0]!.freedom].map((f, q) => f + parts[1]!.freedom[q]!));
    const n = merged!.correlation.length / merged!.scale.length;
    const covariance = (part: (typeof parts)[0], q: number, i: number, j: number): number =>
      part.correlation[(q * n + i) * n + j]! * part.scale[q * n + i]! * part.scale[q * n + j]!;
    for (let q = 0; q < merged!.freedom.length; q++) {
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) {
          const sum = (a: number, b: number): number => parts.reduce((total, part) => total + covariance(part, q, a, b), 0);
          const expected = sum(i, j) / Math.sqrt(sum(i, i) * sum(j, j));
          expect(merged!.correlation[(q * n + i) * n + j]).toBeCloseTo(expected, 5);
        }
      }
    }
    // The same one twice has what it had.
    const [twice, copy] = [join(folder, "twice.hdf"), join(folder, "copy.hdf")];
    copyFileSync(whole, copy);
    mergeResults({ inputs: [whole, copy], out: twice, overwrite: true, pooling: "per-repeat", provenance: {} });
    const [once, same] = await Promise.all([whole, twice].map(stored));
    for (const [at, value] of same!.correlation.entries()) expect(value).toBeCloseTo(once!.correlation[at]!, 5);
  });

  it("too few pixels have one that is not used, and `xpcs view` says so", async () => {
    const { value } = await view(few);
    expect(value.bins[0]!.independentLags).toMatch(/too few pixels.*\(\d+ groups\)/);
    expect(value.bins[1]!.independentLags).toBeNull();
    expect(value.warnings).toContainEqual(expect.stringMatching(/too few pixels.*independent.*in bins 1$/));
  });

  it.each([
    ["a value that is none", [0, 1, 2], Number.NaN, /not from -1 to 1/],
    ["a value above 1", [0, 1, 2], 1.5, /not from -1 to 1/],
    ["a diagonal that is not 1", [0, 3, 3], 0.5, /diagonal/],
    ["two halves that differ", [0, 1, 2], -0.5, /not symmetric/],
  ])("%s is refused", async (_what, at, value, why) => {
    const path = await damaged(whole, "/moments/lag_correlation", at, value);
    const { code, err } = await view(path);
    expect(code).not.toBe(0);
    expect(err).toMatch(/lag_correlation of bin 1/);
    expect(err).toMatch(why);
  });

  it.each([
    ["/moments/lag_correlation", [0, 1, 2], Number.NaN],
    ["/moments/lag_scale", [0, 1], Number.NaN],
    ["/moments/lag_scale", [1, 0], -1],
  ])("a merge refuses a damaged %s", async (dataset, at, value) => {
    const path = await damaged(whole, dataset, at, value);
    const merge = (): unknown =>
      mergeResults({ inputs: [whole, path], out: join(folder, "x.hdf"), overwrite: true, pooling: "per-repeat", provenance: {} });
    expect(merge).toThrow(/contradicts itself/);
  });
});

describe("a matrix", () => {
  const lags = [1, 2, 3];
  it("that is not positive is refused", () => {
    // Each pair is possible; all three together are not.
    const matrix = [1, 0.9, -0.9, 0.9, 1, 0.9, -0.9, 0.9, 1];
    expect(() => correlationOf(lags, matrix, "it")).toThrow(/negative variance/);
  });
  it("that is singular is taken: fewer groups than lags make one", () => {
    const between = correlationOf(lags, [1, 1, -1, 1, 1, -1, -1, -1, 1], "it");
    const point = (lag: number): CurvePoint => ({ lag, width: 1, g2: 1, error: 1, pairs: 1, products: 1 });
    expect(between(point(1), point(3))).toBe(-1);
  });
  it("of another size is refused", () => {
    expect(() => correlationOf(lags, [1, 0, 0, 1], "it")).toThrow(/3 lags.*4 values/);
  });
});
