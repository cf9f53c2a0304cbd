/** `xpcs boost-corr` in place of boost_corr: its options, its result names, its numbers, and no option passed over in silence. */
import { execFile } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fromArgparse } from "../../src/cli/boost-options.js";
import type { CorrOptions } from "../../src/core/analysis.js";
import { writeMetadata, writeQmap } from "../../src/demo/sample-files.js";
import { rigakuBytes } from "../../src/xpcs/detector-files.js";
import { correlateFile } from "../../src/xpcs/native.js";
import { contents } from "../xpcs/file-contents.js";
import { nexusSample } from "../xpcs/nexus-sample.js";
import { readNumbers, worstDifference } from "../xpcs/reference-case.js";

const MAIN = join(import.meta.dirname, "../../dist/cli/main.js");

let folder: string;
let input: string;
let qmap: string;
let metadata: string;
let outputs = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-boost-"));
  const { sample, input: made } = nexusSample(folder, false);
  input = made;
  qmap = join(folder, "qmap.hdf");
  metadata = join(folder, "small_metadata.hdf");
  await writeQmap(qmap, sample);
  await writeMetadata(metadata, sample, "2026-11-22T10:00:00Z");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly lastLine: string;
}

function boost(...words: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, "boost-corr", ...words], { cwd: folder }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr, lastLine: stdout.trimEnd().split("\n").at(-1)! }),
    );
  });
}

/** The options that every run here needs, with a folder of its own. */
function usual(): string[] {
  return ["-r", input, "-q", qmap, "-nf", "0", "-o", join(folder, `out-${outputs++}`)];
}

const G2 = "/xpcs/multitau/normalized_g2";
const ERROR = "/xpcs/multitau/normalized_g2_err";

