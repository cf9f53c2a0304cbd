/** The correlators of this process, as types: native.ts makes them. */
import type { Averaging } from "../core/analysis.js";

/** Maps and scheme of an in-process correlator; arrays are row-major [height, width]. */
export interface CorrelatorOptions {
  readonly height: number;
  readonly width: number;
  /** int32 [height * width]: dynamic bin of each pixel, 1-based, 0 = masked. */
  readonly dqmap: Int32Array;
  /** int32 [height * width]: static bin of each pixel, 1-based, 0 = masked. */
  readonly sqmap: Int32Array;
  /** Of the static bins of a dynamic bin, default plain: docs/averaging.md. */
  readonly averaging?: Averaging;
  /** Delays per level, default 4. */
  readonly dpl?: number;
  readonly threads?: number;
}

/** What a correlator knows at the moment of asking. Arrays are row-major with the shapes given. */
export interface CorrelatorResult {
  readonly frames: number;
  readonly delays: number;
  readonly dynamicBins: number;
  readonly staticBins: number;
  /** float64 [delays], in frames. */
  readonly tauFrames: Float64Array;
  /** float64 [delays, dynamicBins]; NaN where no pixel of the bin has a photon in the lag's range. */
  readonly g2: Float64Array;
  /** float64 [delays, dynamicBins]: standard error from the pixels' influence on g2; NaN below 20 pairs. docs/errors.md */
  readonly g2Err: Float64Array;
  /** float64 [delays, dynamicBins]: standard error in the convention of XPCS-Eigen (spread of the pixels' ratios). */
  readonly g2SpreadErr: Float64Array;
  /** float64 [delays, dynamicBins]: photon pairs counted (sum over pixels of the products, level 0 units). */
  readonly pairs: Float64Array;
  /** float64 [dynamicBins, delays, delays]: correlation between the errors of g2 at two delays, for fits. docs/fits.md */
  readonly lagCorrelation: Float64Array;
  /** float64 [dynamicBins]: degrees of freedom behind it; few make it uncertain. */
  readonly lagFreedom: Float64Array;
  /** float64 [staticBins], counts per pixel and frame. */
  readonly partitionMean: Float64Array;
  /** float64 [height * width], counts per frame. */
  readonly pixelMean: Float64Array;
  /** float64 [frames / framesPerMean, rounded up], counts per pixel of the whole detector and frame. */
  readonly frameMean: Float64Array;
  /** Frames of one value of frameMean: 1, or in a stream of more than 65536 frames 2, 4, 8, ... */
  readonly framesPerMean: number;
}

/** A multi-tau correlation that takes frames in chunks and can be asked at any time. */
export interface Correlator {
  /**
   * Adds events in any order of pixels; frames 0-based. Events of one (frame, pixel) add up.
   * @param chunk uint32 [n] frame, uint32 [n] row-major pixel, int32 [n] count; the three of one length
   * @throws INVALID_ARGUMENT lengths differ, pixel outside the detector
   */
  push(chunk: { frame: Uint32Array; pixel: Uint32Array; count: Int32Array }): void;
  /** Declares that the series has at least `frames` frames (trailing empty ones count). */
  setFrames(frames: number): void;
  /** The result over all frames so far. */
  result(): CorrelatorResult;
}

export interface StreamCorrelatorOptions extends CorrelatorOptions {
  /** Frames that the stream may have, default 2^32 - 1. They decide the number of levels, and with it the memory. */
  readonly framesMax?: number;
  /** Memory that the stream may take, bytes; default: no limit. */
  readonly memoryBytes?: number;
}

/**
 * A correlator whose memory has a bound that does not grow with the number of frames; its results are, to the bit, those of a
 * Correlator on the same frames. Events come in frame order: a frame may come in pieces, none may come late. docs/streaming.md
 */
export interface StreamCorrelator extends Correlator {
  /**
   * As Correlator.push, in frame order.
   * @throws INVALID_ARGUMENT as there, and an event of a frame before the newest one, or beyond framesMax; the chunk is not taken
   */
  push(chunk: { frame: Uint32Array; pixel: Uint32Array; count: Int32Array }): void;
  /**
   * The stream has `frames` frames so far (trailing empty ones count).
   * @throws INVALID_ARGUMENT other frames than the newest one would be cut off
   */
  setFrames(frames: number): void;
  /**
   * Whole frames in order, the first of them `first`: the same as their events that are not 0.
   * @param chunk rows: uint16 [frames, height * width]
   * @throws INVALID_ARGUMENT as push; a length that is no multiple of the detector
   */
  pushFrames(chunk: { readonly first: number; readonly rows: Uint16Array }): void;
  /** The result of all frames pushed, once; then the memory is free, and every further call is refused. */
  finish(): CorrelatorResult;
  /** Bytes that the stream takes now, and those that it takes at most while no pixel counts more than 2^31 - 1 photons. */
  memory(): { readonly bytes: number; readonly bytesMax: number };
}
