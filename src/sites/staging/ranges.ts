/**
 * Collects a file from ranges of its source, several at a time, so that a process that is killed goes on where it was: finished chunks are noted in
 * PARTIAL.parts, which belongs to one version of the source. Moves bytes through `read`; knows no protocol.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { appendFile, type FileHandle, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { XpcsError } from "../../core/errors.js";
import { systemCode } from "../../files/system-error.js";
import type { TakePiece } from "../../wire/take-pieces.js";
import type { FileArrival } from "../arrival.js";
import type { Arrived } from "./cache.js";
import { type Desk, withDesk } from "./desk.js";
import { type Gather, withGather } from "./gather.js";
import type { Patience } from "./patience.js";
import { together } from "./together.js";

export interface RangeRequest {
  readonly bytes: number;
  /** Changes with the source's bytes. */
  readonly version: string;
  /** Where the file is collected. */
  readonly partial: string;
  readonly chunkBytes: number;
  readonly parallel: number;
  readonly patience: Patience;
  readonly signal: AbortSignal;
  readonly arriving?: FileArrival | undefined;
  /** Hands the bytes of a range over, in order. */
  readonly read: (range: { offset: number; length: number }, take: TakePiece, signal: AbortSignal) => Promise<void>;
}

/** `0000002a\n`: a line that was cut short by a kill is not taken for a number. */
const LINE_CHARS = 9;
const PIECE_BYTES = 1024 * 1024;

