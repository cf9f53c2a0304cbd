/**
 * Collects the pieces of a socket, and writes many of them at once: a system call for each would take as long as the writing. While one half is written the other is
 * filled. Used again for one file after the other: new memory for each file would cost more than its bytes.
 */
import type { FileHandle } from "node:fs/promises";
import { writePiece } from "../../files/whole-pieces.js";

const HALF_BYTES = 512 * 1024;

/** Kept for later. */
const SPARE_MAX = 16;
const spare: Gather[] = [];

/** Lends one for as long as `work` takes. */
export async function withGather<T>(work: (gather: Gather) => Promise<T>): Promise<T> {
  const gather = spare.pop() ?? new Gather();
  try {
    return await work(gather);
  } finally {
    await gather.end();
    if (spare.length < SPARE_MAX) spare.push(gather);
  }
}

class Gather {
  #filling = Buffer.allocUnsafeSlow(HALF_BYTES);
  #other = Buffer.allocUnsafeSlow(HALF_BYTES);
  #file: FileHandle | null = null;
  /** Of the bytes that are held. */
  #at = 0;
  #held = 0;
  /** Of the other half; null: it is written. */
  #writing: Promise<void> | null = null;

  /** What follows goes into `file`, from `at` on; resolves when nothing is written any more that was given up before. */
  async begin(file: FileHandle, at: number): Promise<void> {
    await this.end();
    this.#file = file;
    this.#at = at;
  }

  /** Gives up what is held; resolves when nothing is written any more. */
  async end(): Promise<void> {
    await this.#writing?.catch(() => {});
    this.#writing = null;
    this.#file = null;
    this.#held = 0;
  }

  /** @returns when `piece` may be used otherwise; undefined: now @throws what writing throws */
  take(piece: Buffer): Promise<void> | undefined {
    let from = 0;
    while (from < piece.length) {
      if (this.#held === HALF_BYTES) {
        if (this.#writing !== null) return this.#takeLater(piece.subarray(from));
        this.#write();
      }
      const count = piece.copy(this.#filling, this.#held, from);
      this.#held += count;
      from += count;
    }
    return undefined;
  }

  async #takeLater(rest: Buffer): Promise<void> {
    await this.#writing;
    await this.take(rest);
  }

  /** Begins to write what is held. */
  #write(): void {
    const full = this.#filling.subarray(0, this.#held);
    [this.#filling, this.#other] = [this.#other, this.#filling];
    const writing = writePiece(this.#file!, full, this.#at).then(() => {
      if (this.#writing === writing) this.#writing = null;
    });
    // Whoever comes next hears of it.
    writing.catch(() => {});
    this.#writing = writing;
    this.#at += full.length;
    this.#held = 0;
  }

  /** Writes what is held. */
  async flush(): Promise<void> {
    await this.#writing;
    if (this.#held > 0) this.#write();
    await this.#writing;
  }
}

export type { Gather };
