/** A Rigaku file as a stream: read as it grows, until it has not grown for a while. */
import { open } from "node:fs/promises";
import { type Clock, sleep } from "../core/clock.js";
import { toXpcsError, XpcsError } from "../core/errors.js";
import { SOURCE_FORMS, type StreamSource } from "../core/stream-source.js";
import { fromSystem } from "../files/system-error.js";
import { endingOf, type SourceEnding, type SourceTake } from "./stream-sources.js";

const LOOK_MS = 100;
/** Bytes that are taken at a time: half a million events. */
const PIECE_BYTES = 4 * 1024 * 1024;
const WORD_BYTES = 8;
const RIGAKU_500K = { height: 512, width: 1024 };

interface GrowingFile {
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
async function takeFile({ path, clock, patienceMs, signal, take }: GrowingFile): Promise<string | null> {
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

/** A Rigaku 500k writes whole words, without a header: what the header of a stream would say is known. @throws UNSUPPORTED another file */
export async function takeGrowing(
  { path }: Extract<StreamSource, { kind: "path" }>,
  { sink, clock, patienceMs, signal }: SourceTake,
): Promise<SourceEnding> {
  if (!path.endsWith(".bin")) throw new XpcsError("UNSUPPORTED", `${path} is no source of a stream: ${SOURCE_FORMS} (Rigaku, .bin)`);
  const none = { counterBits: 24, firstCounter: 0, repeatsAfter: 0, frameTimeS: 0, id: "0".repeat(32) };
  sink.begin({ ...RIGAKU_500K, ...none, name: "Rigaku file" });
  const damaged = new AbortController();
  let damage: string | null = null;
  const take = (words: Uint8Array): void => {
    try {
      sink.words(words);
    } catch (error) {
      damage = toXpcsError(error).message;
      damaged.abort();
    }
  };
  const lost = await takeFile({ path, clock, patienceMs, signal: AbortSignal.any([signal, sink.enough, damaged.signal]), take });
  return endingOf(damage ?? lost);
}
