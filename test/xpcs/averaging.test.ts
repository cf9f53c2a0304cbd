/**
 * Weighted and robust averaging of the static bins: against an independent computation from the stored moments, in a pull test,
 * with a hot pixel, and as an option that results record and merging honours.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import h5wasm, { Dataset } from "h5wasm/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Averaging, CorrOptions } from "../../src/core/analysis.js";
import { writeQmap } from "../../src/demo/sample-files.js";
import { correlateFile, createCorrelator, mergeResults } from "../../src/xpcs/native.js";
import { Random } from "../../src/xpcs/random.js";
import { nexusSample } from "./nexus-sample.js";
import { readNumbers } from "./reference-case.js";

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** One static bin at one lag, from its definition: products, expected products, and the variance of products - R expected. */
interface Bin {
  readonly y: number;
  readonly e: number;
  readonly n: number;
  readonly variance: (ratio: number) => number;
}

function weighted(bins: readonly Bin[]): { g2: number; error: number } {
  const e = sum(bins.map((bin) => bin.e));
  const g2 = sum(bins.map((bin) => bin.y)) / e;
  return { g2, error: Math.sqrt(sum(bins.map((bin) => bin.variance(g2)))) / e };
}

const middle = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.floor(sorted.length / 2)]!) / 2;
};

/** Mean of f(r) over Poisson counts of mean m, r standardised; probabilities through logarithms. */
function poissonMean(m: number, f: (r: number) => number): number {
  let logFactorial = 0;
  let total = 0;
  for (let k = 0; k < m + 40 * Math.sqrt(m) + 40; k++) {
    if (k > 0) logFactorial += Math.log(k);
    total += Math.exp(k * Math.log(m) - m - logFactorial) * f((k - m) / Math.sqrt(m));
  }
  return total;
}

/** Huber's estimate by the secant method, with its error from the Poisson model. */
function robust(bins: readonly Bin[]): { g2: number; error: number } {
  const bound = (r: number): number => Math.max(-1.345, Math.min(1.345, r));
  const typical = middle(bins.map(({ e, n }) => e / n));
  const weight = bins.map(({ e, n }) => Math.sqrt(Math.min(e, typical * n)));
  const solve = (phi: number): { g2: number; error: number } => {
    const score = (g2: number): number =>
      sum(
        bins.map(({ y, e }, i) => {
          const m = (g2 * e) / phi;
          return weight[i]! * (bound((y / phi - m) / Math.sqrt(m)) - poissonMean(m, bound));
        }),
      );
    let [a, b] = [weighted(bins).g2, weighted(bins).g2 * 1.01];
    let [fa, fb] = [score(a), score(b)];
    for (let i = 0; i < 100 && Math.abs(b - a) > 1e-13 && fb !== fa; i++) {
      const next = Math.max(b - (fb * (b - a)) / (fb - fa), b / 3);
      [a, fa, b, fb] = [b, fb, next, score(next)];
    }
    const variance = sum(
      bins.map(({ e }, i) => weight[i]! ** 2 * (poissonMean((b * e) / phi, (r) => bound(r) ** 2) - poissonMean((b * e) / phi, bound) ** 2)),
    );
    const slope = sum(bins.map(({ e }, i) => weight[i]! * poissonMean((b * e) / phi, (r) => bound(r) * r) * Math.sqrt(e / (b * phi))));
    return { g2: b, error: Math.sqrt(variance) / slope };
  };
  const { g2 } = solve(1);
  return solve(Math.max(1, middle(bins.map((bin) => bin.variance(g2) / (g2 * bin.e)))));
}

const ROOT = mkdtempSync(join(tmpdir(), "xpcs-averaging-"));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));
const qmap = join(ROOT, "qmap.hdf");
let input: string;

beforeAll(async () => {
  await h5wasm.ready;
  const { sample, input: made } = nexusSample(ROOT, false);
  input = made;
  // Bins of different sizes, five or more per q.
  const sqmap = sample.dqmap.map((q, p) => (q === 0 ? 0 : (q - 1) * 6 + 1 + Math.floor(6 * ((p % 31) / 31) ** 1.7)));
  await writeQmap(qmap, { ...sample, sqmap, staticQ: Float64Array.from({ length: 12 }, (_, i) => 0.002 + 0.0004 * i) });
});

async function correlate(name: string, options: CorrOptions): Promise<string> {
  const out = join(ROOT, name);
  await correlateFile({ files: { input, qmap }, options: { frameTimeS: 1e-3, ...options }, out, overwrite: true, provenance: {} });
  return out;
}

async function numbers(path: string, name: string): Promise<number[]> {
  return Array.from((await readNumbers(path, name))!.values);
}