describe("the result", () => {
  it.each<[string[], CorrOptions]>([
    [[], {}],
    [["-b", "10", "-e", "150"], { begin: 11, end: 150 }],
    [["--end-frame", "-1", "-f", "2", "-a", "3"], { stride: 2, average: 3 }],
    [["-np", "4"], { partials: 4 }],
    [["--avg", "2", "-G", "-s", "dqmap", "-d", "1-2"], { average: 2, g2out: true }],
  ])("with %j is that of the core with %j and boost_corr's errors", async (words, options) => {
    const { code, stderr, lastLine } = await boost(...usual(), ...words);
    expect(code, stderr).toBe(0);
    expect(lastLine).toMatch(/\/small_results\.hdf$/);
    const out = join(folder, `core-${outputs++}.hdf`);
    const request = { files: { input, qmap, metadata }, options: { ...options, errors: "boost-corr" as const }, out };
    await correlateFile({ ...request, overwrite: false, provenance: {} });
    const partials = options.partials === undefined ? [] : [`${G2}_partial`, `${G2}_partial_labels`];
    for (const name of [G2, ERROR, "/xpcs/multitau/delay_list", ...partials]) {
      const [ours, theirs] = [await readNumbers(lastLine, name), await readNumbers(out, name)];
      expect(worstDifference(ours!.values, theirs!.values), name).toBe(0);
    }
    expect((await readNumbers(lastLine, "/xpcs/multitau/unnormalized_G2")) !== null).toBe(options.g2out === true);
  });

  it("has its frames divided by their mean when nothing is said of it, as in boost_corr", async () => {
    const { code, stderr, lastLine } = await boost("-r", input, "-q", qmap, "-o", join(folder, `out-${outputs++}`));
    expect(code, stderr).toBe(0);
    const out = join(folder, `core-${outputs++}.hdf`);
    const options = { errors: "boost-corr", normalize: "framesum" } as const;
    await correlateFile({ files: { input, qmap, metadata }, options, out, overwrite: false, provenance: {} });
    const [ours, theirs] = [await readNumbers(lastLine, G2), await readNumbers(out, G2)];
    expect(worstDifference(ours!.values, theirs!.values)).toBe(0);
    const counts = await boost(...usual());
    expect(worstDifference((await readNumbers(counts.lastLine, G2))!.values, ours!.values)).toBeGreaterThan(1e-4);
  });

  it.each([
    ["Multitau", {}],
    ["Both", { type: "both", qBins: [2] }],
  ] as const)("of type %s is that of `xpcs corr --compat boost-corr`, bit for bit", async (type, options) => {
    const bins = type === "Both" ? ["-d", "2"] : [];
    const { code, stderr, lastLine } = await boost("-r", input, "-q", qmap, "-o", join(folder, `out-${outputs++}`), "-t", type, ...bins);
    expect(code, stderr).toBe(0);
    const out = join(folder, `core-${outputs++}.hdf`);
    const request = { files: { input, qmap, metadata }, options: { ...options, compat: "boost-corr" as const }, out };
    await correlateFile({ ...request, overwrite: false, provenance: {} });
    for (const name of [G2, ERROR, ...(type === "Both" ? ["/xpcs/twotime/correlation_map/c2_00001", "/xpcs/twotime/normalized_g2"] : [])])
      expect((await readNumbers(lastLine, name))!.values, name).toEqual((await readNumbers(out, name))!.values);
    const given = join(folder, `core-${outputs++}.hdf`);
    const smoothing = type === "Both" ? ({ smoothing: "sqmap" } as const) : {};
    const explicit = { ...options, ...smoothing, errors: "boost-corr", normalize: "framesum" } as const;
    await correlateFile({ ...request, options: explicit, out: given, overwrite: false, provenance: {} });
    for (const name of [G2, ERROR]) expect((await readNumbers(given, name))!.values, name).toEqual((await readNumbers(out, name))!.values);
  });

  it("of --compat boost-corr yields to single options, and goes neither with another mean nor with a job file", async () => {
    const run = async (options: CorrOptions): Promise<readonly number[]> => {
      const out = join(folder, `core-${outputs++}.hdf`);
      await correlateFile({ files: { input, qmap, metadata }, options, out, overwrite: false, provenance: {} });
      return [...(await readNumbers(out, ERROR))!.values];
    };
    const plain = await run({});
    expect(await run({ compat: "boost-corr", errors: "influence", normalize: "none" })).toEqual(plain);
    expect(await run({ compat: "boost-corr" })).not.toEqual(plain);
    await expect(run({ compat: "boost-corr", averaging: "robust" })).rejects.toThrow(/whose mean is plain/);
    const job = { files: { input, job: qmap, metadata }, options: { compat: "boost-corr" as const }, out: join(folder, "job.hdf") };
    await expect(correlateFile({ ...job, overwrite: false, provenance: {} })).rejects.toThrow(/does not go with a job file/);
  });

  it.each(["Twotime", "Both"] as const)("of type %s has C2 with the smoothing and the bins asked for", async (type) => {
    const { code, stderr, lastLine } = await boost(...usual(), "-nf", "1", "-t", type, "-s", "dqmap", "-d", "2");
    expect(code, stderr).toBe(0);
    const out = join(folder, `core-${outputs++}.hdf`);
    const options = { type: type === "Both" ? "both" : "twotime", smoothing: "dqmap", qBins: [2], normalize: "framesum" } as const;
    await correlateFile({ files: { input, qmap, metadata }, options, out, overwrite: false, provenance: {} });
    for (const name of ["/xpcs/twotime/correlation_map/c2_00001", "/xpcs/twotime/processed_bins"]) {
      const [ours, theirs] = [await readNumbers(lastLine, name), await readNumbers(out, name)];
      expect(worstDifference(ours!.values, theirs!.values), name).toBe(0);
    }
    expect((await readNumbers(lastLine, G2)) !== null).toBe(type === "Both");
  });

  it("has prefix and suffix in its name, and a number when the name is taken", async () => {
    const words = [...usual(), "-p", "run7", "-u", "b"];
    const paths = [await boost(...words), await boost(...words), await boost(...words)].map(({ lastLine }) => lastLine);
    expect(paths.map((path) => path.split("/").at(-1))).toEqual([
      "run7_small_b_results.hdf",
      "run7_small_b_results_1.hdf",
      "run7_small_b_results_2.hdf",
    ]);
    const before = statSync(paths[0]!).ino;
    expect((await boost(...words, "-w")).lastLine).toBe(paths[0]);
    expect(statSync(paths[0]!).ino).not.toBe(before);
  });

  it("goes to cluster_results in the current folder without -o", async () => {
    const { lastLine } = await boost("-r", input, "-q", qmap, "-nf", "0", "-v");
    expect(lastLine).toBe(join(folder, "cluster_results/small_results.hdf"));
  });
});

