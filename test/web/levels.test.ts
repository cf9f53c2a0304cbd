/** What a map shows from afar: means over blocks, against sums written out plainly. */
import { expect, it } from "vitest";
import { levelsOf } from "../../src/web/levels.js";
import { Random } from "../../src/xpcs/random.js";

it("means of blocks, values that are none left out, also where a side is odd", () => {
  const [width, height] = [1101, 613];
  const random = new Random(3);
  const values = Float32Array.from({ length: width * height }, () => (random.uniform() < 0.1 ? Number.NaN : random.uniform()));
  const levels = [...levelsOf({ width, height, values })];
  expect(levels.map((level) => [level.width, level.height, level.step])).toEqual([
    [1101, 613, 1],
    [551, 307, 2],
    [276, 154, 4],
  ]);
  const { values: means } = levels[1]!;
  for (const [row, column] of [
    [0, 0],
    [306, 550],
    [100, 550],
    [306, 7],
    [150, 200],
  ] as const) {
    const block = [0, 1].flatMap((y) =>
      [0, 1].flatMap((x) => (2 * row + y < height && 2 * column + x < width ? [values[(2 * row + y) * width + 2 * column + x]!] : [])),
    );
    const known = block.filter((value) => !Number.isNaN(value));
    const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
    if (known.length === 0) expect(means[row * 551 + column]).toBeNaN();
    else expect(means[row * 551 + column]).toBeCloseTo(mean, 6);
  }
});

it("of a symmetric matrix the lower half, which is empty, and the diagonal do not count", () => {
  const side = 1024;
  const values = Float32Array.from({ length: side * side }, (_, at) => {
    const [row, column] = [Math.floor(at / side), at % side];
    if (row === column) return 1e6;
    return row < column ? 2 : 0;
  });
  const levels = [...levelsOf({ width: side, height: side, values, mirrored: true })];
  const last = levels.at(-1)!;
  expect(last.width).toBe(512);
  let others = 0;
  for (let row = 0; row < 512; row += 1)
    for (let column = row; column < 512; column += 1) others += Number(last.values[row * 512 + column] !== 2);
  expect(others).toBe(0);
});
