/** `xpcs eigen-corr` in place of XPCS-Eigen: its flags, its numbers in META.hdf, and META.hdf whole in every case. */
import { execFile } from "node:child_process";
import { chmodSync, chownSync, readdirSync, readFileSync, statSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import h5wasm, { type Group } from "h5wasm/node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fromGflags } from "../../src/cli/gflags.js";
import { jobFileState, putResults } from "../../src/xpcs/job-file-results.js";
import { correlateFile } from "../../src/xpcs/native.js";
import { immSeries, readGroup, readNumbers, type StagedCase, stageCase, worstDifference } from "../xpcs/reference-case.js";

const MAIN = join(import.meta.dirname, "../../dist/cli/main.js");

let staged: StagedCase;
beforeEach(() => {
  staged = stageCase("mt-short");
});
afterEach(() => staged.remove());

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function eigenCorr(folder: string, ...words: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, "eigen-corr", ...words], { cwd: folder }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

/** Runs something on the open file. */
async function edit<T>(path: string, mode: "r" | "a", run: (file: InstanceType<typeof h5wasm.File>) => T): Promise<T> {
  await h5wasm.ready;
  const file = new h5wasm.File(path, mode);
  try {
    return run(file);
  } finally {
    file.close();
  }
}

describe("the results in META.hdf", () => {
  it.each([
    ["mt-short", [], "/exchange"],
    ["mt-dark-flat", ["--darkout"], "/exchange"],
    ["mt-framesum", [], "/exchange"],
    ["mt-paths", ["-exchange=/result_7"], "/result_7"],
    ["mt-rigaku", ["-rigaku"], "/exchange"],
    ["mt-ufxc", ["--ufxc=true"], "/exchange"],
    ["mt-hdf5-u16", ["--hdf5", "--transposed"], "/exchange"],
  ])("%s: are XPCS-Eigen's to 2e-5", async (name, flags, group) => {
    const files = stageCase(name);
    try {
      const { code, stdout, stderr } = await eigenCorr(files.folder, ...flags, "meta.hdf", "--g2out");
      expect(code, stderr).toBe(0);
      expect(stdout).toContain(`results in ${group}`);
      const expected = await readGroup(files.expected, null);
      const actual = await readGroup(files.job, group);
      for (const dataset of ["tau", "G2", "IP", "IF", "norm-0-g2", "norm-0-stderr", "partition-mean-total", "pixelSum", "frameSum"])
        expect(worstDifference(actual.get(dataset)!.values, expected.get(dataset)!.values), dataset).toBeLessThan(2e-5);
      if (name === "mt-dark-flat") expect(actual.has("DarkAvg")).toBe(true);
      expect(readdirSync(files.folder).sort()).toEqual(["expected.hdf", "meta.hdf", files.input.split("/").at(-1)].sort());
    } finally {
      files.remove();
    }
  });

  it("of a two-time job are XPCS-Eigen's to 2e-5, also with the flag for another loop order", async () => {
    const files = stageCase("tt-frame-threading");
    try {
      const { code, stderr } = await eigenCorr(files.folder, "meta.hdf", "--frame_threading");
      expect(code, stderr).toBe(0);
      const [actual, expected] = [await readGroup(files.job, "/exchange"), await readGroup(files.expected, null)];
      for (const dataset of ["g2full", "g2partials", "sg", "partition-mean-total", "pixelSum"])
        expect(worstDifference(actual.get(dataset)!.values, expected.get(dataset)!.values), dataset).toBeLessThan(2e-5);
      expect((await readNumbers(files.job, "/exchange/C2T_all/g2_00001"))?.shape.length).toBe(2);
    } finally {
      files.remove();
    }
  });

  it("are those of `xpcs corr --compat xpcs-eigen`, bit for bit, with their provenance", async () => {
    expect((await eigenCorr(staged.folder, "meta.hdf")).code).toBe(0);
    const out = join(staged.folder, "out.hdf");
    const options = { layout: "exchange", compat: "xpcs-eigen" } as const;
    await correlateFile({ files: { job: staged.job, input: staged.input }, options, out, overwrite: false, provenance: {} });
    const [inMeta, inOut] = [await readGroup(staged.job, "/exchange"), await readGroup(out, "/exchange")];
    expect([...inMeta.keys()].sort()).toEqual([...inOut.keys()].sort());
    for (const [dataset, { values }] of inOut) expect(worstDifference(inMeta.get(dataset)!.values, values), dataset).toBe(0);
    const compat = await edit(staged.job, "r", (file) => file.get("/exchange/provenance/compat"));
    expect(compat).toBeDefined();
  });

  it("replace the old group; all else of the file survives", async () => {
    await edit(staged.job, "a", (file) => {
      file.create_attribute("made_by", "the beamline");
      const notes = file.create_group("notes");
      notes.create_attribute("sample", "latex");
      notes.create_dataset({ name: "temperature", data: Float64Array.of(293.5, 294.5) });
      file.create_group("exchange").create_dataset({ name: "left_over", data: Int32Array.of(1) });
    });
    const settings = await readGroup(staged.job, "/xpcs");
    const detector = await readGroup(staged.job, "/measurement/instrument/detector");
    expect((await eigenCorr(staged.folder, "meta.hdf")).code).toBe(0);
    expect(await readGroup(staged.job, "/xpcs")).toEqual(settings);
    expect(await readGroup(staged.job, "/measurement/instrument/detector")).toEqual(detector);
    expect((await readGroup(staged.job, "/notes")).get("temperature")?.values).toEqual(Float64Array.of(293.5, 294.5));
    await edit(staged.job, "r", (file) => {
      expect(file.attrs.made_by?.value).toBe("the beamline");
      expect((file.get("/notes") as Group).attrs.sample?.value).toBe("latex");
      expect([...file.keys()].sort()).toEqual(["exchange", "measurement", "notes", "xpcs"]);
    });
    const names = (await readGroup(staged.job, "/exchange")).keys();
    expect([...names]).not.toContain("left_over");
  });

  it("do not let the file grow when it is run again", async () => {
    const run = async (): Promise<number> => {
      expect((await eigenCorr(staged.folder, "meta.hdf", "--g2out")).code).toBe(0);
      return statSync(staged.job).size;
    };
    const bare = statSync(staged.job).size;
    const sizes = [await run(), await run(), await run(), await run(), await run()] as const;
    expect(sizes[4] - sizes[0]).toBeLessThan(0.25 * (sizes[0] - bare));
  });

  it("keep the file's mode and owner, and go through a link", async () => {
    chmodSync(staged.job, 0o640);
    if (process.getuid?.() === 0) chownSync(staged.job, 4321, 1234);
    const before = statSync(staged.job);
    const link = join(staged.folder, "link.hdf");
    symlinkSync("meta.hdf", link);
    expect((await eigenCorr(staged.folder, "link.hdf")).code).toBe(0);
    const after = statSync(staged.job);
    expect([after.mode, after.uid, after.gid]).toEqual([before.mode, before.uid, before.gid]);
    expect((await readGroup(staged.job, "/exchange")).has("norm-0-g2")).toBe(true);
    expect(statSync(link).ino).toBe(after.ino);
  });
});

describe("the input", () => {
  it("is relative to the current folder, or --imm, or has its --inpath replaced", async () => {
    const elsewhere = stageCase("mt-sparse-imm");
    try {
      expect((await eigenCorr(elsewhere.folder, staged.job, "--imm", staged.input)).code).toBe(0);
      const lost = await eigenCorr("/", staged.job);
      expect(lost).toMatchObject({ code: 2, stdout: "" });
      expect(lost.stderr).toContain("/input.imm");
      expect((await eigenCorr("/", staged.job, "-inpath=inp", `-outpath=${staged.folder}/inp`)).code).toBe(0);
      expect((await eigenCorr("/", staged.job, "--inpath=/raw", "--outpath=/data")).stderr).toContain("does not begin with --inpath /raw");
    } finally {
      elsewhere.remove();
    }
  });

  it("of another format is read as IMM without its flag, and the error says so", async () => {
    const files = stageCase("mt-hdf5-u16");
    try {
      const { code, stderr } = await eigenCorr(files.folder, "meta.hdf");
      expect(code).toBe(2);
      expect(stderr).toContain("without --rigaku, --hdf5 or --ufxc the input is read as IMM");
    } finally {
      files.remove();
    }
  });
});

describe("--frameout", () => {
  const KEPT = 7;

  it.each(["mt-avg4", "mt-masked", "mt-stride3", "mt-dense-imm"])("of %s: the frames that are correlated", async (name) => {
    const files = stageCase(name);
    try {
      const { code, stderr } = await eigenCorr(files.folder, "meta.hdf", `--frameout=${KEPT}`);
      expect(code, stderr).toBe(0);
      const setting = async (key: string): Promise<number> => (await readNumbers(files.job, `/xpcs/${key}`))!.values[0]!;
      const [dqmap, sqmap] = [(await readNumbers(files.job, "/xpcs/dqmap"))!, (await readNumbers(files.job, "/xpcs/sqmap"))!];
      const pixels = dqmap.values.length;
      const { series } = immSeries(files.input, pixels, {
        begin: await setting("data_begin_todo"),
        end: await setting("data_end_todo"),
        stride: await setting("stride_frames"),
        average: await setting("avg_frames"),
      });
      const valid = (at: number): boolean => dqmap.values[at % pixels]! > 0 && sqmap.values[at % pixels]! > 0;
      const frames = (await readNumbers(files.job, "/exchange/frames_out"))!;
      expect(frames.shape).toEqual([KEPT, ...(await readNumbers(files.job, "/exchange/pixelSum"))!.shape]);
      const expected = series.slice(0, KEPT * pixels).map((value, at) => (valid(at) ? value : 0));
      expect(worstDifference(frames.values, expected)).toBeLessThan(1e-6);
      expect(frames.values.some((value) => value > 0)).toBe(true);
    } finally {
      files.remove();
    }
  });

  it.each([
    ["mt-dark-flat", []],
    ["mt-flat-sparse", []],
    ["mt-framesum", []],
    ["mt-rigaku", ["-rigaku"]],
    ["mt-hdf5-u16", ["--hdf5"]],
    ["tt-dense", []],
  ])("of %s: their sums are XPCS-Eigen's frameSum", async (name, flags) => {
    const files = stageCase(name);
    try {
      const { code, stderr } = await eigenCorr(files.folder, ...flags, "meta.hdf", "--frameout", String(KEPT));
      expect(code, stderr).toBe(0);
      const { shape, values } = (await readNumbers(files.job, "/exchange/frames_out"))!;
      const pixels = shape[1]! * shape[2]!;
      const expected = (await readGroup(files.expected, null)).get("frameSum")!;
      const sums = Array.from(
        { length: KEPT },
        (_, at) => values.subarray(at * pixels, (at + 1) * pixels).reduce((a, b) => a + b, 0) / pixels,
      );
      expect(worstDifference(sums, expected.values.subarray(expected.shape[1]!, expected.shape[1]! + KEPT))).toBeLessThan(2e-5);
    } finally {
      files.remove();
    }
  });

  it("of as many frames as there are writes none, as XPCS-Eigen, and says so", async () => {
    const frames = (await readGroup(staged.expected, null)).get("frameSum")!.shape[1]!;
    const { code, stdout } = await eigenCorr(staged.folder, "meta.hdf", `--frameout=${frames}`);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`no frames are written: ${frames} were asked for.*it has ${frames}`));
    expect(await readNumbers(staged.job, "/exchange/frames_out")).toBeNull();
  });
});