describe("several results", () => {
  const pathsOf = ({ stdout }: Ran): string[] => stdout.trimEnd().split("\n");
  const g2Of = async (path: string): Promise<readonly number[]> => [...(await readNumbers(path, G2))!.values];

  it("of several raw files: one each, by its own metadata, and one that fails does not keep the others from theirs", async () => {
    const second = join(folder, "second.imm");
    copyFileSync(input, second);
    copyFileSync(metadata, join(folder, "second_metadata.hdf"));
    const ran = await boost("-r", input, join(folder, "none.imm"), second, "-q", qmap, "-o", join(folder, `out-${outputs++}`));
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(
      /raw file 3 of 3: .*second\.imm\n.*1 of 3 raw files have no result, or not all: .*none\.imm does not exist/s,
    );
    const paths = pathsOf(ran);
    expect(paths.map((path) => path.split("/").at(-1))).toEqual(["small_results.hdf", "second_results.hdf"]);
    expect(await g2Of(paths[0]!)).toEqual(await g2Of(paths[1]!));
    for (const made of ["second.imm", "second_metadata.hdf"]) rmSync(join(folder, made));
  });

  it("of one name are numbered, also with -w", async () => {
    const ran = await boost(...usual(), "-r", input, "-w");
    expect(ran.code, ran.stderr).toBe(0);
    expect(pathsOf(ran).map((path) => path.split("/").at(-1))).toEqual(["small_results.hdf", "small_results_1.hdf"]);
  });

  it("of segments: each is that of its frames, named by its number", async () => {
    const ran = await boost(...usual(), "-b", "-180", "-u", "x", "--num-segments", "3", "-t", "Both", "-d", "2");
    expect(ran.code, ran.stderr).toBe(0);
    const paths = pathsOf(ran);
    expect(paths.map((path) => path.split("/").at(-1))).toEqual([0, 1, 2].map((at) => `small_x_segment_${at}_results.hdf`));
    for (const [at, path] of paths.entries()) {
      const alone = await boost(...usual(), "-b", String(20 + 60 * at), "-e", String(80 + 60 * at), "-t", "Both", "-d", "2");
      expect(await g2Of(path)).toEqual(await g2Of(alone.lastLine));
      const c2 = "/xpcs/twotime/correlation_map/c2_00001";
      expect((await readNumbers(path, c2))!.values).toEqual((await readNumbers(alone.lastLine, c2))!.values);
    }
    expect(await g2Of(paths[0]!)).not.toEqual(await g2Of(paths[1]!));
  });

  it("of the files that a single .txt lists", async () => {
    const list = join(folder, "list.txt");
    writeFileSync(list, `${input}\r\n\n  small.imm\n`);
    const words = ["-q", qmap, "-nf", "0", "-o", join(folder, `out-${outputs++}`)];
    const ran = await boost("-r", list, ...words);
    expect(ran.code, ran.stderr).toBe(0);
    expect(pathsOf(ran).map((path) => path.split("/").at(-1))).toEqual(["small_results.hdf", "small_results_1.hdf"]);
    expect(ran.stderr).toContain("raw file 2 of 2");
    writeFileSync(list, "\n");
    expect((await boost("-r", list, ...words)).stderr).toContain("lists no raw file");
    expect((await boost("-r", "none.txt", ...words)).stderr).toContain("the list of raw files none.txt cannot be read");
  });

  it.each([
    ["-50", "150"],
    ["-1000", "0"],
  ])("begins at frame %s counted from the end, which is %s", async (fromEnd, begin) => {
    const [ours, same] = [await boost(...usual(), "-b", fromEnd), await boost(...usual(), "-b", begin)];
    expect(ours.code, ours.stderr).toBe(0);
    expect(await g2Of(ours.lastLine)).toEqual(await g2Of(same.lastLine));
  });
});

