/**
 * Where the bytes of one connection become files, one after the other: collected in a slab of memory that is shared with a thread (desk-thread.ts), which writes and digests them
 * while the next slab is filled. A small file is one slab, and one message there and one back.
 */
import { openThreads, type Thread } from "../../files/threads.js";
import type { Arrived } from "./cache.js";

/** What the thread is told: to take bytes, of which the last are answered with the file, to give a file up, or to adopt one. */
export type DeskOrder =
  | { file: number; path: string; slab: SharedArrayBuffer; bytes: number; last: boolean }
  | { file: number }
  | { from: string; to: string };

export interface Desk {
  /** What follows is of another file. @param path made anew */
  begin(path: string): void;
  /** @returns when `piece` may be used otherwise; undefined: now @throws what writing threw, of this file or one before */
  take(piece: Buffer): Promise<void> | undefined;
  /** The file has all its bytes. @returns when it is there */
  finish(): Promise<Arrived>;
  /** Resolves when nothing is written any more. @throws what writing threw */
  settle(): Promise<void>;
  /** Gives up the file that is not whole; resolves when nothing is written any more. */
  leave(): Promise<void>;
}

const SLAB_BYTES = 1024 * 1024;
/** Of one desk: one is filled, one is written. */
const SLABS = 2;
/** A thread waits for its disk, or digests; more would have no core. */
const THREADS_MAX = 2;
const SPARE_MAX = 16;
const freeThread = openThreads<DeskOrder, Arrived | null>("sites/staging/desk-thread.js", THREADS_MAX);

class SlabDesk implements Desk {
  readonly #slabs = Array.from({ length: SLABS }, () => {
    const slab = new SharedArrayBuffer(SLAB_BYTES);
    return { slab, bytes: Buffer.from(slab), taken: null as Promise<void> | null };
  });
  /** Orders that are not answered. */
  readonly #flights = new Set<Promise<void>>();
  #filling = 0;
  #held = 0;
  #file: { number: number; path: string; thread: Thread<DeskOrder, Arrived | null> } | null = null;
  #failure: unknown = null;

  begin(path: string): void {
    this.#file = { number: nextFile++, path, thread: freeThread() };
    this.#held = 0;
  }

  take(piece: Buffer): Promise<void> | undefined {
    if (this.#failure !== null) throw this.#failure;
    for (let from = 0; from < piece.length; ) {
      if (this.#held === SLAB_BYTES) void this.#hand(false);
      const { bytes, taken } = this.#slabs[this.#filling]!;
      if (taken !== null) {
        const rest = piece.subarray(from);
        return taken.then(() => this.take(rest));
      }
      const count = piece.copy(bytes, this.#held, from);
      this.#held += count;
      from += count;
    }
    return undefined;
  }

  /** What is held goes to the thread, and the next slab is filled. */
  #hand(last: boolean): Promise<Arrived | null> {
    const slab = this.#slabs[this.#filling]!;
    const { number, path, thread } = this.#file!;
    const bytes = this.#held;
    const asked = thread.ask({ file: number, path, slab: slab.slab, bytes, last });
    const flight = asked
      .then(
        () => {},
        (error: unknown) => {
          this.#failure ??= error;
        },
      )
      .then(() => {
        if (slab.taken === flight) slab.taken = null;
        this.#flights.delete(flight);
      });
    this.#flights.add(flight);
    // Of an empty file there is nothing in it.
    if (bytes === 0) return asked;
    slab.taken = flight;
    this.#filling = (this.#filling + 1) % SLABS;
    this.#held = 0;
    return asked;
  }

  async finish(): Promise<Arrived> {
    const arrived = this.#hand(true);
    this.#file = null;
    return (await arrived)!;
  }

  async settle(): Promise<void> {
    await Promise.all(this.#flights);
    if (this.#failure !== null) throw this.#failure;
  }

  async leave(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await Promise.all(this.#flights);
    await file?.thread.ask({ file: file.number }).catch(() => {});
    this.#held = 0;
    this.#failure = null;
  }
}

let nextFile = 0;
const spare: SlabDesk[] = [];

/** Lends one for as long as `work` takes. */
export async function withDesk<T>(work: (desk: Desk) => Promise<T>): Promise<T> {
  const desk = spare.pop() ?? new SlabDesk();
  try {
    return await work(desk);
  } finally {
    await desk.leave();
    if (spare.length < SPARE_MAX) spare.push(desk);
  }
}

/** A small file that lies here already is moved, made read-only and digested. @throws an error of the system */
export async function adopt(from: string, to: string): Promise<Arrived> {
  return (await freeThread().ask({ from, to }))!;
}
