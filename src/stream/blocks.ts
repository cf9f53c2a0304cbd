/**
 * The binary layout of event blocks (docs/stream-protocol.md): one websocket message is one block. Little-endian; a head of 16 bytes, then what
 * the kind says. Pure: bytes in, plain values out. Everything that comes from a peer is checked here.
 */
import { XpcsError } from "../core/errors.js";

export const STREAM_VERSION = 1;
/** "XPEB". */
const MAGIC = 0x42455058;
const HEAD_BYTES = 16;
export const EVENT_BYTES = 8;
/** Of one block: what a credit is worth at most. */
export const BLOCK_BYTES_MAX = 1024 * 1024;
export const EVENTS_PER_BLOCK_MAX = Math.floor((BLOCK_BYTES_MAX - HEAD_BYTES - 16) / EVENT_BYTES);
/** The frame of an event has 20 bits after the block's first. */
export const FRAMES_PER_BLOCK_MAX = 2 ** 20;
export const PIXELS_MAX = 2 ** 28;
/** Fewer bits than this no counter has that goes round. */
export const COUNTER_BITS_MIN = 8;
const COUNT_MAX = 0xffff;
const NAME_BYTES_MAX = 256;
/** Credits that a receiver may have outstanding. */
export const CREDITS_MAX = 65_536;

const KIND = { header: 1, events: 2, dropped: 3, end: 4, open: 16, credit: 17, stop: 18 } as const;

/** Why frames are not there: the sender had no credit for them, the detector lost them, or the sender holds them no longer. */
export const DROP_REASONS = ["no-credit", "detector", "not-held"] as const;
export type DropReason = (typeof DROP_REASONS)[number];

/** What a stream is, before its first block. */
export interface StreamHeader {
  /** Rows and columns of a frame; pixels are row-major. */
  readonly height: number;
  readonly width: number;
  /** s; 0: not known. */
  readonly frameTimeS: number;
  /** The detector's frame counter has so many bits, and goes round; 0: it does not. */
  readonly counterBits: number;
  /** What the counter was at the first frame. */
  readonly firstCounter: number;
  /** Frames after which a simulated source begins again with the same photons; 0: it does not. */
  readonly repeatsAfter: number;
  /** 32 hex digits: one run of one source. */
  readonly id: string;
  readonly name: string;
}

interface Sequenced {
  /** Counts blocks from 1 on; the header is 0. */
  readonly sequence: number;
}

export type Block =
  | (Sequenced & { readonly kind: "header"; readonly header: StreamHeader })
  /** `words`: EVENT_BYTES per event, frame after the first in bits 63-44, pixel in 43-16, count in 15-0. */
  | (Sequenced & { readonly kind: "events"; readonly first: number; readonly frames: number; readonly words: Uint8Array })
  /** Stands for `blocks` sequence numbers. */
  | (Sequenced & {
      readonly kind: "dropped";
      readonly first: number;
      readonly frames: number;
      readonly blocks: number;
      readonly reason: DropReason;
    })
  /** `frames`: of the stream in all, gaps included. */
  | (Sequenced & { readonly kind: "end"; readonly frames: number; readonly events: number })
  | { readonly kind: "open"; readonly from: number; readonly frame: number; readonly credits: number }
  | { readonly kind: "credit"; readonly credits: number }
  | { readonly kind: "stop" };

function begin(kind: keyof typeof KIND, sequence: number, bodyBytes: number): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(HEAD_BYTES + bodyBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint8(4, STREAM_VERSION);
  view.setUint8(5, KIND[kind]);
  view.setBigUint64(8, BigInt(sequence), true);
  return { bytes, view };
}

/** Bytes of the first message of a sender. */
export function headerBlock(header: StreamHeader): Uint8Array {
  const name = new TextEncoder().encode(header.name).subarray(0, NAME_BYTES_MAX);
  const { bytes, view } = begin("header", 0, 60 + name.length);
  view.setUint32(16, header.height, true);
  view.setUint32(20, header.width, true);
  view.setFloat64(24, header.frameTimeS, true);
  view.setUint32(32, header.counterBits, true);
  view.setUint32(36, name.length, true);
  view.setBigUint64(40, BigInt(header.firstCounter), true);
  view.setBigUint64(48, BigInt(header.repeatsAfter), true);
  for (let i = 0; i < 16; i += 1) view.setUint8(56 + i, Number.parseInt(header.id.slice(2 * i, 2 * i + 2), 16));
  view.setUint32(72, 0, true);
  bytes.set(name, 76);
  return bytes;
}

/** Events [from, to) of columns as 8-byte words; frames count from `first`. A count above 65535 becomes several events, which add up. */
export interface EventColumns {
  readonly frame: Uint32Array;
  readonly pixel: Uint32Array;
  readonly count: Uint16Array | Uint32Array;
}

