/** Which files the words of `xpcs submit` stand for, and several analyses of one shot, up to the jobs that central has. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readAnalyses } from "../../src/cli/analyses-file.js";
import { inputFiles } from "../../src/cli/input-files.js";
import { type DetectorRun, writeDetectorRun } from "../chaos/detector-run.js";
import { type Facility, startFacility } from "../chaos/processes.js";
import { startXpcs } from "./xpcs-process.js";

const folder = mkdtempSync(join(tmpdir(), "xpcs-arrays-"));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the words of a command line", () => {
  beforeAll(() => {
    for (const name of ["a", "b"]) mkdirSync(at(name));
    const names = [
      "s_9.bin",
      "s_10.bin",
      "s_0053.bin",
      "s_54.bin",
      "s_54x.bin",
      "s_154.bin",
      ".s_55.bin",
      "s_9_results.hdf",
      "s[1].bin",
      "s1.bin",
    ];
    for (const name of [...names, "a/s_1.bin", "b/s_1.bin", "s_2_metadata.hdf", "s_3.hdf"]) writeFileSync(at(name), "");
  });

  it.each<[string, string[]]>([
    ["s_*.bin", ["s_9.bin", "s_10.bin", "s_0053.bin", "s_54.bin", "s_54x.bin", "s_154.bin"]],
    ["s_?.bin", ["s_9.bin"]],
    ["s_[5-9]*.bin", ["s_9.bin", "s_54.bin", "s_54x.bin"]],
    ["s_[!5-9]*.bin", ["s_10.bin", "s_0053.bin", "s_154.bin"]],
    ["*/s_1.bin", ["a/s_1.bin", "b/s_1.bin"]],
    // A file of that name, not a list of characters.
    ["s[1].bin", ["s[1].bin"]],
    // Neither results nor metadata.
    ["s_*.hdf", ["s_3.hdf"]],
    ["absent.bin", ["absent.bin"]],
  ])("%s", (word, names) => {
    expect(inputFiles([at(word)])).toEqual(names.map(at));
  });

  it("name each file once", () => {
    expect(inputFiles([at("s_9.bin"), at("s_?.bin"), at("s_1*.bin")])).toEqual([at("s_9.bin"), at("s_10.bin"), at("s_154.bin")]);
  });

  it("have numbers, with or without zeros before them, and only whole ones", () => {
    expect(inputFiles([at("s_#.bin")], [10, 53, 54])).toEqual([at("s_10.bin"), at("s_0053.bin"), at("s_54.bin")]);
    expect(inputFiles([at("?/s_#.bin")], [1])).toEqual([at("a/s_1.bin"), at("b/s_1.bin")]);
  });

  it.each<[string, readonly number[] | undefined, RegExp]>([
    ["none_*.bin", undefined, /no file matches .*none_\*\.bin/],
    ["nowhere/*.bin", undefined, /no file matches/],
    ["s_#.bin", [53, 55, 56], /with the number 55, 56/],
    ["s_*.bin", [53], /--range needs an INPUT with #/],
    ["#/s_#.bin", [1], /# stands for the number \(--range\) once/],
  ])("%s is refused", (word, numbers, message) => {
    expect(() => inputFiles([at(word)], numbers)).toThrow(message);
  });
});

describe("a file of analyses", () => {
  const read = (text: string) => {
    writeFileSync(at("analyses.yaml"), text);
    return readAnalyses(at("analyses.yaml"));
  };

  it("has the options of each", () => {
    expect(read("- qmap: a.hdf\n  q-bins: 1,3-4\n- input: [b.bin, c.bin]\n  frame-time: 1e-3\n  g2out: true\n")).toEqual([
      { qmap: ["a.hdf"], qBins: [1, 3, 4] },
      { input: ["b.bin", "c.bin"], frameTime: 1e-3, g2out: true },
    ]);
  });

  it.each([
    ["- qmap: a\n- dpll: 3\n", /line 2: there is no setting "dpll"/],
    ["- qmap: a\n- dpl: none\n", /line 2: .*--dpl/],
    ["qmap: a\n", /must hold a list/],
    ["[]", /must hold a list/],
    ["- [a]\n", /must hold a list/],
    ["- a: [\n", /line 2 is neither YAML nor JSON/],
  ])("%j is refused with its line", (text, message) => {
    expect(() => read(text)).toThrow(message);
  });
});

describe("xpcs submit", () => {
  let facility: Facility;
  let run: DetectorRun;
  beforeAll(async () => {
    facility = await startFacility();
    run = await writeDetectorRun(facility.folder, { frames: 100, photonsPerFrame: 50 });
    for (const number of [7, 8, 9]) copyFileSync(run.input, join(facility.folder, `scan_000${number}.bin`));
  });
  afterAll(() => facility.end());

  const submit = async (...args: string[]) => {
    const home = { HOME: facility.folder, XDG_CONFIG_HOME: join(facility.folder, "config") };
    const env = { ...home, XPCS_CENTRAL: facility.url, XPCS_TOKEN: facility.operatorToken };
    const { code, stdout, stderr } = await startXpcs(["submit", ...args, "--frame-time", "2e-5", "--json"], env).result;
    if (code !== 0) throw new Error(stderr);
    const { jobs } = JSON.parse(stdout) as { jobs: string[] };
    return Promise.all(jobs.map((id) => facility.client.job(id)));
  };

  it("makes a job for each number of a range", async () => {
    const jobs = await submit(join(facility.folder, "scan_#.bin"), "--range", "7,9", "--qmap", run.qmap);
    expect(jobs.map(({ inputs }) => inputs[0])).toEqual([7, 9].map((number) => join(facility.folder, `scan_000${number}.bin`)));
  });

  it("makes the jobs of several analyses in one submission, or none", async () => {
    const file = join(facility.folder, "analyses.yaml");
    const other = join(facility.folder, "twotime");
    writeFileSync(file, `- qmap: ${run.qmap}\n- input: ${join(facility.folder, "scan_0008.bin")}\n  type: twotime\n  out: ${other}\n`);
    const inputs = join(facility.folder, "scan_*.bin");
    const shared = ["--qmap", run.qmap, "--tag", "shot=1"];
    const jobs = await submit(inputs, "--analyses", file, ...shared);
    expect(jobs.map(({ inputs: [input], type, tags }) => [input!.at(-5), type, tags.shot])).toEqual([
      ["7", "multitau", "1"],
      ["8", "multitau", "1"],
      ["9", "multitau", "1"],
      ["8", "twotime", "1"],
    ]);
    const before = (await facility.client.jobs()).jobs.length;
    writeFileSync(file, "- type: multitau\n- type: twotime\n");
    await expect(submit(inputs, "--analyses", file, ...shared)).rejects.toThrow("two analyses of");
    expect((await facility.client.jobs()).jobs).toHaveLength(before);
    writeFileSync(file, `- input: ${run.input}\n`);
    await expect(submit(inputs, "--analyses", file, ...shared)).rejects.toThrow("would not be read");
  });
});
