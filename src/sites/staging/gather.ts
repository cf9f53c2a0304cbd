/** Collects the pieces of a socket, and writes many of them at once: a system call for each would take as long as the writing. Used again for one file after the other. */
import type { FileHandle } from "node:fs/promises";
import { writePiece } from "../../files/whole-pieces.js";

const BYTES = 1024 * 1024;

export class Gather {
  readonly #bytes = Buffer.allocUnsafeSlow(BYTES);
  #file: FileHandle | null = null;
  /** Of the bytes that are held. */
  #at = 0;
  #held = 0;

  /** What follows goes into `file`, from `at` on. */
  begin(file: FileHandle, at: number): void {
    this.#file = file;
    this.#at = at;
    this.#held = 0;
  }

  /** `piece` may be used otherwise afterwards. */
  async take(piece: Buffer): Promise<void> {
    for (let from = 0; from < piece.length; ) {
      const count = piece.copy(this.#bytes, this.#held, from);
      this.#held += count;
      from += count;
      if (this.#held === BYTES) await this.flush();
    }
  }

  /** Writes what is held. */
  async flush(): Promise<void> {
    if (this.#held > 0) await writePiece(this.#file!, this.#bytes.subarray(0, this.#held), this.#at);
    this.#at += this.#held;
    this.#held = 0;
  }
}
