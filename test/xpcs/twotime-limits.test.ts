/**
 * Two-time at its limits: series so long that the number of their frame pairs leaves 32 bits; what it says of bins with few photons; the
 * memory that it announces, against the number in its refusal and against what a process takes.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import h5wasm, { type Dataset } from "h5wasm/node";
import { afterAll, describe, expect, it } from "vitest";
import type { CorrOptions, CorrProgress } from "../../src/core/analysis.js";
import { immBytes, rigakuBytes } from "../../src/xpcs/detector-files.js";
import { correlateFile } from "../../src/xpcs/native.js";
import { Random } from "../../src/xpcs/random.js";
import { writeJob } from "./job-file.js";
import { readNumbers } from "./reference-case.js";

const ROOT = mkdtempSync(join(tmpdir(), "xpcs-twotime-limits-"));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));

interface Maps {
  readonly height: number;
  readonly width: number;
  readonly dqmap: Int32Array;
  readonly sqmap: Int32Array;
}

async function stageJob(name: string, maps: Maps, input: string, frames: number, words: Record<string, string> = {}): Promise<string> {
  const job = join(ROOT, `${name}.job.hdf`);
  await writeJob(job, {
    ...{ ...maps, input },
    numbers: { data_begin_todo: 1, data_end_todo: frames, delays_per_level: 4, twotime2onetime_window_size: 1 },
    words: { analysis_type: "Twotime", smoothing_method: "Symmetric", smoothing_filter: "None", ...words },
  });
  return job;
}

async function correlate(job: string, name: string, options: CorrOptions, onProgress: (progress: CorrProgress) => void = () => {}) {
  const out = join(ROOT, `${name}.hdf`);
  const summary = await correlateFile({ files: { job }, options, out, overwrite: true, provenance: {} }, onProgress);
  return { out, summary };
}

describe("a series of more than 2^16 frames", () => {
  // Pairs are counted beyond 2^32, chunks of 512 x 512 beyond 2^14. Few frames have photons: chunks of zeros are not stored.
  const FRAMES = 65_900;
  const LIT = [0, 1, 2, 511, 512, 32_767, 32_768, 46_340, 46_341, 46_342, 60_000, 65_535, 65_536, 65_537, FRAMES - 2, FRAMES - 1];
  const MAPS: Maps = {
    height: 3,
    width: 4,
    dqmap: Int32Array.of(1, 1, 1, 0, 1, 1, 1, 2, 2, 2, 2, 2),
    sqmap: Int32Array.of(1, 1, 1, 0, 1, 1, 1, 2, 2, 2, 2, 2),
  };
  const PIXELS = 12;
  const BIN = 2;

  it("has the C2 of the definition in its far corners, 0 beside them, and the means along its diagonals", async () => {
    const random = new Random(11);
    const counts = new Map(LIT.map((frame) => [frame, Int32Array.from({ length: PIXELS }, () => random.poisson(1.2))]));
    const list = { frame: [] as number[], pixel: [] as number[], count: [] as number[] };
    for (const [frame, row] of counts) {
      row.forEach((count, p) => {
        if (count === 0) return;
        list.frame.push(frame + 1);
        list.pixel.push((p % MAPS.width) * MAPS.height + Math.floor(p / MAPS.width)); // XPCS-Eigen's order
        list.count.push(count);
      });
    }
    const input = join(ROOT, "long.bin");
    const lists = { frame: Uint32Array.from(list.frame), pixel: Uint32Array.from(list.pixel), count: Uint16Array.from(list.count) };
    writeFileSync(input, rigakuBytes({ frames: FRAMES, ...lists }));
    const job = await stageJob("long", MAPS, input, FRAMES);
    const { out, summary } = await correlate(job, "long", { format: "rigaku", threads: 2, memoryGb: 1, qBins: [BIN] });
    expect(summary.frames).toBe(FRAMES);
    expect(statSync(out).size).toBeLessThan(3 * LIT.length ** 2 * 2 ** 20);

    /** X = I / mean of the bin; C2 = mean over the bin's pixels of X X'. */
    const normalised = (frame: number): number[] => {
      const row = [...(counts.get(frame) ?? new Int32Array(PIXELS))].filter((_, p) => MAPS.dqmap[p] === BIN);
      const mean = row.reduce((a, b) => a + b, 0) / row.length;
      return row.map((value) => (mean > 0 ? value / mean : 0));
    };
    const expectedAt = (t1: number, t2: number): number => {
      const [a, b] = [normalised(t1), normalised(t2)];
      return a.reduce((sum, value, i) => sum + value * b[i]!, 0) / a.length;
    };
    const file = new h5wasm.File(out, "r");
    try {
      const matrix = file.get(`/exchange/C2T_all/g2_0000${BIN}`) as Dataset;
      expect(matrix.shape).toEqual([FRAMES, FRAMES]);
      const at = (t1: number, t2: number): number => {
        const [value] = matrix.slice([
          [t1, t1 + 1],
          [t2, t2 + 1],
        ]) as Float32Array;
        return value!;
      };
      const along = new Map<number, number>();
      for (const [i, t1] of LIT.entries()) {
        for (const t2 of LIT.slice(i)) {
          const expected = expectedAt(t1, t2);
          expect(Math.abs(at(t1, t2) - expected), `C2(${t1}, ${t2})`).toBeLessThan(3e-7 * (1 + expected));
          along.set(t2 - t1, (along.get(t2 - t1) ?? 0) + expected);
          if (t2 + 3 < FRAMES && !LIT.includes(t2 + 3)) expect(at(t1, t2 + 3)).toBe(0);
        }
      }
      expect(at(FRAMES - 1, 0)).toBe(0);
      const g2full = (await readNumbers(out, "/exchange/g2full"))!.values;
      expect(g2full.length).toBe(FRAMES);
      g2full.forEach((ours, lag) => {
        const truth = (along.get(lag) ?? 0) / (FRAMES - lag);
        if (Math.abs(ours - truth) > 1e-6 * truth) expect(ours, `lag ${lag}`).toBe(truth);
      });
      expect(g2full[FRAMES - 1]).toBeGreaterThan(0);
    } finally {
      file.close();
    }
  }, 120_000);
});

