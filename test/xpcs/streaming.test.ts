/**
 * The stream correlator through the SDK: to the bit the correlator that keeps every photon, whole or asked on the way, for any
 * chunks; and its memory, which does not follow the number of frames.
 */
import { describe, expect, it } from "vitest";
import type { CorrelatorResult } from "../../src/xpcs/correlators.js";
import { createCorrelator, createStreamCorrelator } from "../../src/xpcs/native.js";
import { Random } from "../../src/xpcs/random.js";

interface Events {
  readonly frame: Uint32Array;
  readonly pixel: Uint32Array;
  readonly count: Int32Array;
}

const HEIGHT = 6;
const WIDTH = 7;
const PIXELS = HEIGHT * WIDTH;
const below = (random: Random, n: number): number => Math.floor(random.uniform() * n);
const part = (events: Events, from: number, to: number): Events => ({
  frame: events.frame.subarray(from, to),
  pixel: events.pixel.subarray(from, to),
  count: events.count.subarray(from, to),
});

const maps = {
  height: HEIGHT,
  width: WIDTH,
  dqmap: Int32Array.from({ length: PIXELS }, (_, p) => p % 4),
  sqmap: Int32Array.from({ length: PIXELS }, (_, p) => (p % 4) * 3 + (p % 3)),
};

function events(random: Random, frames: number): Events {
  const frame: number[] = [];
  const mean = 1 + below(random, 3 * PIXELS);
  for (let f = 0; f < frames; f++) if (random.uniform() < 0.8) for (let i = below(random, mean); i > 0; i--) frame.push(f);
  return {
    frame: Uint32Array.from(frame),
    pixel: Uint32Array.from(frame, () => below(random, 1 + below(random, PIXELS))),
    count: Int32Array.from(frame, () => below(random, random.uniform() < 0.01 ? 65_536 : 4)),
  };
}

function batch(dpl: number, all: Events, frames: number): CorrelatorResult {
  const correlator = createCorrelator({ ...maps, dpl, threads: 1 });
  correlator.push(all);
  correlator.setFrames(frames);
  return correlator.result();
}

describe("a stream equals the batch result", () => {
  it.each(Array.from({ length: 30 }, (_, i) => i + 1))("on random frames, problem %i", (seed) => {
    const random = new Random(seed);
    const frames = 2 + below(random, 1200);
    const dpl = 1 + below(random, 8);
    const all = events(random, frames);
    const stream = createStreamCorrelator({ ...maps, dpl, threads: 1 + below(random, 3) });
    for (let at = 0; at < all.frame.length; ) {
      const end = Math.min(all.frame.length, at + 1 + below(random, 5000));
      stream.push(part(all, at, end));
      if (random.uniform() < 0.3) expect(stream.result()).toEqual(batch(dpl, part(all, 0, end), all.frame[end - 1]! + 1));
      at = end;
    }
    stream.setFrames(frames);
    expect(stream.result()).toEqual(batch(dpl, all, frames));
  });
});

describe("whole frames", () => {
  it.each([1, 2, 3, 4, 5, 6])("are the same as their events, problem %i", (seed) => {
    const random = new Random(seed);
    const frames = 2 + below(random, 300);
    const rows = Uint16Array.from({ length: frames * PIXELS }, () => below(random, random.uniform() < 0.01 ? 65_536 : 6));
    const lit = Uint32Array.from(rows.keys()).filter((i) => rows[i] !== 0);
    const all: Events = {
      frame: lit.map((i) => Math.floor(i / PIXELS)),
      pixel: lit.map((i) => i % PIXELS),
      count: Int32Array.from(lit, (i) => rows[i]!),
    };
    const stream = createStreamCorrelator({ ...maps, threads: 1 + (seed % 2) });
    for (let first = 0; first < frames; ) {
      const n = Math.min(frames - first, 1 + below(random, 50));
      stream.pushFrames({ first, rows: rows.subarray(first * PIXELS, (first + n) * PIXELS) });
      first += n;
    }
    expect(stream.finish()).toEqual(batch(4, all, frames));
    expect(() => stream.result()).toThrow(/finished/);
  });
});

describe("a stream's memory", () => {
  it("stays within what it says, and does not follow the frames", () => {
    const stream = createStreamCorrelator({ ...maps, framesMax: 800_000 });
    const bytes: number[] = [];
    for (let f = 0; f < 600_000; f += 15_000) {
      const frame = Uint32Array.from({ length: 30_000 }, (_, i) => f + (i >> 1));
      stream.push({ frame, pixel: frame.map((_, i) => (i * 7) % PIXELS), count: new Int32Array(30_000).fill(1) });
      bytes.push(stream.memory().bytes);
    }
    expect(Math.max(...bytes)).toBeLessThan(stream.memory().bytesMax);
    // Twice the photons, and one level more for the 512 pixels of a tile. Kept photons would be 2.4 MB more. The curve is one of saws: up
    // to 1 MB of photons waits to be folded in.
    const most = (from: number, to: number): number => Math.max(...bytes.slice(from, to));
    expect(most(20, 40) - most(10, 20)).toBeLessThan(400_000);
    const { frames, framesPerMean, frameMean } = stream.result();
    expect([frames, framesPerMean, frameMean.length]).toEqual([600_000, 16, 37_500]);
    // Of the six pixels that are hit in turn two are masked.
    expect(frameMean.reduce((sum, mean) => sum + mean, 0) * 16 * PIXELS).toBeCloseTo(800_000, 4);
  });

  it("is refused where it does not suffice, with the numbers", () => {
    const refused = (): unknown => createStreamCorrelator({ ...maps, memoryBytes: 1_000_000 });
    expect(refused).toThrow(/may take \d+ MB, the limit is 1 MB/);
  });
});

describe("a stream refuses", () => {
  it("frames out of order and beyond its length, and goes on", () => {
    const stream = createStreamCorrelator({ ...maps, framesMax: 50 });
    const one = (f: number): Events => ({ frame: Uint32Array.of(f), pixel: Uint32Array.of(1), count: Int32Array.of(1) });
    stream.push(one(10));
    expect(() => stream.push(one(9))).toThrow(/frame 9 comes after frame 10/);
    expect(() => stream.push(one(50))).toThrow(/beyond the 50 frames/);
    expect(() => stream.setFrames(9)).toThrow(/only the newest frame/);
    stream.push(one(49));
    expect(stream.result().frames).toBe(50);
  });
});
