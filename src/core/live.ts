/**
 * What is known of a stream while it runs, as plain data: what a kernel host tells its site, a site central, and central its clients
 * (docs/streaming.md). Small, and only the latest one counts.
 */

import type { CorrRequest } from "./analysis.js";

/** How files that are a stream are known to be complete. */
export interface StreamFiles {
  /** Of a folder: a file that has not changed for so long is complete, ms. Default: 1000, or 0 with a companion. */
  readonly settleMs?: number;
  /** Of a folder: a number that has not come for so long, and later ones have, is a gap, ms. Default: LIMITS.streamMissingMs. */
  readonly missingMs?: number;
  /** Name of a file beside it that says it is complete, with one `*` for the file's own name and something besides, such as `*.done`. */
  readonly companion?: string;
}

/** Whether a companion is named so that each file has its own, beside it. */
export function isCompanionName(name: string): boolean {
  return name.length > 1 && name.split("*").length === 2 && !name.includes("/");
}

/** Those of `files` that mean nothing for a source: none of a stream that is dialed, the companion alone of a single file. */
export function filesWithoutUse(source: "dialed" | "file", files: StreamFiles): (keyof StreamFiles)[] {
  const without: readonly (keyof StreamFiles)[] = source === "dialed" ? ["settleMs", "missingMs", "companion"] : ["settleMs", "missingMs"];
  return without.filter((name) => files[name] !== undefined);
}

/** A stream to correlate. */
export interface StreamRequest {
  /** As stream-source.ts reads it: an address, a folder or a file (docs/streaming.md). */
  readonly source: string;
  /** Its input is the source's name. */
  readonly request: CorrRequest;
  /** Between two snapshots, ms, at least. */
  readonly everyMs: number;
  /** Such as "error(q1..q10) < 2%". */
  readonly until?: string;
  /** Frames after which it is enough. */
  readonly framesMax?: number;
  /** A source that cannot be reached, or does not grow, for so long is lost, ms. */
  readonly patienceMs: number;
  readonly files?: StreamFiles;
}

/** Where a stream stands. `lost`: its source is gone without an end, and the result is of what came. */
export const STREAM_ENDS = ["end", "stopped", "until", "frames", "lost"] as const;
export type StreamEnd = (typeof STREAM_ENDS)[number];

/** The fit of one q bin: baseline + contrast exp(-2 t / tau). */
export interface LiveFit {
  /** s, or frames where the frame time is not known. */
  readonly tau: number;
  /** Null: the data do not determine it. */
  readonly tauError: number | null;
  readonly contrast: number;
  readonly contrastError: number | null;
  readonly baseline: number;
}

export interface LiveBin {
  /** 1-based. */
  readonly bin: number;
  /** Wave vector as the q-map has it; null where it has none. */
  readonly q: number | null;
  /** [delays]; null where no photon pair is possible yet. */
  readonly g2: readonly (number | null)[];
  /** Standard errors [delays]; null below 20 photon pairs. */
  readonly error: readonly (number | null)[];
  /** Photon pairs [delays]. */
  readonly pairs: readonly number[];
  /** Null: too few lags have a value. */
  readonly fit: LiveFit | null;
}

/** How far a stream is from what it was asked to reach. */
export interface LiveGoal {
  /** As it was asked, such as "error(q1..q10) < 2%". */
  readonly until: string;
  /** Passes in a row; two end the stream. */
  readonly passes: number;
  /** The largest of what is asked about, as a fraction; null: nothing can be said yet. */
  readonly worst: number | null;
  /** Bin that it is of. */
  readonly worstBin: number | null;
  /** Frames that are likely still needed, from the errors and pairs so far; null: nothing can be said yet. */
  readonly framesLeft: number | null;
  /** The same in s, where the frame time is known. */
  readonly leftS: number | null;
}

export interface LiveSnapshot {
  /** Counts on with each snapshot of an attempt. */
  readonly cursor: number;
  /** Null while it runs. */
  readonly ended: StreamEnd | null;
  /** Such as why it was lost. */
  readonly note: string | null;
  readonly source: string;
  /** Of the stream so far, gaps included. */
  readonly frames: number;
  /** Of these, frames that did not come, and the gaps that they make. */
  readonly missing: number;
  readonly gaps: number;
  readonly events: number;
  /** Since the snapshot before; 1/s. */
  readonly framesPerS: number;
  readonly eventsPerS: number;
  /** Null: not known, and delays are in frames. */
  readonly frameTimeS: number | null;
  /** The source says that its photons repeat after so many frames; null: they do not. */
  readonly repeatsAfter: number | null;
  /** [delays], frames. */
  readonly delays: readonly number[];
  readonly bins: readonly LiveBin[];
  /** Bins beyond `LIMITS.liveValuesMax`, which are not here; the result has them. */
  readonly binsLeftOut: number;
  /** Mean counts per pixel and frame of each static bin; null for a label without pixels. Empty where there are too many. */
  readonly saxs: readonly (number | null)[];
  /** Counts per pixel and frame against time, from the first frame on: whole rows of `framesPerRow`, at most `LIMITS.liveIntensityRows`. */
  readonly intensity: { readonly framesPerRow: number; readonly mean: readonly number[] };
  readonly goal: LiveGoal | null;
}
