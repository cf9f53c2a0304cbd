/**
 * When the files of an attempt will be here: from the bytes that have come and how fast they came, the latest counting more. Knows no transfer; nothing is told before
 * bytes have come for a while, and silence makes the time longer.
 */
import { LIMITS } from "../core/limits.js";

/** One file that comes. What it is told beyond its size does not count. */
export interface FileArrival {
  /** Bytes that it still lacks. */
  readonly lacks: number;
  /** Bytes have crossed just now. */
  came(bytes: number): void;
  /** Bytes were here before: of another attempt, or in the cache. */
  was(bytes: number): void;
  /** Bytes that came must come again. */
  lost(bytes: number): void;
  /** It is here. @param crossed what it lacked has come just now; false: it was here */
  whole(crossed: boolean): void;
}

/** What a transfer tells of its files: each once, as soon as its size is known. */
export interface Arriving {
  file(bytes: number): FileArrival;
}

export interface Arrival extends Arriving {
  /** So many files are wanted, of some of which the size is not known yet. */
  wants(files: number): void;
  /** All are here. */
  done(): void;
  readonly isDone: boolean;
  /** Until they are, ms: at least 1 before they are; undefined: nobody knows yet. */
  filesInMs(): number | undefined;
  /** The same, and whoever asked has told it: what changes it much from then on is news. */
  tell(): number | undefined;
}

export interface ArrivalOptions {
  /** Of all files, as who submitted the job says; used until the sizes of all are known. */
  readonly inputBytes: number | undefined;
  /** Monotonic ms. */
  readonly nowMs: () => number;
  /** Called when there is something to tell that was not told, or another time than was told by more than half. */
  readonly onNews: () => void;
  readonly onDone?: () => void;
}

/** Bytes of so long ago count for 1/e, ms. */
const MEMORY_MS = 15_000;
/** Rates are of times no shorter than this. */
const STEP_MS = 100;
/** So long must bytes have come before a time is told: the first ones may come from buffers. */
const FIRST_MS = 1_000;
/** Smaller changes are no news, ms. */
const NEWS_MS = 1_000;

/**
 * Bytes per ms, as an exponential mean over time: between two looks the rate counts as even, whether bytes come in pieces or, from a service that is asked now and
 * then, in lumps. Silence of up to two of the last gaps is not taken for an end.
 */
function createRate() {
  let startMs: number | null = null;
  let lastMs = 0;
  let gapMs = STEP_MS;
  let fresh = 0;
  let mean = 0;
  let weight = 0;
  const quietMs = (nowMs: number): number => Math.min(nowMs - lastMs, 2 * gapMs);
  return {
    /** @returns whether the rate is another now */
    add(bytes: number, nowMs: number): boolean {
      if (startMs === null) {
        startMs = nowMs;
        lastMs = nowMs;
        return false;
      }
      fresh += bytes;
      const spentMs = nowMs - lastMs;
      if (spentMs < STEP_MS) return false;
      const kept = Math.exp(-spentMs / MEMORY_MS);
      mean = mean * kept + (fresh / spentMs) * (1 - kept);
      weight = weight * kept + (1 - kept);
      [fresh, gapMs, lastMs] = [0, spentMs, nowMs];
      return true;
    },
    /** Until so many bytes more have come, ms; undefined: too early to say. */
    untilMs(bytes: number, nowMs: number): number | undefined {
      if (startMs === null || lastMs - startMs < FIRST_MS) return undefined;
      const silent = Math.exp(-(nowMs - lastMs - quietMs(nowMs)) / MEMORY_MS);
      const perMs = (mean * silent) / (weight * silent + 1 - silent);
      return bytes / perMs - quietMs(nowMs);
    },
  };
}

/** Of one attempt. */
export function createArrival({ inputBytes, nowMs, onNews, onDone }: ArrivalOptions): Arrival {
  const rate = createRate();
  let wanted: number | null = null;
  let known = 0;
  let knownBytes = 0;
  let hereBytes = 0;
  let isDone = false;
  let told: { readonly ms: number; readonly atMs: number } | null = null;

  const totalBytes = (): number | undefined => {
    if (wanted !== null && known >= wanted) return knownBytes;
    return inputBytes === undefined ? undefined : Math.max(inputBytes, knownBytes);
  };
  const filesInMs = (): number | undefined => {
    if (isDone) return 0;
    const total = totalBytes();
    const ms = total === undefined ? undefined : rate.untilMs(Math.max(0, total - hereBytes), nowMs());
    return ms === undefined || Number.isNaN(ms) ? undefined : Math.max(1, Math.min(LIMITS.filesInMsMax, Math.round(ms)));
  };
  const isNews = (ms: number): boolean => {
    if (told === null) return true;
    const left = Math.max(0, told.ms - (nowMs() - told.atMs));
    return Math.abs(ms - left) > Math.max(NEWS_MS, left / 2);
  };
  return {
    wants(files) {
      wanted = files;
    },
    file(bytes) {
      known += 1;
      knownBytes += bytes;
      let has = 0;
      const add = (more: number): number => {
        const counts = Math.min(more, bytes - has);
        has += counts;
        hereBytes += counts;
        return counts;
      };
      const came = (more: number): void => {
        const isOther = rate.add(add(more), nowMs());
        const ms = isOther ? filesInMs() : undefined;
        if (ms !== undefined && isNews(ms)) onNews();
      };
      return {
        get lacks() {
          return bytes - has;
        },
        came,
        was: (more) => void add(more),
        lost(less) {
          const counts = Math.min(less, has);
          has -= counts;
          hereBytes -= counts;
        },
        whole(crossed) {
          const lacks = bytes - has;
          if (lacks === 0) return;
          if (crossed) came(lacks);
          else add(lacks);
        },
      };
    },
    done() {
      if (isDone) return;
      isDone = true;
      onNews();
      onDone?.();
    },
    get isDone() {
      return isDone;
    },
    filesInMs,
    tell() {
      const ms = filesInMs();
      told = ms === undefined ? null : { ms, atMs: nowMs() };
      return ms;
    },
  };
}

/** Shares out what a whole transfer tells: so many bytes in all by now, of these files in their order. What goes back, as after another try, is not told. */
export function spread(all: readonly (FileArrival | undefined)[]): (bytes: number) => void {
  const files = all.filter((file) => file !== undefined);
  let at = 0;
  let counted = 0;
  return (bytes) => {
    let more = bytes - counted;
    if (more <= 0) return;
    counted = bytes;
    for (; at < files.length && more > 0; at += 1) {
      const takes = Math.min(more, files[at]!.lacks);
      files[at]!.came(takes);
      more -= takes;
      if (files[at]!.lacks > 0) return;
    }
  };
}
