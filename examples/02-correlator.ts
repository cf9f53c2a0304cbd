/**
 * The correlator in your own process, without central or files: photons go in by chunks, g2 can be asked at any time.
 *
 * Run it: node examples/02-correlator.ts (Node 22.18 or later), or npx tsx examples/02-correlator.ts
 */
import { fileURLToPath } from "node:url";
import { createCorrelator } from "xpcs-runtime";

const HEIGHT = 16;
const WIDTH = 16;
const FRAMES = 20_000;
const CHUNK_FRAMES = 5_000;
/** Mean of the switching time of a blinking pixel, frames. */
const SWITCH_FRAMES = 50;

/** g2 on the way and at the end, against what is known. Prints a line per chunk; answers with the last g2 at lag 1. */
export function run(print: (line: string) => void): number {
  // Which pixels belong together: dynamic bin 1 is the left half, 2 the right; one static bin in each. 0 would mask a pixel.
  const bin = Int32Array.from({ length: HEIGHT * WIDTH }, (_, p) => (p % WIDTH < WIDTH / 2 ? 1 : 2));
  const correlator = createCorrelator({ height: HEIGHT, width: WIDTH, dqmap: bin, sqmap: bin, dpl: 4, threads: 1 });

  // The left half blinks: on or off, each for 50 frames in the mean, so g2(t) = 1 + exp(-2 t / 50). The right half is steady.
  const uniform = mulberry32(1);
  const on = Uint8Array.from({ length: HEIGHT * WIDTH }, () => (uniform() < 0.5 ? 1 : 0));
  let g2AtLag1 = Number.NaN;
  for (let begin = 0; begin < FRAMES; begin += CHUNK_FRAMES) {
    const frame: number[] = [];
    const pixel: number[] = [];
    for (let f = begin; f < begin + CHUNK_FRAMES; f++) {
      for (let p = 0; p < bin.length; p++) {
        if (uniform() < 1 / SWITCH_FRAMES) on[p] = 1 - on[p]!;
        const meanCounts = bin[p] === 1 ? 0.04 * on[p]! : 0.02;
        if (uniform() < meanCounts) {
          frame.push(f);
          pixel.push(p);
        }
      }
    }
    correlator.push({
      frame: Uint32Array.from(frame),
      pixel: Uint32Array.from(pixel),
      count: new Int32Array(frame.length).fill(1),
    });

    // Asking costs time but changes nothing: the next chunk continues where this one ended.
    const { frames, tauFrames, g2, g2Err, pairs, dynamicBins } = correlator.result();
    const at = (lag: number, q: number): string => {
      const i = tauFrames.indexOf(lag) * dynamicBins + q - 1;
      return `${g2[i]!.toFixed(2)} ± ${g2Err[i]!.toFixed(2)} (${pairs[i]} pairs)`;
    };
    print(`${frames} frames: blinking g2(1) ${at(1, 1)}, g2(256) ${at(256, 1)}; steady g2(1) ${at(1, 2)}`);
    g2AtLag1 = g2[0]!;
  }
  print(`expected: blinking g2(1) ${(1 + Math.exp(-2 / SWITCH_FRAMES)).toFixed(2)}, g2(256) 1.00; steady g2(1) 1.00`);
  return g2AtLag1;
}

/** A small seeded generator (mulberry32), so that every run prints the same. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) run(console.log);
