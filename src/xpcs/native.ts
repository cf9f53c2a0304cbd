/**
 * The only file that loads the native addon. Gives it types, turns its errors into XpcsError, says what to do when it
 * is missing. No defaults and no file look-ups here: that is corr-request.ts.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { Averaging, CorrProgress, CorrRequest, CorrSummary, FurtherMap } from "../core/analysis.js";
import { toXpcsError, XpcsError } from "../core/errors.js";
import type { Correlator, CorrelatorOptions, StreamCorrelator, StreamCorrelatorOptions } from "./correlators.js";
import type { LiveSeries } from "./live-series.js";

/** Repeats of one measurement to add up. */
export interface MergeRequest {
  /** Results of this program in one layout, with one q-map, length and delay scheme: absolute paths. */
  readonly inputs: readonly string[];
  readonly out: string;
  readonly overwrite: boolean;
  /** per-repeat: sum of G2 over sum of IP x IF, the product per repeat. pooled: over (sum of IP) x (sum of IF). */
  readonly pooling: "per-repeat" | "pooled";
  /** Of the static bins; default: that of the inputs, which must then agree. */
  readonly averaging?: Averaging;
  readonly provenance: Readonly<Record<string, string>>;
  /** A table about the repeats for the result's group /repeats: numbers [rows] or [rows, columns], texts [rows]. */
  readonly repeats?: {
    readonly rows: number;
    readonly numbers: Readonly<Record<string, Float64Array>>;
    readonly texts: Readonly<Record<string, readonly string[]>>;
  };
}

export interface MergeSummary {
  readonly out: string;
  readonly repeats: number;
  readonly delays: number;
  readonly dynamicBins: number;
  /** The inputs hold two-time results, which are not merged. */
  readonly twoTimeLeftOut: boolean;
}

interface Addon {
  readonly version: string;
  machine(): NativeMachine;
  resolveInput(request: CorrRequest, further: readonly FurtherMap[]): string;
  inputFiles(request: CorrRequest): string[];
  hdf5References(path: string): string[];
  merge(request: MergeRequest): MergeSummary;
  patchQmap(result: string, out: string, overwrite: boolean): number;
  jobTarget(request: CorrRequest): JobTarget;
  replaceGroup(target: string, source: string, group: string): void;
  readContent(path: string, take: (piece: Uint8Array) => void): void;
  countFrames(request: CorrRequest, cancelFlag: Int32Array): Promise<number>;
  correlate(
    request: CorrRequest,
    further: readonly FurtherMap[],
    progress: (progress: CorrProgress) => void,
    cancelFlag: Int32Array,
  ): Promise<CorrSummary[]>;
  Correlator: new (options: CorrelatorOptions) => Correlator;
  StreamCorrelator: new (options: StreamCorrelatorOptions) => Omit<StreamCorrelator, "finish">;
  LiveSeries: new (request: CorrRequest, height: number, width: number) => LiveSeries;
}

/** What a job file says of its own run. */
export interface JobTarget {
  /** The raw file as the job file spells it; empty when it names none. */
  readonly input: string;
  /** Group of the results. */
  readonly group: string;
  /** Whether it asks for a two-time analysis. */
  readonly twoTime: boolean;
}

export interface NativeMachine {
  readonly kernelPath: string;
  readonly cpuFeatures: readonly string[];
  readonly hdf5Version: string;
  readonly compiler: string;
  readonly threads: number;
}

const ADDON_PATH = fileURLToPath(new URL("../../build/Release/xpcs_core.node", import.meta.url));
let loaded: Addon | undefined;

/** Whether this checkout has the native core. */
export function nativeIsBuilt(): boolean {
  return existsSync(ADDON_PATH);
}

function addon(): Addon {
  if (loaded) return loaded;
  if (!nativeIsBuilt())
    throw new XpcsError("UNSUPPORTED", `the native core is not built (${ADDON_PATH} is missing): run \`npm run setup\``);
  try {
    loaded = createRequire(import.meta.url)(ADDON_PATH) as Addon;
  } catch (error) {
    throw new XpcsError("UNSUPPORTED", `the native core does not load (${(error as Error).message}): run \`npm run setup\``);
  }
  return loaded;
}

/** Version of the native core. */
export function nativeVersion(): string {
  return addon().version;
}

/** What the native core sees of this machine. */
export function nativeMachine(): NativeMachine {
  return addon().machine();
}