/**
 * Bytes of a block of photons.
 * @param counter of the first frame @param first the same frame as the columns count it
 * @param frames that the block covers, at most FRAMES_PER_BLOCK_MAX
 */
export function eventsBlock(
  sequence: number,
  counter: number,
  frames: number,
  events: EventColumns,
  first: number,
  from: number,
  to: number,
): Uint8Array {
  const { bytes, view } = begin("events", sequence, 16 + EVENT_BYTES * (to - from));
  view.setBigUint64(16, BigInt(counter), true);
  view.setUint32(24, frames, true);
  view.setUint32(28, to - from, true);
  const words = new Uint32Array(bytes.buffer, 32);
  for (let i = from; i < to; i += 1) {
    const pixel = events.pixel[i]!;
    words[2 * (i - from)] = (pixel << 16) | (events.count[i]! & COUNT_MAX);
    words[2 * (i - from) + 1] = ((events.frame[i]! - first) << 12) | (pixel >>> 16);
  }
  return bytes;
}

/** The same photons under another sequence number and frame counter: for a source that repeats itself. The bytes are a copy. */
export function renumbered(block: Uint8Array, sequence: number, counter: number): Uint8Array {
  const bytes = block.slice();
  const view = new DataView(bytes.buffer);
  view.setBigUint64(8, BigInt(sequence), true);
  view.setBigUint64(16, BigInt(counter), true);
  return bytes;
}

/** Bytes of the record of frames that are gone. */
export function droppedBlock(sequence: number, counter: number, frames: number, blocks: number, reason: DropReason): Uint8Array {
  const { bytes, view } = begin("dropped", sequence, 24);
  view.setBigUint64(16, BigInt(counter), true);
  view.setBigUint64(24, BigInt(frames), true);
  view.setUint32(32, blocks, true);
  view.setUint32(36, DROP_REASONS.indexOf(reason) + 1, true);
  return bytes;
}

/** Bytes of the end of a stream. */
export function endBlock(sequence: number, frames: number, events: number): Uint8Array {
  const { bytes, view } = begin("end", sequence, 16);
  view.setBigUint64(16, BigInt(frames), true);
  view.setBigUint64(24, BigInt(events), true);
  return bytes;
}

/** Bytes of a receiver's first message. @param from the next sequence number that it wants; 1: all that is held @param frame at which that begins */
export function openBlock(from: number, frame: number, credits: number): Uint8Array {
  const { bytes, view } = begin("open", 0, 24);
  view.setBigUint64(16, BigInt(from), true);
  view.setBigUint64(24, BigInt(frame), true);
  view.setUint32(32, credits, true);
  return bytes;
}

/** Bytes of a grant of more blocks. */
export function creditBlock(credits: number): Uint8Array {
  const { bytes, view } = begin("credit", 0, 8);
  view.setUint32(16, credits, true);
  return bytes;
}

/** Bytes of a receiver's wish for no more. */
export function stopBlock(): Uint8Array {
  return begin("stop", 0, 0).bytes;
}

function corrupt(what: string): XpcsError {
  return new XpcsError("CORRUPT_DATA", `not an event block: ${what}`);
}

/** A whole number that is exact as a double. */
function whole(view: DataView, at: number, what: string): number {
  const value = view.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw corrupt(`its ${what} is ${value}, beyond 2^53`);
  return Number(value);
}

function exactly(view: DataView, bytes: number): void {
  if (view.byteLength !== bytes) throw corrupt(`it has ${view.byteLength} bytes in place of ${bytes}`);
}

/**
 * Reads one message. Events are a view of its bytes; what they say is checked where they are counted.
 * @throws CORRUPT_DATA wrong length, kind, or values · UNSUPPORTED another version
 */
