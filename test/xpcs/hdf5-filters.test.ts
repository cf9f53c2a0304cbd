/**
 * LZ4 and bitshuffle as other writers store them: the files of fixtures/hdf5-filters (their script says with which programs) give
 * what the same values give uncompressed.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import h5wasm from "h5wasm/node";
import { afterAll, expect, it } from "vitest";
import { writeQmap } from "../../src/demo/sample-files.js";
import { correlateFile } from "../../src/xpcs/native.js";
import { contents } from "./file-contents.js";
import { nexusSample } from "./nexus-sample.js";

const FIXTURES = join(import.meta.dirname, "../fixtures/hdf5-filters");
const ROOT = mkdtempSync(join(tmpdir(), "xpcs-filters-"));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));

type Kind = "sparse" | "mixed" | "noise";
type Shape = readonly [frames: number, height: number, width: number];
interface Case {
  readonly name: string;
  readonly kind: Kind;
  readonly bits: 8 | 16 | 32;
  readonly shape?: Shape;
}

const CASES: readonly Case[] = [
  { name: "lz4-u8", kind: "sparse", bits: 8 },
  { name: "lz4-u16-blocks-of-64", kind: "mixed", bits: 16 },
  { name: "lz4-u32-noise", kind: "noise", bits: 32 },
  { name: "bitshuffle-u16", kind: "mixed", bits: 16 },
  { name: "bitshuffle-lz4-u8-blocks-of-8", kind: "mixed", bits: 8 },
  { name: "bitshuffle-lz4-u16", kind: "sparse", bits: 16, shape: [5, 67, 71] },
  { name: "bitshuffle-lz4-u16-big-endian", kind: "mixed", bits: 16 },
  { name: "bitshuffle-lz4-u32-parts", kind: "noise", bits: 32 },
  { name: "bitshuffle-lz4-u32-seven", kind: "mixed", bits: 32, shape: [5, 1, 7] },
  { name: "repacked-lz4-u16", kind: "mixed", bits: 16 },
  { name: "repacked-bitshuffle-lz4-u32", kind: "sparse", bits: 32 },
];

/** The values that the script wrote, each from its place. */
function frames(kind: Kind, [count, height, width]: Shape, bits: 8 | 16 | 32): Uint8Array | Uint16Array | Uint32Array {
  const most = 2 ** bits - 1;
  const values = new { 8: Uint8Array, 16: Uint16Array, 32: Uint32Array }[bits](count * height * width);
  for (let i = 0; i < values.length; i++) {
    let hashed = Math.imul(i + 1, 2654435761) >>> 0;
    hashed = Math.imul(hashed ^ (hashed >>> 15), 2246822519) >>> 0;
    hashed = (hashed ^ (hashed >>> 13)) >>> 0;
    const noise = kind === "noise" || (kind === "mixed" && i + 1 > Math.floor(values.length / 2));
    if (noise) values[i] = hashed % most;
    else if (hashed % 11 === 0) values[i] = 1 + ((hashed >>> 16) % Math.min(most - 1, 300));
  }
  return values;
}

it("has a case for each file", () => {
  const files = readdirSync(FIXTURES).filter((name) => name.endsWith(".h5"));
  expect(files.sort()).toEqual(CASES.map(({ name }) => `${name}.h5`).sort());
});

it.each(CASES)("$name", async ({ name, kind, bits, shape = [5, 19, 23] }) => {
  const folder = mkdtempSync(join(ROOT, "case-"));
  const [count, height, width] = shape;
  const { sample } = nexusSample(folder);
  const everywhere = new Uint16Array(height * width).fill(1);
  const detector = { ...sample.detector, height, width };
  const qmap = join(folder, "qmap.hdf");
  await writeQmap(qmap, {
    ...sample,
    detector,
    rings: sample.rings.slice(0, 1),
    dqmap: everywhere,
    sqmap: everywhere,
    staticQ: Float64Array.of(1),
  });
  const plain = join(folder, "plain.h5");
  await h5wasm.ready;
  const file = new h5wasm.File(plain, "w");
  file
    .create_group("entry")
    .create_group("data")
    .create_dataset({ name: "data", data: frames(kind, shape, bits), shape: [...shape] });
  file.close();

  const result = async (input: string, out: string): Promise<Record<string, string>> => {
    // Every pixel of the first frames, and every pixel's moments, which have the last one too.
    const options = { layout: "exchange", g2out: true, threads: 2 } as const;
    const request = { files: { input, qmap }, options, out: join(folder, out), overwrite: false, firstFrames: count - 1, provenance: {} };
    const summary = await correlateFile(request);
    expect(summary.warnings).toEqual([]);
    expect(summary.framesRead).toBe(count);
    return contents(request.out, /^\/provenance\//);
  };
  const ours = await result(join(FIXTURES, `${name}.h5`), "ours.hdf");
  expect(Object.keys(ours)).toEqual(expect.arrayContaining(["/exchange/frames_out", "/exchange/IF"]));
  expect(ours).toEqual(await result(plain, "plain.hdf"));
});
