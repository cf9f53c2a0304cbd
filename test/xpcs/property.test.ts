/**
 * The native correlator against the plain one on random small problems, and against itself: its result depends neither on
 * the threads nor on how the events were cut into chunks or ordered. A failing seed is in the test's name.
 */
import { describe, expect, it } from "vitest";
import type { CorrelatorResult } from "../../src/xpcs/correlators.js";
import { correlateReference, type ReferenceResult } from "../../src/xpcs/multitau-reference.js";
import { createCorrelator } from "../../src/xpcs/native.js";
import { Random } from "../../src/xpcs/random.js";
import { simulateEvents } from "../../src/xpcs/simulate.js";
import { lagCorrelationReference } from "./lag-correlation-reference.js";
import { worstDifference } from "./reference-case.js";

/** Both sum integers exactly; they differ in the last divisions only. */
const TOLERANCE = 1e-11;

interface Problem {
  readonly height: number;
  readonly width: number;
  readonly frames: number;
  readonly dpl: number;
  readonly dqmap: Int32Array;
  readonly sqmap: Int32Array;
  readonly frame: Uint32Array;
  readonly pixel: Uint32Array;
  readonly count: Int32Array;
}

const below = (random: Random, n: number): number => Math.floor(random.uniform() * n);

/** Maps with masked pixels, gaps in the static labels and, in small detectors, partitions of one pixel. */
function randomMaps(random: Random, pixels: number): Pick<Problem, "dqmap" | "sqmap"> {
  const bins = 1 + below(random, Math.min(4, pixels));
  const perBin = 1 + below(random, 3);
  const gap = 1 + below(random, 3);
  const dqmap = new Int32Array(pixels);
  const sqmap = new Int32Array(pixels);
  for (let p = 0; p < pixels; p++) {
    // The first pixels make sure that no dynamic bin is empty.
    const q = p < bins ? p + 1 : below(random, bins + 1);
    dqmap[p] = q;
    if (q > 0 && (p < bins || random.uniform() < 0.9)) sqmap[p] = ((q - 1) * perBin + below(random, perBin)) * gap + 1;
    if (q === 0 && random.uniform() < 0.3) sqmap[p] = 1;
  }
  return { dqmap, sqmap };
}

/** Events in any order, repeated ones and empty frames and pixels among them; counts may be zero, large or negative. */
function randomEvents(random: Random, pixels: number, frames: number): Pick<Problem, "frame" | "pixel" | "count"> {
  const length = below(random, Math.ceil(pixels * frames * [0.01, 0.1, 1, 2][below(random, 4)]!) + 1);
  const lastFrame = 1 + below(random, frames);
  const lastPixel = 1 + below(random, pixels);
  const kind = below(random, 4);
  const drawCount = (): number => {
    if (kind === 0) return 1;
    if (kind === 1) return 1 + below(random, 4);
    if (kind === 2) return below(random, 7) - 3;
    return below(random, 65_536);
  };
  return {
    frame: Uint32Array.from({ length }, () => below(random, lastFrame)),
    pixel: Uint32Array.from({ length }, () => below(random, lastPixel)),
    count: Int32Array.from({ length }, drawCount),
  };
}

function randomProblem(seed: number): Problem {
  const random = new Random(seed);
  const height = 1 + below(random, 8);
  const width = 1 + below(random, 8);
  const frames = 1 + below(random, [3, 20, 70, 300][below(random, 4)]!);
  const dpl = 1 + below(random, 8);
  const pixels = height * width;
  return { height, width, frames, dpl, ...randomMaps(random, pixels), ...randomEvents(random, pixels, frames) };
}

function plain(problem: Problem): ReferenceResult {
  const pixels = problem.height * problem.width;
  const series = new Float64Array(problem.frames * pixels);
  problem.frame.forEach((frame, i) => {
    series[frame * pixels + problem.pixel[i]!]! += problem.count[i]!;
  });
  return correlateReference({ ...problem, pixels, series });
}

function native(problem: Problem, threads = 1, cuts: readonly number[] = []): CorrelatorResult {
  const { height, width, dqmap, sqmap, dpl, frame, pixel, count } = problem;
  const correlator = createCorrelator({ height, width, dqmap, sqmap, dpl, threads });
  const edges = [0, ...cuts, frame.length];
  for (let i = 1; i < edges.length; i++) {
    const [from, to] = [edges[i - 1]!, edges[i]!];
    correlator.push({ frame: frame.subarray(from, to), pixel: pixel.subarray(from, to), count: count.subarray(from, to) });
  }
  correlator.setFrames(problem.frames);
  return correlator.result();
}

