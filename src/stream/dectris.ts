/**
 * One series of a DECTRIS detector, whichever of its two streams it comes by: from its start to its end, images in the order of their numbers,
 * gaps of those that are missing. Knows no socket, no encoding and no correlator. No real detector was tried.
 */
import { XpcsError } from "../core/errors.js";
import type { FramePacking } from "../core/frame-packing.js";
import { PIXELS_MAX, type StreamHeader } from "./blocks.js";
import { badMessage } from "./dectris-fields.js";

/** The image of one channel (threshold). */
export interface ChannelImage {
  readonly height: number;
  readonly width: number;
  readonly packing: FramePacking;
  readonly bytes: Uint8Array;
}

export type DectrisMessage =
  | {
      readonly kind: "start";
      readonly series: number;
      /** Null: the message has no details, and the first image says it. */
      readonly shape: { readonly height: number; readonly width: number } | null;
      /** s; 0: not known. */
      readonly frameTimeS: number;
      /** That the detector means to take; null: not known. */
      readonly images: number | null;
      /** In order; empty: the stream has one, without a name. */
      readonly channels: readonly string[];
      /** Of the series, among all of them. */
      readonly id: string;
      /** Of the detector. */
      readonly name: string;
    }
  /** `image` counts from 0. */
  | { readonly kind: "image"; readonly series: number; readonly image: number; readonly channels: ReadonlyMap<string, ChannelImage> }
  | { readonly kind: "end"; readonly series: number };

/** The channel of a stream without channels. */
export const ONLY_CHANNEL = "";

export interface DectrisConsumer {
  /** Once, before anything else. @throws the stream is not wanted */
  begin(header: StreamHeader): void;
  /** The image of frame `frame`. @throws CORRUPT_DATA */
  image(frame: number, bytes: Uint8Array, packing: FramePacking): void;
  gap(frames: number): void;
  end(frames: number): void;
}

type Start = Extract<DectrisMessage, { kind: "start" }>;

export class DectrisSeries {
  readonly #consumer: DectrisConsumer;
  readonly #wanted: string | null;
  #start: Start | null = null;
  #shape: Start["shape"] = null;
  #channel = ONLY_CHANNEL;
  #next = 0;
  #ended = false;
  #early = 0;
  #late = 0;

  /** @param channel that is wanted; null: the only one */
  constructor(consumer: DectrisConsumer, channel: string | null) {
    this.#consumer = consumer;
    this.#wanted = channel;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** True once the consumer knows of the stream. */
  get begun(): boolean {
    return this.#shape !== null;
  }

  /** What else is to be said of the series; null: nothing. */
  get note(): string | null {
    const announced = this.#start?.images ?? null;
    const said = [
      ...(this.#early > 0 ? [`${this.#early} messages of a series that began before were passed over`] : []),
      ...(this.#late > 0 ? [`${this.#late} images came after later ones and were left out`] : []),
      ...(this.#ended && announced !== null && this.#next < announced
        ? [`the detector announced ${announced} images, and the last one that came is number ${this.#next}`]
        : []),
    ];
    return said.length === 0 ? null : said.join("; ");
  }

  /**
   * Takes one message. Those of a series whose start did not come are passed over, and counted.
   * @throws CORRUPT_DATA it does not go with those before · INVALID_ARGUMENT the channel is not said, or there is no such one · what the consumer throws
   */
  hear(message: DectrisMessage): void {
    if (this.#ended) return;
    if (message.kind === "start") this.#begin(message);
    else if (this.#start === null) this.#early += 1;
    else this.#take(message, this.#start);
  }

  #take(message: Exclude<DectrisMessage, Start>, start: Start): void {
    if (message.series !== start.series)
      throw new XpcsError("CORRUPT_DATA", `a message of series ${message.series} came, and series ${start.series} has not ended`);
    if (message.kind === "end") {
      this.#ended = true;
      if (this.begun) this.#consumer.end(this.#next);
      return;
    }
    this.#image(message.image, message.channels);
  }

  #begin(start: Start): void {
    if (this.#start !== null)
      throw new XpcsError(
        "CORRUPT_DATA",
        `the detector began series ${start.series}, and the end of series ${this.#start.series} never came`,
      );
    this.#channel = chosenChannel(start.channels, this.#wanted);
    this.#start = start;
    if (start.shape !== null) this.#open(start, start.shape);
  }

  #open(start: Start, shape: { readonly height: number; readonly width: number }): void {
    const { height, width } = shape;
    if (height * width > PIXELS_MAX) throw badMessage(`its images are ${height} x ${width}`);
    this.#consumer.begin({
      ...{ height, width, frameTimeS: start.frameTimeS, counterBits: 0, firstCounter: 0, repeatsAfter: 0 },
      ...{ id: start.id, name: this.#channel === ONLY_CHANNEL ? start.name : `${start.name}, ${this.#channel}` },
    });
    this.#shape = shape;
  }

  #image(image: number, channels: ReadonlyMap<string, ChannelImage>): void {
    const found = channels.get(this.#channel);
    if (found === undefined)
      throw badMessage(`image ${image} has no channel ${this.#channel}, but ${[...channels.keys()].join(", ") || "none"}`);
    if (!this.begun) this.#open(this.#start!, found);
    const { height, width } = this.#shape!;
    if (found.height !== height || found.width !== width)
      throw badMessage(`image ${image} is ${found.height} x ${found.width}, and the series ${height} x ${width} (rows x columns)`);
    if (image < this.#next) {
      this.#late += 1;
      return;
    }
    if (image > this.#next) this.#consumer.gap(image - this.#next);
    this.#consumer.image(image, found.bytes, found.packing);
    this.#next = image + 1;
  }
}

/** @throws INVALID_ARGUMENT */
function chosenChannel(channels: readonly string[], wanted: string | null): string {
  if (wanted === null) {
    if (channels.length <= 1) return channels[0] ?? ONLY_CHANNEL;
    throw new XpcsError(
      "INVALID_ARGUMENT",
      `the detector sends several channels: add ?channel=NAME to the source, one of ${channels.join(", ")}`,
    );
  }
  if (channels.includes(wanted)) return wanted;
  const has = channels.length === 0 ? "one channel without a name: leave ?channel= out" : channels.join(", ");
  throw new XpcsError("INVALID_ARGUMENT", `the detector has no channel ${wanted}, but ${has}`);
}
