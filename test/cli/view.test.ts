/** `xpcs view` on results whose truth is known: what it says, fits, plots, and files of other programs. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import h5wasm from "h5wasm/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCommandLine } from "../../src/cli/command-line.js";
import { describeCorr } from "../../src/cli/corr-text.js";
import { createRun } from "../../src/cli/output.js";
import { plusMinus } from "../../src/cli/view-text.js";
import { writeMetadata, writeQmap } from "../../src/demo/sample-files.js";
import { delayScheme } from "../../src/xpcs/delays.js";
import { decayShape } from "../../src/xpcs/fit.js";
import { correlateFile, mergeResults } from "../../src/xpcs/native.js";
import { Random } from "../../src/xpcs/random.js";
import { readResultFile } from "../../src/xpcs/result-file.js";
import { curveOf } from "../../src/xpcs/result-layouts.js";
import { nexusSample } from "../xpcs/nexus-sample.js";
import { stageCase } from "../xpcs/reference-case.js";

let folder: string;
let simulated: string;
let raw: string;
let known: string;

const FRAMES = 20_000;
const FRAME_TIME_S = 1e-3;
/** Bins of the known result: tau = 4e-7 q^-2 seconds. */
const QS = [0.002, 0.003, 0.0045, 0.006];
const tauOf = (q: number): number => 4e-7 / q ** 2;

