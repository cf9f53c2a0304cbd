/**
 * Multi-tau two-time through files: against block means of the matrix that the plain two-time correlation gives, and of the matrix
 * of the same result; its bins of age; the same to the bit for any number of threads, and without the matrix; both layouts.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { C2Form, CorrOptions, Smoothing, SmoothingFilter } from "../../src/core/analysis.js";
import { writeMetadata, writeQmap } from "../../src/demo/sample-files.js";
import { immBytes } from "../../src/xpcs/detector-files.js";
import { correlateFile } from "../../src/xpcs/native.js";
import { Random } from "../../src/xpcs/random.js";
import { readResultFile } from "../../src/xpcs/result-file.js";
import { multitauTwoTimeReference, type TwoTimeInput, twoTimeReference } from "../../src/xpcs/twotime-reference.js";
import { writeJob } from "./job-file.js";
import { nexusSample } from "./nexus-sample.js";
import { type NumericDataset, readGroup, readNumbers, worstDifference } from "./reference-case.js";

/** Results are stored in single precision. */
const TOLERANCE = 5e-7;

const folder = mkdtempSync(join(tmpdir(), "xpcs-twotime-multitau-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Case {
  readonly name: string;
  readonly height: number;
  readonly width: number;
  readonly frames: number;
  readonly dpl: number;
  /** Photons per pixel and frame, and the largest count of one. */
  readonly density: number;
  readonly countMax: number;
  readonly smoothing: Smoothing;
  readonly filter?: SmoothingFilter;
  readonly flat?: boolean;
}

const CASES: readonly Case[] = [
  { name: "few photons", height: 6, width: 5, frames: 203, dpl: 2, density: 0.05, countMax: 1, smoothing: "none" },
  { name: "many photons", height: 6, width: 5, frames: 130, dpl: 4, density: 3, countMax: 5, smoothing: "symmetric" },
  { name: "large counts", height: 5, width: 5, frames: 97, dpl: 3, density: 0.3, countMax: 30_000, smoothing: "staticmap" },
  { name: "boost_corr's maps", height: 5, width: 7, frames: 64, dpl: 2, density: 0.6, countMax: 3, smoothing: "sqmap" },
  { name: "real values", height: 4, width: 6, frames: 150, dpl: 4, density: 0.4, countMax: 9, smoothing: "dqmap", flat: true },
  { name: "mean over time", height: 4, width: 6, frames: 75, dpl: 1, density: 0.4, countMax: 9, smoothing: "symmetric", filter: "average" },
  { name: "a short series", height: 4, width: 4, frames: 5, dpl: 4, density: 1, countMax: 2, smoothing: "none" },
  { name: "two frames", height: 4, width: 4, frames: 2, dpl: 2, density: 1, countMax: 2, smoothing: "none" },
  { name: "several tiles", height: 140, width: 150, frames: 22, dpl: 2, density: 0.02, countMax: 2, smoothing: "none" },
  {
    name: "several tiles of real values",
    height: 140,
    width: 150,
    frames: 22,
    dpl: 2,
    density: 0.6,
    countMax: 2,
    smoothing: "sqmap",
    flat: true,
  },
];

const BINS = [1, 2];

/** Bin 1 has the greater part of the pixels; some pixels are masked. */
async function stage(given: Case, seed: number): Promise<{ job: string; plain: TwoTimeInput }> {
  const { name, height, width, frames, dpl, density, countMax, smoothing, filter = "none", flat = false } = given;
  const random = new Random(seed);
  const pixels = height * width;
  const below = (n: number): number => Math.floor(random.uniform() * n);
  const dqmap = Int32Array.from({ length: pixels }, (_, p) =>
    p < 2 ? p + 1 : random.uniform() < 0.05 ? 0 : random.uniform() < 0.85 ? 1 : 2,
  );
  const sqmap = dqmap.map((q) => (q > 0 ? 2 * q - below(2) : 0));
  const flatfield = Float64Array.from({ length: pixels }, () => (flat ? 0.5 + random.uniform() : 1));
  const lists = { frame: [] as number[], pixel: [] as number[], count: [] as number[] };
  const series = new Float64Array(frames * pixels);
  for (let t = 0; t < frames; t++) {
    const n = t % 13 === 5 ? 0 : random.poisson(density * pixels);
    for (let i = 0; i < n; i++) {
      const [p, count] = [below(pixels), 1 + below(countMax)];
      lists.frame.push(t);
      lists.pixel.push(p);
      lists.count.push(count);
      series[t * pixels + p]! += count * flatfield[p]!;
    }
  }
  const stem = join(folder, name.replace(/\W/g, "-"));
  const events = {
    frames,
    frame: Uint32Array.from(lists.frame),
    pixel: Uint32Array.from(lists.pixel),
    count: Uint16Array.from(lists.count),
  };
  writeFileSync(`${stem}.imm`, immBytes(events as never, { height, width, dense: false, frameTimeS: 0.01 }));
  const job = `${stem}.job.hdf`;
  await writeJob(job, {
    ...{ height, width, dqmap, sqmap, input: `${stem}.imm`, bins: BINS },
    numbers: { data_begin_todo: 1, data_end_todo: frames, delays_per_level: dpl, twotime2onetime_window_size: 1 },
    words: { analysis_type: "Twotime", smoothing_method: "Symmetric", smoothing_filter: "None" },
    ...(flat ? { flatfield } : {}),
  });
  return { job, plain: { frames, pixels, series, counted: series, dqmap, sqmap, bins: BINS, smoothing, filter, window: 1 } };
}

async function correlate(job: string, { smoothing, filter = "none" }: Case, c2: C2Form, threads: number): Promise<string> {
  const out = job.replace(".job.hdf", `.${c2}-${threads}.hdf`);
  const options: CorrOptions = { format: "imm", smoothing, smoothingFilter: filter, c2, threads };
  await correlateFile({ files: { job }, options, out, overwrite: true, provenance: {} });
  return out;
}

const named = (bin: number): string => `c2_${String(bin).padStart(5, "0")}`;

describe.each(CASES)("multi-tau two-time ($name)", (given) => {
  const { frames, dpl } = given;
  let job: string;
  let plain: TwoTimeInput;
  let out: string;
  let group: Map<string, NumericDataset>;
  beforeAll(async () => {
    ({ job, plain } = await stage(given, 7 + CASES.indexOf(given)));
    out = await correlate(job, given, "both", 2);
    group = await readGroup(out, "/exchange/C2MT");
  });

  const values = (name: string): Float64Array => group.get(name)!.values;

  it("is the block means of the plain matrix", () => {
    const { c2 } = twoTimeReference(plain);
    c2.forEach((matrix, b) => {
      const { delays, ageEdges, byAge } = multitauTwoTimeReference(matrix, frames, dpl);
      expect([...values("delay_list")]).toEqual(delays.map(({ lag }) => lag));
      expect([...values("block_frames")]).toEqual(delays.map(({ block }) => block));
      const first = [0];
      for (const delay of delays) first.push(first.at(-1)! + delay.values.length);
      expect([...values("first_value")]).toEqual(first);
      const all = delays.flatMap((delay) => [...delay.values]);
      expect(group.get(named(b + 1))!.shape).toEqual([all.length]);
      expect(worstDifference(values(named(b + 1)), all), `bin ${b + 1}`).toBeLessThan(TOLERANCE);
      const means = delays.map((delay) => delay.values.reduce((sum, value) => sum + value, 0) / delay.values.length);
      const g2 = means.map((_, d) => values("normalized_g2")[d * BINS.length + b]!);
      expect(worstDifference(g2, means), `g2 of bin ${b + 1}`).toBeLessThan(TOLERANCE);
      expect([...values("age_edges")]).toEqual(ageEdges);
      const ages = ageEdges.length - 1;
      expect(group.get("c2_by_age")!.shape).toEqual([BINS.length, ages, delays.length]);
      const got = values("c2_by_age").subarray(b * byAge.length, (b + 1) * byAge.length);
      expect([...got].map(Number.isNaN), "where there is no value").toEqual([...byAge].map(Number.isNaN));
      const known = (list: Float64Array): number[] => [...list].filter((value) => !Number.isNaN(value));
      expect(worstDifference(known(got), known(byAge)), `ages of bin ${b + 1}`).toBeLessThan(TOLERANCE);
    });
  });

  it("is the block means of the matrix in the same file", async () => {
    for (const bin of BINS) {
      const matrix = (await readNumbers(out, `/exchange/C2T_all/g2_${String(bin).padStart(5, "0")}`))!;
      const { delays } = multitauTwoTimeReference(matrix.values, frames, dpl);
      const all = delays.flatMap((delay) => [...delay.values]);
      expect(worstDifference(values(named(bin)), all)).toBeLessThan(TOLERANCE);
    }
  });

  it("is the same to the bit for 1, 2 and 5 threads, and without the matrix", async () => {
    const bits = (found: Map<string, NumericDataset>): [string, Buffer][] =>
      [...found].map(([name, dataset]) => [name, Buffer.from(dataset.values.buffer, dataset.values.byteOffset, dataset.values.byteLength)]);
    const expected = bits(group);
    expect(expected.map(([name]) => name).sort()).toEqual(
      ["age_edges", "block_frames", named(1), named(2), "c2_by_age", "delay_list", "first_value", "normalized_g2"].sort(),
    );
    for (const threads of [1, 5]) {
      const alone = await correlate(job, given, "multitau", threads);
      expect(bits(await readGroup(alone, "/exchange/C2MT")), `${threads} threads`).toEqual(expected);
      const names = [...(await readGroup(alone, "/exchange")).keys()];
      expect(names).toContain("sg");
      for (const none of ["g2full", "g2partials"]) expect(names).not.toContain(none);
      expect(await readNumbers(alone, "/exchange/C2T_all/g2_00001")).toBeNull();
    }
  });
});

describe("a file with multi-tau two-time", () => {
  it("without --c2 has none", async () => {
    const { job } = await stage(CASES[0]!, 3);
    const out = await correlate(job, CASES[0]!, "full", 1);
    expect(await readNumbers(out, "/exchange/C2MT/delay_list")).toBeNull();
    expect((await readNumbers(out, "/exchange/C2T_all/g2_00001"))!.shape).toEqual([CASES[0]!.frames, CASES[0]!.frames]);
  });

  it("alone is opened by the reader, in the exchange layout", async () => {
    const { job } = await stage(CASES[1]!, 3);
    const result = await readResultFile(await correlate(job, CASES[1]!, "multitau", 1));
    expect([result.layout, result.frames, result.c2, result.delays]).toEqual(["exchange", CASES[1]!.frames, [], []]);
  });

  it("alone is opened by the reader, in the NeXus layout, and falls from the contrast to 1", async () => {
    const { sample, input } = nexusSample(folder);
    const files = { input, qmap: join(folder, "qmap.hdf"), metadata: join(folder, "run_metadata.hdf") };
    await writeQmap(files.qmap, sample);
    await writeMetadata(files.metadata, sample, "2026-11-22T10:00:00Z");
    const notes: string[] = [];
    const out = join(folder, "nexus.hdf");
    const options: CorrOptions = { type: "twotime", c2: "multitau", dpl: 4 };
    await correlateFile({ files, options, out, overwrite: false, provenance: {} }, ({ note }) => {
      if (note !== undefined) notes.push(note);
    });
    expect(notes).toEqual([expect.stringMatching(/^two-time of 200 frames.* needs up to \d+ MB of memory beside the reader's buffers$/)]);
    const result = await readResultFile(out);
    expect([result.layout, result.frames, result.c2]).toEqual(["nexus", sample.frames, []]);
    const found = await readGroup(out, "/xpcs/twotime/multitau");
    expect([...found.keys()]).toEqual(expect.arrayContaining(["c2_00001", "c2_00002", "c2_by_age"]));
    const delays = [...found.get("delay_list")!.values];
    const g2 = found.get("normalized_g2")!;
    expect(g2.shape).toEqual([delays.length, 2]);
    const last = delays.findLastIndex((lag) => lag <= 100);
    expect(g2.values[1]).toBeGreaterThan(1.15);
    expect(Math.abs(g2.values[2 * last + 1]! - 1)).toBeLessThan(0.05);
    for (const none of ["normalized_g2", "normalized_g2_segments", "g2partials"])
      expect(await readNumbers(out, `/xpcs/twotime/${none}`)).toBeNull();
    expect(await readNumbers(out, "/xpcs/twotime/correlation_map/c2_00001")).toBeNull();
  });

  it.each([{ window: 5 }, { compression: "gzip" }] as const)("alone does not take %j, which is about the matrix", async (given) => {
    const { sample, input } = nexusSample(folder);
    const qmap = join(folder, "matrix.hdf");
    await writeQmap(qmap, sample);
    const options: CorrOptions = { type: "twotime", c2: "multitau", frameTimeS: 1e-3, ...given };
    const request = { files: { input, qmap }, options, out: join(folder, "no.hdf"), overwrite: false, provenance: {} };
    await expect(correlateFile(request)).rejects.toThrow(
      `--${Object.keys(given)[0]} is about the C2 matrix, which --c2 multitau does not make`,
    );
  });
});