/** Where g2 scatters by more than rounding does; beside a lag that does not, a correlation has no meaning. */
function expectLagCorrelation(problem: Problem, expected: ReferenceResult, actual: CorrelatorResult): void {
  const lags = lagCorrelationReference(expected, problem);
  const n = expected.delays.length;
  expect([...actual.lagFreedom]).toEqual(lags.freedom);
  const scatters = (q: number, d: number): boolean => lags.error[q]![d]! > 1e-6 * Math.abs(expected.g2[d * lags.freedom.length + q]!);
  lags.correlation.forEach((rows, q) => {
    rows.forEach((row, i) => {
      row.forEach((value, j) => {
        const found = actual.lagCorrelation[(q * n + i) * n + j]!;
        expect(Math.abs(found), `bin ${q}, lags ${i}, ${j}`).toBeLessThanOrEqual(1 + 1e-6);
        if (scatters(q, i) && scatters(q, j)) expect(Math.abs(found - value), `bin ${q}, lags ${i}, ${j}`).toBeLessThan(1e-6);
      });
    });
  });
}

const SEEDS = Array.from({ length: 200 }, (_, i) => i + 1);

describe("the native correlator equals the plain one", () => {
  it.each(SEEDS)("on random problem %i", (seed) => {
    const problem = randomProblem(seed);
    const expected = plain(problem);
    const actual = native(problem);
    expect(actual.frames).toBe(problem.frames);
    expect([...actual.tauFrames]).toEqual(expected.delays.map((delay) => delay.tau));
    expect([actual.dynamicBins, actual.staticBins]).toEqual([expected.dynamicBins, expected.staticBins]);
    const differences = {
      g2: worstDifference(actual.g2, expected.g2),
      g2SpreadErr: worstDifference(actual.g2SpreadErr, expected.stderr, 1e-9),
      g2Err: worstDifference(actual.g2Err, expected.influenceError, 1e-9),
      pairs: worstDifference(actual.pairs, expected.pairs, 1e-6),
      partitionMean: worstDifference(actual.partitionMean, expected.partitionMean, 1e-12),
      pixelMean: worstDifference(actual.pixelMean, expected.pixelMean, 1e-12),
      frameMean: worstDifference(actual.frameMean, expected.frameMean, 1e-12),
    };
    for (const [what, difference] of Object.entries(differences)) expect(difference, what).toBeLessThan(TOLERANCE);
    expectLagCorrelation(problem, expected, actual);
  });
});

/** 40 x 50 pixels, 1000 frames of speckle in 6 dynamic bins of 3 static ones. */
function speckleProblem(meanCounts: number): Problem {
  const [height, width, frames] = [40, 50, 1000];
  const sqmap = Int32Array.from({ length: height * width }, (_, p) => 1 + (p % 18));
  const dqmap = sqmap.map((s) => 1 + Math.floor((s - 1) / 3));
  const ring = { meanCounts, decayRate: 0.05, contrast: 0.5 };
  const events = simulateEvents({
    height,
    width,
    frames,
    ringOfPixel: new Uint16Array(height * width).fill(1),
    rings: [ring],
    backgroundCounts: 0,
    seed: 11,
  });
  return { height, width, frames, dpl: 4, dqmap, sqmap, frame: events.frame, pixel: events.pixel, count: Int32Array.from(events.count) };
}

it.each([
  ["many static bins, whose pixels lie apart", 18],
  ["static bins over several tiles", 2],
])("the correlation between lags over groups of several pixels: %s", (_what, statics) => {
  const problem = speckleProblem(0.3);
  const sqmap = problem.sqmap.map((s, p) => (statics === 18 ? s : 1 + (p % statics)));
  const dqmap = statics === 18 ? problem.dqmap : new Int32Array(sqmap.length).fill(1);
  const grouped = { ...problem, sqmap, dqmap };
  const actual = native(grouped);
  expectLagCorrelation(grouped, plain(grouped), actual);
  // More pixels than groups, and a correlation that is one.
  expect(sqmap.length / actual.dynamicBins).toBeGreaterThan(actual.lagFreedom[0]! * 1.5);
  expect(actual.lagCorrelation[1]!).toBeGreaterThan(0.2);
});