function journalOf(partial: string): string {
  return `${partial}.parts`;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Chunks that an earlier process has finished; begins anew when they are of another version. */
async function finishedChunks({ partial, version, bytes, chunkBytes }: RangeRequest): Promise<Set<number>> {
  const journal = journalOf(partial);
  const header = `${JSON.stringify({ version, bytes, chunkBytes })}\n`;
  let text = "";
  try {
    text = await readFile(journal, "utf8");
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
  }
  if (!text.startsWith(header) || !(await exists(partial))) {
    await rm(partial, { force: true });
    await writeFile(journal, header);
    return new Set();
  }
  const lines = text.slice(header.length);
  const done = new Set<number>();
  for (let at = 0; at + LINE_CHARS <= lines.length; at += LINE_CHARS) done.add(Number.parseInt(lines.slice(at, at + LINE_CHARS - 1), 16));
  // What a kill has cut off must not run into the next line.
  if (lines.length % LINE_CHARS !== 0) await writeFile(journal, header + lines.slice(0, lines.length - (lines.length % LINE_CHARS)));
  return done;
}

/** Sees that as many bytes come as were asked for; those of a try that failed come again. @throws UNAVAILABLE · what `take` and `read` throw */
async function readCounted(
  { patience, arriving, read }: RangeRequest,
  range: { offset: number; length: number },
  take: TakePiece,
  signal: AbortSignal,
): Promise<void> {
  const { length } = range;
  let at = 0;
  const more = (piece: Buffer): Buffer => {
    if (at + piece.length > length) throw new XpcsError("UNAVAILABLE", "the source sent more than it was asked for");
    at += piece.length;
    patience.progressed();
    arriving?.came(piece.length);
    return piece;
  };
  try {
    await read(range, (piece) => take(more(piece)), signal);
    if (at !== length) throw new XpcsError("UNAVAILABLE", `the source sent ${at} bytes of ${length}`);
  } catch (error) {
    arriving?.lost(at);
    throw error;
  }
}

/** One range into the file. */
async function readChunk(
  request: RangeRequest,
  file: FileHandle,
  range: { offset: number; length: number },
  gather: Gather,
  signal: AbortSignal,
): Promise<void> {
  await gather.begin(file, range.offset);
  await readCounted(request, range, (piece) => gather.take(piece), signal);
  await gather.flush();
}

/** Digests a file while its chunks come, in any order: as far as none is missing. */
function followChunks({ bytes, chunkBytes, signal }: RangeRequest, file: FileHandle, before: ReadonlySet<number>) {
  const done = new Set(before);
  const hash = createHash("sha256");
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  let at = 0;
  let going = Promise.resolve();
  const go = async (): Promise<void> => {
    while (at < bytes && done.has(Math.floor(at / chunkBytes)) && !signal.aborted) {
      const end = Math.min(bytes, (Math.floor(at / chunkBytes) + 1) * chunkBytes);
      const { bytesRead } = await file.read(piece, 0, Math.min(PIECE_BYTES, end - at), at);
      if (bytesRead === 0) throw new XpcsError("IO_FAILED", "the file became shorter while it was read");
      hash.update(piece.subarray(0, bytesRead));
      at += bytesRead;
    }
  };
  const more = (): void => {
    going = going.then(go);
    // Whoever asks for the digest hears of it.
    going.catch(() => {});
  };
  more();
  return {
    finished(chunk: number): void {
      done.add(chunk);
      more();
    },
    /** When all are there. */
    async digest(): Promise<string> {
      await going;
      if (at < bytes) throw new XpcsError("CANCELED", "the transfer was stopped");
      return hash.digest("hex");
    },
    /** Resolves when the file is no longer read. */
    async stop(): Promise<void> {
      at = bytes;
      await going.catch(() => {});
    },
  };
}

/** @returns the sha256 (hex) */
async function fetchChunks(request: RangeRequest, file: FileHandle, done: ReadonlySet<number>): Promise<string> {
  const { bytes, chunkBytes, parallel, patience, partial, arriving } = request;
  for (const chunk of done) arriving?.was(Math.max(0, Math.min(chunkBytes, bytes - chunk * chunkBytes)));
  const follower = followChunks(request, file, done);
  const open = Array.from({ length: Math.ceil(bytes / chunkBytes) }, (_, chunk) => chunk).filter((chunk) => !done.has(chunk));
  const work = async (gather: Gather, signal: AbortSignal): Promise<void> => {
    for (let chunk = open.shift(); chunk !== undefined && !signal.aborted; chunk = open.shift()) {
      const offset = chunk * chunkBytes;
      const range = { offset, length: Math.min(chunkBytes, bytes - offset) };
      await patience.again(() => readChunk(request, file, range, gather, signal));
      await appendFile(journalOf(partial), `${chunk.toString(16).padStart(LINE_CHARS - 1, "0")}\n`);
      follower.finished(chunk);
    }
  };
  try {
    await together(
      request.signal,
      Array.from({ length: parallel }, () => (signal: AbortSignal) => withGather((gather) => work(gather, signal))),
    );
    if (request.signal.aborted) throw new XpcsError("CANCELED", "the transfer was stopped");
    return await follower.digest();
  } finally {
    await follower.stop();
  }
}

/** A file of one chunk: quicker read again than noted. */
function fetchWhole(request: RangeRequest): Promise<Arrived> {
  const { partial, bytes, patience, signal } = request;
  const once = async (desk: Desk): Promise<Arrived> => {
    desk.begin(partial);
    try {
      await readCounted(request, { offset: 0, length: bytes }, (piece) => desk.take(piece), signal);
      return await desk.finish();
    } finally {
      await desk.leave();
    }
  };
  return withDesk((desk) => patience.again(() => once(desk)));
}

/**
 * Makes PARTIAL whole.
 * @returns its digest, of the bytes as they are here
 * @throws what `read` throws that cannot pass · CANCELED · IO_FAILED
 */
export async function fetchRanges(request: RangeRequest): Promise<Arrived> {
  if (request.bytes <= request.chunkBytes) return fetchWhole(request);
  const { partial } = request;
  // The journal looks whether the file is there, so it is asked before the file is made.
  const done = await finishedChunks(request);
  const file = await open(partial, constants.O_RDWR | constants.O_CREAT, 0o600);
  let sha256: string;
  try {
    sha256 = await fetchChunks(request, file, done);
  } finally {
    await file.close();
  }
  await rm(journalOf(partial), { force: true });
  return { sha256, identity: null };
}

/** Removes what was collected. */
export async function forgetPartial(partial: string): Promise<void> {
  for (const path of [partial, journalOf(partial)]) await rm(path, { force: true });
}
