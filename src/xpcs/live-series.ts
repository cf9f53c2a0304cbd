/** A measurement that is still running, as the native core keeps it: blocks of photons in, g2 at any time, a result file at the end. Types only. */
import type { CorrSummary, Format } from "../core/analysis.js";
import type { FramePacking } from "../core/frame-packing.js";
import type { CorrelatorResult } from "./correlators.js";

export interface LiveSeriesState {
  /** So far, gaps included. */
  readonly frames: number;
  /** Of them in gaps. */
  readonly missing: number;
  readonly gaps: number;
  /** Delays per level. */
  readonly dpl: number;
  /** Most memory that a part of it takes. */
  readonly streamMemoryBytes: number;
}

/** What a look at a file gave. */
export interface FilePiece {
  /** 0: nothing more is there now. */
  readonly frames: number;
  readonly events: number;
  /** Why nothing can be read yet; empty: it can. */
  readonly waits: string;
  /** Its writer has closed it, as far as that can be told. */
  readonly closed: boolean;
}

/** Frames count from 0, gaps included. Calls work at once, on the calling thread. */
export interface LiveSeries {
  /**
   * Photons of the frames [first, first + frames) as words of event blocks (docs/stream-protocol.md).
   * @throws CORRUPT_DATA an event outside them or the detector, or out of order: nothing of the block is taken
   */
  pushWords(words: Uint8Array, first: number, frames: number): void;
  /**
   * The next frame as its detector packed it. The largest value of its words marks a pixel without a reading, as in HDF5 files (docs/formats/hdf5.md).
   * @returns its events @throws CORRUPT_DATA what is wrong with it: nothing is taken
   */
  pushFrame(bytes: Uint8Array, packing: FramePacking): number;
  /**
   * Words of a Rigaku file as it grows, whole ones; the newest frame may get more with the next call. Those of frames from `end` on are passed over.
   * @returns words that were taken @throws CORRUPT_DATA
   */
  pushRigaku(words: Uint8Array, end: number): number;
  /**
   * The file whose frames come next: complete, or growing, or not there yet.
   * @throws UNSUPPORTED a format that is not read so
   */
  openFile(file: { readonly path: string; readonly format: Format }): void;
  /**
   * The next whole frames of that file, a bounded number of bytes, up to `end` frames of the series. What is half written is waited for.
   * @param ended nothing more is written: what is there has to be whole
   * @throws CORRUPT_DATA with the frame · INVALID_ARGUMENT another geometry · IO_FAILED it became shorter, or is another file now
   */
  takeFile(end: number, ended: boolean): FilePiece;
  /** Photons as columns, in frame order. @throws CORRUPT_DATA · INVALID_ARGUMENT */
  push(chunk: { readonly frame: Uint32Array; readonly pixel: Uint32Array; readonly count: Int32Array }): void;
  /** The next `frames` frames are gone: no pair crosses them. */
  gap(frames: number): void;
  /** The series has so many frames so far. @throws INVALID_ARGUMENT fewer than there are */
  setFrames(frames: number): void;
  state(): LiveSeriesState;
  /** First frame, and the one behind the last, of each gap; of the first `most` gaps. */
  gaps(most: number): readonly (readonly [number, number])[];
  /** float64 [dynamic bins] as the q-map has them; NaN where it has none. */
  waveVectors(): Float64Array;
  /** @throws INVALID_ARGUMENT no frame yet */
  result(): CorrelatorResult;
  /**
   * Writes the result file of the request; the series goes on.
   * @param provenance more lines for its provenance @param warnings more of these
   * @throws ALREADY_EXISTS · IO_FAILED · INVALID_ARGUMENT no frame yet
   */
  write(provenance: Readonly<Record<string, string>>, warnings: readonly string[]): CorrSummary;
}
