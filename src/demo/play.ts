/** Plays a detector: photons with known dynamics, at its rate or as fast as they can be made, over websockets or into files. */
import { appendFile, mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, sleep, WOKEN } from "../core/clock.js";
import { eventsBlock, renumbered, type StreamHeader } from "../stream/blocks.js";
import { StreamSender, type WhenBehind } from "../stream/sender.js";
import { listenWebSocket } from "../wire/websocket-server.js";
import { rigakuBytes } from "../xpcs/detector-files.js";
import { type EventList, PhotonSource } from "../xpcs/simulate.js";
import { type DemoSample, photonSource } from "./sample.js";

/** Events that a part has, about: small enough to be paced, large enough to cost little. */
const PART_EVENTS = 60_000;
const PART_S = 0.05;
/** After the end, without a word of any receiver: one that is behind asks for more, one that broke off may come again. */
const LINGER_MS = 30_000;

export interface PlayOptions {
  readonly sample: DemoSample;
  readonly counterBits: number;
  /** Frames per second; null: as fast as they can be made. */
  readonly framesPerS: number | null;
  /** Infinity: without an end. */
  readonly frames: number;
  /** Makes so many frames first, and repeats them; 0: never repeats. */
  readonly replay: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Some frames, as events and as the block that they make. */
interface Part {
  readonly frames: number;
  readonly events: EventList;
  readonly block: Uint8Array;
}

function partFrames({ sample, framesPerS }: PlayOptions): number {
  const perFrame = sample.rings.reduce((sum, ring) => sum + ring.meanCounts, 0) * (sample.dqmap.length === 0 ? 0 : pixelsOfRing(sample));
  const byEvents = Math.max(1, Math.floor(PART_EVENTS / Math.max(1e-9, perFrame)));
  return Math.min(byEvents, Math.max(1, Math.round((framesPerS ?? 20_000) * PART_S)));
}

function pixelsOfRing({ dqmap, rings }: DemoSample): number {
  return dqmap.reduce((sum, bin) => sum + (bin > 0 ? 1 : 0), 0) / rings.length;
}

/** Parts in order, at most `frames` in all. What is to be repeated is made at once, as that may take long. */
function partsOf(options: PlayOptions): Generator<Part> {
  const { replay } = options;
  const each = partFrames(options);
  const source = new PhotonSource(photonSource(options.sample));
  const make = (length: number): Part => {
    const events = source.next(length);
    return { frames: length, events, block: eventsBlock(0, 0, length, events, 0, 0, events.frame.length) };
  };
  if (replay === 0) return fresh(options.frames, each, make);
  const take: Part[] = [];
  for (let made = 0; made < replay; made += take.at(-1)!.frames) take.push(make(Math.min(each, replay - made)));
  return repeated(options.frames, take);
}

function* fresh(frames: number, each: number, make: (length: number) => Part): Generator<Part> {
  for (let done = 0; done < frames; ) {
    const part = make(Math.min(each, frames - done));
    yield part;
    done += part.frames;
  }
}

function* repeated(frames: number, take: readonly Part[]): Generator<Part> {
  for (let done = 0; done < frames; ) {
    for (const part of take) {
      const whole = done + part.frames <= frames;
      yield whole ? part : firstOf(part, frames - done);
      done += part.frames;
      if (!whole) return;
    }
  }
}

/** The first frames of a part. */
function firstOf({ events }: Part, frames: number): Part {
  const end = events.frame.findIndex((frame) => frame >= frames);
  const cut = end < 0 ? events.frame.length : end;
  const kept = { frames, frame: events.frame.slice(0, cut), pixel: events.pixel.slice(0, cut), count: events.count.slice(0, cut) };
  return { frames, events: kept, block: eventsBlock(0, 0, frames, kept, 0, 0, cut) };
}

/** Waits until it is time for frame `frame`; a source that is late does not wait. */
async function pace({ framesPerS, clock, signal }: PlayOptions, startMs: number, frame: number): Promise<void> {
  const waitMs = framesPerS === null ? 0 : startMs + (1_000 * frame) / framesPerS - clock.monotonicMs();
  await sleep(clock, Math.max(0, waitMs), signal);
}

export interface PlayedFrames {
  readonly frames: number;
  readonly events: number;
  readonly droppedFrames: number;
  readonly seconds: number;
}

export interface ServeOptions extends PlayOptions {
  readonly host: string;
  readonly port: number;
  readonly spoolBytes: number;
  readonly whenBehind: WhenBehind;
  /** 32 hex digits. */
  readonly id: string;
  /** Begin with the first receiver, or at once. */
  readonly waitForReceiver: boolean;
  readonly onReady: (url: string) => void;
}

/** Serves the stream; resolves when all has been sent, or nobody wants more. */
export async function servePlay(options: ServeOptions): Promise<PlayedFrames> {
  const { sample, clock, signal } = options;
  const header: StreamHeader = {
    height: sample.detector.height,
    width: sample.detector.width,
    frameTimeS: sample.frameTimeS,
    counterBits: options.counterBits,
    firstCounter: 0,
    repeatsAfter: options.replay,
    id: options.id,
    name: sample.detector.name,
  };
  const parts = partsOf(options);
  const sender = new StreamSender({ header, whenBehind: options.whenBehind, spoolBytes: options.spoolBytes });
  const { host, port } = options;
  const listener = await listenWebSocket({ host, port, clock, insecure: true, onLink: (link) => sender.attach(link) });
  const gone = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  try {
    options.onReady(listener.url);
    while (options.waitForReceiver && sender.state.receivers === 0 && !signal.aborted) await Promise.race([sender.changed(), gone]);
    const startMs = clock.monotonicMs();
    let done = 0;
    for (const part of parts) {
      await pace(options, startMs, done + part.frames);
      if (signal.aborted || sender.state.stopped) break;
      const put = sender.block(part.frames, part.events.frame.length, (sequence, counter) => renumbered(part.block, sequence, counter));
      await Promise.race([put, gone]);
      done += part.frames;
    }
    const seconds = (clock.monotonicMs() - startMs) / 1_000;
    if (!signal.aborted && !sender.state.stopped) await Promise.race([sender.end(), gone]);
    for (let heard = true; heard && !signal.aborted && !sender.state.stopped; ) {
      const over = new AbortController();
      const changed = Promise.race([sender.changed(), gone]).then(() => true);
      heard = await Promise.race([changed, sleep(clock, LINGER_MS, over.signal).then(() => false)]);
      over.abort(WOKEN);
    }
    const { frames, events, droppedFrames } = sender.state;
    return { frames, events, droppedFrames, seconds };
  } finally {
    await listener.close();
  }
}

export interface WriteOptions extends PlayOptions {
  /** A Rigaku file that grows, or a folder that files of `framesPerFile` frames arrive in. */
  readonly out: string;
  /** 0: one file. */
  readonly framesPerFile: number;
}

/** Writes Rigaku files; resolves when all is written. */
export async function writePlay(options: WriteOptions): Promise<PlayedFrames> {
  const { out, framesPerFile, clock, signal } = options;
  const parts = partsOf(options);
  const startMs = clock.monotonicMs();
  let [frames, events, file, waiting] = [0, 0, 1, [] as Uint8Array[]];
  if (framesPerFile > 0) await mkdir(out, { recursive: true });
  else await writeFile(out, new Uint8Array());
  const settle = async (): Promise<void> => {
    const name = `scan_${String(file).padStart(5, "0")}.bin`;
    await writeFile(join(out, `.${name}`), Buffer.concat(waiting));
    await rename(join(out, `.${name}`), join(out, name));
    [file, waiting] = [file + 1, []];
  };
  let inFile = 0;
  for (const part of parts) {
    await pace(options, startMs, frames + part.frames);
    if (signal.aborted) break;
    if (framesPerFile > 0) {
      waiting.push(rigakuBytes(part.events, inFile));
      inFile += part.frames;
      if (inFile >= framesPerFile) {
        await settle();
        inFile = 0;
      }
    } else {
      await appendFile(out, rigakuBytes(part.events, frames));
    }
    frames += part.frames;
    events += part.events.frame.length;
  }
  if (waiting.length > 0) await settle();
  return { frames, events, droppedFrames: 0, seconds: (clock.monotonicMs() - startMs) / 1_000 };
}