/**
 * The raw file that a request reads: its input, or the one that its job file names.
 * Checks what can be told without reading the frames, so that a mistake shows before a long digest.
 * @throws INVALID_ARGUMENT · NOT_FOUND · ALREADY_EXISTS · UNSUPPORTED · CORRUPT_DATA
 */
export function resolveInput(request: CorrRequest, further: readonly FurtherMap[] = []): string {
  try {
    return addon().resolveInput(request, further);
  } catch (error) {
    throw toXpcsError(error);
  }
}

/**
 * The files that hold the frames of a request: the raw file first, then what belongs to it (the modules of a Rigaku 3M, the
 * data files behind an HDF5 master). Checks as resolveInput does.
 * @throws what resolveInput throws · NOT_FOUND one of the files is missing
 */
export function inputFiles(request: CorrRequest): string[] {
  try {
    return addon().inputFiles(request);
  } catch (error) {
    throw toXpcsError(error);
  }
}

/**
 * The files that an HDF5 file refers to anywhere, read or not: external links, virtual sources, external raw storage. Opens none of them. None for
 * another file, or one that is not there.
 * @throws CORRUPT_DATA · UNSUPPORTED it cannot be told
 */
export function hdf5References(path: string): string[] {
  try {
    return addon().hdf5References(path);
  } catch (error) {
    throw toXpcsError(error);
  }
}

/**
 * Adds repeats up by their moments: no pair of photons crosses from one repeat to the next. Blocks while it works.
 * @throws INVALID_ARGUMENT results that do not belong together · NOT_FOUND · ALREADY_EXISTS · CORRUPT_DATA · IO_FAILED
 */
export function mergeResults(request: MergeRequest): MergeSummary {
  try {
    return addon().merge(request);
  } catch (error) {
    throw toXpcsError(error);
  }
}

/**
 * Writes the q-map of a result, with the blemishes of its leverage table masked, as a q-map file of its own.
 * @returns how many pixels were masked
 * @throws INVALID_ARGUMENT no leverage table · ALREADY_EXISTS · NOT_FOUND · CORRUPT_DATA · IO_FAILED
 */
export function patchQmap(result: string, out: string, overwrite: boolean): number {
  try {
    return addon().patchQmap(result, out, overwrite);
  } catch (error) {
    throw toXpcsError(error);
  }
}

/**
 * Input and result group that the request's job file names; the request's entry and exchange group win.
 * @throws INVALID_ARGUMENT no such entry, or a result group that holds the job's settings · NOT_FOUND · CORRUPT_DATA
 */
export function jobTarget(request: CorrRequest): JobTarget {
  try {
    return addon().jobTarget(request);
  } catch (error) {
    throw toXpcsError(error);
  }
}

/**
 * Replaces one group of the HDF5 file `target` by that of `source`, with the source's provenance inside; all else stays.
 * Changes `target` in place: give it a copy.
 * @throws NOT_FOUND · IO_FAILED · CORRUPT_DATA
 */
export function replaceGroup(target: string, source: string, group: string): void {
  try {
    addon().replaceGroup(target, source, group);
  } catch (error) {
    throw toXpcsError(error);
  }
}

/**
 * The numbers of a result file, piece by piece, without what tells when, where and by which attempt it was made: the same data and settings give the
 * same bytes (docs/leases.md). Blocks while it reads.
 * @throws NOT_FOUND · CORRUPT_DATA · OUT_OF_MEMORY
 */
export function readResultContent(path: string, take: (piece: Uint8Array) => void): void {
  guard(() => addon().readContent(path, take));
}

/**
 * Correlates one file and writes the result.
 * @param onProgress called a few times per second
 * @param signal aborting it ends the work within about a second; nothing is left at `request.out`
 * @throws INVALID_ARGUMENT · NOT_FOUND · ALREADY_EXISTS · UNSUPPORTED · CORRUPT_DATA · OUT_OF_MEMORY · IO_FAILED · CANCELED
 */
export async function correlateFile(
  request: CorrRequest,
  onProgress: (progress: CorrProgress) => void = () => {},
  signal?: AbortSignal,
): Promise<CorrSummary> {
  return (await correlateMaps(request, [], onProgress, signal))[0]!;
}

