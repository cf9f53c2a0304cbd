/** A folder of arriving files as a stream: those of one series, in the order of their numbers, each when it is complete. */
import { open, readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Format } from "../core/analysis.js";
import { sleep } from "../core/clock.js";
import { toXpcsError, XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import { BESIDE, isPattern, partPattern } from "../files/file-patterns.js";
import { fromSystem } from "../files/system-error.js";
import { readPiece } from "../files/whole-pieces.js";
import { FileSeries, lastDigits, type NextFile, type NumberOf } from "../stream/file-series.js";
import { isCompanion, SettledFiles } from "./settled-files.js";
import {
  beginFiles,
  type FileTaker,
  fileOf,
  fileTaker,
  identityIn,
  identityOf,
  isRefusal,
  isStreamName,
  streamFormat,
} from "./stream-file.js";
import { endingOf, type SourceEnding, type SourceTake } from "./stream-sources.js";

const LOOK_MS = 100;
/** Looking into a folder of many files takes no more than a quarter of the time. */
const LOOKING_SHARE = 3;
/** A file that is complete when it rests has rested for so long: more than a detector takes between two writes. */
const SETTLE_MS = 1_000;
/** The 24 bits of a Rigaku frame counter. */
const COUNTER_RANGE = 2 ** 24;
/** An Eiger's master file refers to the data files, which are taken as they are. */
const MASTER = /_master\.h5$/;
const NAMES_SHOWN = 5;

/** Which folder, which names in it, and their numbers. */
interface Place {
  readonly folder: string;
  readonly matches: (name: string) => boolean;
  readonly numberOf: NumberOf;
}

/** Reads `DIR`, `DIR/`, `DIR/scan_*.imm` or `DIR/scan_#_raw.imm`. Null: one file. */
export async function folderOf(path: string): Promise<Place | null> {
  const found = await stat(path).catch(() => null);
  if (path.endsWith("/") || found?.isDirectory()) return { folder: path, matches: () => true, numberOf: lastDigits };
  const name = basename(path);
  if (found !== null || !isPattern(name, true)) return null;
  const matcher = partPattern(name, true);
  const numberOf: NumberOf = (other) => {
    const digits = matcher.exec(other)?.groups?.number;
    return digits === undefined ? lastDigits(other) : { series: name, number: Number(digits) };
  };
  return { folder: dirname(path), matches: (other) => matcher.test(other), numberOf };
}

/** Those that may be pieces of a stream. None: the folder is not there (yet). @throws IO_FAILED */
async function namesIn({ folder, matches }: Place, companion: string | null): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw fromSystem(error);
  });
  return names.filter(
    (name) =>
      matches(name) &&
      !name.startsWith(".") &&
      !BESIDE.test(name) &&
      isStreamName(name) &&
      !MASTER.test(name) &&
      !isCompanion(name, companion),
  );
}

function someOf(names: readonly string[]): string {
  return names.slice(0, NAMES_SHOWN).join(" ") + (names.length > NAMES_SHOWN ? " ..." : "");
}

class Folder {
  readonly #place: Place;
  readonly #take: SourceTake;
  readonly #series: FileSeries;
  readonly #settled: SettledFiles;
  readonly #over: AbortSignal;
  #format: Format | null = null;
  /** Where a series begins whose first files are not there. */
  #begins: string | null = null;
  /** Frames of the file before. */
  #frames = 0;

  constructor(place: Place, take: SourceTake) {
    const { settleMs, companion = null, missingMs = LIMITS.streamMissingMs } = take.files;
    this.#place = place;
    this.#take = take;
    this.#series = new FileSeries(place.numberOf, missingMs);
    this.#settled = new SettledFiles(take.clock, { settleMs: settleMs ?? (companion === null ? SETTLE_MS : 0), companion });
    this.#over = AbortSignal.any([take.signal, take.sink.enough]);
  }

