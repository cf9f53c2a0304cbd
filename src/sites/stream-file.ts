/** A file as a stream: read as it grows, until its companion says that it is complete, or it has not grown for a while. */
import { type BigIntStats, constants } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { extname } from "node:path";
import type { Format } from "../core/analysis.js";
import { sleep } from "../core/clock.js";
import { isCode, toXpcsError, XpcsError } from "../core/errors.js";
import { fromSystem } from "../files/system-error.js";
import type { FilePiece } from "../xpcs/live-series.js";
import { SettledFiles } from "./settled-files.js";
import { endingOf, type SourceEnding, type SourceTake, type StreamSink } from "./stream-sources.js";

const LOOK_MS = 100;
/** Bytes of words that are taken at a time: half a million events. */
const PIECE_BYTES = 4 * 1024 * 1024;
const WORD_BYTES = 8;
const RIGAKU_500K = { height: 512, width: 1024 };
/** Told by the q-map, which the frames must fit. */
const ANY_SHAPE = { height: 0, width: 0 };

const NO_FILE = "is no plain file";
const REPLACED = "was replaced by another file";

/** Endings of the files that are read as they grow. */
const ENDINGS: Readonly<Record<string, Format>> = {
  ...{ ".bin": "rigaku", ".imm": "imm" },
  ...{ ".h5": "hdf5", ".hdf5": "hdf5", ".hdf": "hdf5", ".nxs": "hdf5" },
};

/** Whether a file of this name may be part of a stream. */
export function isStreamName(name: string): boolean {
  return extname(name).toLowerCase() in ENDINGS;
}

/** What a file is, by its name. @throws UNSUPPORTED */
export function streamFormat(path: string): Format {
  const format = ENDINGS[extname(path).toLowerCase()];
  if (format === undefined)
    throw new XpcsError("UNSUPPORTED", `${path} is no source of a stream: a file that grows ends in ${Object.keys(ENDINGS).join(" ")}`);
  return format;
}

/** What a sink is told of files before their first frame. */
export function beginFiles(sink: StreamSink, format: Format, what: string): void {
  const shape = format === "rigaku" ? { ...RIGAKU_500K, counterBits: 24 } : { ...ANY_SHAPE, counterBits: 0 };
  const none = { firstCounter: 0, repeatsAfter: 0, frameTimeS: 0, id: "0".repeat(32) };
  sink.begin({ ...shape, ...none, name: `${format} ${what}` });
}

/** One file from its first byte on. */
export interface FileTaker {
  /**
   * Takes what is there, a bounded number of bytes of it.
   * @param ended nothing more is written: what is there has to be whole
   * @param checked the file that may be read, as `fileOf` tells it: another one in its place is not
   * @returns whether anything was taken @throws what is wrong with the file
   */
  take(ended: boolean, checked: string): Promise<boolean>;
  /** Why nothing can be read yet; empty: it can. */
  readonly waits: string;
  /** Its writer has closed it, as far as that can be told: nothing more comes. */
  readonly closed: boolean;
}

/** A file of frames with headers or extents, which the native core reads. */
function frameTaker(sink: StreamSink, path: string, format: Format): FileTaker {
  sink.openFile({ path, format });
  let piece: FilePiece = { frames: 0, events: 0, waits: "", closed: false };
  let begun = false;
  return {
    async take(ended, checked) {
      // Once it is open the native core itself sees that it is another one.
      const other = !begun && fileOf(await identityOf(path)) !== checked;
      piece = other ? { frames: 0, events: 0, waits: `${path} ${REPLACED}`, closed: false } : sink.takeFile(ended);
      begun ||= piece.frames > 0;
      return piece.frames > 0;
    },
    get waits() {
      return piece.waits;
    },
    get closed() {
      return piece.closed;
    },
  };
}

/** Without waiting for the writer of a pipe. Null: nothing is there. */
async function openToRead(path: string): Promise<FileHandle | null> {
  return await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw fromSystem(error);
    return null;
  });
}

/**
 * Bytes of the whole words before the zeros at the end: no event is a word of zeros, so these are space that was reserved ahead. While the file may
 * still be written, the word before them may be half written.
 */
function writtenBytes({ buffer }: Uint8Array, bytesRead: number, ended: boolean): number {
  const words = Math.floor(bytesRead / WORD_BYTES);
  const halves = new Uint32Array(buffer, 0, 2 * words);
  let written = words;
  while (written > 0 && halves[2 * written - 1] === 0 && halves[2 * written - 2] === 0) written -= 1;
  if (written < words && !ended) written = Math.max(0, written - 1);
  return WORD_BYTES * written;
}

