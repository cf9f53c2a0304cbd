/**
 * The leverage report: what it says of each pixel against a plain computation, which planted pixels it names, that it names no
 * sound ones and changes nothing, and the patched q-map.
 */
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import h5wasm, { type Dataset, type Group } from "h5wasm/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CorrOptions } from "../../src/core/analysis.js";
import type { DemoSample } from "../../src/demo/sample.js";
import { writeQmap } from "../../src/demo/sample-files.js";
import { type LeverageTable, readLeverage } from "../../src/xpcs/leverage-file.js";
import { correlateReference, type ReferenceResult } from "../../src/xpcs/multitau-reference.js";
import { correlateFile, patchQmap } from "../../src/xpcs/native.js";
import type { EventList } from "../../src/xpcs/simulate.js";
import { startXpcs } from "../cli/xpcs-process.js";
import { contents } from "./file-contents.js";
import { DEFECTS, type Defect, FRAMES, HEIGHT, leverageSample, plantedEvents, WIDTH, writeEvents } from "./leverage-sample.js";
import { readNumbers } from "./reference-case.js";

const ROOT = mkdtempSync(join(tmpdir(), "xpcs-leverage-"));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));
const PIXELS = HEIGHT * WIDTH;
const G2 = "/xpcs/multitau/normalized_g2";
const ERROR = "/xpcs/multitau/normalized_g2_err";

const qmap = join(ROOT, "qmap.hdf");
const single = join(ROOT, "qmap-single.hdf");
const input = join(ROOT, "planted.imm");
const SAMPLE = leverageSample(3);
const SINGLE = leverageSample(1);
/** Two in the first q bin, two in the second, in different static bins. */
const PLANTED = new Map<number, Defect>([
  [5 * WIDTH + 3, DEFECTS.bursts!],
  [9 * WIDTH + 17, DEFECTS.bright!],
  [20 * WIDTH + 24, DEFECTS.blinking!],
  [25 * WIDTH + 5, DEFECTS.bursts!],
]);
const events = plantedEvents(SAMPLE, PLANTED, 1);

/** The record of the run. */
const RUN = /^\/provenance\//;

beforeAll(async () => {
  await h5wasm.ready;
  await writeQmap(qmap, SAMPLE);
  await writeQmap(single, SINGLE);
  writeEvents(input, events);
});

async function correlate(
  name: string,
  options: CorrOptions,
  map = qmap,
  from = input,
): Promise<{ out: string; warnings: readonly string[] }> {
  const out = join(ROOT, name);
  const request = { files: { input: from, qmap: map }, options: { frameTimeS: 1e-3, ...options }, out, overwrite: true, provenance: {} };
  return { out, warnings: (await correlateFile(request)).warnings };
}

const numbers = async (path: string, name: string): Promise<number[]> => Array.from((await readNumbers(path, name))!.values);

/** The plain correlation, without some pixels. */
function reference(sample: DemoSample, list: EventList, without: ReadonlySet<number> = new Set()): ReferenceResult {
  const series = new Float64Array(FRAMES * PIXELS);
  list.frame.forEach((frame, i) => {
    series[frame * PIXELS + list.pixel[i]!]! += list.count[i]!;
  });
  const map = (from: Uint16Array): Int32Array => Int32Array.from(from, (label, p) => (without.has(p) ? 0 : label));
  return correlateReference({ frames: FRAMES, pixels: PIXELS, series, dqmap: map(sample.dqmap), sqmap: map(sample.sqmap), dpl: 4 });
}

const placeOf = ({ row, column }: { row: number; column: number }): number => row * WIDTH + column;
const blemishesOf = ({ pixels }: LeverageTable): number[] =>
  pixels
    .filter(({ blemish }) => blemish)
    .map(placeOf)
    .sort((a, b) => a - b);