function text(path: string, name: string): unknown {
  const file = new h5wasm.File(path, "r");
  const found = file.get(name);
  const value = found instanceof Dataset ? found.value : null;
  file.close();
  return value;
}

/** The static bins of every (lag, q) from /moments: integer sums as upper and lower halves. */
async function momentsOf(path: string): Promise<Bin[][][]> {
  const whole = async (name: string): Promise<number[]> => {
    const halves = await numbers(path, `/moments/${name}`);
    return Array.from({ length: halves.length / 2 }, (_, i) => halves[2 * i]! * 2 ** 64 + halves[2 * i + 1]!);
  };
  const [y, product] = [await whole("products"), await whole("past_times_future")];
  const [owner, n, terms] = [
    await numbers(path, "/moments/dynamic_of_static"),
    await numbers(path, "/moments/pixels"),
    await numbers(path, "/moments/terms"),
  ];
  const influence = await numbers(path, "/moments/influence");
  const size = owner.length * terms.length;
  return terms.map((count, d) =>
    [1, 2].map((q) =>
      owner.flatMap((own, s): Bin[] => {
        const at = s * terms.length + d;
        const [a, b, c] = [influence[at]!, influence[size + at]!, influence[2 * size + at]!];
        const variance = (ratio: number): number => ((a - 2 * ratio * b + ratio * ratio * c) * n[s]!) / (n[s]! - 1);
        return own === q && n[s]! > 0 ? [{ y: y[at]!, e: product[at]! / (n[s]! * count), n: n[s]!, variance }] : [];
      }),
    ),
  );
}

describe("averaging", () => {
  it.each(["weighted", "robust"] as const)("%s is what its definition gives from the moments, and says so", async (averaging) => {
    const result = await correlate(`${averaging}.hdf`, { averaging });
    const bins = await momentsOf(result);
    const oracle = averaging === "weighted" ? weighted : robust;
    const [g2, error, pairs] = [
      await numbers(result, "/xpcs/multitau/normalized_g2"),
      await numbers(result, "/xpcs/multitau/normalized_g2_err"),
      await numbers(result, "/xpcs/multitau/pairs"),
    ];
    const expected = bins.flat().map((list) => oracle(list));
    expect(expected.length).toBe(g2.length);
    // From 50 pairs in a bin on, the core has the normal distribution with its first correction in place of Poisson's.
    const digits = averaging === "weighted" ? 6 : 4;
    for (const [i, value] of expected.entries()) {
      expect(g2[i]! / value.g2, `value ${i}`).toBeCloseTo(1, digits);
      if (pairs[i]! >= 20) expect(error[i]! / value.error, `error ${i}`).toBeCloseTo(1, digits - 1);
      else expect(error[i]).toBe(0);
    }
    expect(text(result, "/xpcs/multitau/config/averaging")).toBe(averaging);
    expect(String(text(result, "/provenance/conventions"))).toMatch(averaging === "weighted" ? /weights: expected photon pairs/ : /Huber/);
    const plain = await correlate("plain.hdf", {});
    expect(text(plain, "/xpcs/multitau/config/averaging")).toBe("plain");
    expect(await numbers(plain, "/xpcs/multitau/normalized_g2")).not.toEqual(g2);
  });

  it("does not depend on the number of threads", async () => {
    const read = async (threads: number) => {
      const path = await correlate(`threads-${threads}.hdf`, { averaging: "robust", threads });
      return [await numbers(path, "/xpcs/multitau/normalized_g2"), await numbers(path, "/xpcs/multitau/normalized_g2_err")];
    };
    expect(await read(2)).toEqual(await read(1));
    expect(await read(5)).toEqual(await read(1));
  });

  it("has its own error: another convention is refused, and the exchange layout takes it", async () => {
    await expect(correlate("x.hdf", { averaging: "robust", errors: "boost-corr" })).rejects.toThrow(/leave --errors out/);
    await expect(correlate("x.hdf", { averaging: "weighted", compat: "xpcs-eigen" })).rejects.toThrow(/plain/);
    await expect(correlate("x.hdf", { averaging: "weighted", type: "twotime" })).rejects.toThrow(/no effect/);
    const nexus = await correlate("nexus.hdf", { averaging: "robust" });
    const exchange = await correlate("exchange.hdf", { averaging: "robust", layout: "exchange" });
    const [errors, theirs] = [await numbers(nexus, "/xpcs/multitau/normalized_g2_err"), await numbers(exchange, "/exchange/norm-0-stderr")];
    expect(theirs.map((value) => (Number.isNaN(value) ? 0 : value))).toEqual(errors);
    expect(text(exchange, "/provenance/averaging")).toBe("robust");
  });

  it("is kept by merging, which refuses a mixture unless it is told", async () => {
    const parts = await Promise.all([1, 101].map((begin) => correlate(`w${begin}.hdf`, { averaging: "weighted", begin, end: begin + 99 })));
    const plain = await correlate("p1.hdf", { begin: 1, end: 100 });
    const merge = (inputs: string[], averaging?: Averaging): string => {
      const out = join(ROOT, "merged.hdf");
      mergeResults({
        inputs,
        out,
        overwrite: true,
        pooling: "per-repeat",
        provenance: {},
        ...(averaging === undefined ? {} : { averaging }),
      });
      return out;
    };
    expect(() => merge([parts[0]!, plain])).toThrow(/averages its static bins plain.*--averaging/);
    const asIs = merge(parts);
    expect(text(asIs, "/xpcs/multitau/config/averaging")).toBe("weighted");
    const g2 = await numbers(asIs, "/xpcs/multitau/normalized_g2");
    const expected = (await momentsOf(asIs)).flat().map((bins) => weighted(bins).g2);
    for (const [i, value] of expected.entries()) expect(g2[i]! / value).toBeCloseTo(1, 6);
    const told = merge([parts[0]!, plain], "robust");
    expect(text(told, "/xpcs/multitau/config/averaging")).toBe("robust");
    expect(await numbers(told, "/xpcs/multitau/normalized_g2")).not.toEqual(g2);
  });
});

