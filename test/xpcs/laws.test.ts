/**
 * Laws that any right correlation obeys, on random speckle through the native core: what the pixels and bins are called, the unit of
 * the counts and the direction of time do not matter, and the two-time correlation's diagonals are g2. (Merging in any order:
 * merge.test.ts. Threads, chunks and the order of the events: property.test.ts.)
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { CorrelatorResult } from "../../src/xpcs/correlators.js";
import { immBytes } from "../../src/xpcs/detector-files.js";
import { correlateFile, createCorrelator } from "../../src/xpcs/native.js";
import { Random } from "../../src/xpcs/random.js";
import { type EventList, simulateEvents } from "../../src/xpcs/simulate.js";
import { writeJob } from "./job-file.js";
import { readGroup, worstDifference } from "./reference-case.js";

const HEIGHT = 16;
const WIDTH = 20;
const PIXELS = HEIGHT * WIDTH;
/** A power of two, so that no level drops a frame and time can run backwards. */
const FRAMES = 256;
const QS = 4;

interface Measurement {
  readonly dqmap: Int32Array;
  readonly sqmap: Int32Array;
  readonly events: EventList;
}

function measurement(seed: number, meanCounts: number): Measurement {
  const random = new Random(seed);
  const sqmap = Int32Array.from({ length: PIXELS }, () => Math.floor(random.uniform() * (3 * QS + 1)));
  const dqmap = sqmap.map((s) => Math.ceil(s / 3));
  const rings = Array.from({ length: QS }, (_, q) => ({ meanCounts: meanCounts * (1 + q), decayRate: 0.02 * (1 + q) ** 2, contrast: 0.5 }));
  const ringOfPixel = Uint16Array.from(dqmap);
  return {
    dqmap,
    sqmap,
    events: simulateEvents({ height: HEIGHT, width: WIDTH, frames: FRAMES, ringOfPixel, rings, backgroundCounts: 0.01, seed }),
  };
}

function correlate({ dqmap, sqmap, events }: Measurement, factor = 1): CorrelatorResult {
  const correlator = createCorrelator({ height: HEIGHT, width: WIDTH, dqmap, sqmap, threads: 1 });
  correlator.push({ frame: events.frame, pixel: events.pixel, count: Int32Array.from(events.count, (count) => factor * count) });
  correlator.setFrames(FRAMES);
  return correlator.result();
}

