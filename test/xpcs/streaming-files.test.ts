/** `--streaming`: the same result file as without, what it says before it starts, what it refuses, and the memory of a whole process. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CorrOptions } from "../../src/core/analysis.js";
import { writeQmap } from "../../src/demo/sample-files.js";
import { immBytes } from "../../src/xpcs/detector-files.js";
import { correlateFile } from "../../src/xpcs/native.js";
import { startXpcs } from "../cli/xpcs-process.js";
import { contents } from "./file-contents.js";
import { writeJob } from "./job-file.js";
import { bothKinds } from "./nexus-sample.js";

const ROOT = mkdtempSync(join(tmpdir(), "xpcs-streaming-"));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));

/** The record of the run. */
const RUN = /^\/provenance\//;

const { sample, inputs } = bothKinds(ROOT);
const qmap = join(ROOT, "qmap.hdf");

beforeAll(() => writeQmap(qmap, sample));

async function correlate(
  kind: "dense" | "sparse",
  name: string,
  options: CorrOptions,
  files: { readonly job?: string; readonly monitor?: string } = {},
): Promise<{ path: string; notes: string[]; bytes: number }> {
  const path = join(ROOT, `${kind}-${name}.hdf`);
  const notes: string[] = [];
  const summary = await correlateFile(
    {
      files: { input: inputs[kind], qmap, ...files },
      options: { frameTimeS: 1e-3, ...options },
      out: path,
      overwrite: true,
      provenance: {},
    },
    ({ note }) => note !== undefined && notes.push(note),
  );
  return { path, notes, bytes: summary.streamMemoryBytes };
}

/** Some pixels dead. */
const flatfield = Float64Array.from(sample.dqmap, (_, p) => (p % 31 === 0 ? 0 : 0.8 + ((p * 7) % 13) / 30));

async function stageJob(name: string, flat: Float64Array | undefined, numbers: Record<string, number>): Promise<string> {
  const job = join(ROOT, `${name}.job.hdf`);
  const { height, width } = sample.detector;
  const maps = { height, width, dqmap: Int32Array.from(sample.dqmap), sqmap: Int32Array.from(sample.sqmap) };
  const range = { data_begin_todo: 1, data_end_todo: 200, delays_per_level: 4, static_mean_window_size: 7 };
  await writeJob(job, {
    ...maps,
    input: inputs.sparse,
    numbers: { ...range, ...numbers },
    words: {},
    ...(flat ? { flatfield: flat } : {}),
  });
  return job;
}

/** 600 000 photons: several pieces, each of them large enough to be prepared on a worker. */
async function largeSparse(): Promise<{ input: string; map: string }> {
  const side = 120;
  const rings = Uint16Array.from({ length: side * side }, (_, p) => 1 + (p % 2));
  const large = {
    ...sample,
    detector: { ...sample.detector, height: side, width: side },
    dqmap: rings,
    sqmap: rings,
    staticQ: Float64Array.of(0.003, 0.006),
  };
  const [map, input] = [join(ROOT, "large-qmap.hdf"), join(ROOT, "large.imm")];
  await writeQmap(map, large);
  const n = 600_000;
  const frame = Uint32Array.from({ length: n }, (_, i) => i >> 10);
  const pixel = frame.map((_, i) => ((i & 1023) * 14 + (i >> 10)) % (side * side));
  const photons = { frames: 586, frame, pixel, count: new Uint16Array(n).fill(1) };
  writeFileSync(input, immBytes(photons, { height: side, width: side, dense: false, frameTimeS: 1e-3 }));
  return { input, map };
}

