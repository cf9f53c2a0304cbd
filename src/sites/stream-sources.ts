/** The sources of a stream: one function per kind, which takes what comes into a sink until the source ends, is lost, or is told to end. */
import type { Format } from "../core/analysis.js";
import type { Clock } from "../core/clock.js";
import type { FramePacking } from "../core/frame-packing.js";
import type { StreamFiles } from "../core/live.js";
import { parseStreamSource, type StreamSource } from "../core/stream-source.js";
import type { StreamHeader } from "../stream/blocks.js";
import type { FilePiece } from "../xpcs/live-series.js";
import { takePath } from "./stream-path.js";
import { takeBlocks } from "./stream-socket.js";

/** Where a source puts what comes: in the order of the frames, which count from 0, gaps included. */
export interface StreamSink {
  /** Aborted when no more is wanted; what is put after it is passed over. */
  readonly enough: AbortSignal;
  /** Once, before anything else. @throws the stream is not wanted: the source gives up with this error */
  begin(header: StreamHeader): void;
  /** Photons of the frames [first, first + frames) as words of event blocks. @throws CORRUPT_DATA */
  events(words: Uint8Array, first: number, frames: number): void;
  /** One whole frame, as its detector packed it. @throws CORRUPT_DATA */
  image(frame: number, bytes: Uint8Array, packing: FramePacking): void;
  /** Whole words of a Rigaku file, which go on where the last ones ended. @throws CORRUPT_DATA */
  words(words: Uint8Array): void;
  /** The file whose frames come next, growing or complete; it need not be there yet. @throws UNSUPPORTED */
  openFile(file: { readonly path: string; readonly format: Format }): void;
  /** The next whole frames of that file. @param ended nothing more is written @throws what LiveSeries.takeFile throws */
  takeFile(ended: boolean): FilePiece;
  /** Frames so far, gaps included; 0 before `begin`. */
  readonly frames: number;
  /** The next `frames` frames are gone. */
  gap(frames: number): void;
  /** The stream has so many frames in all. Not called where it was lost. */
  end(frames: number): void;
}

export interface SourceTake {
  readonly sink: StreamSink;
  readonly clock: Clock;
  /** A source that is away, or does not grow, for so long is lost, or has ended; ms. */
  readonly patienceMs: number;
  /** Ends it. */
  readonly signal: AbortSignal;
  readonly files: StreamFiles;
  /** Asked of each file before it is opened. @throws REFUSED it must not be read */
  readonly check: (path: string) => Promise<void>;
}

/** `note`: why it was lost, or what else is to be said of it. */
export interface SourceEnding {
  readonly ended: "end" | "lost";
  readonly note: string | null;
}

/** Of a source that is lost, with why, or has ended. */
export function endingOf(lost: string | null): SourceEnding {
  return { ended: lost === null ? "end" : "lost", note: lost };
}

const SOURCES: {
  readonly [K in StreamSource["kind"]]: (source: Extract<StreamSource, { kind: K }>, take: SourceTake) => Promise<SourceEnding>;
} = {
  blocks: takeBlocks,
  // Its packages are loaded with the first one.
  dectris: async (source, take) => (await import("./stream-dectris.js")).takeDectris(source, take),
  path: takePath,
};

/**
 * Takes a stream from its source.
 * @returns when the source has ended or is lost, no more is wanted, or `signal` ended it
 * @throws INVALID_ARGUMENT no source is written so · NOT_FOUND · UNSUPPORTED · what the sink's `begin` throws
 */
export function takeSource(source: string, take: SourceTake): Promise<SourceEnding> {
  const parsed = parseStreamSource(source);
  return (SOURCES[parsed.kind] as (source: StreamSource, take: SourceTake) => Promise<SourceEnding>)(parsed, take);
}