describe("an end beyond that of the file is its end, as in boost_corr", () => {
  const beyond = ["-e", "100000"];
  it.each([
    [["-t", "Both", "-d", "2"]],
    [["-b", "3", "-f", "2", "-a", "3"]],
    [["-t", "Twotime", "-a", "3"]],
    [["-np", "3"]],
    [["-b", "-31", "-a", "2"]],
  ])("with %j", async (words) => {
    const [ours, whole] = [await boost(...usual(), ...words, ...beyond), await boost(...usual(), ...words)];
    expect(ours.code, ours.stderr).toBe(0);
    const parameters = /^\/provenance\/|parameters|config/;
    expect(await contents(ours.lastLine, parameters)).toEqual(await contents(whole.lastLine, parameters));
  });

  it("in a Rigaku file: its last photon", async () => {
    const { sample } = nexusSample(mkdtempSync(join(folder, "sample-")), false);
    const raw = join(folder, "events.bin");
    writeFileSync(
      raw,
      rigakuBytes({
        frames: 60,
        frame: Uint32Array.of(0, 3, 40, 44),
        pixel: Uint32Array.of(600, 601, 600, 640),
        count: Uint16Array.of(1, 2, 1, 1),
      }),
    );
    const detector = { ...sample.detector, height: 512, width: 1024 };
    const ring = Uint16Array.from({ length: 512 * 1024 }, (_, p) => (p < 1024 ? 1 : 0));
    const map = join(folder, "rigaku-qmap.hdf");
    await writeQmap(map, {
      ...sample,
      detector,
      rings: sample.rings.slice(0, 1),
      dqmap: ring,
      sqmap: ring,
      staticQ: Float64Array.of(0.003),
    });
    const words = ["-r", raw, "-q", map, "-nf", "0", "--meta-fname", metadata, "-o", join(folder, `out-${outputs++}`)];
    for (const end of ["1000", "45", "44"]) {
      const { code, stderr, lastLine } = await boost(...words, "-e", end);
      expect(code, stderr).toBe(0);
      expect((await readNumbers(lastLine, "/xpcs/spatial_mean/intensity_vs_time"))!.shape.at(-1)).toBe(Math.min(Number(end), 45));
    }
  });
});

describe("refused, with a way out", () => {
  it.each<[string[], RegExp]>([
    [["-nf", "2"], /Allowed choices/],
    [["-s", "nonsense"], /Allowed choices/],
    [["-d", "1,x"], /list of bin numbers/],
    [["-t", "Twotime", "-d", "7"], /bin 7|7/],
    [["-t", "nonsense"], /Allowed choices/],
    [["-b", "-50", "-e", "100"], /frame range 151 to 100 is empty/],
    [["--num-segments", "7"], /range has 200 frames, which does not divide; --end-frame 196 does/],
    [["--num-segments", "101"], /needs 2 or more/],
    [["--num-segments", "2", "-a", "2"], /--avg-frame 1 only/],
    [["--max-nonsense"], /unknown option/],
    [["-b", "300", "-e", "100000"], /holds 200 frames, the range from frame 301 on is empty/],
    [["--meta-fname", "none.hdf"], /none\.hdf/],
    [["-p", "a/b"], /file name/],
  ])("%j", async (words, message) => {
    const given = usual();
    const { code, stdout, stderr } = await boost(...given, ...words);
    expect(stderr).toMatch(message);
    expect([code, stdout]).toEqual([2, ""]);
    const output = given.at(-1)!;
    expect(existsSync(output) ? readdirSync(output) : []).toEqual([]);
  });

  it("a missing q-map, no raw file", async () => {
    expect((await boost("-r", input, "-nf", "0")).stderr).toMatch(/--qmap/);
    expect((await boost("-q", qmap, "-nf", "0")).stderr).toMatch(/--raw/);
  });
});