describe("--streaming", () => {
  const cases: ["dense" | "sparse", CorrOptions][] = [
    ["dense", { end: 200, threads: 1 }],
    ["dense", { end: 200, g2out: true, threads: 2, dpl: 2 }],
    ["sparse", { end: 200, threads: 1 }],
    ["sparse", { begin: 3, end: 199, threads: 2, g2out: true }],
    ["sparse", { end: 200, stride: 2, average: 3, averaging: "robust" }],
    ["dense", { begin: 2, end: 180, average: 2, dpl: 3 }],
    ["sparse", { end: 200, badFrames: "3,41-60,199", g2out: true }],
    ["dense", { end: 200, badFrames: "1-9,100", averaging: "weighted" }],
    ["dense", { end: 200, normalize: "framesum" }],
    ["sparse", { end: 200, normalize: "framesum", badFrames: "4,90-99", g2out: true, threads: 1 }],
    ["sparse", { begin: 3, end: 190, stride: 2, average: 2, normalize: "framesum", averaging: "robust" }],
    ["sparse", { begin: 5, end: 200, stride: 3, average: 2, badFrames: "7,30-45,190" }],
  ];
  it.each(cases)("writes the same %s result, %j", async (kind, options) => {
    const stream = await correlate(kind, "stream", { ...options, streaming: true });
    const batch = await correlate(kind, "batch", options);
    expect(await contents(stream.path, RUN)).toEqual(await contents(batch.path, RUN));
    expect(stream.notes[0]).toMatch(/^streaming \d+ frames on \d+ pixels: takes at most \d+ MB/);
    expect([stream.bytes > 0, batch.bytes]).toEqual([true, 0]);
  });

  it("writes the same result with the flatfield of a job file", async () => {
    const job = await stageJob("flat", flatfield, {});
    for (const kind of ["dense", "sparse"] as const) {
      for (const options of [{}, { badFrames: "20-30", averaging: "robust", g2out: true }] as const) {
        const [stream, batch, plain] = [
          await correlate(kind, "flat-stream", { ...options, layout: "nexus", streaming: true }, { job }),
          await correlate(kind, "flat", { ...options, layout: "nexus" }, { job }),
          await correlate(kind, "unflat", { ...options, layout: "nexus", end: 200 }),
        ];
        expect(await contents(stream.path, RUN)).toEqual(await contents(batch.path, RUN));
        const g2 = "/xpcs/multitau/normalized_g2";
        expect((await contents(stream.path, RUN))[g2]).not.toBe((await contents(plain.path, RUN))[g2]);
      }
    }
  });

  it("writes the same result where frames are divided by a monitor, and refuses one that is too short", async () => {
    const monitor = join(ROOT, "monitor.txt");
    writeFileSync(monitor, Array.from({ length: 200 }, (_, f) => `${f === 6 ? 0 : 1 + (f % 7) / 5}\n`).join(""));
    for (const options of [{ badFrames: "7" }, { badFrames: "1-8", stride: 3, average: 2, g2out: true }, { begin: 8, end: 180 }]) {
      for (const kind of ["dense", "sparse"] as const) {
        const stream = await correlate(kind, "monitor-stream", { end: 200, ...options, streaming: true }, { monitor });
        const batch = await correlate(kind, "monitor", { end: 200, ...options }, { monitor });
        expect(await contents(stream.path, RUN)).toEqual(await contents(batch.path, RUN));
      }
    }
    await expect(correlate("sparse", "refused", { streaming: true }, { monitor })).rejects.toThrow(/the monitor is 0\.0+ at frame 7;/);
    writeFileSync(monitor, "1\n2\n");
    await expect(correlate("sparse", "refused", { streaming: true }, { monitor })).rejects.toThrow(
      /has 2 values, the range reaches to frame 200/,
    );
  });

  it("writes the same result with darks, a flatfield and the frame sum of a job file", async () => {
    for (const [k, flat] of [undefined, flatfield].entries()) {
      const numbers = { dark_begin_todo: 1, dark_end_todo: 20, lld: 0, sigma: k, data_begin_todo: 5, data_end_todo: 184 };
      const job = await stageJob(`darks-${k}`, flat, { ...numbers, normalize_by_framesum: k });
      const options = { layout: "nexus", badFrames: "33-35", g2out: true } as const;
      const stream = await correlate("dense", "darks-stream", { ...options, streaming: true }, { job });
      const batch = await correlate("dense", "darks", options, { job });
      expect(await contents(stream.path, RUN)).toEqual(await contents(batch.path, RUN));
    }
  });

  it("without knowing the length: the same but for the means over time, which are one row", async () => {
    const [stream, batch] = [
      await contents((await correlate("sparse", "open", { streaming: true })).path, RUN),
      await contents((await correlate("sparse", "all", {})).path, RUN),
    ];
    const segments = "/xpcs/temporal_mean/scattering_1d_segments";
    expect(stream[segments]).toBe(stream["/xpcs/temporal_mean/scattering_1d"]);
    expect({ ...stream, [segments]: "" }).toEqual({ ...batch, [segments]: "" });
  });

  const refusals: [CorrOptions, string][] = [
    [{ layout: "exchange" }, "--layout nexus"],
    [{ type: "both" }, "two-time"],
    [{ partials: 2 }, "partial g2"],
    [{ leverage: true }, "leverage"],
  ];
  it.each(refusals)("does not take %j", async (options, message) => {
    await expect(correlate("sparse", "refused", { ...options, streaming: true })).rejects.toMatchObject({
      code: "UNSUPPORTED",
      message: expect.stringContaining(message),
    });
  });

  it("is refused where its bound is beyond the limit, with both numbers and a way out", async () => {
    const work = correlate("sparse", "large", { streaming: true, memoryGb: 1e-3 });
    await expect(work).rejects.toMatchObject({
      code: "OUT_OF_MEMORY",
      message: expect.stringMatching(/takes at most \d+ MB .*the limit is 1 MB; give the last frame \(--end\)/),
    });
    expect(existsSync(join(ROOT, "sparse-large.hdf"))).toBe(false);
  });

  it("takes sparse frames that are read in several pieces, and lets fewer photons wait where memory is short, with the same result", async () => {
    const { input, map } = await largeSparse();
    const run = async (name: string, options: CorrOptions) => {
      const out = join(ROOT, `${name}.hdf`);
      const request = {
        files: { input, qmap: map },
        options: { frameTimeS: 1e-3, end: 586, streaming: true, threads: 2, ...options } as const,
      };
      const { streamMemoryBytes } = await correlateFile({ ...request, out, overwrite: true, provenance: {} });
      return { all: await contents(out, RUN), bytes: streamMemoryBytes };
    };
    for (const normalize of ["none", "framesum"] as const) {
      const much = await run("much", { normalize });
      expect(much.all).toEqual((await run("ordinary", { normalize, streaming: false })).all);
      if (normalize === "none") continue;
      const less = await run("less", { normalize, memoryGb: (much.bytes - 1e6) / 1e9 });
      expect(less.all).toEqual(much.all);
      expect(less.bytes).toBeLessThan(much.bytes - 1e6);
      await expect(run("little", { normalize, memoryGb: (less.bytes - 1e6) / 1e9 })).rejects.toMatchObject({ code: "OUT_OF_MEMORY" });
    }
  });

  it("says its bound on the command line before the result", async () => {
    const out = join(ROOT, "command.hdf");
    const { sparse } = inputs;
    const args = ["corr", sparse!, "--qmap", qmap, "--frame-time", "1e-3", "--streaming", "--out", out];
    const { code, stderr } = await startXpcs(args, {}).result;
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/takes at most \d+ MB of memory/) });
  });
});