/** Sums of a set of pixels at one lag, in photons of the level's blocks: its g2, and the variance from each pixel's influence. */
function setAt({ G2: g, IP: p, IF: f, delays }: ReferenceResult, d: number, set: readonly number[]): { g2: number; variance: number } {
  const { level, tau } = delays[d]!;
  const block = 2 ** level;
  const terms = Math.floor(FRAMES / block) - tau / block;
  const of = (from: Float64Array, i: number, factor: number): number => from[d * PIXELS + i]! * terms * factor;
  const values = set.map((i) => ({ y: of(g, i, block ** 2), p: of(p, i, block), f: of(f, i, block) }));
  const total = values.reduce((sum, each) => ({ y: sum.y + each.y, p: sum.p + each.p, f: sum.f + each.f }), { y: 0, p: 0, f: 0 });
  const n = set.length;
  const expected = (total.p * total.f) / (n * terms);
  const g2 = total.y / expected;
  const squares = values.map((each) => {
    const moved = (each.p * total.f + each.f * total.p) / (n * terms) - (2 * expected) / n;
    return (each.y - total.y / n - g2 * moved) ** 2;
  });
  const scatter = (squares.reduce((sum, square) => sum + square, 0) * n) / (n - 1);
  return { g2, variance: Math.max(scatter, total.y, 1) / expected ** 2 };
}

