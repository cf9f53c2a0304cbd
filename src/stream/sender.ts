/**
 * The sending side of a stream: keeps the newest blocks in a spool, and gives each receiver what it has credit for, from where it wants to begin.
 * What a receiver did not take before the spool dropped it becomes a record of dropped frames; nothing is left out silently. Blocks are of
 * whole frames. Knows no socket and no detector.
 */
import { toXpcsError, XpcsError } from "../core/errors.js";
import {
  CREDITS_MAX,
  type DropReason,
  droppedBlock,
  EVENTS_PER_BLOCK_MAX,
  type EventColumns,
  endBlock,
  eventsBlock,
  FRAMES_PER_BLOCK_MAX,
  headerBlock,
  readBlock,
  type StreamHeader,
} from "./blocks.js";

/** A channel of whole messages, such as a websocket. */
export interface BlockChannel {
  send(bytes: Uint8Array): void;
  onBytes(receive: (bytes: Uint8Array) => void): void;
  onClose(run: (reason: XpcsError) => void): void;
  close(reason?: XpcsError): void;
}

/** `wait`: whoever makes frames waits for the receivers. `drop`: the oldest blocks go, as a detector cannot wait. */
export type WhenBehind = "wait" | "drop";

export interface SenderOptions {
  readonly header: StreamHeader;
  readonly whenBehind: WhenBehind;
  /** Bytes of blocks that are kept for receivers that are behind, or come again. */
  readonly spoolBytes: number;
}

interface Held {
  readonly sequence: number;
  readonly first: number;
  readonly end: number;
  readonly bytes: Uint8Array;
}

interface Receiver {
  readonly channel: BlockChannel;
  /** Next sequence number. */
  next: number;
  /** Frame at which that begins. */
  frame: number;
  credits: number;
  open: boolean;
}

export interface SenderState {
  readonly frames: number;
  readonly events: number;
  /** Frames that a receiver was told it would not get, over all receivers. */
  readonly droppedFrames: number;
  readonly receivers: number;
  /** Nobody wants more: the last receiver that was there has asked for no more, or has all, and none has come since. */
  readonly stopped: boolean;
}

export class StreamSender {
  readonly #options: SenderOptions;
  readonly #receivers = new Set<Receiver>();
  #spool: Held[] = [];
  #spoolBytes = 0;
  #sequence = 1;
  #frames = 0;
  #events = 0;
  #dropped = 0;
  #ended = false;
  #stopped = false;
  #changed: (() => void)[] = [];

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  get state(): SenderState {
    return {
      frames: this.#frames,
      events: this.#events,
      droppedFrames: this.#dropped,
      receivers: this.#receivers.size,
      stopped: this.#stopped,
    };
  }

