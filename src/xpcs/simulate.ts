/**
 * Simulated detector events with known dynamics: speckle whose field correlation decays exponentially, and Poisson photons.
 *
 * The work is proportional to the photons, not to pixels x frames (thinning, Lewis and Shedler 1979): each pixel draws
 * candidate arrivals at a bound rate, its field is advanced exactly to the candidate's frame, and the candidate is kept
 * with probability intensity / bound. Writing files: detector-files.ts.
 */
import { Random } from "./random.js";

/** The dynamics of one ring of pixels; rates and means per frame. */
export interface RingDynamics {
  /** Mean counts per pixel and frame. */
  readonly meanCounts: number;
  /** Decay rate G of the field: g2(t) = 1 + contrast * exp(-2 G t), t in frames. */
  readonly decayRate: number;
  /** g2(0) - 1 of the intensity, 0 to 1. */
  readonly contrast: number;
}

export interface Sample {
  readonly height: number;
  readonly width: number;
  readonly frames: number;
  /** Ring of each pixel [height * width], 1-based; 0 = static background. */
  readonly ringOfPixel: Uint16Array;
  readonly rings: readonly RingDynamics[];
  /** Mean counts per pixel and frame of the pixels outside the rings: uncorrelated. */
  readonly backgroundCounts: number;
  readonly seed: number;
}

/** Events in order of frame, then pixel; one event per (frame, pixel). The three arrays have one length. */
export interface EventList {
  readonly frames: number;
  /** 0-based. */
  readonly frame: Uint32Array;
  /** Row-major, 0-based. */
  readonly pixel: Uint32Array;
  readonly count: Uint16Array;
}

/**
 * Intensity at which candidates are drawn, in units of the mean of |field|^2, whose law is exp(-x). The 0.03 % of
 * frames above it get the excess as extra photons, so the mean given the field, hence g2, is exact at any bound.
 */
const FIELD_BOUND = 8;
/** Steps with tabulated decay; longer gaps call exp. */
const DECAY_TABLE = 4096;

/** Draws all photons of a sample. Same sample, same events. */
export function simulateEvents(sample: Sample): EventList {
  const random = new Random(sample.seed);
  const sink = new EventSink(expectedEvents(sample));
  const decay = sample.rings.map((ring) => decayTable(ring.decayRate));
  for (let pixel = 0; pixel < sample.ringOfPixel.length; pixel++) {
    const ring = sample.ringOfPixel[pixel]!;
    if (ring > 0) specklePixel(sample.rings[ring - 1]!, decay[ring - 1]!, sample.frames, pixel, random, sink);
    else backgroundPixel(sample.backgroundCounts, sample.frames, pixel, random, sink);
  }
  return sink.inFrameOrder(sample.frames);
}

function expectedEvents(sample: Sample): number {
  let mean = 0;
  for (const ring of sample.ringOfPixel) mean += ring > 0 ? sample.rings[ring - 1]!.meanCounts : sample.backgroundCounts;
  return Math.ceil(mean * sample.frames * 1.05) + 1024;
}

/** exp(-G d) for d = 0 .. DECAY_TABLE - 1. */
function decayTable(decayRate: number): Float64Array {
  return Float64Array.from({ length: DECAY_TABLE }, (_, d) => Math.exp(-decayRate * d));
}

/**
 * One pixel: the complex field is a stationary Ornstein-Uhlenbeck process, <E(0) E*(t)> = exp(-G t), <|E|^2> = 1, held
 * during a frame. Intensity = 1 - sqrt(contrast) + sqrt(contrast) |E|^2 in units of the mean, so its variance is the contrast.
 */
function specklePixel(ring: RingDynamics, decay: Float64Array, frames: number, pixel: number, random: Random, sink: EventSink): void {
  const coherent = Math.sqrt(ring.contrast);
  const bound = 1 - coherent + coherent * FIELD_BOUND;
  const gap = 1 / (ring.meanCounts * bound);
  let re = 0;
  let im = 0;
  let last = -1;
  let count = 0;
  for (let time = random.exponential() * gap; time < frames; time += random.exponential() * gap) {
    const frame = Math.floor(time);
    if (frame !== last) {
      if (count > 0) sink.add(last, pixel, count);
      count = 0;
      const step = frame - last;
      const kept = last < 0 ? 0 : step < DECAY_TABLE ? decay[step]! : Math.exp(-ring.decayRate * step);
      // A complex normal of variance 1 - kept^2: its modulus is Rayleigh, its phase uniform.
      const modulus = Math.sqrt((1 - kept * kept) * random.exponential());
      const phase = 2 * Math.PI * random.uniform();
      re = kept * re + modulus * Math.cos(phase);
      im = kept * im + modulus * Math.sin(phase);
      last = frame;
    }
    const accepted = (1 - coherent + coherent * (re * re + im * im)) / bound;
    count += Math.floor(accepted + random.uniform());
  }
  if (count > 0) sink.add(last, pixel, count);
}

function backgroundPixel(meanCounts: number, frames: number, pixel: number, random: Random, sink: EventSink): void {
  if (meanCounts <= 0) return;
  let last = -1;
  let count = 0;
  for (let time = random.exponential() / meanCounts; time < frames; time += random.exponential() / meanCounts) {
    const frame = Math.floor(time);
    if (frame !== last && count > 0) {
      sink.add(last, pixel, count);
      count = 0;
    }
    last = frame;
    count++;
  }
  if (count > 0) sink.add(last, pixel, count);
}

/** Collects events pixel by pixel and hands them out in frame order. */
class EventSink {
  #frame: Uint32Array;
  #pixel: Uint32Array;
  #count: Uint16Array;
  #length = 0;

  constructor(capacity: number) {
    this.#frame = new Uint32Array(capacity);
    this.#pixel = new Uint32Array(capacity);
    this.#count = new Uint16Array(capacity);
  }

  add(frame: number, pixel: number, count: number): void {
    const at = this.#length;
    if (at === this.#frame.length) this.#grow();
    this.#frame[at] = frame;
    this.#pixel[at] = pixel;
    this.#count[at] = count;
    this.#length = at + 1;
  }

  #grow(): void {
    const capacity = this.#frame.length * 2;
    const wider = <T extends Uint32Array | Uint16Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.#frame = wider(this.#frame, new Uint32Array(capacity));
    this.#pixel = wider(this.#pixel, new Uint32Array(capacity));
    this.#count = wider(this.#count, new Uint16Array(capacity));
  }

  /** Stable counting sort by frame: within a frame the pixels stay ascending, as they were added. */
  inFrameOrder(frames: number): EventList {
    const next = new Uint32Array(frames + 1);
    for (let i = 0; i < this.#length; i++) next[this.#frame[i]! + 1]!++;
    for (let f = 0; f < frames; f++) next[f + 1]! += next[f]!;
    const frame = new Uint32Array(this.#length);
    const pixel = new Uint32Array(this.#length);
    const count = new Uint16Array(this.#length);
    for (let i = 0; i < this.#length; i++) {
      const at = next[this.#frame[i]!]!++;
      frame[at] = this.#frame[i]!;
      pixel[at] = this.#pixel[i]!;
      count[at] = this.#count[i]!;
    }
    return { frames, frame, pixel, count };
  }
}
