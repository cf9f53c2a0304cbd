/** Partial g2 over time windows: the same, to the bit, as separate runs over the frames of each window. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CorrFiles, CorrOptions } from "../../src/core/analysis.js";
import type { DemoSample } from "../../src/demo/sample.js";
import { writeQmap } from "../../src/demo/sample-files.js";
import { correlateFile } from "../../src/xpcs/native.js";
import { writeJob } from "./job-file.js";
import { nexusSample } from "./nexus-sample.js";
import { readNumbers } from "./reference-case.js";

const ROOT = mkdtempSync(join(tmpdir(), "xpcs-partials-"));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));

let files: Readonly<Record<"sparse" | "dense" | "rigaku" | "job", CorrFiles>>;
let made = 0;

/** Words of a Rigaku file; frame, pixel. */
function rigaku(events: readonly (readonly [number, number])[]): Buffer {
  return Buffer.from(BigUint64Array.from(events, ([frame, pixel]) => (BigInt(frame) << 40n) | (BigInt(pixel) << 16n) | 1n).buffer);
}

async function rigakuFiles(sample: DemoSample): Promise<CorrFiles> {
  const qmap = join(ROOT, "rigaku-qmap.hdf");
  const part = (rows: number) =>
    Uint16Array.from({ length: 512 * 1024 }, (_, p) => (p % 1024 < 24 && p < 24 * 1024 ? 1 + Math.floor(p / 1024 / rows) : 0));
  await writeQmap(qmap, { ...sample, detector: { ...sample.detector, height: 512, width: 1024 }, dqmap: part(12), sqmap: part(6) });
  const input = join(ROOT, "small.bin");
  // No frame from 120 to 159 has a photon: a window without any.
  const frames = Array.from({ length: 203 }, (_, frame) => frame).filter((frame) => frame < 120 || frame > 159);
  const events = frames.flatMap((frame) =>
    Array.from({ length: 40 }, (_, i) => [frame, ((frame * 7 + i * i) % 24) * 1024 + ((frame * i * 5 + i) % 24)] as const),
  );
  writeFileSync(input, rigaku(events));
  return { input, qmap };
}

beforeAll(async () => {
  const { sample, input: dense } = nexusSample(ROOT, true);
  const qmap = join(ROOT, "qmap.hdf");
  await writeQmap(qmap, sample);
  const sub = mkdtempSync(join(ROOT, "sparse-"));
  const { input: sparse } = nexusSample(sub, false);
  const job = join(ROOT, "job.hdf");
  const numbers = { data_begin_todo: 1, data_end_todo: 200, delays_per_level: 4, num_g2partials: 3 };
  const maps = { dqmap: Int32Array.from(sample.dqmap), sqmap: Int32Array.from(sample.sqmap) };
  await writeJob(job, { height: 32, width: 40, ...maps, input: sparse, numbers, words: {} });
  files = { sparse: { input: sparse, qmap }, dense: { input: dense, qmap }, rigaku: await rigakuFiles(sample), job: { job } };
});

async function correlate(of: CorrFiles, options: CorrOptions): Promise<string> {
  const out = join(ROOT, `out-${made++}.hdf`);
  await correlateFile({ files: of, options: { frameTimeS: 1e-3, ...options }, out, overwrite: false, provenance: {} });
  return out;
}

const numbers = async (path: string, name: string): Promise<number[]> => Array.from((await readNumbers(path, name))!.values);
const PARTIAL = "/xpcs/multitau/normalized_g2_partial";