describe("the memory of a process", () => {
  // One chunk of photons again and again, so that only the stream itself could grow.
  const program = `
    const [chunks] = process.argv.slice(-1).map(Number);
    const { createStreamCorrelator } = await import(${JSON.stringify(new URL("../../dist/xpcs/native.js", import.meta.url).href)});
    const side = 64, n = 40_000;
    const bin = new Int32Array(side * side).fill(1);
    const stream = createStreamCorrelator({ height: side, width: side, dqmap: bin, sqmap: bin, threads: 2 });
    const frame = new Uint32Array(n), pixel = new Uint32Array(n), count = new Int32Array(n).fill(1);
    for (let c = 0; c < chunks; c++) {
      for (let i = 0; i < n; i++) { frame[i] = c * 2_000 + Math.floor(i / 20); pixel[i] = (i * 2_654_435_761 + c * 7_919) % (side * side); }
      stream.push({ frame, pixel, count });
    }
    const { frames } = stream.finish();
    console.log(JSON.stringify({ frames, kB: process.resourceUsage().maxRSS }));`;
  const peak = (chunks: number): { frames: number; kB: number } =>
    JSON.parse(
      execFileSync(process.execPath, ["--input-type=module", "-e", program, String(chunks)], {
        cwd: fileURLToPath(new URL("../..", import.meta.url)),
        encoding: "utf8",
      }),
    );

  it("does not grow with the frames", () => {
    const [short, long] = [peak(30), peak(300)];
    expect([short.frames, long.frames]).toEqual([60_000, 600_000]);
    // Kept photons would be 4 bytes each: 43 MB more.
    expect(long.kB - short.kB).toBeLessThan(20_000);
  });
});
