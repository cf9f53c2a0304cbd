/** Merging repeats: the baseline under varying intensity, exactness in any order and grouping, and refusals. */
import { linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
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
/** The photons of each repeat. */
let series: Photon[][];

interface Photon {
  readonly frame: number;
  readonly pixel: number;
}

/** Frames of uncorrelated photons on the detector's first 64 x 64 pixels. */
function photons(random: Random, photonsPerFrame: number): Photon[] {
  return Array.from({ length: FRAMES }, (_, frame) => {
    const n = Math.round(photonsPerFrame * (0.7 + 0.6 * random.uniform()));
    return Array.from({ length: n }, () => ({
      frame,
      pixel: Math.floor(random.uniform() * 64) * 1024 + Math.floor(random.uniform() * 64),
    }));
  }).flat();
}

/** As Rigaku words. */
function rigaku(events: readonly Photon[]): Buffer {
  const words = events.map(({ frame, pixel }) => (BigInt(frame) << 40n) | (BigInt(pixel) << 16n) | 1n);
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
  series = [];
  for (let i = 0; i < REPEATS; i += 1) {
    const input = join(folder, "in", `r${i}.bin`);
    const events = photons(random, 40 * (1 + 0.2 * random.normal()));
    series.push(events);
    writeFileSync(input, rigaku(events));
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

  it("with bad frames count the good pairs alone, and add up to the same bits in any order and grouping", async () => {
    // Repeat r loses a run of frames and some single ones.
    const bad = [0, 1, 2, 3].map((r) => [`${20 + 40 * r}-${50 + 40 * r}`, `${201 + r}`, `${220 + 3 * r}`].join(","));
    const files: string[] = [];
    for (const [r, badFrames] of bad.entries()) {
      const out = join(folder, `bad${r}_results.hdf`);
      const request = {
        files: { input: join(folder, "in", `r${r}.bin`), qmap: join(folder, "qmap.hdf") },
        out,
        overwrite: true,
        provenance: {},
      };
      await correlateFile({ ...request, options: { frameTimeS: 1e-3, badFrames } });
      files.push(out);
    }
    const all = [...files, results[4]!];
    const merged = merge(all, "bad.hdf");
    const grouped = merge([merge([all[4]!, all[1]!], "bad41.hdf"), merge([all[3]!, all[0]!, all[2]!], "bad302.hdf")], "badgrouped.hdf");
    expect(await g2(grouped)).toEqual(await g2(merged));
    for (const name of ["products", "past", "future", "past_times_future", "good_pairs", "good_past", "good_future"])
      expect([...(await readNumbers(grouped, `/moments/${name}`))!.values], name).toEqual([
        ...(await readNumbers(merged, `/moments/${name}`))!.values,
      ]);

    // By definition, at the lags of single frames: pairs of good frames over what their means make of them.
    const good = all.map((_, r) => {
      const [run, ...single] = (bad[r] ?? "999-999").split(",");
      const [from, to] = run!.split("-").map(Number) as [number, number];
      return Array.from({ length: FRAMES }, (_, t) => !(t + 1 >= from && t + 1 <= to) && !single.includes(String(t + 1)));
    });
    for (const lag of [1, 3, 8]) {
      const plain = [0, 1].map((q) => {
        const ratios = [0, 1].map((s) => {
          let [products, expected] = [0, 0];
          for (const [r, events] of series.slice(0, 5).entries()) {
            const rows = events.filter(({ frame, pixel }) => good[r]![frame] && Math.floor(pixel / 1024 / 16) === 2 * q + s);
            const counts = new Map<number, number>();
            for (const { frame, pixel } of rows) counts.set(pixel * FRAMES + frame, (counts.get(pixel * FRAMES + frame) ?? 0) + 1);
            for (const [key, count] of counts) if ((key % FRAMES) + lag < FRAMES) products += count * (counts.get(key + lag) ?? 0);
            const frames = (from: number, to: number): number => good[r]!.slice(from, to).filter(Boolean).length;
            const photonsIn = (from: number, to: number): number => rows.filter(({ frame }) => frame >= from && frame < to).length;
            const pairs = good[r]!.filter((here, t) => here && good[r]![t + lag]).length;
            const mean = (from: number, to: number): number => photonsIn(from, to) / frames(from, to);
            expected += (pairs * mean(0, FRAMES - lag) * mean(lag, FRAMES)) / (16 * 64);
          }
          return products / expected;
        });
        return (ratios[0]! + ratios[1]!) / 2;
      });
      const at = [...(await readNumbers(merged, "/xpcs/multitau/delay_list"))!.values].map(Number).indexOf(lag);
      const ours = (await g2(merged)).slice(2 * at, 2 * at + 2);
      for (const [q, value] of ours.entries()) expect(value / plain[q]!, `lag ${lag}`).toBeCloseTo(1, 5);
    }
    expect([...(await readNumbers(merged, "/moments/bad_frames"))!.values].map(Number).filter((t) => t >= FRAMES).length).toBe(3 * 33);
    const pooled = await g2(merge(all, "badpooled.hdf", "pooled"));
    expect(await g2(merge([grouped, results[5]!], "p1.hdf", "pooled"))).toEqual(await g2(merge([results[5]!, ...all], "p2.hdf", "pooled")));
    const mean = (list: readonly number[]): number => list.slice(0, 16).reduce((sum, value) => sum + value, 0) / 16;
    expect(mean(pooled) / mean(await g2(merged))).toBeGreaterThan(1);
    expect(mean(pooled) / mean(await g2(merged))).toBeLessThan(1.2);
  });

  it("of the exchange layout are those of the NeXus layout, in the exchange layout", async () => {
    const files: string[] = [];
    for (const r of [0, 1, 2]) {
      const out = join(folder, `x${r}.hdf`);
      const request = {
        files: { input: join(folder, "in", `r${r}.bin`), qmap: join(folder, "qmap.hdf") },
        out,
        overwrite: true,
        provenance: {},
      };
      await correlateFile({ ...request, options: { layout: "exchange", errors: "influence" } });
      files.push(out);
    }
    const exchange = merge(files, "x.hdf");
    const nexus = merge(results.slice(0, 3), "n.hdf");
    const values = async (file: string, name: string): Promise<number[]> => [...(await readNumbers(file, name))!.values].map(Number);
    expect(await values(exchange, "/exchange/norm-0-g2")).toEqual(await g2(nexus));
    expect((await values(exchange, "/exchange/frameSum")).length).toBe(2 * 3 * FRAMES);
    expect((await values(exchange, "/exchange/timestamp_clock")).length).toBe(2 * 3 * FRAMES);
    const means = await values(nexus, "/xpcs/temporal_mean/scattering_1d");
    for (const [s, mean] of (await values(exchange, "/exchange/partition-mean-total")).entries())
      expect(mean / means[s]!).toBeCloseTo(1, 6);
    expect(await values(merge([exchange, files[0]!], "xx.hdf"), "/exchange/moments/repeats")).toEqual([4]);
    expect(() => merge([files[0]!, results[1]!], "y.hdf")).toThrow(/they differ in the layout/);
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
    const linked = join(folder, "linked_results.hdf");
    linkSync(results[0]!, linked);
    for (const same of [results[0]!, linked])
      expect(() => merge([results[0]!, results[1]!, same], "x.hdf")).toThrow(/are one file: a repeat can be merged once/);
    expect(() => merge([results[0]!, input], "x.hdf")).toThrow(/does not open as HDF5/);
    expect(() => merge(results.slice(0, 2), "r0_results.hdf")).toThrow(/one of the inputs/);
  });
});