function bytes(result: CorrelatorResult): Record<string, string> {
  const arrays = Object.entries(result).filter(([, value]) => ArrayBuffer.isView(value)) as [string, Float64Array][];
  return Object.fromEntries(arrays.map(([name, a]) => [name, Buffer.from(a.buffer, a.byteOffset, a.byteLength).toString("base64")]));
}

describe("the native correlator gives the same bits", () => {
  it.each(SEEDS.slice(0, 40))("for 1, 2 and 5 threads, problem %i", (seed) => {
    const problem = randomProblem(seed);
    const one = bytes(native(problem, 1));
    expect(bytes(native(problem, 2))).toEqual(one);
    expect(bytes(native(problem, 5))).toEqual(one);
  });

  it.each([
    ["few photons", 0.01],
    ["many photons", 1.5],
  ])("for 1, 2 and 5 threads, on a larger sample with %s", (_what, meanCounts) => {
    const problem = speckleProblem(meanCounts);
    const one = bytes(native(problem, 1));
    expect(bytes(native(problem, 2))).toEqual(one);
    expect(bytes(native(problem, 5))).toEqual(one);
  });

  it.each(SEEDS.slice(0, 40))("for any chunks and any order of the events, problem %i", (seed) => {
    const problem = randomProblem(seed);
    const random = new Random(seed + 1000);
    const length = problem.frame.length;
    const whole = bytes(native(problem));
    const cuts = Array.from({ length: 5 }, () => below(random, length + 1)).sort((a, b) => a - b);
    expect(bytes(native(problem, 1, cuts))).toEqual(whole);
    const order = Uint32Array.from({ length }, (_, i) => i);
    for (let i = length - 1; i > 0; i--) {
      const j = below(random, i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    const shuffled = {
      ...problem,
      frame: Uint32Array.from(order, (i) => problem.frame[i]!),
      pixel: Uint32Array.from(order, (i) => problem.pixel[i]!),
      count: Int32Array.from(order, (i) => problem.count[i]!),
    };
    expect(bytes(native(shuffled))).toEqual(whole);
  });

  it("when asked on the way", () => {
    const problem = randomProblem(3);
    const { height, width, dqmap, sqmap, dpl, frame, pixel, count, frames } = problem;
    const correlator = createCorrelator({ height, width, dqmap, sqmap, dpl });
    for (let i = 0; i < frame.length; i++) {
      correlator.push({ frame: frame.subarray(i, i + 1), pixel: pixel.subarray(i, i + 1), count: count.subarray(i, i + 1) });
      if (i % 7 === 0) correlator.result();
    }
    correlator.setFrames(frames);
    expect(bytes(correlator.result())).toEqual(bytes(native(problem)));
  });
});

describe("the native correlator refuses", () => {
  const maps = { height: 2, width: 2, dqmap: Int32Array.of(1, 1, 1, 1), sqmap: Int32Array.of(1, 1, 1, 1) };
  const refusal = (run: () => unknown): { code: string; message: string } => {
    try {
      run();
    } catch (error) {
      return error as { code: string; message: string };
    }
    throw new Error("it did not refuse");
  };

  it.each([
    ["a map of another size", () => createCorrelator({ ...maps, dqmap: Int32Array.of(1, 1, 1) })],
    ["maps without a valid pixel", () => createCorrelator({ ...maps, sqmap: new Int32Array(4) })],
    ["a static bin in two dynamic bins", () => createCorrelator({ ...maps, dqmap: Int32Array.of(1, 1, 2, 2) })],
    [
      "a pixel outside the detector",
      () => createCorrelator(maps).push({ frame: Uint32Array.of(0), pixel: Uint32Array.of(4), count: Int32Array.of(1) }),
    ],
    [
      "arrays of different lengths",
      () => createCorrelator(maps).push({ frame: Uint32Array.of(0, 1), pixel: Uint32Array.of(0), count: Int32Array.of(1) }),
    ],
  ])("%s", (_what, run) => {
    expect(refusal(run).code).toBe("INVALID_ARGUMENT");
  });
});
