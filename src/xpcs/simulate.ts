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
    const state: PixelState = { time: -1, last: -1, re: 0, im: 0 };
    if (ring > 0) specklePixel(sample.rings[ring - 1]!, decay[ring - 1]!, sample.frames, pixel, random, sink, state);
    else backgroundPixel(sample.backgroundCounts, sample.frames, pixel, random, sink, state);
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

/** Where one pixel stands: its next candidate, and the field of the frame that it last drew. */
interface PixelState {
  /** Of the next candidate, frames. */
  time: number;
  /** -1: none yet. */
  last: number;
  re: number;
  im: number;
}

/**
 * One pixel up to the frame `until`: the complex field is a stationary Ornstein-Uhlenbeck process, <E(0) E*(t)> = exp(-G t), <|E|^2> = 1, held
 * during a frame. Intensity = 1 - sqrt(contrast) + sqrt(contrast) |E|^2 in units of the mean, so its variance is the contrast.
 */
function specklePixel(
  ring: RingDynamics,
  decay: Float64Array,
  until: number,
  pixel: number,
  random: Random,
  sink: EventSink,
  state: PixelState,
): void {
  const coherent = Math.sqrt(ring.contrast);
  const bound = 1 - coherent + coherent * FIELD_BOUND;
  const gap = 1 / (ring.meanCounts * bound);
  let { time, last, re, im } = state;
  let count = 0;
  if (time < 0) time = random.exponential() * gap;
  for (; time < until; time += random.exponential() * gap) {
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
  state.time = time;
  state.last = last;
  state.re = re;
  state.im = im;
}

function backgroundPixel(meanCounts: number, until: number, pixel: number, random: Random, sink: EventSink, state: PixelState): void {
  if (meanCounts <= 0) return;
  let last = -1;
  let count = 0;
  let { time } = state;
  if (time < 0) time = random.exponential() / meanCounts;
  for (; time < until; time += random.exponential() / meanCounts) {
    const frame = Math.floor(time);
    if (frame !== last && count > 0) {
      sink.add(last, pixel, count);
      count = 0;
    }
    last = frame;
    count++;
  }
  if (count > 0) sink.add(last, pixel, count);
  state.time = time;
}

/**
 * The photons of a sample without an end, some frames at a time: fields and arrivals go on from one call to the next, so g2 is true at every lag.
 * The same sample and the same lengths give the same photons.
 */
export class PhotonSource {
  readonly #sample: Omit<Sample, "frames">;
  readonly #random: Random;
  readonly #decay: Float64Array[];
  /** Pixels that may have photons. */
  readonly #pixels: Uint32Array;
  /** Of each: time, last, re, im. */
  readonly #states: Float64Array;
  #frames = 0;

  constructor(sample: Omit<Sample, "frames">) {
    this.#sample = sample;
    this.#random = new Random(sample.seed);
    this.#decay = sample.rings.map((ring) => decayTable(ring.decayRate));
    const lit = (ring: number): boolean => ring > 0 || sample.backgroundCounts > 0;
    this.#pixels = Uint32Array.from(sample.ringOfPixel, (ring, pixel) => (lit(ring) ? pixel + 1 : 0))
      .filter((one) => one > 0)
      .map((one) => one - 1);
    this.#states = new Float64Array(4 * this.#pixels.length);
    for (let i = 0; i < this.#pixels.length; i++) this.#states.set([-1, -1], 4 * i);
  }

  /** The next `frames` frames; their events count frames from 0 within these. */
  next(frames: number): EventList {
    const { ringOfPixel, rings, backgroundCounts } = this.#sample;
    const from = this.#frames;
    const until = from + frames;
    const sink = new EventSink(Math.ceil(expectedEvents({ ...this.#sample, frames })), from);
    const state: PixelState = { time: 0, last: 0, re: 0, im: 0 };
    for (let i = 0; i < this.#pixels.length; i++) {
      const time = this.#states[4 * i]!;
      if (time >= until) continue;
      const pixel = this.#pixels[i]!;
      state.time = time;
      state.last = this.#states[4 * i + 1]!;
      state.re = this.#states[4 * i + 2]!;
      state.im = this.#states[4 * i + 3]!;
      const ring = ringOfPixel[pixel]!;
      if (ring > 0) specklePixel(rings[ring - 1]!, this.#decay[ring - 1]!, until, pixel, this.#random, sink, state);
      else backgroundPixel(backgroundCounts, until, pixel, this.#random, sink, state);
      this.#states[4 * i] = state.time;
      this.#states[4 * i + 1] = state.last;
      this.#states[4 * i + 2] = state.re;
      this.#states[4 * i + 3] = state.im;
    }
    this.#frames = until;
    return sink.inFrameOrder(frames);
  }
}

/** Collects events pixel by pixel and hands them out in frame order. */
class EventSink {
  #frame: Uint32Array;
  #pixel: Uint32Array;
  #count: Uint16Array;
  readonly #from: number;
  #length = 0;

  /** @param from frame that counts as 0 */
  constructor(capacity: number, from = 0) {
    this.#from = from;
    this.#frame = new Uint32Array(capacity);
    this.#pixel = new Uint32Array(capacity);
    this.#count = new Uint16Array(capacity);
  }

  add(frame: number, pixel: number, count: number): void {
    const at = this.#length;
    if (at === this.#frame.length) this.#grow();
    this.#frame[at] = frame - this.#from;
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
