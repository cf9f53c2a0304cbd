/** Writes down what a transfer tells of its files as they come. */
import type { Arriving } from "../../src/sites/arrival.js";

export interface Recorded {
  readonly bytes: number;
  /** What came and was lost again, in order. */
  readonly moves: number[];
  was: number;
  /** How it was told that it is here: what it lacked then, and whether that had crossed. */
  whole: { readonly lacked: number; readonly crossed: boolean } | null;
}

/** @returns the files in the order in which they were told, and what a transfer is given */
export function recordArrival(): { readonly files: Recorded[]; readonly arriving: Arriving } {
  const files: Recorded[] = [];
  return {
    files,
    arriving: {
      file(bytes) {
        const file: Recorded = { bytes, moves: [], was: 0, whole: null };
        files.push(file);
        const has = () => file.was + file.moves.reduce((sum, move) => sum + move, 0);
        return {
          get lacks() {
            return bytes - has();
          },
          came: (more) => void (more > 0 && file.moves.push(more)),
          was(more) {
            file.was += more;
          },
          lost: (less) => void (Math.min(less, has()) > 0 && file.moves.push(-Math.min(less, has()))),
          whole(crossed) {
            file.whole = { lacked: bytes - has(), crossed };
          },
        };
      },
    },
  };
}
