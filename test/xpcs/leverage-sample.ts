/** A small measurement whose bad pixels are known: speckle on two rings of stripes, with pixels planted that behave as no sample does. */
import { writeFileSync } from "node:fs";
import type { DemoSample } from "../../src/demo/sample.js";
import { immBytes } from "../../src/xpcs/detector-files.js";
import { Random } from "../../src/xpcs/random.js";
import { type EventList, simulateEvents } from "../../src/xpcs/simulate.js";

export const HEIGHT = 32;
export const WIDTH = 30;
export const FRAMES = 256;
const PIXELS = HEIGHT * WIDTH;

/** Counts of one pixel in each frame. */
export type Defect = (frame: number, random: Random) => number;

/** Bright in bursts; bright without end; silent; silent in half of the time. */
export const DEFECTS: Readonly<Record<string, Defect>> = {
  bursts: (frame) => (frame % 64 < 4 ? 30 : 0),
  bright: (_frame, random) => 40 + Math.floor(10 * random.uniform()),
  dead: () => 0,
  blinking: (frame, random) => (frame < FRAMES / 2 ? 8 + Math.floor(4 * random.uniform()) : 0),
};

/** Two q bins of `bins` static bins each; the first and last rows are masked. */
export function leverageSample(bins: number): DemoSample {
  const rows = HEIGHT - 2;
  const dqmap = Uint16Array.from({ length: PIXELS }, (_, p) => {
    const row = Math.floor(p / WIDTH);
    return row === 0 || row === HEIGHT - 1 ? 0 : row <= rows / 2 ? 1 : 2;
  });
  const sqmap = dqmap.map((q, p) => (q === 0 ? 0 : (q - 1) * bins + 1 + Math.floor(((p % WIDTH) * bins) / WIDTH)));
  const ring = (q: number, decayRate: number, meanCounts: number) => ({
    q,
    radiusPixels: 0,
    decayRate,
    decayRatePerS: decayRate / 1e-3,
    contrast: 0.3,
    meanCounts,
  });
  return {
    name: "leverage",
    detector: { name: "simulated", height: HEIGHT, width: WIDTH, pixelSizeM: 75e-6, distanceM: 4, energyKeV: 8.5, beamX: 15, beamY: 16 },
    frames: FRAMES,
    frameTimeS: 1e-3,
    rings: [ring(0.003, 0.05, 0.2), ring(0.006, 0.2, 0.1)],
    dqmap,
    sqmap,
    staticQ: Float64Array.from({ length: 2 * bins }, (_, i) => 0.002 + 0.0002 * i),
    backgroundCounts: 0,
    seed: 5,
  };
}

/** The events of a sample at `brightness` times its counts, those of the planted pixels replaced. */
export function plantedEvents(sample: DemoSample, defects: ReadonlyMap<number, Defect>, seed: number, brightness = 1): EventList {
  const sound = simulateEvents({
    height: HEIGHT,
    width: WIDTH,
    frames: FRAMES,
    ringOfPixel: sample.dqmap,
    rings: sample.rings.map((ring) => ({ ...ring, meanCounts: ring.meanCounts * brightness })),
    backgroundCounts: 0,
    seed,
  });
  if (defects.size === 0) return sound;
  const all: [number, number, number][] = [];
  sound.frame.forEach((frame, i) => {
    if (!defects.has(sound.pixel[i]!)) all.push([frame, sound.pixel[i]!, sound.count[i]!]);
  });
  const random = new Random(seed + 1000);
  for (const [pixel, defect] of defects) {
    for (let frame = 0; frame < FRAMES; frame++) {
      const count = defect(frame, random);
      if (count > 0) all.push([frame, pixel, count]);
    }
  }
  all.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return {
    frames: FRAMES,
    frame: Uint32Array.from(all, ([frame]) => frame),
    pixel: Uint32Array.from(all, ([, pixel]) => pixel),
    count: Uint16Array.from(all, ([, , count]) => count),
  };
}

export function writeEvents(path: string, events: EventList): void {
  writeFileSync(path, immBytes(events, { height: HEIGHT, width: WIDTH, dense: false, frameTimeS: 1e-3 }));
}
