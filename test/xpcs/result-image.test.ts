/** The static image of both layouts with its partitions: as the correlator was given them, also where a job file's maps are transposed. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import h5wasm from "h5wasm/node";
import { afterEach, beforeEach, expect, it } from "vitest";
import { imageIn } from "../../src/xpcs/result-image.js";

let folder: string;
beforeEach(async () => {
  await h5wasm.ready;
  folder = mkdtempSync(join(tmpdir(), "xpcs-image-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Made {
  readonly [path: string]: readonly [data: Float32Array | Int32Array | string, shape?: readonly number[]];
}

/** The image of a file that has these datasets. */
function imageOf(datasets: Made) {
  const path = join(folder, "r.hdf");
  const file = new h5wasm.File(path, "w");
  for (const [name, [data, shape]] of Object.entries(datasets)) {
    const parts = name.split("/");
    let at = "";
    for (const part of parts.slice(0, -1)) {
      if (file.get(`${at}/${part}`) === null) file.create_group(`${at}/${part}`.slice(1));
      at += `/${part}`;
    }
    file.create_dataset({ name: name, data, ...(shape === undefined ? {} : { shape: [...shape] }) });
  }
  file.close();
  const opened = new h5wasm.File(path, "r");
  try {
    return imageIn(path, opened);
  } finally {
    opened.close();
  }
}

const COUNTS = Float32Array.of(1, 2, 3, 4, 5, 6);

it("NeXus: the image of one plane, with both maps; a map of another size is none", () => {
  const image = imageOf({
    "xpcs/temporal_mean/scattering_2d": [COUNTS, [1, 2, 3]],
    "xpcs/qmap/dynamic_roi_map": [Int32Array.of(0, 1, 1, 2, 2, 0), [2, 3]],
    "xpcs/qmap/static_roi_map": [Int32Array.of(1, 2, 3, 4), [2, 2]],
  })!;
  expect(image).toMatchObject({ height: 2, width: 3, static: null });
  expect([...image.values]).toEqual([...COUNTS]);
  expect([...image.dynamic!]).toEqual([0, 1, 1, 2, 2, 0]);
});

it("exchange: of whichever group, the maps transposed where the job file says so", () => {
  const maps = { "xpcs/dqmap": [Int32Array.of(1, 4, 2, 5, 3, 6), [3, 2]] } as const;
  const pixelSum = { "exchange_1/pixelSum": [COUNTS, [2, 3]] } as const;
  expect([...imageOf({ ...pixelSum, ...maps, "xpcs/transposed": ["ENABLED"] })!.dynamic!]).toEqual([1, 2, 3, 4, 5, 6]);
  // Not said, so the map has another size.
  expect(imageOf({ ...pixelSum, ...maps })!.dynamic).toBeNull();
  const square = { "xpcs/sqmap": [Int32Array.of(1, 2, 3, 4), [2, 2]], "exchange/pixelSum": [COUNTS.slice(0, 4), [2, 2]] } as const;
  expect([...imageOf(square)!.static!]).toEqual([1, 2, 3, 4]);
  expect([...imageOf({ ...square, "xpcs/transposed": ["ENABLED"] })!.static!]).toEqual([1, 3, 2, 4]);
});

it("a file without an image has none; what has one dimension is no image", () => {
  expect(imageOf({ "xpcs/multitau/delay_list": [Int32Array.of(1, 2)] })).toBeNull();
  expect(() => imageOf({ "exchange/pixelSum": [COUNTS, [6]] })).toThrow("is no image");
});
