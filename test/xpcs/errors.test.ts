/**
 * The pull test of the default standard error: simulated repeats of uncorrelated Poisson frames, where g2 is 1, at 1, 10 and
 * 100 photons per pixel in the whole series. Seeds are fixed: nothing here is left to chance.
 */
import { describe, expect, it } from "vitest";
import { createCorrelator } from "../../src/xpcs/native.js";
import { Random } from "../../src/xpcs/random.js";

const REPEATS = 200;
const WIDTH = 30;
const FRAMES = 64;
/** Rows of the detector: few photons per pixel need more pixels for 20 pairs per lag. */
const HEIGHTS = { 1: 160, 10: 20, 100: 20 };

/** One repeat: every photon in a frame and pixel of its own choice. */
function repeat(random: () => number, photonsPerPixel: 1 | 10 | 100): { g2: Float64Array; g2Err: Float64Array; pairs: Float64Array } {
  const height = HEIGHTS[photonsPerPixel];
  const pixels = height * WIDTH;
  const photons = pixels * photonsPerPixel;
  const frame = Uint32Array.from({ length: photons }, () => Math.floor(random() * FRAMES));
  const pixel = Uint32Array.from({ length: photons }, () => Math.floor(random() * pixels));
  const dqmap = new Int32Array(pixels).fill(1);
  const sqmap = Int32Array.from({ length: pixels }, (_, p) => 1 + (p % 3));
  const correlator = createCorrelator({ height, width: WIDTH, dqmap, sqmap, threads: 1 });
  correlator.push({ frame, pixel, count: new Int32Array(photons).fill(1) });
  correlator.setFrames(FRAMES);
  return correlator.result();
}

describe("the standard error of g2, over 200 simulated repeats", () => {
  for (const photonsPerPixel of [1, 10, 100] as const) {
    it(`is the scatter at every lag with 20 or more pairs, at ${photonsPerPixel} photons per pixel`, () => {
      const random = new Random(photonsPerPixel);
      const repeats = Array.from({ length: REPEATS }, () => repeat(() => random.uniform(), photonsPerPixel));
      const lags = repeats[0]!.g2.length;
      let judged = 0;
      for (let d = 0; d < lags; d += 1) {
        const enough = repeats.filter(({ pairs }) => pairs[d]! >= 20);
        for (const { g2Err, pairs } of repeats) expect(Number.isNaN(g2Err[d]!)).toBe(pairs[d]! < 20);
        if (enough.length < REPEATS) continue;
        const pulls = enough.map(({ g2, g2Err }) => (g2[d]! - 1) / g2Err[d]!);
        const mean = pulls.reduce((sum, pull) => sum + pull, 0) / REPEATS;
        const deviation = Math.sqrt(pulls.reduce((sum, pull) => sum + (pull - mean) ** 2, 0) / (REPEATS - 1));
        expect(deviation, `lag ${d}`).toBeGreaterThan(0.8);
        expect(deviation, `lag ${d}`).toBeLessThan(1.25);
        judged += 1;
      }
      expect(judged).toBe(lags);
    });
  }
});