describe("the leverage report", () => {
  it("names the planted pixels, and no other", async () => {
    const { out, warnings } = await correlate("planted.hdf", { leverage: true });
    const table = await readLeverage(out);
    expect(blemishesOf(table)).toEqual([...PLANTED.keys()].sort((a, b) => a - b));
    expect(warnings.join()).toMatch(/4 pixels pull g2 far more than their neighbours/);
    expect(table.bins.map(({ blemishes }) => blemishes)).toEqual([2, 2]);
    for (const [pixel, at] of table.pixels.map((each) => [each, placeOf(each)] as const)) {
      expect([pixel.dynamicBin, pixel.staticBin]).toEqual([SAMPLE.dqmap[at], SAMPLE.sqmap[at]]);
      const counts = events.pixel.reduce((sum, place, i) => sum + (place === at ? events.count[i]! : 0), 0);
      expect(pixel.countsPerFrame).toBeCloseTo(counts / FRAMES, 6);
    }
  });

  it("says how far g2 moves without each pixel, exactly", async () => {
    const { out } = await correlate("change.hdf", { leverage: true });
    const table = await readLeverage(out);
    const pairs = await numbers(out, "/xpcs/multitau/pairs");
    const all = reference(SAMPLE, events);
    for (const pixel of table.pixels.filter((_, i) => i % 4 === 0)) {
      const without = reference(SAMPLE, events, new Set([placeOf(pixel)]));
      const judged = all.delays.map((_, d) => d * 2 + pixel.dynamicBin - 1).filter((at) => pairs[at]! >= 20);
      expect(judged.length).toBeGreaterThan(10);
      const changes = judged.map((at) => without.g2[at]! - all.g2[at]!);
      const largest = changes.reduce((best, change, i) => (Math.abs(change) > Math.abs(changes[best]!) ? i : best), 0);
      expect(pixel.change).toBeCloseTo(changes.reduce((sum, change) => sum + change, 0) / changes.length, 5);
      expect(pixel.largestChange).toBeCloseTo(changes[largest]!, 5);
      expect(pixel.largestChangeDelay).toBe(all.delays[Math.floor(judged[largest]! / 2)]!.tau);
    }
  });

  it.each<CorrOptions>([
    {},
    { averaging: "weighted" },
    { averaging: "robust" },
    { average: 2, begin: 3, dpl: 8 },
    { badFrames: "7,100-120" },
  ])("has the g2 that the patched q-map gives: %j", async (options) => {
    const { out } = await correlate("before.hdf", { leverage: true, ...options });
    const patched = join(ROOT, "patch.hdf");
    expect(patchQmap(out, patched, true)).toBe(PLANTED.size);
    const { out: after } = await correlate("after.hdf", options, patched);
    const [g2, theirs] = [await numbers(out, "/leverage/g2_without_blemishes"), await numbers(after, G2)];
    const [errors, theirErrors] = [await numbers(out, "/leverage/g2_err_without_blemishes"), await numbers(after, ERROR)];
    for (const [i, value] of theirs.entries()) {
      expect(g2[i]! / value, `g2 ${i}`).toBeCloseTo(1, 5);
      if (theirErrors[i] !== 0) expect(errors[i]! / theirErrors[i]!, `error ${i}`).toBeCloseTo(1, 4);
      else expect(errors[i]! || 0).toBe(0);
    }
  });

  it("has the pull of its definition, in a q bin of one static bin", async () => {
    const { out } = await correlate("single.hdf", { leverage: true }, single);
    const table = await readLeverage(out);
    expect(blemishesOf(table)).toEqual([...PLANTED.keys()].sort((a, b) => a - b));
    const pairs = await numbers(out, "/xpcs/multitau/pairs");
    const plain = reference(SINGLE, events);
    for (const pixel of table.pixels) {
      const bin = pixel.dynamicBin;
      const sound = [...SINGLE.dqmap.keys()].filter((p) => SINGLE.dqmap[p] === bin && !PLANTED.has(p) && p !== placeOf(pixel));
      const squares = plain.delays.flatMap((_, d) => {
        if (pairs[d * 2 + bin - 1]! < 20) return [];
        const [without, having] = [setAt(plain, d, sound), setAt(plain, d, [...sound, placeOf(pixel)])];
        return [(having.g2 - without.g2) ** 2 / without.variance];
      });
      const pull = Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / squares.length);
      expect(pixel.pull / pull, `pixel ${placeOf(pixel)}`).toBeCloseTo(1, 4);
      expect(pixel.blemish).toBe(PLANTED.has(placeOf(pixel)));
      if (pixel.blemish) expect(pixel.pull).toBeGreaterThan(table.blemishPull);
    }
  });

  it.each([0.05, 0.5, 5, 50])("names at most one sound pixel of 9000 at %f times the counts", async (brightness) => {
    const from = join(ROOT, "sound.imm");
    const named: number[] = [];
    for (let seed = 10; seed < 20; seed++) {
      writeEvents(from, plantedEvents(SAMPLE, new Map(), seed, brightness));
      named.push(...blemishesOf(await readLeverage((await correlate("sound.hdf", { leverage: true }, qmap, from)).out)));
    }
    expect(named.length).toBeLessThanOrEqual(1);
  });

  it("names a dead pixel only where that moves g2, and a bin of which most is bad not at all", async () => {
    const from = join(ROOT, "other.imm");
    const run = async (defects: ReadonlyMap<number, Defect>, brightness: number) => {
      writeEvents(from, plantedEvents(SAMPLE, defects, 3, brightness));
      const { out, warnings } = await correlate("other.hdf", { leverage: true }, qmap, from);
      return { named: blemishesOf(await readLeverage(out)), warnings };
    };
    const dead = new Map([[7 * WIDTH + 4, DEFECTS.dead!]]);
    expect((await run(dead, 0.5)).named).toEqual([]);
    expect((await run(dead, 200)).named).toEqual(expect.arrayContaining([...dead.keys()]));
    const many = new Map([...SAMPLE.sqmap.keys()].filter((p) => SAMPLE.sqmap[p] === 1 && p % 3 === 0).map((p) => [p, DEFECTS.bursts!]));
    const { named, warnings } = await run(many, 1);
    expect(named).toEqual([]);
    expect(warnings.join()).toMatch(/static bins 1: more than a tenth of the pixels differ/);
  });

  it("changes nothing else in the result, and does not depend on threads", async () => {
    const results = [
      await correlate("without.hdf", { threads: 1 }),
      await correlate("one.hdf", { threads: 1, leverage: true }),
      await correlate("five.hdf", { threads: 5, leverage: true }),
    ];
    const [without, one, five] = await Promise.all(results.map(({ out }) => contents(out, RUN)));
    expect(five).toEqual(one);
    const kept = Object.fromEntries(Object.entries(one!).filter(([name]) => !name.startsWith("/leverage/")));
    expect(Object.keys(kept).length).toBeLessThan(Object.keys(one!).length);
    expect(without).toEqual(kept);
  });
});