describe("META.hdf is as it was", () => {
  async function unchanged(run: () => Promise<Ran>, code: number, message: RegExp): Promise<void> {
    const [bytes, names] = [readFileSync(staged.job), readdirSync(staged.folder).sort()];
    const ran = await run();
    expect(ran.stderr).toMatch(message);
    expect(ran.code).toBe(code);
    expect(readFileSync(staged.job).equals(bytes)).toBe(true);
    expect(readdirSync(staged.folder).sort()).toEqual(names);
  }

  it("after a truncated input", async () => {
    truncateSync(staged.input, statSync(staged.input).size - 5);
    await unchanged(() => eigenCorr(staged.folder, "meta.hdf"), 2, /frame \d+|byte \d+/);
  });

  it.each(["/xpcs", "/measurement"])("when the result group is %s, which holds its settings", (group) =>
    unchanged(() => eigenCorr(staged.folder, "meta.hdf", `--exchange=${group}`), 2, /must not replace/),
  );

  it("when another program changed it meanwhile", async () => {
    const out = join(staged.folder, "out.hdf");
    const options = { layout: "exchange" } as const;
    await correlateFile({ files: { job: staged.job, input: staged.input }, options, out, overwrite: false, provenance: {} });
    const state = await jobFileState(staged.job);
    utimesSync(staged.job, new Date(), new Date(Date.UTC(2001, 1, 1)));
    const bytes = readFileSync(staged.job);
    const copy = join(staged.folder, "copy");
    await expect(putResults(state, out, "/exchange", copy, new AbortController().signal)).rejects.toThrow(/changed by another program/);
    expect(readFileSync(staged.job).equals(bytes)).toBe(true);
    expect(readdirSync(staged.folder)).not.toContain("copy");
  });

  it("when the work is stopped before the rename", async () => {
    const out = join(staged.folder, "out.hdf");
    const options = { layout: "exchange" } as const;
    await correlateFile({ files: { job: staged.job, input: staged.input }, options, out, overwrite: false, provenance: {} });
    const bytes = readFileSync(staged.job);
    const copy = join(staged.folder, "copy");
    await expect(putResults(await jobFileState(staged.job), out, "/exchange", copy, AbortSignal.abort())).rejects.toMatchObject({
      code: "CANCELED",
    });
    expect(readFileSync(staged.job).equals(bytes)).toBe(true);
    expect(readdirSync(staged.folder)).not.toContain("copy");
  });

  it("when it is no HDF5 file, or missing, or none is named", async () => {
    writeFileSync(staged.job, "text");
    await unchanged(() => eigenCorr(staged.folder, "meta.hdf"), 2, /meta\.hdf/);
    await unchanged(() => eigenCorr(staged.folder, "none.hdf"), 2, /none\.hdf does not exist/);
    await unchanged(() => eigenCorr(staged.folder), 2, /missing required argument/);
  });

  it("when its raw file is missing", async () => {
    await unchanged(
      () => eigenCorr("/", staged.job),
      2,
      /the raw file \/input\.imm, which .*meta\.hdf names, does not exist; --imm FILE names another/,
    );
    await unchanged(() => eigenCorr(staged.folder, "meta.hdf", "--imm", "no.imm"), 2, /the raw file .*no\.imm does not exist/);
  });
});

