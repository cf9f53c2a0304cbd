/**
 * The receiving side of a stream: checks that blocks follow one another, unwraps the frame counter, makes gaps of frames that are gone, and
 * grants credit as it takes blocks. Goes on over a new channel where the last one ended. Knows no socket and no correlator.
 */
import { XpcsError } from "../core/errors.js";
import { type Block, CounterUnwrap, creditBlock, type DropReason, openBlock, readBlock, type StreamHeader, stopBlock } from "./blocks.js";
import type { BlockChannel } from "./sender.js";

/** Blocks on their way, at most: 16 MB, and about 2 million photons. */
const WINDOW = 16;
/** Credits are granted in groups. */
const GRANT = 4;

export interface StreamConsumer {
  /** Once, before anything else. @throws the stream is not wanted */
  begin(header: StreamHeader): void;
  /** Photons of the frames [first, first + frames). @throws CORRUPT_DATA */
  events(words: Uint8Array, first: number, frames: number): void;
  /** The frames [first, first + frames) are gone; `reason` null: nobody said so. */
  gap(first: number, frames: number, reason: DropReason | null): void;
  /** Not called where the stream was lost. */
  end(frames: number): void;
}

export class StreamReceiver {
  readonly #consumer: StreamConsumer;
  #header: StreamHeader | null = null;
  #counter: CounterUnwrap | null = null;
  #next = 1;
  #credit = 0;
  #ended = false;
  #channel: BlockChannel | null = null;

  constructor(consumer: StreamConsumer) {
    this.#consumer = consumer;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Takes blocks from a channel until it closes or the stream ends; may be called again then.
   * @returns when the channel has closed or the stream has ended, with why it closed
   * @throws CORRUPT_DATA what came is no stream, or another one · UNSUPPORTED · what the consumer throws
   */
  take(channel: BlockChannel): Promise<{ readonly ended: boolean; readonly reason: XpcsError | null }> {
    this.#channel = channel;
    return new Promise((resolve, reject) => {
      channel.onClose((reason) => resolve({ ended: this.#ended, reason }));
      channel.onBytes((bytes) => {
        if (this.#ended) return;
        try {
          this.#hear(channel, readBlock(bytes));
        } catch (error) {
          reject(error as XpcsError);
          channel.close(error instanceof XpcsError ? error : undefined);
          return;
        }
        if (this.#ended) resolve({ ended: true, reason: null });
      });
    });
  }

  /** Tells the source that no more is wanted, and closes. */
  stop(): void {
    this.#ended = true;
    this.#channel?.send(stopBlock());
    this.#channel?.close();
  }

  #hear(channel: BlockChannel, block: Block): void {
    if (block.kind === "header") {
      this.#begin(channel, block.header);
      return;
    }
    if (this.#header === null)
      throw new XpcsError("CORRUPT_DATA", `the stream began with a block of kind ${block.kind} in place of its header`);
    if (block.kind === "open" || block.kind === "credit" || block.kind === "stop")
      throw new XpcsError("CORRUPT_DATA", `the source sent a block of kind ${block.kind}, which receivers send`);
    if (block.sequence !== this.#next) throw new XpcsError("CORRUPT_DATA", `block ${block.sequence} came in place of block ${this.#next}`);
    const counter = this.#counter!;
    this.#next = block.sequence + (block.kind === "dropped" ? block.blocks : 1);
    if (block.kind === "end") {
      if (block.frames < counter.next) throw new XpcsError("CORRUPT_DATA", `the end says ${block.frames} frames, and ${counter.next} came`);
      this.#ended = true;
      this.#consumer.end(block.frames);
      channel.send(stopBlock());
      return;
    }
    const first = block.kind === "dropped" && block.frames > 0 ? counter.next : counter.frameOf(block.first);
    if (first > counter.next) this.#gap(counter.next, first - counter.next, null);
    if (block.kind === "dropped") {
      if (block.first !== counter.counterOf(first))
        throw new XpcsError("CORRUPT_DATA", `dropped frames are said to begin at ${block.first}, and ${counter.counterOf(first)} is next`);
      this.#gap(first, block.frames, block.reason);
    } else {
      this.#consumer.events(block.words, first, block.frames);
      counter.advanceTo(first + block.frames);
    }
    this.#grant(channel);
  }

  #gap(first: number, frames: number, reason: DropReason | null): void {
    if (frames === 0) return;
    this.#counter!.advanceTo(first + frames);
    this.#consumer.gap(first, frames, reason);
  }

  #begin(channel: BlockChannel, header: StreamHeader): void {
    if (this.#header === null) {
      this.#consumer.begin(header);
      this.#header = header;
      this.#counter = new CounterUnwrap(header);
    } else if (this.#header.id !== header.id) {
      throw new XpcsError("CORRUPT_DATA", "the source has begun another stream");
    }
    this.#credit = 0;
    channel.send(openBlock(this.#next, this.#counter!.next, WINDOW));
  }

  #grant(channel: BlockChannel): void {
    this.#credit += 1;
    if (this.#credit < GRANT) return;
    channel.send(creditBlock(this.#credit));
    this.#credit = 0;
  }
}
