/**
 * The parameters of one correlation, as plain data: what a person asks for (`CorrOptions`), and what a
 * kernel reports back (`CorrSummary`). Used by the command line, the job specification and the addon alike,
 * so that `xpcs corr` and a job on a site are the same request. Meaning of each field: docs/cli.md.
 */

import type { LiveSnapshot, StreamEnd } from "./live.js";

export const ANALYSIS_TYPES = ["multitau", "twotime", "both"] as const;
export type AnalysisType = (typeof ANALYSIS_TYPES)[number];

export const FORMATS = ["imm", "rigaku", "ufxc", "hdf5"] as const;
export type Format = (typeof FORMATS)[number];

export const LAYOUTS = ["nexus", "exchange"] as const;
export type Layout = (typeof LAYOUTS)[number];

/** Conventions of the standard error of g2: docs/errors.md. */
export const ERROR_CONVENTIONS = ["influence", "xpcs-eigen", "boost-corr"] as const;
export type ErrorConvention = (typeof ERROR_CONVENTIONS)[number];

/** Programs whose whole set of conventions can be asked for. */
export const COMPATS = ["xpcs-eigen", "boost-corr"] as const;
export type Compat = (typeof COMPATS)[number];

/** How the g2 of the static bins of a dynamic bin become one: docs/averaging.md. */
export const AVERAGINGS = ["plain", "weighted", "robust"] as const;
export type Averaging = (typeof AVERAGINGS)[number];

export const PIXEL_ORDERS = ["row-major", "column-major"] as const;
export type PixelOrder = (typeof PIXEL_ORDERS)[number];

/** What the frames of a two-time correlation are divided by (docs/twotime.md). */
export const SMOOTHINGS = ["none", "symmetric", "staticmap", "sqmap", "dqmap"] as const;
export type Smoothing = (typeof SMOOTHINGS)[number];

export const SMOOTHING_FILTERS = ["none", "average"] as const;
export type SmoothingFilter = (typeof SMOOTHING_FILTERS)[number];

/** What a two-time correlation makes: the matrix, its means over blocks that grow with the lag (docs/twotime.md), or both. */
export const C2_FORMS = ["full", "multitau", "both"] as const;
export type C2Form = (typeof C2_FORMS)[number];

export const COMPRESSIONS = ["none", "gzip"] as const;
export type Compression = (typeof COMPRESSIONS)[number];
export const NORMALIZATIONS = ["framesum", "none"] as const;
export type Normalization = (typeof NORMALIZATIONS)[number];

/** Options of one correlation; an absent field takes the job file's setting or the documented default. */
export interface CorrOptions {
  readonly type?: AnalysisType;
  /** First and last frame, 1-based, inclusive, counted in the file. */
  readonly begin?: number;
  readonly end?: number;
  readonly stride?: number;
  readonly average?: number;
  /** Delays per level. */
  readonly dpl?: number;
  readonly threads?: number;
  /** Also write G2, IP and IF of every pixel. */
  readonly g2out?: boolean;
  /** Also find the pixels that pull g2 (docs/leverage.md). */
  readonly leverage?: boolean;
  readonly layout?: Layout;
  /** Result group of the exchange layout. */
  readonly exchange?: string;
  /** Group of the settings in a job file (default /xpcs). */
  readonly entry?: string;
  readonly compat?: Compat;
  readonly errors?: ErrorConvention;
  readonly averaging?: Averaging;
  /** Consecutive time windows that get a g2 of their own. */
  readonly partials?: number;
  readonly format?: Format;
  /** IMM counts are unsigned 16-bit instead of signed. */
  readonly unsigned?: boolean;
  readonly pixelOrder?: PixelOrder;
  /** Number that the detector gave to its first frame. */
  readonly firstFrame?: number;
  readonly frameTimeS?: number;
  /** Dynamic bins of the two-time analysis, 1-based. */
  readonly qBins?: readonly number[];
  readonly smoothing?: Smoothing;
  readonly smoothingFilter?: SmoothingFilter;
  /** Frames of one row of g2partials. */
  readonly window?: number;
  readonly c2?: C2Form;
  /** Of the C2 matrices. */
  readonly compression?: Compression;
  /** Memory that a two-time analysis or a stream may take, GB of 10^9 bytes. */
  readonly memoryGb?: number;
  /** Keep sums instead of photons: memory has a bound that does not grow with the frames. */
  readonly streaming?: boolean;
  /** Frames that do not count, such as "1,5-9": 1-based, counted in the file. */
  readonly badFrames?: string;
  /** Divide every frame by its mean, or not whatever the job file says. */
  readonly normalize?: Normalization;
}