describe("the patched q-map", () => {
  it("masks the blemishes in every map, has another hash, and leaves the rest", async () => {
    const { out } = await correlate("to-patch.hdf", { leverage: true });
    const [result, map] = [readFileSync(out), readFileSync(qmap)];
    const patched = join(ROOT, "patched.hdf");
    patchQmap(out, patched, true);
    expect(readFileSync(out).equals(result) && readFileSync(qmap).equals(map)).toBe(true);
    const hash = (path: string, group: string): unknown => {
      const file = new h5wasm.File(path, "r");
      const { value } = (file.get(group) as Group).attrs.hash!;
      file.close();
      return value;
    };
    expect(hash(patched, "/qmap")).not.toBe(hash(qmap, "/qmap"));
    const [before, after] = [await contents(qmap, RUN), await contents(patched, RUN)];
    expect(Object.keys(after).sort()).toEqual(Object.keys(before).sort());
    const maps = ["mask", "blemish", "dynamic_roi_map", "static_roi_map"].map((name) => `/qmap/${name}`);
    for (const name of Object.keys(before)) {
      if (!maps.includes(name)) expect(after[name], name).toBe(before[name]);
      else {
        const expected = (await numbers(qmap, name)).map((value, p) => (PLANTED.has(p) ? 0 : value));
        expect(await numbers(patched, name), name).toEqual(expected);
      }
    }
  });

  it("is refused where it would lose something, or where there is nothing to patch", async () => {
    const { out } = await correlate("refuse.hdf", { leverage: true });
    expect(() => patchQmap(out, out, true)).toThrow(/would replace the result/);
    const taken = join(ROOT, "taken.hdf");
    copyFileSync(qmap, taken);
    expect(() => patchQmap(out, taken, false)).toThrow(/exists; --overwrite/);
    expect(readFileSync(taken).equals(readFileSync(qmap))).toBe(true);
    const { out: none } = await correlate("none.hdf", {});
    expect(() => patchQmap(none, join(ROOT, "x.hdf"), false)).toThrow(/correlate with --leverage/);
    await expect(readLeverage(none)).rejects.toThrow(/correlate with --leverage/);
    await expect(readLeverage(join(ROOT, "absent.hdf"))).rejects.toThrow(/does not exist/);
    await expect(readLeverage(input)).rejects.toThrow(/does not open as HDF5/);
    await expect(correlate("x.hdf", { leverage: true, layout: "exchange" })).rejects.toThrow(/NeXus layout/);
    await expect(correlate("x.hdf", { leverage: true, type: "twotime" })).rejects.toThrow(/no effect/);
    expect(existsSync(join(ROOT, "x.hdf"))).toBe(false);
  });

  it("is not made from a damaged table", async () => {
    const { out } = await correlate("damaged.hdf", { leverage: true });
    const file = new h5wasm.File(out, "a");
    const places = file.get("/leverage/pixel") as Dataset;
    places.write_slice([[0, 1]], BigInt64Array.of(9999n, 3n));
    file.close();
    expect(() => patchQmap(out, join(ROOT, "y.hdf"), false)).toThrow(/contradicts itself/);
    expect(existsSync(join(ROOT, "y.hdf"))).toBe(false);
  });
});

describe("xpcs leverage", () => {
  it("shows the pixels, patches on demand, and exits 2 where there is no table", async () => {
    const { out } = await correlate("shown_results.hdf", { leverage: true });
    const patched = join(ROOT, "shown-qmap.hdf");
    const text = await startXpcs(["leverage", out, "--patch-qmap", patched], {}).result;
    expect(text.code, text.stderr).toBe(0);
    expect(text.stdout).toMatch(/q bin 1: 2 blemishes; mean g2 over \d+ lags \d+\.\d+, without them 1\.\d+/);
    expect(text.stdout).toMatch(/^ +9 +17 +1 +2 .* hot$/m);
    expect(text.stdout).toContain(`${patched}: the q-map with 4 pixels masked`);
    const json = await startXpcs(["leverage", out, "--json"], {}).result;
    expect(JSON.parse(json.stdout)).toEqual({ ...(await readLeverage(out)), patched: null });
    const { out: none } = await correlate("shown_none.hdf", {});
    expect((await startXpcs(["leverage", none], {}).result).code).toBe(2);
    expect((await startXpcs(["leverage", out, "--patch-qmap", patched], {}).result).code).toBe(2);
  });
});