/**
 * Correlates one file with several q-maps, which it reads and decodes once. Each result is that of a run of its own; none is
 * published before all are whole.
 * @returns the summaries: of the request's q-map, then of the further ones
 * @throws as correlateFile; a bad q-map is named
 */
export async function correlateMaps(
  request: CorrRequest,
  further: readonly FurtherMap[],
  onProgress: (progress: CorrProgress) => void = () => {},
  signal?: AbortSignal,
): Promise<CorrSummary[]> {
  return cancelable(signal, (cancelFlag) => addon().correlate(request, further, onProgress, cancelFlag));
}

/**
 * Frames that the raw file of a request holds. Reads the whole file where the format does not say (Rigaku, UFXC): those up to its last event.
 * @throws what resolveInput throws · CANCELED
 */
export function countFrames(request: CorrRequest, signal: AbortSignal): Promise<number> {
  return cancelable(signal, (cancelFlag) => addon().countFrames(request, cancelFlag));
}

/** Work on a thread of its own, which the signal ends; its errors as XpcsError. */
async function cancelable<T>(signal: AbortSignal | undefined, run: (cancelFlag: Int32Array) => Promise<T>): Promise<T> {
  const cancelFlag = new Int32Array(new SharedArrayBuffer(4));
  const onAbort = (): void => {
    Atomics.store(cancelFlag, 0, 1);
  };
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort);
  try {
    return await run(cancelFlag);
  } catch (error) {
    throw toXpcsError(error);
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

function guard<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw toXpcsError(error);
  }
}

function guarded(native: Correlator): Correlator {
  return {
    push: (chunk) => guard(() => native.push(chunk)),
    setFrames: (frames) => guard(() => native.setFrames(frames)),
    result: () => guard(() => native.result()),
  };
}

/**
 * A correlator in this process: chunks of events in, result out. It keeps every photon.
 * @throws INVALID_ARGUMENT maps of another size, no valid pixel, a static bin in two dynamic bins
 */
export function createCorrelator(options: CorrelatorOptions): Correlator {
  return guarded(guard(() => new (addon().Correlator)(options)));
}

/**
 * A correlator in this process for streams of any length, in bounded memory.
 * @throws INVALID_ARGUMENT as createCorrelator · OUT_OF_MEMORY memoryBytes is less than the stream may take, with both numbers
 */
export function createStreamCorrelator(options: StreamCorrelatorOptions): StreamCorrelator {
  let held: Omit<StreamCorrelator, "finish"> | null = guard(() => new (addon().StreamCorrelator)(options));
  const native = (): Omit<StreamCorrelator, "finish"> => {
    if (held === null) throw new XpcsError("INVALID_ARGUMENT", "this stream is finished; make a new one for the next series");
    return held;
  };
  return {
    push: (chunk) => guard(() => native().push(chunk)),
    pushFrames: (chunk) => guard(() => native().pushFrames(chunk)),
    setFrames: (frames) => guard(() => native().setFrames(frames)),
    result: () => guard(() => native().result()),
    memory: () => native().memory(),
    finish: () => {
      const result = guard(() => native().result());
      held = null;
      return result;
    },
  };
}

/**
 * A measurement that is still running, in this process. The request's input is a name, not a file.
 * @throws as resolveInput · INVALID_ARGUMENT the q-map is of another detector · UNSUPPORTED · OUT_OF_MEMORY
 */
export function createLiveSeries(request: CorrRequest, height: number, width: number): LiveSeries {
  const native = guard(() => new (addon().LiveSeries)(request, height, width));
  return {
    pushWords: (words, first, frames) => guard(() => native.pushWords(words, first, frames)),
    pushFrame: (bytes, packing) => guard(() => native.pushFrame(bytes, packing)),
    pushRigaku: (words, end) => guard(() => native.pushRigaku(words, end)),
    openFile: (file) => guard(() => native.openFile(file)),
    takeFile: (end, ended) => guard(() => native.takeFile(end, ended)),
    push: (chunk) => guard(() => native.push(chunk)),
    gap: (frames) => guard(() => native.gap(frames)),
    setFrames: (frames) => guard(() => native.setFrames(frames)),
    state: () => native.state(),
    gaps: (most) => guard(() => native.gaps(most)),
    waveVectors: () => guard(() => native.waveVectors()),
    result: () => guard(() => native.result()),
    write: (provenance, warnings) => guard(() => native.write(provenance, warnings)),
  };
}
