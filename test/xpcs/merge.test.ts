/** Merging repeats: the baseline under varying intensity, exactness in any order and grouping, and refusals. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeQmap } from "../../src/demo/sample-files.js";
import { correlateFile, mergeResults } from "../../src/xpcs/native.js";
import { Random } from "../../src/xpcs/random.js";
import { nexusSample } from "./nexus-sample.js";
import { readNumbers } from "./reference-case.js";

const REPEATS = 24;
const FRAMES = 256;
let folder: string;
let results: string[];

/** Frames of uncorrelated photons on the detector's first 64 x 64 pixels, as Rigaku words. */
function rigaku(random: Random, photonsPerFrame: number): Buffer {
  const words: bigint[] = [];
  for (let frame = 0; frame < FRAMES; frame += 1) {
    const n = Math.round(photonsPerFrame * (0.7 + 0.6 * random.uniform()));
    for (let i = 0; i < n; i += 1) {
      const pixel = Math.floor(random.uniform() * 64) * 1024 + Math.floor(random.uniform() * 64);
      words.push((BigInt(frame) << 40n) | (BigInt(pixel) << 16n) | 1n);
    }
  }
  return Buffer.from(BigUint64Array.from(words).buffer);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-merge-"));
  mkdirSync(join(folder, "in"));
  const qmap = join(folder, "qmap.hdf");
  const { sample } = nexusSample(join(folder, "in"));
  const part = (rows: number): Uint16Array =>
    Uint16Array.from({ length: 512 * 1024 }, (_, p) => (p % 1024 < 64 && p < 64 * 1024 ? 1 + Math.floor(p / 1024 / rows) : 0));
  await writeQmap(qmap, { ...sample, detector: { ...sample.detector, height: 512, width: 1024 }, dqmap: part(32), sqmap: part(16) });
  const random = new Random(42);
  results = [];
  for (let i = 0; i < REPEATS; i += 1) {
    const input = join(folder, "in", `r${i}.bin`);
    writeFileSync(input, rigaku(random, 40 * (1 + 0.2 * random.normal())));
    const out = join(folder, `r${i}_results.hdf`);
    await correlateFile({ files: { input, qmap }, options: { frameTimeS: 1e-3 }, out, overwrite: false, provenance: {} });
    results.push(out);
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function merge(inputs: readonly string[], name: string, pooling: "per-repeat" | "pooled" = "per-repeat"): string {
  const out = join(folder, name);
  mergeResults({ inputs, out, overwrite: true, pooling, provenance: {} });
  return out;
}

const g2 = async (file: string): Promise<readonly number[]> => [...(await readNumbers(file, "/xpcs/multitau/normalized_g2"))!.values];

describe("merged repeats", () => {
  it("have a baseline of 1 within 3 errors under 20 % rms intensity spread", async () => {
    const merged = merge(results, "merged.hdf");
    const values = await g2(merged);
    const errors = [...(await readNumbers(merged, "/xpcs/multitau/normalized_g2_err"))!.values];
    const judged = values.filter((_, i) => errors[i]! > 0);
    expect(judged.length).toBeGreaterThan(20);
    const pulls = values.map((value, i) => (value - 1) / errors[i]!).filter(Number.isFinite);
    expect(Math.max(...pulls.map(Math.abs))).toBeLessThan(3.5);
    expect(Math.abs(pulls.reduce((sum, pull) => sum + pull, 0) / pulls.length)).toBeLessThan(1);
    const pooled = await g2(merge(results, "pooled.hdf", "pooled"));
    const mean = (list: readonly number[]): number => list.reduce((sum, value) => sum + value, 0) / list.length;
    expect(mean(pooled) - mean(values)).toBeGreaterThan(0.01);
  });

  it("are the same to the bit in any order and grouping", async () => {
    const straight = await readNumbers(merge(results, "a.hdf"), "/moments/products");
    const halves = [merge(results.slice(0, 7), "h1.hdf"), merge(results.slice(7), "h2.hdf")];
    const grouped = merge([halves[1]!, halves[0]!], "b.hdf");
    expect([...(await readNumbers(grouped, "/moments/products"))!.values]).toEqual([...straight!.values]);
    expect(await g2(grouped)).toEqual(await g2(join(folder, "a.hdf")));
  });

  it("must belong together", async () => {
    const other = join(folder, "other_results.hdf");
    const input = join(folder, "in", "r0.bin");
    await correlateFile({
      files: { input, qmap: join(folder, "qmap.hdf") },
      options: { frameTimeS: 1e-3, dpl: 8 },
      out: other,
      overwrite: true,
      provenance: {},
    });
    expect(() => merge([results[0]!, other], "x.hdf")).toThrow(/they differ in the delays/);
    expect(() => merge([results[0]!], "x.hdf")).toThrow(/at least two/);
    expect(() => merge([results[0]!, input], "x.hdf")).toThrow(/does not open as HDF5/);
    expect(() => merge(results.slice(0, 2), "r0_results.hdf")).toThrow(/one of the inputs/);
  });
});
