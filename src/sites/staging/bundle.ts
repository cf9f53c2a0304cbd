/**
 * Small files of one transfer, several in one request: each waits in a line for the next free connection, which takes as many as fit. A file that has arrived is
 * done, whatever becomes of the request; a request that broke is made again for the others.
 */
import { createHash, type Hash } from "node:crypto";
import { setMaxListeners } from "node:events";
import { type FileHandle, open } from "node:fs/promises";
import { readFileFrames } from "../../wire/file-frames.js";
import type { TakePiece } from "../../wire/take-pieces.js";
import { type Gather, withGather } from "./gather.js";
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
  readonly read: (files: readonly BundledFile[], take: TakePiece, signal: AbortSignal) => Promise<void>;
}

interface Waiting {
  readonly file: BundledFile;
  readonly partial: string;
  readonly done: (sha256: string) => void;
  readonly failed: (error: unknown) => void;
}

/** Files of one request. */
const FILES_MAX = 100;
/** Where the bytes of one request become files, one after the other. */
class Desk {
  readonly #gather: Gather;
  #file: FileHandle | null = null;
  #hash: Hash = createHash("sha256");

  constructor(gather: Gather) {
    this.#gather = gather;
  }

  async begin(partial: string): Promise<void> {
    // As the cache wants it.
    this.#file = await open(partial, "w", 0o400);
    await this.#gather.begin(this.#file, 0);
    this.#hash = createHash("sha256");
  }

  get begun(): boolean {
    return this.#file !== null;
  }

  take(piece: Buffer): Promise<void> | undefined {
    this.#hash.update(piece);
    return this.#gather.take(piece);
  }

  /** @returns the file's sha256 (hex) */
  async finish(): Promise<string> {
    await this.#gather.flush();
    await this.close();
    return this.#hash.digest("hex");
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close();
  }
}

/** One request for what is left of `batch`, which becomes shorter with each file that has arrived. */
async function request({ pipes, patience, signal, read }: BundleOptions, batch: Waiting[], desk: Desk): Promise<void> {
  const asked = batch.map(({ file }) => file);
  const beginOrFinish = async (piece: Buffer, last: boolean): Promise<void> => {
    if (!desk.begun) await desk.begin(batch[0]!.partial);
    await desk.take(piece);
    if (!last) return;
    const sha256 = await desk.finish();
    batch.shift()!.done(sha256);
  };
  const frames = readFileFrames(
    asked.map(({ bytes }) => bytes),
    (_at, piece, last) => {
      patience.progressed();
      return desk.begun && !last ? desk.take(piece) : beginOrFinish(piece, last);
    },
  );
  try {
    await read(
      asked,
      (piece) => {
        const wait = pipes.limit.take(piece.length, signal);
        return wait === undefined ? frames.push(piece) : wait.then(() => frames.push(piece));
      },
      signal,
    );
    frames.end();
  } finally {
    await desk.close();
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
  const work = async (gather: Gather): Promise<void> => {
    const desk = new Desk(gather);
    for (let batch = next(); batch.length > 0; batch = next()) {
      try {
        await patience.again(() => pipes.wire.run(() => request(options, batch, desk)));
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
        void Promise.resolve().then(() => withGather(work));
      }),
  };
}