describe("partial g2", () => {
  it.each<["sparse" | "dense" | "rigaku", CorrOptions, number]>([
    ["sparse", {}, 200],
    ["dense", {}, 200],
    ["sparse", { begin: 11, end: 190, average: 2, averaging: "robust" }, 90],
    ["dense", { begin: 7, stride: 2, errors: "boost-corr" }, 97],
    ["sparse", { normalize: "framesum", badFrames: "3,40-55,120" }, 200],
    ["rigaku", {}, 203],
  ])("of %s frames with %j is that of separate ranges", async (kind, options, frames) => {
    const windows = 5;
    const each = Math.floor(frames / windows);
    const block = (options.stride ?? 1) * (options.average ?? 1);
    const whole = await correlate(files[kind], { ...options, partials: windows });
    const plain = await correlate(files[kind], options);
    expect(await numbers(whole, "/xpcs/multitau/normalized_g2")).toEqual(await numbers(plain, "/xpcs/multitau/normalized_g2"));
    const delays = await numbers(whole, "/xpcs/multitau/delay_list");
    const [g2, error] = [await numbers(whole, PARTIAL), await numbers(whole, `${PARTIAL}_err`)];
    expect((await readNumbers(whole, PARTIAL))!.shape).toEqual([windows, delays.length, g2.length / windows / delays.length]);
    expect(await numbers(whole, `${PARTIAL}_labels`)).toEqual(Array.from({ length: windows }, (_, k) => (k + 1) * each));
    expect((await numbers(whole, `${PARTIAL}_frames`)).slice(0, 4)).toEqual([1, each, each + 1, 2 * each]);
    const row = g2.length / windows;
    for (let k = 0; k < windows; k++) {
      const begin = (options.begin ?? 1) + k * each * block;
      const alone = await correlate(files[kind], { ...options, begin, end: begin + each * block - 1 });
      const [theirs, theirErrors] = [
        await numbers(alone, "/xpcs/multitau/normalized_g2"),
        await numbers(alone, "/xpcs/multitau/normalized_g2_err"),
      ];
      expect(delays.slice(0, theirs.length / 2)).toEqual(await numbers(alone, "/xpcs/multitau/delay_list"));
      const ours = g2.slice(k * row, (k + 1) * row);
      expect(
        ours.slice(0, theirs.length).map((value) => (Number.isNaN(value) ? 0 : value)),
        `window ${k}`,
      ).toEqual(theirs);
      expect(error.slice(k * row, k * row + theirs.length), `window ${k}`).toEqual(theirErrors);
      expect(ours.slice(theirs.length).every(Number.isNaN)).toBe(true);
      expect(ours.some((value) => value > 0)).toBe(!(kind === "rigaku" && k === 3));
    }
  });

  it("is the same for any number of threads", async () => {
    const read = async (threads: number) => numbers(await correlate(files.sparse, { partials: 3, threads }), PARTIAL);
    const one = await read(1);
    expect(await read(2)).toEqual(one);
    expect(await read(5)).toEqual(one);
  });

  it("is taken from a job file's num_g2partials, into the exchange layout", async () => {
    const result = await correlate(files.job, {});
    const [g2, error] = [
      await readNumbers(result, "/exchange/norm-0-g2-partials"),
      await readNumbers(result, "/exchange/norm-0-stderr-partials"),
    ];
    expect(g2!.shape).toEqual(error!.shape);
    expect(await numbers(result, "/exchange/g2-partials-frames")).toEqual([1, 66, 67, 132, 133, 198]);
    const alone = await correlate(files.job, { begin: 67, end: 132, partials: 1 });
    const second = await numbers(alone, "/exchange/norm-0-g2");
    const row = g2!.values.length / 3;
    expect(Array.from(g2!.values.slice(row, row + second.length))).toEqual(second);
    expect(await readNumbers(await correlate(files.job, { compat: "xpcs-eigen" }), "/exchange/norm-0-g2-partials")).toBeNull();
  });

  it("refuses windows of fewer than two frames, a two-time analysis, and frames far out of order", async () => {
    await expect(correlate(files.sparse, { partials: 101 })).rejects.toThrow(/at most 100/);
    await expect(correlate(files.rigaku, { partials: 200 })).rejects.toThrow(/at most 101/);
    await expect(correlate(files.sparse, { partials: 2, type: "twotime" })).rejects.toThrow(/no effect/);
    const input = join(ROOT, "late.bin");
    writeFileSync(input, rigaku([...Array.from({ length: 100 }, (_, frame) => [frame, frame % 20] as const), [2, 5]]));
    await expect(correlate({ ...files.rigaku, input }, { partials: 10, format: "rigaku" })).rejects.toThrow(
      /frame 3 of the series comes after/,
    );
    await expect(correlate({ ...files.rigaku, input }, { partials: 1, format: "rigaku" })).resolves.toBeDefined();
  });
});
