/** A Rigaku file as a stream: read as it grows, until it has not grown for a while. */
import { open } from "node:fs/promises";
import { type Clock, sleep } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import { fromSystem } from "../files/system-error.js";

const LOOK_MS = 100;
/** Bytes that are taken at a time: half a million events. */
const PIECE_BYTES = 4 * 1024 * 1024;
const WORD_BYTES = 8;

export interface GrowingFile {
  readonly path: string;
  readonly clock: Clock;
  /** One that has not grown for so long has ended, ms. */
  readonly patienceMs: number;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Whole words. @throws they are damaged */
  readonly take: (words: Uint8Array) => void;
}

/**
 * Follows a file from its first byte, also one that is not there yet.
 * @returns why it ended too early, such as words that were cut; null: it has not grown for `patienceMs`, or `signal` ended it
 * @throws NOT_FOUND it did not come within `patienceMs` · IO_FAILED
 */
export async function takeFile({ path, clock, patienceMs, signal, take }: GrowingFile): Promise<string | null> {
  const buffer = new Uint8Array(PIECE_BYTES);
  let offset = 0;
  let grewMs = clock.monotonicMs();
  let left = 0;
  while (!signal.aborted) {
    let taken = 0;
    const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" && offset === 0) return null;
      throw fromSystem(error);
    });
    try {
      const size = file === null ? 0 : (await file.stat()).size;
      if (size < offset) return `${path} became shorter: ${size} bytes, and ${offset} were read`;
      while (file !== null && !signal.aborted) {
        const { bytesRead } = await file.read(buffer, 0, PIECE_BYTES, offset);
        const whole = bytesRead - (bytesRead % WORD_BYTES);
        left = bytesRead - whole;
        if (whole === 0) break;
        take(buffer.subarray(0, whole));
        offset += whole;
        taken += whole;
      }
    } finally {
      await file?.close();
    }
    if (taken > 0) grewMs = clock.monotonicMs();
    else if (clock.monotonicMs() - grewMs >= patienceMs) {
      if (file === null) throw new XpcsError("NOT_FOUND", `${path} did not come within ${patienceMs / 1_000} s`);
      return left === 0 ? null : `${path} ends within a word: ${left} of ${WORD_BYTES} bytes at ${offset}`;
    }
    await sleep(clock, LOOK_MS, signal);
  }
  return null;
}
