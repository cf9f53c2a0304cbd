/** How many photon events a core of this machine correlates in a second: multi-tau on made-up sparse frames in memory, as a job does on those of a file. */
import type { Clock } from "../core/clock.js";
import { createCorrelator } from "../xpcs/native.js";
import { Random } from "../xpcs/random.js";

const HEIGHT = 256;
const WIDTH = 512;
const FRAMES = 4_000;
/** 0.5 % of the pixels, as of a sparse detector. */
const EVENTS_PER_FRAME = 655;
const FRAMES_PER_CHUNK = 500;
const DYNAMIC_BINS = 8;
const STATIC_BINS = 64;
const ROUNDS = 3;
/** More rounds are made until so much time has been measured. */
const LEAST_MS = 1_000;

interface Chunk {
  readonly frame: Uint32Array;
  readonly pixel: Uint32Array;
  readonly count: Int32Array;
}

function chunkFrom(firstFrame: number, random: Random): Chunk {
  const events = FRAMES_PER_CHUNK * EVENTS_PER_FRAME;
  const chunk = { frame: new Uint32Array(events), pixel: new Uint32Array(events), count: new Int32Array(events).fill(1) };
  for (let event = 0; event < events; event += 1) {
    chunk.frame[event] = firstFrame + Math.floor(event / EVENTS_PER_FRAME);
    chunk.pixel[event] = random.uint32() % (HEIGHT * WIDTH);
  }
  return chunk;
}

/**
 * The median of some rounds on one thread, events/s. Takes 1 to 5 s.
 *
 * @throws what createCorrelator throws, where the native core is missing
 */
export function measureCorrelator(clock: Pick<Clock, "monotonicMs">): number {
  const pixels = HEIGHT * WIDTH;
  const maps = {
    dqmap: Int32Array.from({ length: pixels }, (_, pixel) => 1 + Math.floor((pixel * DYNAMIC_BINS) / pixels)),
    sqmap: Int32Array.from({ length: pixels }, (_, pixel) => 1 + Math.floor((pixel * STATIC_BINS) / pixels)),
  };
  const random = new Random(20_261_126);
  const chunks = Array.from({ length: FRAMES / FRAMES_PER_CHUNK }, (_, at) => chunkFrom(at * FRAMES_PER_CHUNK, random));
  const tookMs: number[] = [];
  let totalMs = 0;
  while (tookMs.length < ROUNDS || totalMs < LEAST_MS) {
    const startMs = clock.monotonicMs();
    const correlator = createCorrelator({ height: HEIGHT, width: WIDTH, ...maps, threads: 1 });
    for (const chunk of chunks) correlator.push(chunk);
    correlator.result();
    const roundMs = Math.max(clock.monotonicMs() - startMs, 0.001);
    tookMs.push(roundMs);
    totalMs += roundMs;
  }
  tookMs.sort((a, b) => a - b);
  return (1000 * FRAMES * EVENTS_PER_FRAME) / tookMs[Math.floor(tookMs.length / 2)]!;
}
