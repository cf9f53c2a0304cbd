/** A small simulated measurement on disk, for tests of files: an IMM of 32 x 40 pixels and two rings. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DemoSample, photonSource } from "../../src/demo/sample.js";
import { immBytes } from "../../src/xpcs/detector-files.js";
import { simulateEvents } from "../../src/xpcs/simulate.js";

const HEIGHT = 32;
const WIDTH = 40;
const FRAMES = 200;

function sampleWithRings(): DemoSample {
  const dqmap = new Uint16Array(HEIGHT * WIDTH);
  const sqmap = new Uint16Array(HEIGHT * WIDTH);
  for (let p = 0; p < dqmap.length; p++) {
    const radius = Math.hypot((p % WIDTH) - 19.5, Math.floor(p / WIDTH) - 15.5);
    if (radius < 4 || radius >= 14) continue;
    dqmap[p] = radius < 9 ? 1 : 2;
    sqmap[p] = 1 + Math.floor((radius - 4) / 2.5);
  }
  const ring = (q: number, decayRate: number) => ({
    q,
    radiusPixels: 0,
    decayRate,
    decayRatePerS: decayRate / 1e-3,
    contrast: 0.3,
    meanCounts: 0.1,
  });
  return {
    name: "small",
    detector: {
      name: "simulated",
      height: HEIGHT,
      width: WIDTH,
      pixelSizeM: 75e-6,
      distanceM: 4,
      energyKeV: 8.5,
      beamX: 19.5,
      beamY: 15.5,
    },
    frames: FRAMES,
    frameTimeS: 1e-3,
    rings: [ring(0.003, 0.02), ring(0.006, 0.08)],
    dqmap,
    sqmap,
    staticQ: Float64Array.of(0.0025, 0.0035, 0.0055, 0.0065),
    backgroundCounts: 0.01,
    seed: 5,
  };
}

/** Writes the frames as `small.imm` (dense or sparse) into `folder`. */
export function nexusSample(folder: string, dense = true): { sample: DemoSample; input: string } {
  const sample = sampleWithRings();
  const input = join(folder, "small.imm");
  const events = simulateEvents(photonSource(sample));
  writeFileSync(input, immBytes(events, { height: HEIGHT, width: WIDTH, dense, frameTimeS: sample.frameTimeS }));
  return { sample, input };
}

/** Dense and sparse ones, each in a folder of its own below `root`. */
export function bothKinds(root: string): { sample: DemoSample; inputs: Readonly<Record<"dense" | "sparse", string>> } {
  const write = (kind: "dense" | "sparse") => {
    const folder = join(root, kind);
    mkdirSync(folder);
    return nexusSample(folder, kind === "dense");
  };
  const { sample, input: dense } = write("dense");
  return { sample, inputs: { dense, sparse: write("sparse").input } };
}