  /** Takes files until none has come for `patienceMs`. @returns why it was lost, if it was @throws INVALID_ARGUMENT · UNSUPPORTED the first file does not fit */
  async run(): Promise<SourceEnding> {
    const { clock, patienceMs, files } = this.#take;
    let [changedMs, waiting] = [clock.monotonicMs(), ""];
    while (!this.#over.aborted) {
      const beganMs = clock.monotonicMs();
      this.#series.see(await namesIn(this.#place, files.companion ?? null));
      const now = await this.#identities();
      if (now !== waiting) [waiting, changedMs] = [now, clock.monotonicMs()];
      const lookedMs = clock.monotonicMs() - beganMs;
      const idle = clock.monotonicMs() - changedMs >= patienceMs;
      let next = this.#next(idle);
      if (next === null && idle) return this.#end();
      try {
        for (; next !== null && !this.#over.aborted; next = this.#next(false)) {
          await this.#takeFile(next);
          changedMs = clock.monotonicMs();
        }
      } catch (error) {
        if (this.#take.sink.frames === 0 && isRefusal(error)) throw error;
        return endingOf(toXpcsError(error).message);
      }
      await sleep(clock, Math.max(LOOK_MS, LOOKING_SHARE * lookedMs), this.#over);
    }
    return endingOf(null);
  }

  #next(force: boolean): NextFile | null {
    const { clock } = this.#take;
    return this.#series.next(clock.monotonicMs(), (name) => this.#settled.look(join(this.#place.folder, name)) !== null, force);
  }

  /** What tells whether the files that are waited for still change; the first few stand for all. */
  async #identities(): Promise<string> {
    const waiting = this.#series.waiting();
    const some = await Promise.all(waiting.slice(0, NAMES_SHOWN).map((name) => identityOf(join(this.#place.folder, name))));
    return [waiting.length, ...some].join();
  }

  async #takeFile({ name, number, missed }: NextFile): Promise<void> {
    const { sink, clock, check } = this.#take;
    const path = join(this.#place.folder, name);
    const checked = fileOf(await identityOf(path));
    await check(path);
    const format = streamFormat(name);
    const isFirst = this.#format === null;
    if (this.#format === null) beginFiles(sink, format, "files");
    this.#format = format;
    // A Rigaku counter says itself how many frames are gone.
    if (format !== "rigaku") sink.gap(missed * this.#frames);
    else if (missed > 0 || isFirst) {
      const gone = await framesBefore(path, checked, sink.frames, isFirst);
      sink.gap(gone);
      if (isFirst && gone > 0) this.#begins = `the series begins at file ${number}, frame ${gone}`;
    }
    const before = sink.frames;
    const taker: FileTaker = fileTaker(sink, path, format);
    while (!this.#over.aborted && (await taker.take(true, checked))) await sleep(clock, 0);
    if (taker.waits !== "") throw new XpcsError("IO_FAILED", taker.waits);
    this.#frames = sink.frames - before;
    this.#settled.forget(path);
  }

  #end(): SourceEnding {
    const { folder } = this.#place;
    const { patienceMs } = this.#take;
    const waiting = this.#series.waiting();
    if (waiting.length > 0) return endingOf(`${someOf(waiting)} did not become complete within ${patienceMs / 1_000} s`);
    if (this.#format === null) throw new XpcsError("NOT_FOUND", `no detector file came to ${folder} within ${patienceMs / 1_000} s`);
    const { late, others } = this.#series;
    const notes = [
      ...(this.#begins === null ? [] : [this.#begins]),
      ...(late.length > 0 ? [`${late.length} files came when they counted as missing: ${someOf(late)}`] : []),
      ...(others.length > 0 ? [`${others.length} files of other series were left alone: ${someOf(others)}`] : []),
    ];
    return { ended: "end", note: notes.length > 0 ? notes.join("; ") : null };
  }
}

/**
 * Frames before the first event of a Rigaku file that are gone. Where the series begins, a few frames without photons are no gap: files are missing
 * where at least half as many frames lie before this one as in it.
 */
async function framesBefore(path: string, checked: string, frames: number, isFirst: boolean): Promise<number> {
  const file = await open(path, "r").catch((error: unknown) => {
    throw fromSystem(error);
  });
  try {
    const facts = await file.stat({ bigint: true });
    // Taking it says so.
    if (fileOf(identityIn(facts)) !== checked) return 0;
    const size = Number(facts.size);
    const counterAt = async (byte: number): Promise<number> => (await readPiece(file, byte, 8)).readUIntLE(5, 3);
    if (size < 8) return 0;
    const first = await counterAt(0);
    const ahead = distance(frames, first);
    if (ahead >= COUNTER_RANGE / 2) return 0;
    return isFirst && 2 * ahead < distance(first, await counterAt(size - (size % 8) - 8)) + 1 ? 0 : ahead;
  } finally {
    await file.close();
  }
}

/** Frames from one to another by a counter that goes round. */
function distance(from: number, to: number): number {
  return (to - (from % COUNTER_RANGE) + COUNTER_RANGE) % COUNTER_RANGE;
}

/** Takes a folder. @throws NOT_FOUND no file came · UNSUPPORTED · INVALID_ARGUMENT its first file does not fit · REFUSED one leads elsewhere */
export function takeFolder(place: Place, take: SourceTake): Promise<SourceEnding> {
  return new Folder(place, take).run();
}