/** Files of one correlation: absolute paths. At least one of `qmap` and `job` is present. */
export interface CorrFiles {
  /** Raw frames; absent when the job file names them. */
  readonly input?: string;
  readonly qmap?: string;
  readonly job?: string;
  /** NeXus metadata of the measurement (`*_metadata.hdf`). */
  readonly metadata?: string;
  /** One number per frame by which the frames are normalised: a text file, or FILE:/dataset in HDF5. */
  readonly monitor?: string;
}

export interface CorrRequest {
  readonly files: CorrFiles;
  readonly options: CorrOptions;
  /** Result file; written under a temporary name beside it, then renamed. */
  readonly out: string;
  readonly overwrite: boolean;
  /** Also write so many frames of the series as `frames_out`, where it has more; exchange layout only. */
  readonly firstFrames?: number;
  /** An `end` beyond the end of the file is its end, in place of an error. */
  readonly endAtMost?: boolean;
  /** When the measurement began, ISO 8601, where no metadata say so; absent: when the input was last changed. */
  readonly startTime?: string;
  /** Extra lines for the provenance group: name to value. */
  readonly provenance: Readonly<Record<string, string>>;
  /** Say a digest of the result's content (`contentSha256`); jobs only. */
  readonly contentDigest?: true;
}

/** One more q-map for the same pass over the data; all else is as in the request. */
export interface FurtherMap {
  readonly qmap: string;
  readonly out: string;
  readonly provenance: Readonly<Record<string, string>>;
}

export interface CorrProgress {
  readonly stage: "reading" | "correlating" | "writing";
  /** 0 to 1 within the stage. */
  readonly fraction: number;
  /** A sentence worth showing before the work goes on, such as what memory it will need. */
  readonly note?: string;
  /** Of a stream: what is known so far. */
  readonly live?: LiveSnapshot;
}

export interface CorrSummary {
  readonly out: string;
  /** `stream`: event blocks as they came (docs/streaming.md). */
  readonly format: Format | "stream";
  readonly layout: Layout;
  readonly type: AnalysisType;
  readonly framesRead: number;
  /** Frames of the series after stride and average. */
  readonly frames: number;
  readonly events: number;
  readonly pixels: number;
  readonly dynamicBins: number;
  readonly staticBins: number;
  readonly delays: number;
  /** Values of g2 [delays, dynamicBins] behind which stand fewer than 20 photon pairs, so that they have no error (docs/errors.md). */
  readonly valuesWithoutError: number;
  /** q bins of the two-time analysis; 0 when there was none. */
  readonly twoTimeBins: number;
  /** Memory that the two-time analysis was said to need at most. */
  readonly twoTimeMemoryBytes: number;
  /** Most memory that a stream was said to take; 0 when there was none. */
  readonly streamMemoryBytes: number;
  readonly threads: number;
  readonly kernelPath: string;
  readonly warnings: readonly string[];
  readonly timings: { readonly readS: number; readonly correlateS: number; readonly writeS: number; readonly totalS: number };
  readonly outBytes: number;
  /** Of the numbers in the result, which depend on data and settings alone; where the request asks for it. */
  readonly contentSha256?: string;
  /** Of a stream: how it ended, and what of it is missing. */
  readonly stream?: { readonly ended: StreamEnd; readonly note: string | null; readonly missing: number; readonly gaps: number };
}