export function readBlock(bytes: Uint8Array): Block {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength > BLOCK_BYTES_MAX) throw corrupt(`it has ${bytes.byteLength} bytes, more than ${BLOCK_BYTES_MAX}`);
  if (bytes.byteLength < HEAD_BYTES || view.getUint32(0, true) !== MAGIC) throw corrupt("it does not begin with XPEB");
  const version = view.getUint8(4);
  if (version !== STREAM_VERSION)
    throw new XpcsError("UNSUPPORTED", `the source speaks version ${version} of the stream protocol, this is ${STREAM_VERSION}`);
  if (view.getUint16(6, true) !== 0) throw corrupt("its reserved bytes are not 0");
  const sequence = whole(view, 8, "sequence number");
  switch (view.getUint8(5)) {
    case KIND.header:
      return { kind: "header", sequence, header: readHeader(bytes, view, sequence) };
    case KIND.events: {
      if (bytes.byteLength < 32) throw corrupt("it ends within the head of its events");
      const frames = view.getUint32(24, true);
      exactly(view, 32 + EVENT_BYTES * view.getUint32(28, true));
      if (frames < 1 || frames > FRAMES_PER_BLOCK_MAX) throw corrupt(`it covers ${frames} frames`);
      return { kind: "events", sequence, first: whole(view, 16, "first frame"), frames, words: bytes.subarray(32) };
    }
    case KIND.dropped: {
      exactly(view, 40);
      const reason = DROP_REASONS[view.getUint32(36, true) - 1];
      const [frames, blocks] = [whole(view, 24, "number of frames"), view.getUint32(32, true)];
      if (reason === undefined || blocks < 1) throw corrupt("its record of dropped frames has no reason, or stands for no block");
      return { kind: "dropped", sequence, first: whole(view, 16, "first frame"), frames, blocks, reason };
    }
    case KIND.end:
      exactly(view, 32);
      return { kind: "end", sequence, frames: whole(view, 16, "number of frames"), events: whole(view, 24, "number of events") };
    case KIND.open:
      exactly(view, 40);
      return { kind: "open", from: whole(view, 16, "sequence number"), frame: whole(view, 24, "frame"), credits: creditsOf(view, 32) };
    case KIND.credit:
      exactly(view, 24);
      return { kind: "credit", credits: creditsOf(view, 16) };
    case KIND.stop:
      exactly(view, HEAD_BYTES);
      return { kind: "stop" };
    default:
      throw corrupt(`its kind is ${view.getUint8(5)}`);
  }
}

function creditsOf(view: DataView, at: number): number {
  const credits = view.getUint32(at, true);
  if (credits < 1 || credits > CREDITS_MAX) throw corrupt(`it grants ${credits} blocks`);
  return credits;
}

function readHeader(bytes: Uint8Array, view: DataView, sequence: number): StreamHeader {
  if (bytes.byteLength < 76) throw corrupt("it ends within the header");
  exactly(view, 76 + view.getUint32(36, true));
  const [height, width] = [view.getUint32(16, true), view.getUint32(20, true)];
  const [frameTimeS, counterBits] = [view.getFloat64(24, true), view.getUint32(32, true)];
  if (sequence !== 0) throw corrupt(`its header has the sequence number ${sequence}`);
  if (height < 1 || width < 1 || height * width > PIXELS_MAX) throw corrupt(`its frames are ${height} x ${width}`);
  if (!(frameTimeS >= 0 && frameTimeS <= 1e6)) throw corrupt(`its frame time is ${frameTimeS} s`);
  if (counterBits !== 0 && (counterBits < COUNTER_BITS_MIN || counterBits > 52)) throw corrupt(`its frame counter has ${counterBits} bits`);
  const firstCounter = whole(view, 40, "first frame");
  if (counterBits !== 0 && firstCounter >= 2 ** counterBits)
    throw corrupt(`its first frame ${firstCounter} is beyond its counter of ${counterBits} bits`);
  return {
    height,
    width,
    frameTimeS,
    counterBits,
    firstCounter,
    repeatsAfter: whole(view, 48, "length of its repeat"),
    id: Array.from(bytes.subarray(56, 72), (byte) => byte.toString(16).padStart(2, "0")).join(""),
    name: new TextDecoder().decode(bytes.subarray(76)),
  };
}

/** Turns a detector's frame counter, which goes round, into frames from 0 on. */
export class CounterUnwrap {
  readonly #range: number;
  #counter: number;
  #frame = 0;

  constructor({ counterBits, firstCounter }: Pick<StreamHeader, "counterBits" | "firstCounter">) {
    this.#range = counterBits === 0 ? 0 : 2 ** counterBits;
    this.#counter = firstCounter;
  }

  /**
   * The frame of a counter: the next one that has it, which is at most half the counter's range ahead.
   * @throws CORRUPT_DATA it lies behind, or beyond the counter's range
   */
  frameOf(counter: number): number {
    const ahead = counter - this.#counter;
    if (this.#range === 0) {
      if (ahead < 0) throw corrupt(`frame ${counter} comes after frame ${this.#counter}`);
      return this.#frame + ahead;
    }
    if (counter >= this.#range) throw corrupt(`frame ${counter} is beyond its counter's ${this.#range}`);
    const forward = ahead < 0 ? ahead + this.#range : ahead;
    if (forward > this.#range / 2) throw corrupt(`frame counter ${counter} comes after ${this.#counter}`);
    return this.#frame + forward;
  }

  /** What the counter is at a frame. */
  counterOf(frame: number): number {
    const counter = this.#counter + (frame - this.#frame);
    return this.#range === 0 ? counter : counter % this.#range;
  }

  /** The next frame that is expected. */
  get next(): number {
    return this.#frame;
  }

  /** All before `frame` is dealt with. */
  advanceTo(frame: number): void {
    this.#counter = this.counterOf(frame);
    this.#frame = frame;
  }
}