describe("the warning of bins with few photons", () => {
  const MAPS: Maps = {
    height: 2,
    width: 4,
    dqmap: Int32Array.of(1, 1, 1, 1, 2, 2, 2, 2),
    sqmap: Int32Array.of(1, 1, 1, 1, 2, 2, 3, 3),
  };
  const FRAMES = 80;

  /** 24 photons in each frame of bin 1; in bin 2 turn by turn 2 and 3, all of them in its static bin 2. */
  async function staged(): Promise<string> {
    const list = { frame: [] as number[], pixel: [] as number[], count: [] as number[] };
    for (let t = 0; t < FRAMES; t++) {
      list.frame.push(t, t, t);
      list.pixel.push(0, 2, 4 + (t % 2));
      list.count.push(10, 14, 2 + (t % 2));
    }
    const input = join(ROOT, "few.imm");
    const lists = { frame: Uint32Array.from(list.frame), pixel: Uint32Array.from(list.pixel), count: Uint16Array.from(list.count) };
    writeFileSync(input, immBytes({ frames: FRAMES, ...lists }, { height: 2, width: 4, dense: false, frameTimeS: 1 }));
    return stageJob("few", MAPS, input, FRAMES);
  }

  it.each<[CorrOptions, RegExp | null]>([
    [
      { smoothing: "none" },
      /1 of 2 normalising bins have fewer than 20 photons per frame on average, the least 2\.5 \(q bin 2\); each frame of theirs.*; --average 8 gives 20$/,
    ],
    [{ smoothing: "symmetric" }, /the least 2\.5 \(q bin 2\); frames without photons there lower C2 .*; --average 8 gives 20$/],
    [{ smoothing: "symmetric", average: 2 }, /the least 5 \(q bin 2\).*; --average 8 gives 20$/],
    [{ smoothing: "symmetric", average: 3 }, /the least 7\.5 \(q bin 2\).*; --average 9 gives 20$/],
    [
      { smoothing: "staticmap", average: 4 },
      /2 of 3 normalising bins .* the least 0 \(q bin 2, static bin 3\); frames without photons there lower C2 \(smoothing none does not\)$/,
    ],
    [{ smoothing: "none", average: 8 }, null],
    [{ smoothing: "symmetric", qBins: [1] }, null],
    [{ smoothing: "symmetric", smoothingFilter: "average" }, null],
  ])("%j", async (options, expected) => {
    const { summary } = await correlate(await staged(), "few", { format: "imm", ...options });
    const said = summary.warnings.filter((warning) => warning.startsWith("two-time:"));
    expect(said).toEqual(expected === null ? [] : [expect.stringMatching(expected)]);
  });
});

/** u8 frames in HDF5, a given share of the pixels with one photon each; a few frames a chunk. */
async function hdf5Frames(name: string, side: number, frames: number, share: number): Promise<string> {
  await h5wasm.ready;
  const pixels = side * side;
  const data = new Uint8Array(frames * pixels);
  let state = 12_345;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    if (state < share * 2 ** 32) data[i] = 1;
  }
  const path = join(ROOT, `${name}.h5`);
  const file = new h5wasm.File(path, "w");
  file
    .create_group("entry")
    .create_group("data")
    .create_dataset({ name: "data", data, shape: [frames, side, side], chunks: [20, side, side] });
  file.close();
  return path;
}

function wholeDetector(side: number): Maps {
  const [dqmap, sqmap] = [new Int32Array(side * side).fill(1), new Int32Array(side * side).fill(1)];
  return { height: side, width: side, dqmap, sqmap };
}