it("flags without effect are accepted and named", async () => {
  const { code, stderr } = await eigenCorr(staged.folder, "--frame_threading", "-transposed", "--frameout", "0", "meta.hdf", "--inpath=/a");
  expect(code).toBe(0);
  expect(stderr).toMatch(/--frame_threading has no meaning/);
  expect(stderr).toMatch(/--transposed has no effect/);
  expect(stderr).toMatch(/only together/);
});

it("with --json prints the summary of xpcs corr, out being META.hdf", async () => {
  const { stdout } = await eigenCorr(staged.folder, "meta.hdf", "--json");
  expect(JSON.parse(stdout)).toMatchObject({ out: staged.job, layout: "exchange", type: "multitau" });
});

describe("the syntax of gflags", () => {
  const names = { booleans: ["g2out", "frame_threading"], valued: ["imm", "frameout"] };
  it.each([
    [
      ["META", "-g2out"],
      ["--g2out", "META"],
    ],
    [
      ["--g2out=true", "META", "--imm=a=b"],
      ["--g2out", "--imm", "a=b", "META"],
    ],
    [["--g2out", "--nog2out"], []],
    [["--g2out=0"], []],
    [
      ["-imm", "-x", "META"],
      ["--imm", "-x", "META"],
    ],
    [
      ["--imm=a", "--imm=b"],
      ["--imm", "b"],
    ],
    [["--imm="], []],
    [["--frame-threading"], ["--frame_threading"]],
    [
      ["--", "-g2out"],
      ["--", "-g2out"],
    ],
    [
      ["--help", "--nonsense"],
      ["--help", "--nonsense"],
    ],
  ])("%j is %j", (words, ours) => {
    expect(fromGflags(words, names)).toEqual(ours);
  });

  it.each([[["--g2out=maybe"]], [["--imm"]]])("%j is refused", (words) => {
    expect(() => fromGflags(words, names)).toThrow(/value/);
  });
});
