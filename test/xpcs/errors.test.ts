/**
 * The default standard error over simulated repeats: uncorrelated Poisson frames, where g2 is 1, and speckle of known g2, at 1, 10 and
 * 100 photons per pixel in the whole series; lags with fewer than 20 pairs; and the correlation between lags that fits assume.
 * Seeds are fixed: nothing here is left to chance.
 */
import { describe, expect, it } from "vitest";
import { delayScheme } from "../../src/xpcs/delays.js";
import { decayShape } from "../../src/xpcs/fit.js";
import { createCorrelator } from "../../src/xpcs/native.js";
import { Random } from "../../src/xpcs/random.js";
import { simulateEvents } from "../../src/xpcs/simulate.js";

const REPEATS = 200;
const WIDTH = 30;
const FRAMES = 64;
const LEVELS = [1, 10, 100] as const;
/** Rows of the detector: few photons per pixel need more pixels for 20 pairs per lag. */
const HEIGHTS = { 1: 160, 10: 20, 100: 20 };
const DELAYS = delayScheme(FRAMES, 4);

interface Repeat {
  readonly g2: Float64Array;
  readonly g2Err: Float64Array;
  readonly pairs: Float64Array;
}

function correlate(height: number, events: { frame: Uint32Array; pixel: Uint32Array; count: Int32Array }): Repeat {
  const pixels = height * WIDTH;
  const dqmap = new Int32Array(pixels).fill(1);
  const sqmap = Int32Array.from({ length: pixels }, (_, p) => 1 + (p % 3));
  const correlator = createCorrelator({ height, width: WIDTH, dqmap, sqmap, threads: 1 });
  correlator.push(events);
  correlator.setFrames(FRAMES);
  return correlator.result();
}

/** Uncorrelated: every photon in a frame and pixel of its own choice. */
function poisson(random: Random, height: number, photons: number): Repeat {
  const [frame, pixel] = [new Uint32Array(photons), new Uint32Array(photons)];
  for (let i = 0; i < photons; i++) frame[i] = Math.floor(random.uniform() * FRAMES);
  for (let i = 0; i < photons; i++) pixel[i] = Math.floor(random.uniform() * height * WIDTH);
  return correlate(height, { frame, pixel, count: new Int32Array(photons).fill(1) });
}

const DYNAMICS = { decayRate: 0.08, contrast: 0.4 };

function speckle(seed: number, height: number, photonsPerPixel: number): Repeat {
  const ringOfPixel = new Uint16Array(height * WIDTH).fill(1);
  const rings = [{ ...DYNAMICS, meanCounts: photonsPerPixel / FRAMES }];
  const { frame, pixel, count } = simulateEvents({ height, width: WIDTH, frames: FRAMES, ringOfPixel, rings, backgroundCounts: 0, seed });
  return correlate(height, { frame, pixel, count: Int32Array.from(count) });
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
function deviationOf(values: readonly number[]): number {
  const mean = meanOf(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}

/** Pulls [lags, repeats] against the true g2. */
function pullsOf(repeats: readonly Repeat[], truth: (d: number) => number): number[][] {
  return DELAYS.map((_, d) => repeats.map(({ g2, g2Err }) => (g2[d]! - truth(d)) / g2Err[d]!));
}

/** At every lag, of which each has 20 or more pairs in every repeat. */
function expectTrueErrors(repeats: readonly Repeat[], truth: (d: number) => number): void {
  for (const { pairs } of repeats) expect(Math.min(...pairs)).toBeGreaterThanOrEqual(20);
  for (const [d, pulls] of pullsOf(repeats, truth).entries()) {
    expect(deviationOf(pulls), `spread at lag ${d}`).toBeGreaterThan(0.8);
    expect(deviationOf(pulls), `spread at lag ${d}`).toBeLessThan(1.25);
    // Chance is 1/sqrt(200) = 0.07; a ratio estimate has a bias of its own, which is a part of its error.
    expect(Math.abs(meanOf(pulls)), `bias at lag ${d}`).toBeLessThan(0.4);
  }
}

describe.each(LEVELS)("the standard error of g2 over 200 simulated repeats, at %i photons per pixel", (photonsPerPixel) => {
  const height = HEIGHTS[photonsPerPixel];

  it("is the scatter of Poisson frames about 1, at every lag", () => {
    const random = new Random(photonsPerPixel);
    const repeats = Array.from({ length: REPEATS }, () => poisson(random, height, height * WIDTH * photonsPerPixel));
    expectTrueErrors(repeats, () => 1);
    // 200 repeats of 16 or so lags: 4.5 standard deviations are passed once in 150 000 values of a normal distribution.
    expect(Math.max(...pullsOf(repeats, () => 1).flatMap((pulls) => pulls.map(Math.abs)))).toBeLessThan(5);
  });

  it("is the scatter of speckle about its g2, at every lag", () => {
    const repeats = Array.from({ length: REPEATS }, (_, seed) => speckle(seed + 1, height, photonsPerPixel));
    expectTrueErrors(repeats, (d) => 1 + DYNAMICS.contrast * decayShape(DYNAMICS.decayRate, DELAYS[d]!.tau, 2 ** DELAYS[d]!.level));
  });
});

it("a lag with fewer than 20 photon pairs has its value, its pairs and no error", () => {
  const random = new Random(5);
  const counted = { few: 0, enough: 0 };
  for (let i = 0; i < REPEATS; i++) {
    const { g2, g2Err, pairs } = poisson(random, 20, 400 + 5 * i);
    for (const [d, n] of pairs.entries()) {
      expect(Number.isNaN(g2Err[d]!), `${n} pairs`).toBe(n < 20);
      expect(Number.isFinite(g2[d]!)).toBe(true);
      counted[n < 20 ? "few" : "enough"] += 1;
    }
  }
  expect(Math.min(counted.few, counted.enough)).toBeGreaterThan(300);
});

it.each(LEVELS)(
  "the errors of Poisson frames at different lags are independent, as fits assume, at %i photons per pixel",
  (photonsPerPixel) => {
    const random = new Random(photonsPerPixel + 20);
    const height = HEIGHTS[photonsPerPixel];
    const repeats = Array.from({ length: REPEATS }, () => poisson(random, height, height * WIDTH * photonsPerPixel));
    const curves = DELAYS.map((_, d) => repeats.map(({ g2 }) => g2[d]!));
    for (let a = 0; a < curves.length; a++) {
      for (let b = a + 1; b < curves.length; b++) {
        const [ma, mb] = [meanOf(curves[a]!), meanOf(curves[b]!)];
        const covariance = meanOf(curves[a]!.map((value, i) => (value - ma) * (curves[b]![i]! - mb)));
        // A correlation of 0 of n values scatters by 1 / sqrt(n).
        const found = covariance / (deviationOf(curves[a]!) * deviationOf(curves[b]!));
        expect(Math.abs(found) * Math.sqrt(REPEATS), `lags ${a}, ${b}`).toBeLessThan(4.5);
      }
    }
  },
);
