/** A grid of values as it is, then as means over blocks of 2 x 2, 4 x 4, ... values, for who sees it from afar. */

export interface Grid {
  readonly width: number;
  readonly height: number;
  /** [height, width] */
  readonly values: Float32Array | Float64Array;
  /** Of a symmetric matrix the upper half (row <= column) is given. */
  readonly mirrored?: true;
  /** The first row is at the top; else at the bottom. */
  readonly down?: true;
  /** [height, width] bins whose borders are outlined. */
  readonly labels?: Uint32Array | null;
}

export interface Level {
  readonly width: number;
  readonly height: number;
  /** Values along a side of a block. */
  readonly step: number;
  /** [height, width]; of a mirrored grid where row <= column. NaN where a block has no value. */
  readonly values: Float32Array;
}

/** Sides of a level that is not made any smaller. */
const SMALL = 512;

/** Means over blocks of 2 x 2, NaN left out. A block on the diagonal of a mirrored grid has but its upper half, and of the values themselves not the diagonal. */
function halved({ width, height, step, values }: Level, mirrored: boolean): Level {
  const [columns, rows] = [Math.ceil(width / 2), Math.ceil(height / 2)];
  const means = new Float32Array(columns * rows);
  for (let row = 0; row < rows; row += 1) {
    const [top, bottom] = [2 * row * width, (2 * row + 1) * width];
    const hasBottom = 2 * row + 1 < height;
    for (let column = mirrored ? row : 0; column < columns; column += 1) {
      const left = 2 * column;
      const hasRight = left + 1 < width;
      let [sum, count] = [0, 0];
      const take = (value: number): void => {
        if (!Number.isNaN(value)) {
          sum += value;
          count += 1;
        }
      };
      const onDiagonal = mirrored && column === row;
      const isLeftOut = onDiagonal && step === 1 && hasRight;
      if (!isLeftOut) take(values[top + left]!);
      if (hasRight) take(values[top + left + 1]!);
      if (hasBottom && !onDiagonal) take(values[bottom + left]!);
      if (hasBottom && hasRight && !isLeftOut) take(values[bottom + left + 1]!);
      means[row * columns + column] = count === 0 ? Number.NaN : sum / count;
    }
  }
  return { width: columns, height: rows, step: 2 * step, values: means };
}

/** The levels, the finest first. */
export function* levelsOf({ width, height, values, mirrored }: Grid): Generator<Level> {
  let level: Level = { width, height, step: 1, values: values instanceof Float32Array ? values : Float32Array.from(values) };
  for (;;) {
    yield level;
    if (Math.max(level.width, level.height) <= SMALL) return;
    level = halved(level, mirrored === true);
  }
}