/** A result of another program: g2 on the model with noise, no pairs, no provenance. */
async function writeKnown(path: string): Promise<void> {
  await h5wasm.ready;
  const random = new Random(3);
  const delays = delayScheme(FRAMES, 4);
  const error = (level: number): number => 0.002 / Math.sqrt(2 ** level);
  const g2 = delays.flatMap(({ level, tau }) =>
    QS.map((q) => 1 + 0.25 * decayShape(FRAME_TIME_S / tauOf(q), tau, 2 ** level) + error(level) * 0.7 * random.normal()),
  );
  const file = new h5wasm.File(path, "w");
  const put = (name: string, data: Float64Array | Float32Array | BigInt64Array, shape: number[]): void => {
    const parts = name.split("/");
    parts.slice(1, -1).forEach((_, at) => {
      const group = parts.slice(0, at + 2).join("/");
      if (file.get(group) === null) file.create_group(group);
    });
    file.create_dataset({ name, data, shape });
  };
  const shape = [delays.length, QS.length];
  put("/xpcs/multitau/normalized_g2", Float32Array.from(g2), shape);
  put("/xpcs/multitau/normalized_g2_err", Float32Array.from(delays.flatMap(({ level }) => QS.map(() => error(level)))), shape);
  put(
    "/xpcs/multitau/delay_list",
    BigInt64Array.from(delays, ({ tau }) => BigInt(tau)),
    [delays.length],
  );
  put(
    "/xpcs/spatial_mean/intensity_vs_time",
    Float32Array.from({ length: 2 * FRAMES }, (_, i) => (i < FRAMES ? i : 2)),
    [2, FRAMES],
  );
  put("/xpcs/temporal_mean/scattering_1d", Float32Array.of(4, 3, 2, 1), [1, 4]);
  put("/xpcs/qmap/dynamic_v_list_dim0", Float64Array.from(QS), [4]);
  put("/xpcs/qmap/dynamic_v_list_dim1", Float64Array.of(0), [1]);
  put("/xpcs/qmap/static_v_list_dim0", Float64Array.from(QS), [4]);
  put("/xpcs/qmap/static_v_list_dim1", Float64Array.of(0), [1]);
  put("/entry/instrument/detector_1/frame_time", Float64Array.of(FRAME_TIME_S), [1]);
  file.close();
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-view-"));
  const { sample, input } = nexusSample(folder, false);
  raw = input;
  const [qmap, metadata] = [join(folder, "qmap.hdf"), join(folder, "small_metadata.hdf")];
  await writeQmap(qmap, sample);
  await writeMetadata(metadata, sample, "2026-11-22T10:00:00Z");
  simulated = join(folder, "small_results.hdf");
  const files = { input, qmap, metadata };
  await correlateFile({ files, options: { stride: 1, average: 2 }, out: simulated, overwrite: false, provenance: {} });
  known = join(folder, "known.hdf");
  await writeKnown(known);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function view(...words: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const text = { out: "", err: "" };
  const into = (name: "out" | "err") => ({
    write: (part: string) => {
      text[name] += part;
    },
  });
  const run = createRun({ stdout: into("out"), stderr: into("err") }, words.includes("--json"));
  return { code: await runCommandLine(["view", ...words], run), ...text };
}

interface ViewJson {
  readonly bins: readonly {
    readonly q: number;
    readonly parameters: Readonly<Record<string, { readonly value: number; readonly error: number }>>;
    readonly converged: boolean;
  }[];
  readonly powerLaw: { readonly exponent: number; readonly exponentError: number; readonly prefactor: number } | null;
  readonly warnings: readonly string[];
  readonly plots: readonly string[];
  readonly c2: readonly { readonly bin: number; readonly dataset: string }[];
  readonly ageLag: readonly { readonly bin: number }[];
  readonly conventions: string | null;
}

async function viewJson(...words: readonly string[]): Promise<ViewJson> {
  const { code, out, err } = await view(...words, "--json");
  expect(code, err).toBe(0);
  const value = JSON.parse(out) as { bins: { parameters: { name: string }[] }[] };
  const bins = value.bins.map((bin) => ({ ...bin, parameters: Object.fromEntries(bin.parameters.map((each) => [each.name, each])) }));
  return { ...value, bins } as unknown as ViewJson;
}

describe("a result of known decays", () => {
  it("gives rates, times and the power law within their errors", async () => {
    const { bins, powerLaw, warnings } = await viewJson(known);
    expect(bins.map(({ q }) => q)).toEqual(QS);
    for (const { q, parameters, converged } of bins) {
      expect(converged).toBe(true);
      for (const [name, truth] of [
        ["tau", tauOf(q)],
        ["rate", 1 / tauOf(q)],
        ["contrast", 0.25],
        ["baseline", 1],
      ] as const)
        expect(Math.abs(parameters[name]!.value - truth) / parameters[name]!.error, `${name} at ${q}`).toBeLessThan(4);
      expect(parameters.tau!.error / parameters.tau!.value).toBeLessThan(0.05);
    }
    expect(Math.abs(powerLaw!.exponent + 2) / powerLaw!.exponentError).toBeLessThan(4);
    expect(powerLaw!.exponentError).toBeLessThan(0.05);
    expect(warnings).toContainEqual(expect.stringMatching(/does not count photon pairs/));
    expect(warnings).toContainEqual(
      expect.stringMatching(/^the file holds no correlation between lags: .* independent .* in bins 1, 2, 3, 4$/),
    );
  });

  it("is fitted also with the stretched and the double model", async () => {
    const stretched = await viewJson(known, "--fit", "stretched");
    for (const { parameters } of stretched.bins)
      expect(Math.abs(parameters.exponent!.value - 1) / parameters.exponent!.error).toBeLessThan(4);
    const double = await viewJson(known, "--fit", "double");
    expect(Object.keys(double.bins[0]!.parameters)).toEqual(["fastRate", "slowRate", "fastFraction", "contrast", "baseline"]);
    expect(double.powerLaw).toBeNull();
  });

  it("is a text for people", async () => {
    const { code, out } = await view(known);
    expect(code).toBe(0);
    expect(out).toMatch(/^known\.hdf: multi-tau, nexus layout\n {2}20000 frames \(stride 1, average 1\), \d+ delays from 0\.001 to /);
    expect(out).toMatch(/bin {2}where +rate \(1\/s\) +tau \(s\) +contrast +baseline +χ²\/dof/);
    expect(out).toMatch(/tau = A q\^n over 4 bins: n = -[12]\.\d+ ± 0\.\d+/);
  });
});

describe("our own result", () => {
  it("says its program and conventions, and has lags in strided file frames", async () => {
    const result = await readResultFile(simulated);
    expect(result).toMatchObject({ layout: "nexus", frames: 100, average: 2, stride: 1, frameTimeS: 1e-3, qUnit: "Å⁻¹" });
    expect(result.program).toMatch(/^xpcs-runtime \d/);
    expect(result.conventions).toMatch(/multi-tau/);
    const scheme = delayScheme(100, 4);
    expect(curveOf(result, 1).map(({ lag, width }) => [lag, width])).toEqual(scheme.map(({ level, tau }) => [2 * tau, 2 * 2 ** level]));
    expect(curveOf(result, 1).map(({ products }) => products)).toEqual(
      scheme.map(({ level, tau }) => Math.floor(100 / 2 ** level) - tau / 2 ** level),
    );
  });

  it("says how many values have no error for want of photon pairs", async () => {
    const qmap = join(folder, "qmap.hdf");
    const out = join(folder, "short_results.hdf");
    const options = { begin: 1, end: 20, frameTimeS: 1e-3 };
    const summary = await correlateFile({ files: { input: raw, qmap }, options, out, overwrite: true, provenance: {} });
    const { pairs, error, g2 } = await readResultFile(out);
    const few = pairs!.filter((count) => count < 20).length;
    expect(few).toBeGreaterThan(0);
    expect(few).toBeLessThan(g2.length);
    expect(error.filter((value) => value === 0).length).toBe(few);
    const { warnings } = await viewJson(out);
    const sentence = `${few} of ${g2.length} values have no error: fewer than 20 photon pairs stand behind them`;
    expect(warnings).toContainEqual(sentence);
    // `xpcs corr` says the same when it is done.
    expect(summary.valuesWithoutError).toBe(few);
    expect(describeCorr(summary)).toContain(sentence);
    expect(describeCorr({ ...summary, valuesWithoutError: 0 })).not.toMatch(/have no error/);
    expect((await viewJson(simulated)).warnings.join()).not.toMatch(/fewer than 20/);
  });

  it("becomes three plots", async () => {
    const plots = join(folder, "plots");
    const { plots: written } = await viewJson(simulated, "--out", plots);
    expect(written).toEqual(["g2", "saxs", "intensity"].map((kind) => join(plots, `small_results_${kind}.svg`)));
    const [g2, saxs, intensity] = written.map((path) => readFileSync(path, "utf8")) as [string, string, string];
    for (const text of ["q = 0.003 Å⁻¹", "q = 0.006 Å⁻¹", "delay (s)", "fit, single exponential"]) expect(g2).toContain(text);
    for (const text of ["q (Å⁻¹)", "counts per pixel and frame"]) expect(saxs).toContain(text);
    for (const text of ["time (s)", "counts per valid pixel and frame"]) expect(intensity).toContain(text);
    for (const svg of [g2, saxs, intensity]) expect(svg).not.toMatch(/NaN|undefined/);
  });
});

it("a merged result says how many repeats it has", async () => {
  const [again, merged] = [join(folder, "again_results.hdf"), join(folder, "merged.hdf")];
  const files = { input: raw, qmap: join(folder, "qmap.hdf"), metadata: join(folder, "small_metadata.hdf") };
  await correlateFile({ files, options: { stride: 1, average: 2 }, out: again, overwrite: false, provenance: {} });
  mergeResults({ inputs: [simulated, again], out: merged, overwrite: false, pooling: "per-repeat", provenance: {} });
  expect((await view(merged)).out).toMatch(/ {2}200 frames of 2 repeats \(stride 1, average 2\)/);
  expect((await view(simulated)).out).toMatch(/ {2}100 frames \(stride/);
});

describe("the exchange layout", () => {
  it("of a job file that holds its results, and of a result alone", async () => {
    const staged = stageCase("mt-sparse-imm");
    try {
      const out = join(staged.folder, "out.hdf");
      await correlateFile({ files: { job: staged.job, input: staged.input }, options: {}, out, overwrite: false, provenance: {} });
      const ours = await readResultFile(out);
      const theirs = await readResultFile(staged.expected);
      expect([ours.layout, theirs.layout]).toEqual(["exchange", "exchange"]);
      expect(ours.delays).toEqual(theirs.delays);
      expect(theirs).toMatchObject({ frames: ours.frames, program: null, frameTimeS: null });
      const { bins, warnings } = await viewJson(staged.expected);
      expect(bins.some(({ converged }) => converged)).toBe(true);
      expect(warnings).toContainEqual(expect.stringMatching(/rates are per frame/));
    } finally {
      staged.remove();
    }
  });
});

describe("a two-time result", () => {
  it.each(["both", "twotime"] as const)("of type %s becomes a map per q bin", async (type) => {
    const [out, plots] = [join(folder, `${type}_results.hdf`), join(folder, `plots-${type}`)];
    const files = { input: raw, qmap: join(folder, "qmap.hdf"), metadata: join(folder, "small_metadata.hdf") };
    await correlateFile({ files, options: { type, qBins: [2] }, out, overwrite: false, provenance: {} });
    const { plots: written, bins, c2, conventions } = await viewJson(out, "--out", plots);
    expect(written).toEqual(
      (type === "both" ? ["g2", "saxs", "intensity", "c2"] : ["saxs", "intensity", "c2"]).map((kind) =>
        join(plots, `${type}_results_${kind}.svg`),
      ),
    );
    expect(bins.length > 0).toBe(type === "both");
    expect(conventions).toMatch(type === "both" ? /^multi-tau: .*; two-time: / : /^sums of integer counts are exact; two-time: /);
    expect(c2).toEqual([{ bin: 2, q: 0.006, phi: null, dataset: "/xpcs/twotime/correlation_map/c2_00001" }]);
    const svg = readFileSync(written.at(-1)!, "utf8");
    for (const text of ["C₂ of", "q = 0.006 Å⁻¹", "time (s)", "data:image/png;base64,"]) expect(svg).toContain(text);
    expect(svg).not.toMatch(/NaN|undefined/);
    expect((await view(out)).out).toMatch(
      type === "both" ? /: multi-tau and two-time, nexus[\s\S]*C2 of bin 2/ : /: two-time, nexus[\s\S]*C2 of bin 2/,
    );
  });

  it.each([
    ["nexus", "multitau"],
    ["nexus", "both"],
    ["exchange", "multitau"],
  ] as const)("in the %s layout with --c2 %s becomes a map over age and lag", async (layout, c2) => {
    const [out, plots] = [join(folder, `age-${layout}-${c2}.hdf`), join(folder, `plots-age-${layout}-${c2}`)];
    const files = { input: raw, qmap: join(folder, "qmap.hdf"), metadata: join(folder, "small_metadata.hdf") };
    await correlateFile({ files, options: { type: "twotime", c2, layout, average: 2, qBins: [2] }, out, overwrite: false, provenance: {} });
    const { plots: written, ageLag, c2: matrices } = await viewJson(out, "--out", plots);
    expect(ageLag).toEqual([expect.objectContaining({ bin: 2 })]);
    expect(matrices.length).toBe(c2 === "both" ? 1 : 0);
    expect(written.at(-1)).toBe(join(plots, `age-${layout}-${c2}_c2_age_lag.svg`));
    const svg = readFileSync(written.at(-1)!, "utf8");
    const [unit, where] = layout === "nexus" ? ["s", "q = 0.006 Å⁻¹"] : ["frames", "bin 2"];
    for (const text of ["C₂ by age and lag of", where, `>lag (${unit})<`, `>age (${unit})<`, ">10", "data:image/png;base64,"])
      expect(svg).toContain(text);
    expect(svg).not.toMatch(/NaN|undefined/);
    expect((await view(out)).out).toMatch(/: two-time, [\s\S]*C2 by age and lag of bin 2/);
  });

  it("of XPCS-Eigen is shown too", async () => {
    const twoTime = stageCase("tt-symmetric");
    try {
      const { c2, plots } = await viewJson(twoTime.expected, "--out", join(folder, "plots-eigen"));
      expect(c2[0]!.dataset).toMatch(/\/C2T_all\/g2_0000\d$/);
      expect(plots.at(-1)).toMatch(/_c2\.svg$/);
    } finally {
      twoTime.remove();
    }
  });
});

describe("what is no result", () => {
  it("is refused with a sentence", async () => {
    const text = join(folder, "text.hdf");
    writeFileSync(text, "text");
    expect(await view(join(folder, "none.hdf"))).toMatchObject({ code: 2, err: expect.stringMatching(/does not exist \(NOT_FOUND\)/) });
    expect(await view(text)).toMatchObject({ code: 2, err: expect.stringMatching(/does not open as HDF5/) });
    expect(await view(join(folder, "qmap.hdf"))).toMatchObject({ code: 2, err: expect.stringMatching(/has no result/) });
    expect(await view(known, "--fit", "triple")).toMatchObject({ code: 2 });
    expect(existsSync(join(folder, "plots-none"))).toBe(false);
  });
});

describe("a value with its error", () => {
  it.each([
    [{ value: 1.23456, error: 0.0123 }, "1.235 ± 0.012"],
    [{ value: 1234.5, error: 12.3 }, "1235 ± 12"],
    [{ value: 0.000123456, error: 0.0000012 }, "1.235e-4 ± 1.2e-6"],
    [{ value: 0.25, error: null }, "0.25"],
    [{ value: -2.01, error: 0.02 }, "-2.010 ± 0.020"],
  ])("%j is %s", (value, text) => {
    expect(plusMinus(value)).toBe(text);
  });
});
