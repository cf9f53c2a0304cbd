/** Options that change which frames count and how: bad frames, monitor, frame-sum normalisation; the files of a Rigaku 3M. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import h5wasm, { Dataset } from "h5wasm/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CorrOptions } from "../../src/core/analysis.js";
import { writeQmap } from "../../src/demo/sample-files.js";
import { correlateFile } from "../../src/xpcs/native.js";
import { nexusSample } from "./nexus-sample.js";

const ROOT = mkdtempSync(join(tmpdir(), "xpcs-options-"));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));

const qmap = join(ROOT, "qmap.hdf");
let input: string;
let count = 0;

beforeAll(async () => {
  await h5wasm.ready;
  const made = nexusSample(ROOT, false);
  input = made.input;
  await writeQmap(qmap, made.sample);
});

interface Got {
  readonly g2: number[];
  readonly series: number[];
  readonly text: (name: string) => unknown;
}

async function correlate(options: CorrOptions, monitor?: string): Promise<Got> {
  const out = join(ROOT, `out-${count++}.hdf`);
  const files = { input, qmap, ...(monitor === undefined ? {} : { monitor }) };
  await correlateFile({ files, options: { frameTimeS: 0.001, ...options }, out, overwrite: false, provenance: {} });
  const file = new h5wasm.File(out, "r");
  const value = (path: string): unknown => {
    const dataset = file.get(path);
    if (!(dataset instanceof Dataset)) throw new Error(`${path} is missing`);
    return dataset.value;
  };
  const texts = new Map(["bad_frames", "monitor"].map((name) => [name, value(`/provenance/${name}`)]));
  const rows = Array.from(value("/xpcs/spatial_mean/intensity_vs_time") as Float32Array);
  const got = {
    g2: Array.from(value("/xpcs/multitau/normalized_g2") as Float32Array),
    series: rows.slice(rows.length / 2), // the first row is the frame's index
    text: (name: string) => texts.get(name),
  };
  file.close();
  return got;
}

/** A monitor of one number per frame. */
function monitorFile(numberAt: (frame: number) => number): string {
  const path = join(ROOT, `monitor-${count++}.txt`);
  writeFileSync(path, Array.from({ length: 200 }, (_, frame) => `${numberAt(frame)}\n`).join(""));
  return path;
}

describe("frames that do not count", () => {
  it("drops the events of bad frames and says so in the result", async () => {
    const plain = await correlate({});
    const without = await correlate({ badFrames: "3,10-12" });
    const changed = without.series.flatMap((value, frame) => (value === plain.series[frame] ? [] : [frame + 1]));
    expect(changed).toEqual([3, 10, 11, 12]);
    expect([2, 9, 10, 11].map((frame) => without.series[frame])).toEqual([0, 0, 0, 0]);
    expect(without.text("bad_frames")).toBe("3,10-12");
    // Level-0 values move by no more than four frames of 200 can move them.
    for (let i = 0; i < 8; i++) expect(Math.abs((without.g2[i] ?? Number.NaN) - (plain.g2[i] ?? Number.NaN))).toBeLessThan(0.1);
  });

  it("counts in the file, whatever frame the range begins with", async () => {
    const plain = await correlate({ begin: 5, end: 104 });
    const without = await correlate({ begin: 5, end: 104, badFrames: "1,6,190" });
    expect(without.series.flatMap((value, frame) => (value === plain.series[frame] ? [] : [frame]))).toEqual([1]);
  });

  it("refuses a list in which no frame is left", async () => {
    await expect(correlate({ badFrames: "1-200" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

describe("normalisation", () => {
  it("by a constant monitor changes nothing, by a varying one g2 but not the intensity", async () => {
    const plain = await correlate({});
    const constant = await correlate(
      {},
      monitorFile(() => 7),
    );
    for (const [i, value] of plain.g2.entries()) expect(constant.g2[i]).toBeCloseTo(value, 5);
    const varying = await correlate(
      {},
      monitorFile((frame) => 1 + (frame % 5)),
    );
    expect(varying.g2).not.toEqual(plain.g2);
    expect(varying.series).toEqual(plain.series);
  });

  it("by the frame sum works with a q-map, and not together with a monitor", async () => {
    const plain = await correlate({});
    const normalized = await correlate({ normalize: "framesum" });
    expect(normalized.g2).not.toEqual(plain.g2);
    expect(await correlate({ normalize: "none" })).toMatchObject({ g2: plain.g2 });
    const monitor = monitorFile(() => 1);
    await expect(correlate({ normalize: "framesum" }, monitor)).rejects.toThrow(/--normalize none/);
  });

  it("names the frame of a monitor value that cannot be used, unless it is bad", async () => {
    const monitor = monitorFile((frame) => (frame === 41 ? 0 : 1));
    await expect(correlate({}, monitor)).rejects.toThrow(/frame 42/);
    await expect(correlate({ badFrames: "42" }, monitor)).resolves.toBeDefined();
  });
});

describe("the six files of a Rigaku 3M", () => {
  const words = Buffer.alloc(8);
  words.writeBigUInt64LE((1n << 40n) | (5n << 16n) | 1n);

  it("names the one that is missing, and the first when another is given", async () => {
    for (const module of [0, 1, 2, 4, 5]) writeFileSync(join(ROOT, `m.bin.00${module}`), words);
    const run = (name: string) =>
      correlateFile({
        files: { input: join(ROOT, name), qmap },
        options: { frameTimeS: 1 },
        out: join(ROOT, "x.hdf"),
        overwrite: false,
        provenance: {},
      });
    await expect(run("m.bin.000")).rejects.toThrow(/m\.bin\.003 is missing/);
    await expect(run("m.bin.002")).rejects.toThrow(/m\.bin\.000/);
    writeFileSync(join(ROOT, "m.bin.003"), words);
    await expect(run("m.bin.000")).rejects.toThrow(/1676 x 2100/);
  });
});

describe("an option of an analysis that was not asked for", () => {
  it.each<[CorrOptions, string]>([
    [{ c2: "multitau" }, "--c2"],
    [{ qBins: [1] }, "--q-bins"],
    [{ smoothing: "symmetric", type: "multitau" }, "--smoothing"],
    [{ smoothingFilter: "average" }, "--smoothing-filter"],
    [{ window: 4 }, "--window"],
    [{ compression: "gzip" }, "--compression"],
  ])("%j is refused, with a way out", async (options, name) => {
    await expect(correlate(options)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining(`${name} is about a two-time analysis, which was not asked for; add --type twotime`),
    });
  });

  it("--memory-gb is said to have no effect", async () => {
    const request = { files: { input, qmap }, options: { frameTimeS: 0.001, memoryGb: 4 }, overwrite: false, provenance: {} };
    const { warnings } = await correlateFile({ ...request, out: join(ROOT, "limit.hdf") });
    expect(warnings).toContainEqual(expect.stringMatching(/--memory-gb has no effect/));
  });
});
