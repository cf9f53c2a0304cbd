/** The NeXus layout of a two-time analysis: what pyXpcsViewer requires, read by a library that did not write it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import h5wasm, { type Dataset, type Group } from "h5wasm/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CorrOptions, CorrSummary } from "../../src/core/analysis.js";
import { writeMetadata, writeQmap } from "../../src/demo/sample-files.js";
import { correlateFile } from "../../src/xpcs/native.js";
import { nexusSample } from "./nexus-sample.js";
import { type NumericDataset, readNumbers } from "./reference-case.js";

const folder = mkdtempSync(join(tmpdir(), "xpcs-nexus-twotime-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files: { input: string; qmap: string; metadata: string };
let frames: number;

beforeAll(async () => {
  const { sample, input } = nexusSample(folder);
  frames = sample.frames;
  files = { input, qmap: join(folder, "qmap.hdf"), metadata: join(folder, "run_metadata.hdf") };
  await writeQmap(files.qmap, sample);
  await writeMetadata(files.metadata, sample, "2026-11-22T10:00:00Z");
});

function correlate(name: string, options: CorrOptions): Promise<CorrSummary> {
  return correlateFile({ files, options, out: join(folder, name), overwrite: false, provenance: {} });
}

const read = async (name: string, path: string): Promise<NumericDataset> => (await readNumbers(join(folder, name), path))!;

describe("a NeXus result of two-time and multi-tau", () => {
  beforeAll(async () => {
    const summary = await correlate("both.hdf", { type: "both", compression: "gzip" });
    expect([summary.type, summary.twoTimeBins, summary.delays > 0]).toEqual(["both", 2, true]);
  });

  it("has every key that the viewer requires", async () => {
    const shapes: Readonly<Record<string, readonly number[]>> = {
      processed_bins: [2],
      normalized_g2: [frames, 2],
      normalized_g2_segments: [frames / 5, 5, 2],
      "config/stride_frame": [],
      "config/avg_frame": [],
      "correlation_map/c2_00001": [frames, frames],
      "correlation_map/c2_00002": [frames, frames],
    };
    for (const [name, shape] of Object.entries(shapes))
      expect((await read("both.hdf", `/xpcs/twotime/${name}`)).shape, name).toEqual(shape);
    expect([...(await read("both.hdf", "/xpcs/twotime/processed_bins")).values]).toEqual([1, 2]);
    expect((await read("both.hdf", "/xpcs/spatial_mean/intensity_vs_time")).shape).toEqual([2, frames]);
    expect((await read("both.hdf", "/xpcs/multitau/normalized_g2")).values.length).toBeGreaterThan(0);
  });

  it("has a half matrix, whose other half is 0, and its means along the diagonals", async () => {
    const { values } = await read("both.hdf", "/xpcs/twotime/correlation_map/c2_00001");
    const g2 = (await read("both.hdf", "/xpcs/twotime/normalized_g2")).values;
    let below = 0;
    for (let a = 0; a < frames; a++) for (let b = 0; b < a; b++) below += Math.abs(values[a * frames + b]!);
    expect(below).toBe(0);
    for (const lag of [0, 1, 7, frames - 1]) {
      let sum = 0;
      for (let t = 0; t + lag < frames; t++) sum += values[t * frames + t + lag]!;
      expect(g2[lag * 2]!).toBeCloseTo(sum / (frames - lag), 5);
    }
  });

  it("falls from the contrast of the sample to 1", async () => {
    const g2 = (await read("both.hdf", "/xpcs/twotime/normalized_g2")).values;
    const mean = (from: number, to: number): number => {
      let sum = 0;
      for (let lag = from; lag < to; lag++) sum += g2[lag * 2 + 1]!;
      return sum / (to - from);
    };
    expect(mean(1, 3)).toBeGreaterThan(1.15);
    expect(Math.abs(mean(80, 140) - 1)).toBeLessThan(0.05);
  });

  it("is compressed with gzip and shuffle, which every reader has", async () => {
    await h5wasm.ready;
    const file = new h5wasm.File(join(folder, "both.hdf"), "r");
    try {
      const group = file.get("/xpcs/twotime/correlation_map") as Group;
      const filters = group.keys().map((key) => (group.get(key) as Dataset).filters.map(({ id }) => id));
      expect(filters).toEqual([
        [2, 1],
        [2, 1],
      ]);
    } finally {
      file.close();
    }
  });
});

describe("a NeXus result of two-time alone", () => {
  it("has the static outputs of a multi-tau result, bit for bit, and no multi-tau group", async () => {
    await correlate("twotime.hdf", { type: "twotime", qBins: [2], average: 3, smoothing: "sqmap" });
    await correlate("multitau.hdf", { type: "multitau", average: 3 });
    for (const name of [
      "temporal_mean/scattering_1d",
      "temporal_mean/scattering_1d_segments",
      "temporal_mean/scattering_2d",
      "spatial_mean/intensity_vs_time",
    ])
      expect(await read("twotime.hdf", `/xpcs/${name}`), name).toEqual(await read("multitau.hdf", `/xpcs/${name}`));
    expect([...(await read("twotime.hdf", "/xpcs/twotime/processed_bins")).values]).toEqual([2]);
    expect(await readNumbers(join(folder, "twotime.hdf"), "/xpcs/multitau/normalized_g2")).toBeNull();
    expect(await readNumbers(join(folder, "twotime.hdf"), "/xpcs/twotime/correlation_map/c2_00002")).toBeNull();
  });

  it.each([
    [{ qBins: [3] }, "INVALID_ARGUMENT", "q bin 3 does not exist"],
    [{ smoothing: "sqmap", smoothingFilter: "average" }, "INVALID_ARGUMENT", "--smoothing-filter"],
    [{ window: 1000 }, "INVALID_ARGUMENT", "window of 1000 frames"],
    [{ memoryGb: 1e-4, end: 200 }, "OUT_OF_MEMORY", "the limit is 1 MB"],
    [{ memoryGb: 1e-4 }, "OUT_OF_MEMORY", "--memory-gb"],
  ] as const)("refuses %j", async (options, code, message) => {
    const wrong = correlate("refused.hdf", { type: "twotime", ...options });
    await expect(wrong).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });

  it("says beforehand what it will need", async () => {
    const notes: string[] = [];
    const request = {
      files,
      options: { type: "twotime", end: 100 } as const,
      out: join(folder, "notes.hdf"),
      overwrite: false,
      provenance: {},
    };
    await correlateFile(request, ({ note }) => {
      if (note !== undefined) notes.push(note);
    });
    expect(notes).toEqual([expect.stringMatching(/^two-time of 100 frames, 2 q bins with \d+ pixels: needs up to \d+ MB of memory/)]);
  });
});
