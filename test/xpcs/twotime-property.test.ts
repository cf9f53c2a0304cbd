/**
 * The native two-time correlation against the plain one on random small problems, through files: every smoothing, gaps in the
 * maps, empty frames, unsorted and repeated photons, averages, flatfield, frame-sum normalisation. Also: its result does not
 * depend on the threads, to the bit. A failing seed is in the test's name.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type CorrOptions, SMOOTHINGS } from "../../src/core/analysis.js";
import { immBytes } from "../../src/xpcs/detector-files.js";
import { correlateFile } from "../../src/xpcs/native.js";
import { Random } from "../../src/xpcs/random.js";
import { type TwoTimeInput, twoTimeReference } from "../../src/xpcs/twotime-reference.js";
import { writeJob } from "./job-file.js";
import { readGroup, worstDifference } from "./reference-case.js";

/** Results are stored in single precision. */
const TOLERANCE = 3e-7;

const folder = mkdtempSync(join(tmpdir(), "xpcs-twotime-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const below = (random: Random, n: number): number => Math.floor(random.uniform() * n);

interface Problem {
  readonly job: string;
  readonly options: CorrOptions;
  readonly plain: TwoTimeInput;
}

function randomMaps(random: Random, pixels: number, bins: number): { dqmap: Int32Array; sqmap: Int32Array } {
  const gap = 1 + below(random, 3);
  const dqmap = Int32Array.from({ length: pixels }, (_, p) => (p < bins ? p + 1 : below(random, bins + 1)));
  const sqmap = dqmap.map((q, p) => (q > 0 && (p < bins || random.uniform() < 0.9) ? ((q - 1) * 3 + below(random, 3)) * gap + 1 : 0));
  return { dqmap, sqmap };
}

/** Events frame by frame, in any order of pixels, repeated ones and empty frames among them. */
function randomEvents(random: Random, pixels: number, frames: number): { frame: number[]; pixel: number[]; count: number[] } {
  const events = { frame: [] as number[], pixel: [] as number[], count: [] as number[] };
  const density = [0.02, 0.3, 2, 6][below(random, 4)]!;
  const countMax = [1, 3, 90, 30_000][below(random, 4)]!;
  for (let frame = 0; frame < frames; frame++) {
    const n = random.uniform() < 0.1 ? 0 : random.poisson(density * pixels);
    for (let i = 0; i < n; i++) {
      events.frame.push(frame);
      events.pixel.push(below(random, pixels));
      events.count.push(1 + below(random, countMax));
    }
  }
  return events;
}

async function randomProblem(seed: number): Promise<Problem> {
  const random = new Random(seed);
  const [height, width] = [2 + below(random, 7), 2 + below(random, 7)];
  const pixels = height * width;
  const bins = 1 + below(random, 4);
  const maps = randomMaps(random, pixels, bins);
  const [stride, average] = [1 + below(random, 2), 1 + below(random, 3)];
  const frames = 2 + below(random, 60);
  const fileFrames = frames * stride * average + below(random, stride * average);
  const events = randomEvents(random, pixels, fileFrames);
  const flatfield = random.uniform() < 0.3 ? Float64Array.from({ length: pixels }, () => 0.5 + random.uniform()) : undefined;
  const framesum = random.uniform() < 0.3;
  const smoothing = SMOOTHINGS[seed % SMOOTHINGS.length]!;
  const filter = smoothing.startsWith("sq") || smoothing.startsWith("dq") || random.uniform() < 0.6 ? "none" : "average";
  const window = 1 + below(random, frames);
  const selected = Array.from({ length: bins }, (_, i) => i + 1).filter(() => random.uniform() < 0.7);
  const chosen = selected.length > 0 ? selected : [1];
  const input = join(folder, `${seed}.imm`);
  const job = join(folder, `${seed}.job.hdf`);
  const lists = {
    frames: fileFrames,
    frame: Uint32Array.from(events.frame),
    pixel: Uint32Array.from(events.pixel),
    count: Uint16Array.from(events.count),
  };
  writeFileSync(input, immBytes(lists as never, { height, width, dense: false, frameTimeS: 0.01 }));
  await writeJob(job, {
    ...{ height, width, ...maps, input, bins: [...chosen].reverse() },
    numbers: {
      ...{ data_begin_todo: 1, data_end_todo: fileFrames, delays_per_level: 4, stride_frames: stride, avg_frames: average },
      ...{ normalize_by_framesum: framesum ? 1 : 0, twotime2onetime_window_size: window },
    },
    words: { analysis_type: "Twotime", smoothing_method: "Symmetric", smoothing_filter: "None" },
    ...(flatfield ? { flatfield } : {}),
  });
  const counted = new Float64Array(frames * pixels);
  events.frame.forEach((fileFrame, i) => {
    const t = Math.floor(fileFrame / (stride * average));
    if (t >= frames || (fileFrame % (stride * average)) % stride !== 0) return;
    counted[t * pixels + events.pixel[i]!]! += (events.count[i]! * (flatfield?.[events.pixel[i]!] ?? 1)) / average;
  });
  const series = framesum ? byFrameSum(counted, frames, pixels, maps) : counted;
  return {
    job,
    options: { smoothing, smoothingFilter: filter, format: "imm" },
    plain: { frames, pixels, series, counted, ...maps, bins: chosen, smoothing, filter, window, average },
  };
}

function byFrameSum(
  series: Float64Array,
  frames: number,
  pixels: number,
  { dqmap, sqmap }: { dqmap: Int32Array; sqmap: Int32Array },
): Float64Array {
  const sums = Float64Array.from({ length: frames }, (_, t) =>
    series.subarray(t * pixels, (t + 1) * pixels).reduce((sum, value, p) => (dqmap[p]! > 0 && sqmap[p]! > 0 ? sum + value : sum), 0),
  );
  const mean = sums.reduce((a, b) => a + b, 0) / frames;
  return series.map((value, i) => {
    const sum = sums[Math.floor(i / pixels)]!;
    return sum === 0 ? value : (value * mean) / sum;
  });
}

async function native({ job, options }: Problem, seed: number, more: CorrOptions): Promise<string> {
  const out = join(folder, `${seed}-${Object.values(more).join("-")}.hdf`);
  await correlateFile({ files: { job }, options: { ...options, ...more }, out, overwrite: true, provenance: {} });
  return out;
}

const SEEDS = Array.from({ length: 150 }, (_, i) => i + 1);

describe("the native two-time correlation equals the plain one", () => {
  it.each(SEEDS)("on random problem %i", async (seed) => {
    const problem = await randomProblem(seed);
    const { bins, frames, window } = problem.plain;
    const expected = twoTimeReference(problem.plain);
    const out = await native(problem, seed, { threads: 2, compression: seed % 2 === 0 ? "gzip" : "none" });
    const group = await readGroup(out, "/exchange");
    const matrices = await readGroup(out, "/exchange/C2T_all");
    expect([...matrices.keys()].sort()).toEqual(bins.map((bin) => `g2_${String(bin).padStart(5, "0")}`));
    bins.forEach((bin, b) => {
      const matrix = matrices.get(`g2_${String(bin).padStart(5, "0")}`)!;
      expect(matrix.shape).toEqual([frames, frames]);
      expect(worstDifference(matrix.values, expected.c2[b]!), `C2 of ${bin}`).toBeLessThan(TOLERANCE);
    });
    expect(group.get("sg")!.shape).toEqual([expected.sg.length, expected.sg[0]!.length]);
    expect(
      worstDifference(
        group.get("sg")!.values,
        expected.sg.flatMap((row) => [...row]),
        1e-12,
      ),
      "sg",
    ).toBeLessThan(TOLERANCE);
    expect(worstDifference(group.get("g2full")!.values, expected.g2full), "g2full").toBeLessThan(TOLERANCE);
    expect(group.get("g2partials")!.shape).toEqual([window, Math.max(0, Math.floor(frames / window) - 1), bins.length]);
    expect(worstDifference(group.get("g2partials")!.values, expected.g2partials), "g2partials").toBeLessThan(TOLERANCE);
  });

  it.each([3, 24, 47, 90])("to the bit for 1, 2 and 5 threads on random problem %i", async (seed) => {
    const problem = await randomProblem(seed);
    const read = async (threads: number): Promise<Buffer[]> => {
      const out = await native(problem, seed, { threads });
      const all = [...(await readGroup(out, "/exchange")).entries(), ...(await readGroup(out, "/exchange/C2T_all")).entries()];
      return all.map(([, { values }]) => Buffer.from(values.buffer));
    };
    const one = await read(1);
    expect(await read(2)).toEqual(one);
    expect(await read(5)).toEqual(one);
    expect(readFileSync(problem.job).length).toBeGreaterThan(0);
  });
});
