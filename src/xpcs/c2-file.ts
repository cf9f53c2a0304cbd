/** Reads the C2 matrices of a result, thinned to a map that can be drawn. Which matrices there are: result-file.ts. */
import h5wasm, { Dataset } from "h5wasm/node";
import { XpcsError } from "../core/errors.js";

export interface C2Map {
  /** Frames of the series. */
  readonly frames: number;
  /** Frames behind the side of one cell; the last cell may have fewer. */
  readonly block: number;
  readonly side: number;
  /** [side, side] mean of C2(t1, t2) over the pairs t1 < t2 of a cell, symmetric; NaN where a cell has none. */
  readonly values: Float64Array;
}

/**
 * The mean of C2 in each cell of a map of at most `cells` x `cells`. The diagonal of C2 is left out: it holds the shot noise.
 * Reads the matrix band by band, above the diagonal only.
 * @throws CORRUPT_DATA no square matrix of this name
 */
export async function readC2Map(path: string, name: string, cells: number): Promise<C2Map> {
  await h5wasm.ready;
  const file = new h5wasm.File(path, "r");
  try {
    const found = file.file_id < 0n ? null : file.get(name);
    const [frames, columns] = found instanceof Dataset ? (found.shape ?? []) : [];
    if (!(found instanceof Dataset) || frames === undefined || frames !== columns || frames < 1)
      throw new XpcsError("CORRUPT_DATA", `${path} has no square matrix ${name}`);
    return thinned(
      frames,
      cells,
      (from, to) =>
        found.slice([
          [from, to],
          [from, frames],
        ]) as unknown as ArrayLike<number>,
    );
  } finally {
    file.close();
  }
}

/** @param band rows [from, to) of the matrix, their columns from `from` on */
function thinned(frames: number, cells: number, band: (from: number, to: number) => ArrayLike<number>): C2Map {
  const block = Math.ceil(frames / cells);
  const side = Math.ceil(frames / block);
  const values = new Float64Array(side * side);
  for (let row = 0; row < side; row++) {
    const from = row * block;
    const to = Math.min(from + block, frames);
    const numbers = band(from, to);
    const width = frames - from;
    const [sums, counts] = [new Float64Array(side - row), new Float64Array(side - row)];
    for (let t1 = 0; t1 < to - from; t1++) {
      for (let t2 = t1 + 1; t2 < width; t2++) {
        const cell = Math.floor(t2 / block);
        sums[cell]! += numbers[t1 * width + t2]!;
        counts[cell]! += 1;
      }
    }
    for (let cell = 0; cell < side - row; cell++) {
      const mean = counts[cell]! > 0 ? sums[cell]! / counts[cell]! : Number.NaN;
      values[row * side + row + cell] = mean;
      values[(row + cell) * side + row] = mean;
    }
  }
  return { frames, block, side, values };
}
