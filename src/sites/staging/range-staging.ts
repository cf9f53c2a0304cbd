/** Brings the inputs of an attempt from a source that gives ranges: several files and several ranges at a time, through the site's cache, with their digests compared. */
import type { Clock } from "../../core/clock.js";
import { XpcsError } from "../../core/errors.js";
import type { FileArrival } from "../arrival.js";
import type { StageIn } from "../transfers/define.js";
import type { Bundle } from "./bundle.js";
import type { Arrived, SiteCache } from "./cache.js";
import { type Lanes, lanes } from "./lanes.js";
import type { Patience } from "./patience.js";
import { fetchRanges, forgetPartial, type RangeRequest } from "./ranges.js";
import { createRateLimit, type RateLimit } from "./rate-limit.js";
import { stageInput } from "./stage-input.js";
import { together } from "./together.js";

export const CHUNK_BYTES = 8 * 1024 * 1024;
export const SMALLEST_CHUNK_BYTES = 256 * 1024;

/** What one location moves its bytes with. */
export interface Pipes {
  /** Requests at a time. */
  readonly wire: Lanes;
  readonly limit: RateLimit;
  readonly connections: number;
  readonly chunkBytes: number;
}

export interface RangeSource {
  /** As the submitter has it. */
  readonly path: string;
  /** Which file this is, for the cache: where, and in which version. */
  readonly source: string;
  readonly bytes: number;
  readonly version: string;
  readonly sha256: string | null;
  /** Asks for the digest while the file crosses; null: the source has none. */
  readonly digest: (signal: AbortSignal) => Promise<string | null>;
  /** Bytes of a range, which is never empty. */
  readonly read: RangeRequest["read"];
}

/** Chunks of a bounded rate are smaller, so that none takes long. */
function chunkBytesOf(mbPerS: number | undefined, connections: number): number {
  if (mbPerS === undefined) return CHUNK_BYTES;
  return Math.max(SMALLEST_CHUNK_BYTES, Math.min(CHUNK_BYTES, Math.floor((mbPerS * 5e6) / connections)));
}

/** What the settings of a location give it. @param mbPerS undefined: no bound */
export function openPipes({ mbPerS, connections }: { mbPerS?: number | undefined; connections: number }, clock: Clock): Pipes {
  const chunkBytes = chunkBytesOf(mbPerS, connections);
  return { wire: lanes(connections), limit: createRateLimit(mbPerS, clock), connections, chunkBytes };
}

/** What the files of one transfer share. */
export interface Staging {
  readonly pipes: Pipes;
  readonly cache: SiteCache;
  readonly patience: Patience;
  /** Brings small files, where the source gives several at once. */
  readonly bundle?: Bundle;
}

/** One that comes. */
interface Coming extends RangeSource {
  readonly arriving: FileArrival | undefined;
}

async function fetchOne(file: Coming, staging: Staging, signal: AbortSignal, partial: string): Promise<Arrived> {
  const { bytes, version, read, arriving } = file;
  const { pipes, patience, bundle } = staging;
  const inRanges = (): Promise<Arrived> =>
    fetchRanges({
      ...{ bytes, version, partial, patience, signal, arriving, parallel: pipes.connections, chunkBytes: pipes.chunkBytes },
      read: (range, take, stop) =>
        range.length === 0
          ? Promise.resolve()
          : pipes.wire.run(() =>
              read(
                range,
                (piece) => {
                  const wait = pipes.limit.take(piece.length, stop);
                  return wait === undefined ? take(piece) : wait.then(() => take(piece));
                },
                stop,
              ),
            ),
    });
  return bundle !== undefined && bytes <= pipes.chunkBytes ? bundle.fetch(file, partial, signal) : inRanges();
}

async function checked(path: string, partial: string, came: Arrived, expected: string | null): Promise<Arrived> {
  if (expected === null || came.sha256 === expected) return came;
  await forgetPartial(partial);
  throw new XpcsError("CHECKSUM_MISMATCH", `${path} is not what it is at its source: its bytes changed on the way`);
}

/** Its digest is asked for while it crosses, unless it is known. */
async function fetchChecked(file: Coming, staging: Staging, signal: AbortSignal, partial: string): Promise<Arrived> {
  const { path, sha256 } = file;
  if (sha256 !== null) return checked(path, partial, await fetchOne(file, staging, signal, partial), sha256);
  const ended = new AbortController();
  const asked = file.digest(AbortSignal.any([signal, ended.signal]));
  asked.catch(() => {});
  try {
    const came = await fetchOne(file, staging, signal, partial);
    return await checked(path, partial, came, await asked);
  } finally {
    ended.abort();
  }
}

/**
 * Brings them.
 * @returns local paths, in the order of `files`
 * @throws the first failure, when all others were stopped
 */
export async function stageRanges(request: StageIn, files: readonly RangeSource[], staging: Staging): Promise<string[]> {
  const { pipes, cache, bundle } = staging;
  // All at once, so that it is known early how much is to come.
  const coming = files.map((file): Coming => ({ ...file, arriving: request.arriving?.file(file.bytes) }));
  const parts = coming.map(
    (file) => (signal: AbortSignal) => stageInput(cache, request, file, signal, (partial) => fetchChecked(file, staging, signal, partial)),
  );
  return together(request.signal, parts, lanes(bundle === undefined ? 2 * pipes.connections : parts.length));
}
