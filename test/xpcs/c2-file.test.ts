/** C2 maps against plain means, and the pictures that they become. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inflateSync } from "node:zlib";
import h5wasm from "h5wasm/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readC2Map } from "../../src/xpcs/c2-file.js";
import { encodePng } from "../../src/xpcs/png.js";
import { Random } from "../../src/xpcs/random.js";

const FRAMES = 23;
let folder: string;
let path: string;
const matrix = new Float32Array(FRAMES * FRAMES);

beforeAll(async () => {
  await h5wasm.ready;
  folder = mkdtempSync(join(tmpdir(), "xpcs-c2-"));
  path = join(folder, "c2.hdf");
  const random = new Random(5);
  for (let t1 = 0; t1 < FRAMES; t1++) for (let t2 = t1; t2 < FRAMES; t2++) matrix[t1 * FRAMES + t2] = t1 === t2 ? 99 : random.uniform();
  const file = new h5wasm.File(path, "w");
  file.create_dataset({ name: "c2", data: matrix, shape: [FRAMES, FRAMES], chunks: [5, 5] });
  file.create_dataset({ name: "flat", data: matrix.subarray(0, 46), shape: [2, FRAMES] });
  file.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a C2 map", () => {
  it.each([
    [FRAMES, 1],
    [8, 3],
    [6, 4],
    [1, FRAMES],
  ])("of at most %i cells is the mean over blocks of %i frames, without the diagonal", async (cells, block) => {
    const map = await readC2Map(path, "c2", cells);
    const side = Math.ceil(FRAMES / block);
    expect([map.frames, map.block, map.side]).toEqual([FRAMES, block, side]);
    for (let a = 0; a < side; a++) {
      for (let b = 0; b < side; b++) {
        const pairs: number[] = [];
        for (let t1 = 0; t1 < FRAMES; t1++) {
          for (let t2 = t1 + 1; t2 < FRAMES; t2++) {
            const [low, high] = [Math.floor(t1 / block), Math.floor(t2 / block)];
            if (low === Math.min(a, b) && high === Math.max(a, b)) pairs.push(matrix[t1 * FRAMES + t2]!);
          }
        }
        const mean = pairs.reduce((sum, value) => sum + value, 0) / pairs.length;
        if (pairs.length === 0) expect(map.values[a * side + b]).toBeNaN();
        else expect(map.values[a * side + b]).toBeCloseTo(mean, 12);
      }
    }
  });

  it("needs a square matrix", async () => {
    await expect(readC2Map(path, "flat", 5)).rejects.toThrow(/no square matrix flat/);
    await expect(readC2Map(path, "none", 5)).rejects.toThrow(/no square matrix none/);
  });
});

it("a picture has its size and every pixel", () => {
  const rgba = Uint8Array.from({ length: 3 * 2 * 4 }, (_, i) => 10 * i);
  const png = encodePng(3, 2, rgba);
  expect(png.subarray(0, 8).toString("latin1")).toBe("\x89PNG\r\n\x1a\n");
  expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([3, 2]);
  const data = png.indexOf("IDAT") + 4;
  const rows = inflateSync(png.subarray(data, data + png.readUInt32BE(data - 8)));
  expect([...rows]).toEqual([0, ...rgba.subarray(0, 12), 0, ...rgba.subarray(12)]);
});