  /** A receiver has come. It hears the header at once, and blocks when it has asked and has credit. */
  attach(channel: BlockChannel): void {
    const receiver: Receiver = { channel, next: 1, frame: 0, credits: 0, open: false };
    this.#receivers.add(receiver);
    this.#stopped = false;
    channel.onClose(() => {
      this.#receivers.delete(receiver);
      this.#wake();
    });
    channel.onBytes((bytes) => {
      try {
        this.#hear(receiver, bytes);
      } catch (error) {
        channel.close(toXpcsError(error));
      }
    });
    channel.send(headerBlock(this.#options.header));
    this.#wake();
  }

  #hear(receiver: Receiver, bytes: Uint8Array): void {
    // It has stopped: what it sent since is for nobody.
    if (!this.#receivers.has(receiver)) return;
    const block = readBlock(bytes);
    if (block.kind === "stop") {
      this.#receivers.delete(receiver);
      this.#stopped = this.#receivers.size === 0;
      this.#wake();
      return;
    }
    if (block.kind === "open") {
      if (receiver.open) throw new XpcsError("INVALID_ARGUMENT", "this stream is open already");
      receiver.open = true;
      if (block.from > this.#sequence)
        throw new XpcsError("NOT_FOUND", `block ${block.from} is wanted, and the next one is ${this.#sequence}`);
      receiver.next = Math.max(1, block.from);
      receiver.frame = this.#firstOf(receiver.next) ?? block.frame;
      if (receiver.frame !== block.frame || block.frame > this.#frames)
        throw new XpcsError("NOT_FOUND", `block ${block.from} does not begin at frame ${block.frame}`);
      receiver.credits = block.credits;
    } else if (block.kind === "credit") {
      if (!receiver.open) throw new XpcsError("INVALID_ARGUMENT", "the first message opens the stream");
      receiver.credits += block.credits;
      if (receiver.credits > CREDITS_MAX) throw new XpcsError("INVALID_ARGUMENT", `a receiver has at most ${CREDITS_MAX} blocks of credit`);
    } else {
      throw new XpcsError("INVALID_ARGUMENT", `a receiver does not send a block of kind ${block.kind}`);
    }
    this.#pump(receiver);
    this.#wake();
  }

  /** First frame of a block; null for one that is not held any more. */
  #firstOf(sequence: number): number | null {
    if (sequence >= this.#sequence) return this.#frames;
    const oldest = this.#spool[0]?.sequence ?? this.#sequence;
    return sequence < oldest ? null : this.#spool[sequence - oldest]!.first;
  }

  #pump(receiver: Receiver): void {
    while (receiver.open && receiver.credits > 0 && receiver.next < this.#sequence) {
      const oldest = this.#spool[0]!;
      receiver.credits -= 1;
      if (receiver.next < oldest.sequence) {
        const reason: DropReason = receiver.next === 1 ? "not-held" : "no-credit";
        const frames = oldest.first - receiver.frame;
        const counter = this.#counterOf(receiver.frame);
        receiver.channel.send(droppedBlock(receiver.next, counter, frames, oldest.sequence - receiver.next, reason));
        this.#dropped += frames;
        [receiver.next, receiver.frame] = [oldest.sequence, oldest.first];
        continue;
      }
      const held = this.#spool[receiver.next - oldest.sequence]!;
      receiver.channel.send(held.bytes);
      [receiver.next, receiver.frame] = [held.sequence + 1, held.end];
    }
  }

  /** What the detector's counter was at a frame. */
  #counterOf(frame: number): number {
    const { firstCounter, counterBits } = this.#options.header;
    return counterBits === 0 ? firstCounter + frame : (firstCounter + frame) % 2 ** counterBits;
  }

  #wake(): void {
    const run = this.#changed;
    this.#changed = [];
    for (const wake of run) wake();
  }

  /** Resolves when a receiver came, went or was heard. */
  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#changed.push(resolve);
    });
  }

  /** Makes room by what no receiver needs, and by what some do under `drop` or where nobody wants more. @returns whether there is room */
  #room(bytes: number): boolean {
    const { whenBehind, spoolBytes } = this.#options;
    let passed = 0;
    // Without a receiver nobody has passed anything.
    const needed = Math.min(...[...this.#receivers].map(({ next, open }) => (open ? next : 0)), this.#receivers.size === 0 ? 0 : Infinity);
    while (passed < this.#spool.length && this.#spoolBytes + bytes > spoolBytes) {
      if (whenBehind === "wait" && !this.#stopped && this.#spool[passed]!.sequence >= needed) break;
      this.#spoolBytes -= this.#spool[passed]!.bytes.length;
      passed += 1;
    }
    if (passed > 0) this.#spool = this.#spool.slice(passed);
    return this.#spool.length === 0 || this.#spoolBytes + bytes <= spoolBytes;
  }

  async #add(frames: number, make: (sequence: number, counter: number) => Uint8Array): Promise<void> {
    if (this.#ended) throw new XpcsError("INVALID_ARGUMENT", "this stream has ended");
    const bytes = make(this.#sequence, this.#counterOf(this.#frames));
    while (!this.#room(bytes.length)) await this.changed();
    this.#spool.push({ sequence: this.#sequence, first: this.#frames, end: this.#frames + frames, bytes });
    this.#spoolBytes += bytes.length;
    this.#sequence += 1;
    this.#frames += frames;
    for (const receiver of this.#receivers) this.#pump(receiver);
  }

  /**
   * Sends whole frames, in as many blocks as they need; under `wait` it resolves when the spool has taken them.
   * @param events of the frames [first, first + frames) as the columns count them, in frame order
   */
  async frames(events: EventColumns, first: number, frames: number): Promise<void> {
    let at = 0;
    for (let done = 0; done < frames; ) {
      let [end, most] = [at, Math.min(done + FRAMES_PER_BLOCK_MAX, frames)];
      const room = at + EVENTS_PER_BLOCK_MAX;
      if (events.frame.length > room) most = Math.min(most, events.frame[room]! - first);
      if (most <= done) throw new XpcsError("UNSUPPORTED", `frame ${first + done} has more than ${EVENTS_PER_BLOCK_MAX} events`);
      while (end < events.frame.length && events.frame[end]! < first + most) end += 1;
      const [from, begin, covered] = [at, first + done, most - done];
      this.#events += end - from;
      await this.#add(covered, (sequence, counter) => eventsBlock(sequence, counter, covered, events, begin, from, end));
      [at, done] = [end, most];
    }
  }

  /** Sends a block that is made already, for which the sender chooses sequence number and counter. */
  async block(frames: number, events: number, make: (sequence: number, counter: number) => Uint8Array): Promise<void> {
    this.#events += events;
    await this.#add(frames, make);
  }

  /** Records frames that the detector lost. */
  async lost(frames: number): Promise<void> {
    await this.#add(frames, (sequence, counter) => droppedBlock(sequence, counter, frames, 1, "detector"));
  }

  /** No more frames come. Receivers that are behind, or come later, still get what is held. */
  async end(): Promise<void> {
    await this.#add(0, (sequence) => endBlock(sequence, this.#frames, this.#events));
    this.#ended = true;
  }

  /** True when every receiver has all blocks. */
  get delivered(): boolean {
    return [...this.#receivers].every(({ next }) => next >= this.#sequence);
  }
}