/** A Rigaku file: whole words, without a header. */
function wordTaker(sink: StreamSink, path: string): FileTaker {
  const buffer = new Uint8Array(PIECE_BYTES);
  let [offset, own, waits] = [0, "", ""];
  return {
    async take(ended, checked) {
      const file = await openToRead(path);
      if (file === null && offset > 0) throw new XpcsError("IO_FAILED", `${path} is not there any more`);
      waits = file === null ? `${path} is not there yet` : "";
      if (file === null) return false;
      try {
        const facts = await file.stat({ bigint: true });
        if (!facts.isFile()) throw new XpcsError("IO_FAILED", `${path} ${NO_FILE}`);
        const { size } = facts;
        const found = fileOf(identityIn(facts));
        if (size < offset) throw new XpcsError("IO_FAILED", `${path} became shorter: ${size} bytes, and ${offset} were read`);
        if (offset > 0 && found !== own) throw new XpcsError("IO_FAILED", `${path} ${REPLACED}`);
        if (found !== checked) {
          waits = `${path} ${REPLACED}`;
          return false;
        }
        own = found;
        const { bytesRead } = await file.read(buffer, 0, PIECE_BYTES, offset);
        const bytes = writtenBytes(buffer, bytesRead, ended);
        if (bytes > 0) {
          sink.words(buffer.subarray(0, bytes));
          offset += bytes;
          return true;
        }
        if (bytesRead === 0 || !ended) return false;
        if (bytesRead < WORD_BYTES)
          throw new XpcsError("CORRUPT_DATA", `${path} ends within a word: ${bytesRead} of ${WORD_BYTES} bytes at ${offset}`);
        throw new XpcsError(
          "CORRUPT_DATA",
          `${path}: zeros from byte ${offset} on, behind frame ${sink.frames}: space that was reserved and never filled; cut the file there, or copy it again from its detector`,
        );
      } finally {
        await file.close();
      }
    },
    get waits() {
      return waits;
    },
    closed: false,
  };
}

/** @throws UNSUPPORTED */
export function fileTaker(sink: StreamSink, path: string, format: Format): FileTaker {
  return format === "rigaku" ? wordTaker(sink, path) : frameTaker(sink, path, format);
}

/** What is wrong with the whole stream where it is said of the first frame: another detector, another kind of file, a file that must not be read. */
export function isRefusal(error: unknown): boolean {
  return isCode(error, "INVALID_ARGUMENT") || isCode(error, "UNSUPPORTED") || isCode(error, "REFUSED");
}

/** Device and inode, then what changes with the content. */
export function identityIn({ dev, ino, size, mtimeNs }: BigIntStats): string {
  return `${dev}:${ino} ${size} ${mtimeNs}`;
}

/** Which file it is, whatever it holds. */
export function fileOf(identity: string): string {
  return identity.split(" ")[0]!;
}

/** Tells whether a file changes or is another one; empty: no plain file is there. */
export async function identityOf(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => null);
  return found?.isFile() ? identityIn(found) : "";
}

/** Why a file never came. */
async function absence(path: string, patienceMs: number): Promise<XpcsError> {
  const found = await stat(path).catch(() => null);
  const why = found === null || found.isFile() ? "" : `: what is there ${NO_FILE}`;
  return new XpcsError("NOT_FOUND", `${path} did not come within ${patienceMs / 1_000} s${why}`);
}

/**
 * Follows a file, also one that is not there yet.
 * @throws NOT_FOUND it did not come · UNSUPPORTED · INVALID_ARGUMENT its first frame does not fit · REFUSED it leads elsewhere
 */
export async function takeGrowing(
  path: string,
  { sink, clock, patienceMs, signal, check, files: { companion } }: SourceTake,
): Promise<SourceEnding> {
  const format = streamFormat(path);
  beginFiles(sink, format, "file");
  const taker = fileTaker(sink, path, format);
  const files = new SettledFiles(clock, { settleMs: 0, companion: companion ?? null });
  const over = AbortSignal.any([signal, sink.enough]);
  let [grewMs, identity, checked, begun, ended] = [clock.monotonicMs(), "", "", false, false];
  while (!over.aborted) {
    const found = await identityOf(path);
    // Until something was taken another file may come in its place, and only what was checked is opened.
    if (!begun && found !== "" && fileOf(found) !== checked) {
      await check(path);
      checked = fileOf(found);
    }
    if (found !== identity) [identity, grewMs] = [found, clock.monotonicMs()];
    const idle = clock.monotonicMs() - grewMs >= patienceMs;
    ended ||= idle || taker.closed || (companion !== undefined && files.look(path) !== null);
    let taken = false;
    try {
      if (begun || found !== "") taken = await taker.take(ended, checked);
    } catch (error) {
      if (!begun && isRefusal(error)) throw error;
      return endingOf(toXpcsError(error).message);
    }
    begun ||= taken;
    if (taken) grewMs = clock.monotonicMs();
    else if (ended && !begun && identity === "") throw await absence(path, patienceMs);
    else if (ended) return endingOf(taker.waits === "" ? null : taker.waits);
    await sleep(clock, taken ? 0 : LOOK_MS, over);
  }
  return endingOf(null);
}
