/** Simulated samples have the dynamics they claim, and the fit of what the correlator makes of them is right. */
import { describe, expect, it } from "vitest";
import type { CorrelatorResult } from "../../src/xpcs/correlators.js";
import { delayScheme } from "../../src/xpcs/delays.js";
import { immBytes, rigakuBytes } from "../../src/xpcs/detector-files.js";
import { type CurvePoint, decayShape, fitDecay } from "../../src/xpcs/fit.js";
import { createCorrelator } from "../../src/xpcs/native.js";
import { Random } from "../../src/xpcs/random.js";
import { type EventList, type RingDynamics, type Sample, simulateEvents } from "../../src/xpcs/simulate.js";

/** `rings` stripes of `rows` rows each. */
function stripes(rings: readonly RingDynamics[], rows: number, width: number, frames: number, seed: number): Sample {
  const height = rings.length * rows;
  const ringOfPixel = Uint16Array.from({ length: height * width }, (_, p) => 1 + Math.floor(p / (rows * width)));
  return { height, width, frames, ringOfPixel, rings, backgroundCounts: 0, seed };
}

function correlate(sample: Sample, events: EventList): CorrelatorResult {
  const map = Int32Array.from(sample.ringOfPixel);
  const correlator = createCorrelator({ height: sample.height, width: sample.width, dqmap: map, sqmap: map, threads: 2 });
  correlator.push({ frame: events.frame, pixel: events.pixel, count: Int32Array.from(events.count) });
  correlator.setFrames(sample.frames);
  return correlator.result();
}

function curve(result: CorrelatorResult, ring: number): CurvePoint[] {
  return delayScheme(result.frames, 4).map(({ level, tau }, d) => {
    const at = d * result.dynamicBins + ring;
    const width = 2 ** level;
    const products = Math.floor(result.frames / width) - tau / width;
    return { lag: tau, width, g2: result.g2[at]!, error: result.g2Err[at]!, pairs: result.pairs[at]!, products };
  });
}

const RINGS: readonly RingDynamics[] = [
  { meanCounts: 0.02, decayRate: 1 / 60, contrast: 0.4 },
  { meanCounts: 0.02, decayRate: 1 / 30, contrast: 0.4 },
  { meanCounts: 0.02, decayRate: 1 / 15, contrast: 0.4 },
];

describe("a simulated sample", () => {
  it("is the same for the same seed, and another for another", () => {
    const [a, b, c] = [1, 1, 2].map((seed) => simulateEvents(stripes(RINGS, 4, 20, 500, seed)));
    expect(a).toEqual(b);
    expect(a!.frame.length).toBeGreaterThan(100);
    expect(c!.pixel).not.toEqual(a!.pixel);
  });

  it("is in order of frame, then pixel, with one event each", () => {
    const { frame, pixel, count } = simulateEvents(stripes(RINGS, 4, 20, 500, 3));
    for (let i = 1; i < frame.length; i++)
      expect(frame[i]! > frame[i - 1]! || (frame[i] === frame[i - 1] && pixel[i]! > pixel[i - 1]!)).toBe(true);
    expect(count.every((n) => n > 0)).toBe(true);
  });

  it.each([0.005, 0.5, 3])("has the mean counts it claims: %f per pixel and frame", (meanCounts) => {
    const sample = stripes([{ meanCounts, decayRate: 0.5, contrast: 0.5 }], 40, 40, 1000, 4);
    const total = simulateEvents(sample).count.reduce((a, b) => a + b, 0);
    const expected = meanCounts * 1600 * 1000;
    // Photon noise, and speckle of 1000 frames / 1 frame coherence in 1600 pixels.
    const deviation = Math.sqrt(expected + (expected ** 2 * 0.5 * 2) / (1600 * 1000));
    expect(Math.abs(total - expected) / deviation).toBeLessThan(4);
  });

  it("draws background photons without correlation", () => {
    const sample: Sample = { ...stripes(RINGS, 10, 40, 2000, 5), ringOfPixel: new Uint16Array(1200), backgroundCounts: 0.05 };
    const events = simulateEvents(sample);
    const result = correlate({ ...sample, ringOfPixel: new Uint16Array(1200).fill(1) }, events);
    const chi2 = curve(result, 0)
      .filter((point) => point.products >= 8)
      .map((point) => ((point.g2 - 1) / point.error) ** 2);
    expect(chi2.reduce((a, b) => a + b, 0) / chi2.length).toBeLessThan(1.8);
  });

  it("has the g2 of the model at every level, at bright pixels", () => {
    const dynamics = { meanCounts: 2, decayRate: 1 / 40, contrast: 0.6 };
    const sample = stripes([dynamics], 40, 40, 4000, 6);
    const points = curve(correlate(sample, simulateEvents(sample)), 0).filter((point) => point.products >= 8);
    for (const point of points) {
      const model = 1 + dynamics.contrast * decayShape(dynamics.decayRate, point.lag, point.width);
      expect(Math.abs(point.g2 - model) / point.error, `lag ${point.lag}`).toBeLessThan(4.5);
    }
  });
});