describe("the memory that it announces", () => {
  it("is what a refusal says, to the megabyte: one byte less is refused, just as much is not", async () => {
    const input = await hdf5Frames("small", 24, 300, 0.2);
    const job = await stageJob("small", wholeDetector(24), input, 300);
    for (const more of [{ c2: "full" }, { c2: "multitau" }, { type: "both" }] as const) {
      const notes: string[] = [];
      const options: CorrOptions = { format: "hdf5", ...more };
      const { summary } = await correlate(job, "small", options, ({ note }) => note !== undefined && notes.push(note));
      const bytes = summary.twoTimeMemoryBytes;
      const [, said] = /needs up to (\d+) MB of memory beside the reader's buffers/.exec(notes[0] ?? "") ?? [];
      expect(Number(said), notes[0]).toBe(Math.ceil(bytes / 1e6));
      const enough = await correlate(job, "small", { ...options, memoryGb: (bytes + 0.5) / 1e9 });
      expect(enough.summary.twoTimeMemoryBytes).toBe(bytes);
      const before = readdirSync(ROOT);
      const files = { files: { job }, out: join(ROOT, "none.hdf"), overwrite: false, provenance: {} };
      await expect(correlateFile({ ...files, options: { ...options, memoryGb: (bytes - 0.5) / 1e9 } })).rejects.toMatchObject({
        code: "OUT_OF_MEMORY",
        message: expect.stringMatching(
          new RegExp(`needs up to ${said} MB of memory .*, the limit is ${said} MB; choose fewer q bins .*raise --memory-gb`),
        ),
      });
      await expect(correlateFile({ ...files, options: { ...options, memoryGb: 2e-3 } })).rejects.toThrow(/the limit is 2 MB/);
      expect(readdirSync(ROOT)).toEqual(before);
    }
  });

  it("has the frames that are written too", async () => {
    const input = await hdf5Frames("frames", 24, 300, 0.2);
    const job = await stageJob("frames", wholeDetector(24), input, 300);
    const bytesWith = async (firstFrames: number): Promise<number> => {
      const request = {
        files: { job },
        options: { format: "hdf5" },
        out: join(ROOT, "frames.hdf"),
        overwrite: true,
        provenance: {},
      } as const;
      return (await correlateFile({ ...request, firstFrames })).twoTimeMemoryBytes;
    };
    const without = await bytesWith(0);
    expect(await bytesWith(100)).toBe(without + 100 * 24 * 24 * 4);
    expect(await bytesWith(2_000_000)).toBe(without + 300 * 24 * 24 * 4);
  });

  it("is refused on the way where later frames have more than those looked at", async () => {
    // The photons lie between the frames that are looked at.
    const frames = 4000;
    const input = await hdf5Frames("burst", 64, frames, 0.12);
    const file = new h5wasm.File(input, "a");
    const data = file.get("/entry/data/data") as Dataset;
    for (let place = 0; place < 5; place++) {
      const frame = Math.floor(((frames - 1) * place) / 4);
      data.write_slice([[frame, frame + 1], [], []], new Uint8Array(64 * 64));
    }
    file.close();
    const job = await stageJob("burst", wholeDetector(64), input, frames);
    const options: CorrOptions = { format: "hdf5", c2: "multitau", threads: 1 };
    const announced = (await correlate(job, "burst", options)).summary.twoTimeMemoryBytes;
    const work = correlateFile({
      files: { job },
      options: { ...options, memoryGb: (announced + 1) / 1e9 },
      out: join(ROOT, "no.hdf"),
      overwrite: false,
      provenance: {},
    });
    await expect(work).rejects.toMatchObject({
      code: "OUT_OF_MEMORY",
      message: expect.stringMatching(/photons of the selected q bins take more than/),
    });
  });

  const program = `
    const { readFileSync } = await import("node:fs");
    const [job, out, options] = JSON.parse(process.argv.at(-1));
    const { correlateFile } = await import(${JSON.stringify(new URL("../../dist/xpcs/native.js", import.meta.url).href)});
    const summary = await correlateFile({ files: { job }, options, out, overwrite: true, provenance: {} });
    console.log(JSON.stringify({ bytes: summary.twoTimeMemoryBytes, peak: 1024 * Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) }));`;
  const measured = (job: string, options: CorrOptions): { bytes: number; peak: number } => {
    const words = ["--input-type=module", "-e", program, JSON.stringify([job, join(ROOT, "peak.hdf"), options])];
    return JSON.parse(execFileSync(process.execPath, words, { encoding: "utf8" }));
  };

  it.each<[number, CorrOptions]>([
    [0.03, { c2: "multitau" }],
    [0.115, { c2: "multitau" }],
    [0.2, { c2: "multitau", average: 2 }],
    [0.115, { type: "both", c2: "multitau" }],
  ])("is not exceeded by a process, of HDF5 with photons on a share of %d, %j", async (share, options) => {
    const [side, frames] = [64, 12_000];
    const job = await stageJob("peak", wholeDetector(side), await hdf5Frames("peak", side, frames, share), frames);
    const small = await stageJob("peak-small", wholeDetector(side), await hdf5Frames("peak-small", side, 40, share), 40);
    const given: CorrOptions = { format: "hdf5", threads: 2, smoothing: "symmetric", ...options };
    const [base, large] = [measured(small, given), measured(job, given)];
    const grown = large.peak - base.peak;
    console.log(JSON.stringify({ share, options, announced: large.bytes, grown }));
    expect(grown).toBeGreaterThan(8e6);
    expect(large.bytes).toBeGreaterThan(grown);
    expect(large.bytes).toBeLessThan(6 * grown);
  });
});