/** A random order of 0 .. length - 1. */
function shuffled(length: number, random: Random): Int32Array {
  const order = Int32Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(random.uniform() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

const CASES = [0.01, 0.1, 2].flatMap((meanCounts) => [1, 2, 3].map((seed) => [seed, meanCounts] as const));

describe.each(CASES)("sample %i at %f counts per pixel and frame", (seed, meanCounts) => {
  const sample = measurement(seed, meanCounts);
  const plain = correlate(sample);

  it("does not depend on where the pixels are", () => {
    const to = shuffled(PIXELS, new Random(seed));
    const moved = (map: Int32Array): Int32Array => {
      const out = new Int32Array(PIXELS);
      map.forEach((label, p) => {
        out[to[p]!] = label;
      });
      return out;
    };
    const events = { ...sample.events, pixel: sample.events.pixel.map((p) => to[p]!) };
    const result = correlate({ dqmap: moved(sample.dqmap), sqmap: moved(sample.sqmap), events });
    // Sums of counts are whole numbers, in any order; the second moments of the error are not.
    expect([...result.g2]).toEqual([...plain.g2]);
    expect([...result.pairs]).toEqual([...plain.pairs]);
    expect(worstDifference(result.g2Err, plain.g2Err, 1e-12)).toBeLessThan(1e-9);
    expect(worstDifference(result.g2SpreadErr, plain.g2SpreadErr, 1e-12)).toBeLessThan(1e-9);
    expect([...plain.pixelMean.keys()].map((p) => result.pixelMean[to[p]!])).toEqual([...plain.pixelMean]);
  });

  it("only renames its columns when the bins are renamed", () => {
    const random = new Random(seed + 50);
    const q = shuffled(QS, random);
    const s = shuffled(3 * QS, random);
    const dqmap = sample.dqmap.map((label) => (label === 0 ? 0 : q[label - 1]! + 1));
    const sqmap = sample.sqmap.map((label) => (label === 0 ? 0 : s[label - 1]! + 1));
    const result = correlate({ ...sample, dqmap, sqmap });
    const renamed = (from: Float64Array): Float64Array => from.map((_, at) => from[at - (at % QS) + q[at % QS]!]!);
    for (const name of ["g2", "g2Err", "g2SpreadErr", "pairs"] as const)
      expect(worstDifference(renamed(result[name]), plain[name], 1e-12), name).toBeLessThan(1e-9);
    expect([...plain.partitionMean.keys()].map((at) => result.partitionMean[s[at]!])).toEqual([...plain.partitionMean]);
  });

  it("has no unit of counts", () => {
    const result = correlate(sample, 7);
    expect(worstDifference(result.g2, plain.g2)).toBeLessThan(1e-12);
    expect([...result.pairs]).toEqual([...plain.pairs].map((pairs) => 49 * pairs));
    const stated = [...plain.pairs.keys()].filter((at) => plain.pairs[at]! >= 20);
    expect(stated.length).toBeGreaterThan(20);
    const of = (from: Float64Array): number[] => stated.map((at) => from[at]!);
    expect(worstDifference(of(result.g2Err), of(plain.g2Err), 1e-12)).toBeLessThan(1e-9);
  });

  it("has no direction of time", () => {
    const { frame, pixel, count } = sample.events;
    const result = correlate({ ...sample, events: { frames: FRAMES, frame: frame.map((f) => FRAMES - 1 - f), pixel, count } });
    expect(worstDifference(result.g2, plain.g2)).toBeLessThan(1e-12);
    expect([...result.pairs]).toEqual([...plain.pairs]);
    expect(worstDifference(result.g2Err, plain.g2Err, 1e-12)).toBeLessThan(1e-9);
  });
});

describe("the two-time correlation", () => {
  const folder = mkdtempSync(join(tmpdir(), "xpcs-laws-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    ["none", 0.1],
    ["none", 2],
    ["symmetric", 0.1],
    ["symmetric", 2],
  ] as const)(
    "divided by frames (%s, %f counts) has g2 on its diagonals, as a ratio of sums, at the lags of level 0",
    async (smoothing, meanCounts) => {
      const { dqmap, events } = measurement(7, meanCounts);
      const [input, job, out] = ["in.imm", "job.hdf", "out.hdf"].map((name) => join(folder, name)) as [string, string, string];
      writeFileSync(input, immBytes(events, { height: HEIGHT, width: WIDTH, dense: false, frameTimeS: 1e-3 }));
      // One static bin to a dynamic one: averages of ratios and ratios of averages are one.
      const numbers = { data_begin_todo: 1, data_end_todo: FRAMES, delays_per_level: 4 };
      await writeJob(job, { height: HEIGHT, width: WIDTH, dqmap, sqmap: dqmap, input, numbers, words: {} });
      await correlateFile({ files: { job }, options: { type: "both", smoothing }, out, overwrite: true, provenance: {} });
      const results = await readGroup(out, "/exchange");
      const g2 = results.get("norm-0-g2")!.values;
      const divisor = results.get("sg")!.values;
      const matrices = await readGroup(out, "/exchange/C2T_all");
      for (let q = 1; q <= QS; q++) {
        const counts = new Float64Array(FRAMES);
        events.frame.forEach((frame, i) => {
          if (dqmap[events.pixel[i]!] === q) counts[frame]! += events.count[i]!;
        });
        const pixels = dqmap.reduce((sum, label) => sum + (label === q ? 1 : 0), 0);
        const c2 = matrices.get(`g2_0000${q}`)!.values;
        const by = divisor.subarray((q - 1) * FRAMES, q * FRAMES);
        for (let lag = 1; lag <= 8; lag++) {
          let [products, past, future] = [0, 0, 0];
          for (let t = 0; t + lag < FRAMES; t++) {
            products += c2[t * FRAMES + t + lag]! * by[t]! * by[t + lag]!;
            past += counts[t]! / pixels;
            future += counts[t + lag]! / pixels;
          }
          expect((products * (FRAMES - lag)) / (past * future) / g2[(lag - 1) * QS + q - 1]!, `bin ${q}, lag ${lag}`).toBeCloseTo(1, 5);
        }
      }
    },
  );
});
