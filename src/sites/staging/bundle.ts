/**
 * Small files of one transfer, several in one request: each waits in a line for the next free connection, which takes as many as fit. A file that has arrived is
 * done, whatever becomes of the request; a request that broke is made again for the others.
 */
import { setMaxListeners } from "node:events";
import { readFileFrames } from "../../wire/file-frames.js";
import type { TakePiece } from "../../wire/take-pieces.js";
import type { FileArrival } from "../arrival.js";
import type { Arrived } from "./cache.js";
import { type Desk, withDesk } from "./desk.js";
import type { Patience } from "./patience.js";
import type { Pipes } from "./range-staging.js";

export interface BundledFile {
  /** As the submitter has it. */
  readonly path: string;
  readonly version: string;
  readonly bytes: number;
  readonly arriving?: FileArrival | undefined;
}

export interface Bundle {
  /** Makes PARTIAL whole. When one file is given up, so are all. @returns its digest, of the bytes as they came */
  fetch(file: BundledFile, partial: string, signal: AbortSignal): Promise<Arrived>;
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
  readonly done: (arrived: Arrived) => void;
  readonly failed: (error: unknown) => void;
}

/** Files of one request. */
const FILES_MAX = 100;

/** One request for what is left of `batch`, which becomes shorter with each file that is there. */
async function request({ pipes, patience, signal, read }: BundleOptions, batch: Waiting[], desk: Desk): Promise<void> {
  const asked = [...batch];
  let begun = false;
  const ends: Promise<void>[] = [];
  /** The next one's bytes are taken meanwhile: why it failed is heard there, or at the end. */
  const finish = (each: Waiting): void => {
    const came = desk.finish().then((arrived) => {
      batch.splice(batch.indexOf(each), 1);
      each.done(arrived);
    });
    ends.push(came.catch(() => {}));
  };
  const frames = readFileFrames(
    asked.map(({ file }) => file.bytes),
    (at, piece, last) => {
      const each = asked[at]!;
      patience.progressed();
      each.file.arriving?.came(piece.length);
      if (!begun) desk.begin(each.partial);
      begun = !last;
      const taking = desk.take(piece);
      if (!last) return taking;
      if (taking !== undefined) return taking.then(() => finish(each));
      finish(each);
      return undefined;
    },
  );
  try {
    await read(
      asked.map(({ file }) => file),
      (piece) => {
        const wait = pipes.limit.take(piece.length, signal);
        return wait === undefined ? frames.push(piece) : wait.then(() => frames.push(piece));
      },
      signal,
    );
    frames.end();
    await desk.settle();
  } finally {
    await desk.leave();
    await Promise.all(ends);
    for (const { file } of batch) file.arriving?.lost(file.bytes);
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
  const work = async (desk: Desk): Promise<void> => {
    for (let batch = next(); batch.length > 0; batch = next()) {
      try {
        await patience.again(() => pipes.wire.run(() => request(options, batch, desk)));
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
    }
    busy -= 1;
  };
  /** Signals that are listened to: many files share one. */
  const heard = new WeakSet<AbortSignal>();
  const listenTo = (signal: AbortSignal): void => {
    if (signal.aborted) broken.abort();
    if (heard.has(signal)) return;
    heard.add(signal);
    setMaxListeners(0, signal);
    signal.addEventListener("abort", () => broken.abort(), { once: true });
  };
  return {
    fetch: (file, partial, signal) =>
      new Promise((done, failed) => {
        listenTo(signal);
        line.push({ file, partial, done, failed });
        if (busy >= pipes.connections) return;
        busy += 1;
        void Promise.resolve().then(() => withDesk(work));
      }),
  };
}