const FRAMES = 64;
const WIDTH = 30;
const REPEATS = 150;

/** Uncorrelated photons on 7 static bins of different sizes; `hot` photons more on one pixel, in bursts. */
function repeat(random: Random, height: number, photonsPerPixel: number, averaging: Averaging, hot = 0) {
  const pixels = height * WIDTH;
  const photons = pixels * photonsPerPixel + hot;
  const isHot = (i: number): boolean => i >= photons - hot;
  const frame = Uint32Array.from({ length: photons }, (_, i) => Math.floor(random.uniform() * (isHot(i) ? 20 : FRAMES)));
  const pixel = Uint32Array.from({ length: photons }, (_, i) => (isHot(i) ? 7 : Math.floor(random.uniform() * pixels)));
  const sqmap = Int32Array.from({ length: pixels }, (_, p) => 1 + Math.floor(7 * ((p % 97) / 97) ** 1.5));
  const correlator = createCorrelator({ height, width: WIDTH, dqmap: new Int32Array(pixels).fill(1), sqmap, threads: 1, averaging });
  correlator.push({ frame, pixel, count: new Int32Array(photons).fill(1) });
  correlator.setFrames(FRAMES);
  return correlator.result();
}

describe("the error of an average, over simulated repeats", () => {
  for (const averaging of ["weighted", "robust"] as const) {
    it.each([
      [1, 160],
      [10, 20],
      [100, 20],
    ])(`${averaging} is the scatter, and its value unbiased, at %d photons per pixel`, (photonsPerPixel, height) => {
      const random = new Random(photonsPerPixel + 3);
      const repeats = Array.from({ length: REPEATS }, () => repeat(random, height, photonsPerPixel, averaging));
      for (let d = 0; d < repeats[0]!.g2.length; d++) {
        if (!repeats.every(({ pairs }) => pairs[d]! >= 20)) continue;
        const pulls = repeats.map(({ g2, g2Err }) => (g2[d]! - 1) / g2Err[d]!);
        const mean = sum(pulls) / REPEATS;
        const deviation = Math.sqrt(sum(pulls.map((pull) => (pull - mean) ** 2)) / (REPEATS - 1));
        expect(deviation, `lag ${d}`).toBeGreaterThan(0.8);
        expect(deviation, `lag ${d}`).toBeLessThan(1.25);
        // 1/sqrt(REPEATS) = 0.08 is chance; the ratio estimate's own bias is below 0.1.
        expect(Math.abs(mean), `lag ${d}`).toBeLessThan(0.4);
      }
    });
  }

  it("robust stays within a few errors of the truth where one hot pixel moves the plain mean by many", () => {
    const error = repeat(new Random(1), 40, 20, "plain").g2Err; // without the hot pixel
    const pull = (averaging: Averaging): number => {
      const { g2 } = repeat(new Random(5), 40, 20, averaging, 2000);
      return Math.max(...Array.from(g2, (value, d) => Math.abs(value - 1) / error[d]!).slice(0, 8));
    };
    expect(pull("plain")).toBeGreaterThan(20);
    expect(pull("weighted")).toBeGreaterThan(20);
    expect(pull("robust")).toBeLessThan(5);
  });
});
