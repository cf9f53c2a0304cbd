/** Two hundred streams that were ended by their goal: how far their g2 is from the truth, against what was asked for. */
import { beforeAll, describe, expect, it } from "vitest";
import { liveBins } from "../../src/sites/live-snapshot.js";
import { Goal, PAIRS_MIN, PASSES, parseUntil } from "../../src/stream/until.js";
import { decayShape } from "../../src/xpcs/fit.js";
import { createStreamCorrelator } from "../../src/xpcs/native.js";
import { PhotonSource, type RingDynamics } from "../../src/xpcs/simulate.js";

const SIDE = 40;
const LOOK = 100;
const DPL = 4;
const RINGS: readonly RingDynamics[] = [
  { meanCounts: 0.03, decayRate: 0.02, contrast: 0.3 },
  { meanCounts: 0.04, decayRate: 0.1, contrast: 0.2 },
];
const ringOfPixel = Uint16Array.from({ length: SIDE * SIDE }, (_, p) => (p % SIDE < 20 ? 1 : 2));
const sqmap = Int32Array.from(ringOfPixel, (ring, p) => 2 * ring - (Math.floor(p / SIDE) < 20 ? 1 : 0));

interface Stopped {
  readonly frames: number;
  /** What was foretold at the first look, frames in all; null: nothing. */
  readonly foretold: number | null;
  /** (g2 - truth) / truth of each lag with pairs enough, by bin and lag. */
  readonly off: ReadonlyMap<string, number>;
}

/** Streams of one seed until the goal. */
function stop(until: string, seed: number): Stopped {
  const source = new PhotonSource({ height: SIDE, width: SIDE, ringOfPixel, rings: RINGS, backgroundCounts: 0, seed });
  const stream = createStreamCorrelator({ height: SIDE, width: SIDE, dqmap: Int32Array.from(ringOfPixel), sqmap, dpl: DPL, threads: 1 });
  const goal = new Goal(parseUntil(until));
  let foretold: number | null = null;
  for (let frames = LOOK; ; frames += LOOK) {
    const { frame, pixel, count } = source.next(LOOK);
    stream.push({ frame: frame.map((f) => f + frames - LOOK), pixel, count: Int32Array.from(count) });
    stream.setFrames(frames);
    const bins = liveBins(stream.result(), Float64Array.of(1, 2), DPL, null);
    const { passes, framesLeft } = goal.judge(bins, frames, null);
    if (frames === 5 * LOOK) foretold = framesLeft === null ? null : frames + framesLeft;
    if (passes < PASSES) continue;
    const delays = stream.finish().tauFrames;
    const off = bins.flatMap(({ bin, g2, pairs }) =>
      [...delays].flatMap((lag, d): [string, number][] => {
        const width = 2 ** Math.max(0, Math.ceil(Math.log2(lag / (2 * DPL)) - 1e-9));
        const { decayRate, contrast } = RINGS[bin - 1]!;
        const truth = 1 + contrast * decayShape(decayRate, lag, width);
        return pairs[d]! >= PAIRS_MIN ? [[`${bin} ${lag}`, g2[d]! / truth - 1]] : [];
      }),
    );
    return { frames, foretold, off: new Map(off) };
  }
}

describe("200 streams that their goal ended", () => {
  const asked = 0.05;
  let stops: readonly Stopped[] = [];
  beforeAll(() => {
    stops = Array.from({ length: 200 }, (_, k) => stop(`error(q1..q2) < ${100 * asked}%`, 1_000 + k));
  }, 180_000);

  it("have a true error of at most 1.25 times what was asked, at every lag", () => {
    const lags = new Set(stops.flatMap(({ off }) => [...off.keys()]));
    const worst = [...lags].flatMap((lag) => {
      const values = stops.flatMap(({ off }) => off.get(lag) ?? []);
      // Lags that only the longest streams have say little about the spread.
      return values.length < 100 ? [] : [{ lag, rms: Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0) / values.length) }];
    });
    expect(worst.length).toBeGreaterThan(20);
    const most = worst.reduce((a, b) => (a.rms > b.rms ? a : b));
    expect(most.rms, `at bin and lag ${most.lag}`).toBeLessThan(1.25 * asked);
    // And not for nothing: a goal that stops far too late would pass as well.
    expect(most.rms).toBeGreaterThan(0.6 * asked);
  });

  it("end about when it was foretold", () => {
    const ratios = stops.flatMap(({ frames, foretold }) => (foretold === null ? [] : [frames / foretold])).sort((a, b) => a - b);
    expect(ratios.length).toBeGreaterThan(150);
    const median = ratios[Math.floor(ratios.length / 2)]!;
    expect(median).toBeGreaterThan(0.6);
    expect(median).toBeLessThan(1.6);
  });
});