it("options without effect are accepted and named", async () => {
  expect((await boost(...usual(), "-i", "-3")).stderr).toContain("--gpu-id -3: no batch system is used");
  const pbs = ["--pbs-one", "two", "--pbs-three=four", "--pbs-five"];
  const words = ["-i", "0", "--crop-ratio-threshold", "1", "--bin-time-s", "1e-6", "--run-config-path", "x", "--max-memory", "36", ...pbs];
  const { code, stderr } = await boost(...usual(), ...words);
  expect(code, stderr).toBe(0);
  for (const name of ["--gpu-id 0: no GPU", "--crop-ratio-threshold", "--bin-time-s", "--max-memory", "--pbs-*: no batch system"])
    expect(stderr).toContain(name);
});

it("a dry run checks and prints, and writes nothing; what it prints can be a configuration file", async () => {
  const words = usual();
  const given = ["-G", "-np", "2", "-d", "1-2", "-t", "Both", "-u", "x"];
  const { code, stdout, lastLine } = await boost(...words, ...given, "-n");
  expect(code).toBe(0);
  expect(lastLine).toBe(join(words.at(-1)!, "small_x_results.hdf"));
  const printed = stdout.slice(0, stdout.lastIndexOf("}") + 1);
  const settings = { normalize_frame: "0", avg_frame: 1, save_G2: true, num_partial_g2: 2, dq_selection: "1,2", type: "Both", suffix: "x" };
  expect(JSON.parse(printed)).toMatchObject(settings);
  expect(existsSync(words.at(-1)!)).toBe(false);
  const config = join(folder, "dry.json");
  writeFileSync(config, printed);
  expect((await boost("-c", config)).stdout.replace(/ +"config": .*\n/, "")).toBe(stdout.replace(/,\n}/, "\n}"));
  expect((await boost("-r", "none.imm", "-q", qmap, "-nf", "0", "-n")).code).toBe(2);
});

describe("a configuration file", () => {
  it("gives the settings; the command line wins", async () => {
    const config = join(folder, "config.json");
    const output = join(folder, "out-config");
    writeFileSync(
      config,
      JSON.stringify({
        raw: [input],
        qmap,
        output,
        normalize_frame: 0,
        avg_frame: 4,
        save_G2: true,
        overwrite: false,
        prefix: null,
        pbs_one: "two",
      }),
    );
    const { code, stderr, lastLine } = await boost("-c", config, "-a", "2");
    expect(code, stderr).toBe(0);
    expect(lastLine).toBe(join(output, "small_results.hdf"));
    expect((await readNumbers(lastLine, "/xpcs/multitau/config/avg_frame"))?.values).toEqual(Float64Array.of(2));
    expect(await readNumbers(lastLine, "/xpcs/multitau/unnormalized_G2")).not.toBeNull();
  });

  it("with an unknown key is refused with its line", async () => {
    const config = join(folder, "bad.json");
    writeFileSync(config, `{\n  "avg_frame": 2,\n  "average": 2\n}\n`);
    const { code, stderr } = await boost(...usual(), "-c", config);
    expect(code).toBe(2);
    expect(stderr).toContain(`${config} line 3: there is no setting "average"`);
  });
});

it("the syntax of argparse", () => {
  const longs = ["--normalize-frame", "--num-partial-g2", "--num-segments", "--output", "--overwrite"];
  expect(fromArgparse(["-nf", "0", "-np", "0", "--out", "x", "--over", "--outp=y"], longs)).toEqual([
    "--normalize-frame",
    "0",
    "--num-partial-g2",
    "0",
    "--output",
    "x",
    "--overwrite",
    "--output=y",
  ]);
  expect(fromArgparse(["--help", "--none", "--", "--out"], longs)).toEqual(["--help", "--none", "--", "--out"]);
  expect(() => fromArgparse(["--num", "1"], longs)).toThrow(/--num can be --num-partial-g2 and --num-segments/);
});