describe("the fit of simulated photons", () => {
  it("has pulls of unit spread over 20 samples of 3 rings, in rate, contrast and baseline", () => {
    const pulls = { rate: [] as number[], contrast: [] as number[], baseline: [] as number[] };
    let [chi2, dof] = [0, 0];
    for (let seed = 1; seed <= 20; seed++) {
      const sample = stripes(RINGS, 30, 40, 4000, seed);
      const result = correlate(sample, simulateEvents(sample));
      RINGS.forEach((ring, at) => {
        const fit = fitDecay(curve(result, at));
        expect(fit.converged).toBe(true);
        pulls.rate.push((fit.rate - ring.decayRate) / fit.rateError);
        pulls.contrast.push((fit.contrast - ring.contrast) / fit.contrastError);
        pulls.baseline.push((fit.baseline - 1) / fit.baselineError);
        chi2 += fit.chi2;
        dof += fit.dof;
      });
    }
    for (const [name, values] of Object.entries(pulls)) {
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      const spread = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / (values.length - 1));
      expect(spread, `spread of ${name}`).toBeGreaterThan(0.8);
      expect(spread, `spread of ${name}`).toBeLessThan(1.25);
      expect(Math.abs(mean), `bias of ${name}`).toBeLessThan(0.35);
    }
    expect(Math.abs(chi2 / dof - 1)).toBeLessThan(0.1);
  });
});

describe("the random numbers", () => {
  it("have the moments of their laws", () => {
    const random = new Random(9);
    const n = 200_000;
    const moments = (draw: () => number): [number, number] => {
      const values = Array.from({ length: n }, draw);
      const mean = values.reduce((a, b) => a + b, 0) / n;
      return [mean, values.reduce((a, b) => a + (b - mean) ** 2, 0) / n];
    };
    const close = ([mean, variance]: [number, number], wanted: [number, number]): void => {
      expect(mean).toBeCloseTo(wanted[0], 1.5);
      expect(variance / wanted[1]).toBeCloseTo(1, 1.5);
    };
    close(
      moments(() => random.uniform()),
      [0.5, 1 / 12],
    );
    close(
      moments(() => random.exponential()),
      [1, 1],
    );
    close(
      moments(() => random.normal()),
      [0, 1],
    );
    close(
      moments(() => random.poisson(3)),
      [3, 3],
    );
  });

  it("are those of xoshiro128** (reference values of a second implementation)", () => {
    const random = new Random(1);
    const first = Array.from({ length: 3 }, () => random.uint32());
    expect(first).toEqual(secondImplementation(1, 3));
  });
});

/** xoshiro128** 1.1 with splitmix32 in 64-bit integers, word for word from the published C. */
function secondImplementation(seed: number, length: number): number[] {
  const mask = 0xffffffffn;
  const rotl = (x: bigint, k: bigint): bigint => ((x << k) | (x >> (32n - k))) & mask;
  let x = BigInt(seed);
  const s = Array.from({ length: 4 }, () => {
    x = (x + 0x9e3779b9n) & mask;
    let z = x;
    z = ((z ^ (z >> 16n)) * 0x21f0aaadn) & mask;
    z = ((z ^ (z >> 15n)) * 0x735a2d97n) & mask;
    return z ^ (z >> 15n);
  }) as [bigint, bigint, bigint, bigint];
  return Array.from({ length }, () => {
    const result = (rotl((s[1] * 5n) & mask, 7n) * 9n) & mask;
    const t = (s[1] << 9n) & mask;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 11n);
    return Number(result);
  });
}

describe("detector files", () => {
  const events: EventList = {
    frames: 4,
    frame: Uint32Array.of(0, 0, 2),
    pixel: Uint32Array.of(1, 524_287, 70_000),
    count: Uint16Array.of(1, 4095, 3),
  };

  it("Rigaku words have frame, pixel and count in their bits", () => {
    const words = new BigUint64Array(rigakuBytes(events).buffer);
    const decoded = [...words].map((word) => [word >> 40n, (word >> 16n) & 0x1fffffn, word & 0xfffn].map(Number));
    expect(decoded).toEqual([
      [0, 1, 1],
      [0, 524_287, 4095],
      [2, 70_000, 3],
    ]);
  });

  it("IMM has a header per frame, also for empty ones", () => {
    const small = { ...events, pixel: Uint32Array.of(1, 5, 3) };
    const sparse = Buffer.from(immBytes(small, { height: 2, width: 3, dense: false, frameTimeS: 0.5 }));
    expect(sparse.length).toBe(4 * 1024 + 3 * 6);
    expect([sparse.readInt32LE(4), sparse.readUInt32LE(152), sparse.readInt32LE(1024 + 4), sparse.readInt16LE(1024 + 10)]).toEqual([
      6, 2, 5, 4095,
    ]);
    expect(sparse.readUInt32LE(1024 + 12 + 152)).toBe(0);
    const dense = Buffer.from(immBytes(small, { height: 2, width: 3, dense: true, frameTimeS: 0.5 }));
    expect(dense.length).toBe(4 * (1024 + 12));
    expect([
      dense.readInt32LE(4),
      dense.readUInt32LE(152),
      dense.readDoubleLE(2 * 1036 + 128),
      dense.readUInt16LE(2 * 1036 + 1024 + 6),
    ]).toEqual([0, 6, 1, 3]);
  });
});
