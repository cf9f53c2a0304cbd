/**
 * Small files of one transfer, several in one request: each waits in a line for the next free connection, which takes as many as fit. A file that has arrived is
 * done, whatever becomes of the request; a request that broke is made again for the others.
 */
import { createHash, type Hash } from "node:crypto";
import { setMaxListeners } from "node:events";
import { type FileHandle, open } from "node:fs/promises";
import { writePieces } from "../../files/whole-pieces.js";
import { readFileFrames } from "../../wire/file-frames.js";
import type { Patience } from "./patience.js";
import type { Pipes } from "./range-staging.js";

export interface BundledFile {
  /** As the submitter has it. */
  readonly path: string;
  readonly version: string;
  readonly bytes: number;
}

export interface Bundle {
  /** Makes PARTIAL whole. When one file is given up, so are all. @returns its sha256 (hex), of the bytes as they came */
  fetch(file: BundledFile, partial: string, signal: AbortSignal): Promise<string>;
}

export interface BundleOptions {
  readonly pipes: Pipes;
  readonly patience: Patience;
  readonly signal: AbortSignal;
  /** Asks for files, and hands the body over piece by piece. */
  readonly read: (files: readonly BundledFile[], take: (piece: Buffer) => Promise<void>, signal: AbortSignal) => Promise<void>;
}

interface Waiting {
  readonly file: BundledFile;
  readonly partial: string;
  readonly done: (sha256: string) => void;
  readonly failed: (error: unknown) => void;
}

/** Files of one request. */
const FILES_MAX = 100;
/** Bytes that are collected before they are written: one system call for many pieces of a socket. */
const WRITE_BYTES = 1024 * 1024;

/** One file on its way to the disk. */
class Arrival {
  readonly #file: FileHandle;
  readonly #hash: Hash = createHash("sha256");
  #pieces: Buffer[] = [];
  #bytes = 0;
  #written = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async take(piece: Buffer, last: boolean): Promise<void> {
    this.#hash.update(piece);
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (!last && this.#bytes < WRITE_BYTES) return;
    await writePieces(this.#file, this.#pieces, this.#written);
    this.#written += this.#bytes;
    this.#pieces = [];
    this.#bytes = 0;
  }

  async finish(): Promise<string> {
    await this.#file.close();
    return this.#hash.digest("hex");
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** One request for what is left of `batch`, which becomes shorter with each file that has arrived. */
async function request({ pipes, patience, signal, read }: BundleOptions, batch: Waiting[]): Promise<void> {
  let arrival: Arrival | null = null;
  const asked = batch.map(({ file }) => file);
  const frames = readFileFrames(
    asked.map(({ bytes }) => bytes),
    async (_at, piece, last) => {
      arrival ??= new Arrival(await open(batch[0]!.partial, "w"));
      await arrival.take(piece, last);
      patience.progressed();
      if (!last) return;
      const whole = arrival;
      arrival = null;
      const sha256 = await whole.finish();
      batch.shift()!.done(sha256);
    },
  );
  try {
    await read(
      asked,
      async (piece) => {
        await pipes.limit.take(piece.length, signal);
        await frames.push(piece);
      },
      signal,
    );
    frames.end();
  } finally {
    await (arrival as Arrival | null)?.close();
  }
}

/** A line of files for one transfer. */
export function openBundle(given: BundleOptions): Bundle {
  const { pipes, patience } = given;
  const broken = new AbortController();
  const options = { ...given, signal: AbortSignal.any([given.signal, broken.signal]) };
  // Each request listens.
  setMaxListeners(0, options.signal);
  const line: Waiting[] = [];
  let busy = 0;

  const next = (): Waiting[] => {
    let bytes = 0;
    let count = 0;
    while (count < line.length && count < FILES_MAX && (count === 0 || bytes + line[count]!.file.bytes <= pipes.chunkBytes)) {
      bytes += line[count]!.file.bytes;
      count += 1;
    }
    return line.splice(0, count);
  };
  const work = async (): Promise<void> => {
    for (let batch = next(); batch.length > 0; batch = next()) {
      try {
        await patience.again(() => pipes.wire.run(() => request(options, batch)));
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
    }
    busy -= 1;
  };
  return {
    fetch: (file, partial, signal) =>
      new Promise((done, failed) => {
        setMaxListeners(0, signal);
        signal.addEventListener("abort", () => broken.abort(), { once: true });
        if (signal.aborted) broken.abort();
        line.push({ file, partial, done, failed });
        if (busy >= pipes.connections) return;
        busy += 1;
        void Promise.resolve().then(work);
      }),
  };
}
