/** Watched folders: when a file is complete, and that each is submitted once, through bursts, restarts, refusals and a central that is away. */
import { appendFileSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { filesThere } from "../../src/cli/input-files.js";
import type { Watched } from "../../src/cli/submit-watch.js";
import { checkCompanion, isCompanion, SettledFiles } from "../../src/sites/settled-files.js";
import { virtualClock } from "../actors/virtual-clock.js";
import { type DetectorRun, writeDetectorRun } from "../chaos/detector-run.js";
import { type Facility, startFacility } from "../chaos/processes.js";
import { documentedJson, shapeFaults } from "./cli-docs.js";
import { startXpcs, type Xpcs } from "./xpcs-process.js";

describe("a detector file", () => {
  const folder = mkdtempSync(join(tmpdir(), "xpcs-settled-"));
  const at = (name: string) => join(folder, name);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("is complete when it has rested, and not while it grows or is empty", async () => {
    const clock = virtualClock(0);
    const files = new SettledFiles(clock, { settleMs: 5_000, companion: null });
    const look = () => files.look(at("grows.bin"));
    expect(look()).toBeNull();
    writeFileSync(at("grows.bin"), "");
    for (let n = 0; n < 3; n += 1) {
      await clock.advance(10_000);
      expect(look()).toBeNull();
    }
    for (let n = 0; n < 5; n += 1) {
      appendFileSync(at("grows.bin"), "more");
      expect(look()).toBeNull();
      await clock.advance(4_999);
      expect(look()).toBeNull();
    }
    await clock.advance(1);
    const first = look();
    expect(first).toMatch(/^20 \d+$/);
    expect(look()).toBe(first);
    appendFileSync(at("grows.bin"), "more");
    expect(look()).toBeNull();
    await clock.advance(5_000);
    expect(look()).not.toBe(first);
    rmSync(at("grows.bin"));
    expect(look()).toBeNull();
    writeFileSync(at("grows.bin"), "back");
    expect(look()).toBeNull();
  });

  it("is complete at once where the detector renames, and with its companion where it writes one", () => {
    const clock = virtualClock(0);
    writeFileSync(at("r.bin"), "whole");
    expect(new SettledFiles(clock, { settleMs: 0, companion: null }).look(at("r.bin"))).toMatch(/^5 /);
    const files = new SettledFiles(clock, { settleMs: 0, companion: "*_done.txt" });
    expect(files.look(at("r.bin"))).toBeNull();
    writeFileSync(at("other_done.txt"), "");
    expect(files.look(at("r.bin"))).toBeNull();
    writeFileSync(at("r_done.txt"), "");
    expect(files.look(at("r.bin"))).toMatch(/^5 /);
    mkdirSync(at("folder.bin"));
    expect(new SettledFiles(clock, { settleMs: 0, companion: null }).look(at("folder.bin"))).toBeNull();
  });

  it("has a companion of its own name", () => {
    for (const wrong of ["done", "*", "*/done", "*.*", "../*.done"]) expect(() => checkCompanion(wrong)).toThrow("--companion");
    expect(() => checkCompanion("*.done")).not.toThrow();
    expect([isCompanion("a.done", "*.done"), isCompanion("a.bin", "*.done"), isCompanion(".done", "*.done")]).toEqual([true, false, false]);
  });

  it("is found in its folder, whatever the folder is called, without what lies beside it", () => {
    const odd = at("[odd] * folder");
    mkdirSync(join(odd, "below"), { recursive: true });
    for (const name of ["b10.bin", "b9.bin", "m.bin.000", "m.bin.001", "m.bin.005", ".hidden.bin", "b9_results.hdf", "b9_metadata.hdf"])
      writeFileSync(join(odd, name), "");
    expect(filesThere([odd]).map((path) => basename(path))).toEqual(["b9.bin", "b10.bin", "m.bin.000"]);
    expect(filesThere([join(folder, "none_*.bin"), at("not-yet.bin")])).toEqual([at("not-yet.bin")]);
  });
});

describe("xpcs submit --watch", () => {
  let facility: Facility;
  let run: DetectorRun;
  let bytes: Buffer;
  let folder: string;
  const at = (name: string) => join(folder, name);
  beforeAll(async () => {
    facility = await startFacility();
    run = await writeDetectorRun(facility.folder, { frames: 60, photonsPerFrame: 20 });
    bytes = readFileSync(run.input);
  });
  afterAll(() => facility.end());
  beforeEach(() => {
    folder = mkdtempSync(join(facility.folder, "detector-"));
  });

  /** Of this test: none goes on watching after it, also where the test failed. */
  const started: Xpcs[] = [];
  afterEach(async () => {
    for (const xpcs of started.splice(0)) {
      xpcs.kill("SIGKILL");
      await xpcs.result;
    }
  });
  const start = (...args: string[]): Xpcs => {
    const home = { HOME: facility.folder, XDG_CONFIG_HOME: join(facility.folder, "config") };
    const env = { ...home, XPCS_CENTRAL: facility.url, XPCS_TOKEN: facility.operatorToken };
    const xpcs = startXpcs(["submit", ...args, "--watch", "--qmap", run.qmap, "--frame-time", "2e-5"], env);
    started.push(xpcs);
    return xpcs;
  };
  const watch = (...args: string[]) => start(folder, "--out", at("results"), "--json", ...args);
  const told = (xpcs: Xpcs) =>
    xpcs
      .printed()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Watched);
  const submitted = (xpcs: Xpcs) => told(xpcs).filter(({ problem }) => problem === null);
  const until = (check: () => void | Promise<void>, timeout = 20_000) => vi.waitFor(check, { timeout, interval: 50 });
  const stop = async (xpcs: Xpcs) => {
    xpcs.kill("SIGINT");
    return xpcs.result;
  };
  /** Jobs on the files of this test. */
  const inputsOfJobs = async () => {
    const inputs: string[] = [];
    let after: string | null = null;
    do {
      const page = await facility.client.jobs({ limit: 500, ...(after === null ? {} : { after }) });
      inputs.push(...page.jobs.flatMap((job) => job.inputs.filter((path) => path.startsWith(`${folder}/`))));
      after = page.next;
    } while (after !== null);
    return inputs.sort();
  };

  it("submits a file that is written slowly once, when it is whole", async () => {
    const xpcs = watch("--settle", "2");
    const piece = Math.ceil(bytes.length / 8);
    for (let from = 0; from < bytes.length; from += piece) {
      appendFileSync(at("slow.bin"), bytes.subarray(from, from + piece));
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(told(xpcs)).toEqual([]);
    }
    await until(() => expect(submitted(xpcs)).toHaveLength(1));
    expect(shapeFaults(documentedJson("watched"), told(xpcs)[0])).toEqual([]);
    const { code, stderr } = await stop(xpcs);
    expect({ code, stderr }).toEqual({ code: 130, stderr: "" });
    expect(await inputsOfJobs()).toEqual([at("slow.bin")]);
  });

  it("submits a renamed file at once, a file with its companion, and names at the end what was not complete", async () => {
    const xpcs = start(join(folder, "*.bin"), "--companion", "*.done", "--out", at("results"));
    writeFileSync(at("a.bin.tmp"), bytes);
    writeFileSync(at("b.bin"), bytes);
    renameSync(at("a.bin.tmp"), at("a.bin"));
    writeFileSync(at("a.done"), "");
    await until(() => expect(xpcs.printed()).toMatch(/^\d\d:\d\d:\d\d UTC {2}a\.bin {2}[0-9a-z]{15}\n$/));
    const { stderr } = await stop(xpcs);
    expect(stderr).toContain("submitted 1 files, 1 jobs; 1 not complete: b.bin");
    expect(await inputsOfJobs()).toEqual([at("a.bin")]);
  });

  it("submits a file anew when it went on growing after all", async () => {
    const xpcs = watch("--settle", "0");
    writeFileSync(at("half.bin"), bytes.subarray(0, bytes.length / 2));
    await until(() => expect(submitted(xpcs)).toHaveLength(1));
    appendFileSync(at("half.bin"), bytes.subarray(bytes.length / 2));
    await until(() => expect(submitted(xpcs)).toHaveLength(2));
    await stop(xpcs);
    expect(await inputsOfJobs()).toEqual([at("half.bin"), at("half.bin")]);
  });

  it("goes on after a file that is no detector file, tells of it once, and ends with exit code 1 when it is told to stop", async () => {
    const xpcs = watch("--settle", "0");
    writeFileSync(at("a-note.txt"), "no photons here");
    writeFileSync(at("good.bin"), bytes);
    await until(() => expect(told(xpcs)).toHaveLength(2));
    expect(told(xpcs).map(({ file, problem }) => [basename(file), problem?.code !== undefined])).toEqual([
      ["a-note.txt", true],
      ["good.bin", false],
    ]);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(told(xpcs)).toHaveLength(2);
    xpcs.kill("SIGTERM");
    expect((await xpcs.result).code).toBe(1);
  });

  it("has each analysis of a file in one submission, and says when a file was submitted otherwise before", async () => {
    const list = at("analyses.yaml");
    const shots = at("shots");
    mkdirSync(shots);
    writeFileSync(list, `- type: multitau\n- type: twotime\n  out: ${at("twotime")}\n`);
    const options = [join(shots, "*.bin"), "--settle", "0", "--out", at("results"), "--json"];
    const xpcs = start(...options, "--analyses", list);
    writeFileSync(join(shots, "shot.bin"), bytes);
    await until(() => expect(submitted(xpcs)).toMatchObject([{ jobs: [expect.any(String), expect.any(String)] }]));
    await stop(xpcs);
    const other = start(...options, "--analyses", list, "--tag", "changed=yes");
    await until(() => expect(told(other)).toMatchObject([{ problem: { code: "KEY_CONFLICT" } }]));
    await stop(other);
    const anew = start(...options, "--analyses", list, "--tag", "changed=yes", "--key", "second");
    await until(() => expect(submitted(anew)).toHaveLength(1));
    await stop(anew);
    expect(await inputsOfJobs()).toHaveLength(4);
  });

  it("waits for a central that is away, and leaves alone what has its results", async () => {
    await facility.startSite("worker");
    const xpcs = watch("--settle", "0");
    writeFileSync(at("early.bin"), bytes);
    await until(() => expect(submitted(xpcs)).toHaveLength(1));
    await facility.client.wait(submitted(xpcs)[0]!.jobs);
    await facility.kill("central");
    writeFileSync(at("late.bin"), bytes);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await facility.startCentral();
    await until(() => expect(submitted(xpcs)).toHaveLength(2), 30_000);
    await facility.client.wait(submitted(xpcs).flatMap(({ jobs }) => jobs));
    await stop(xpcs);
    const again = start(folder, "--settle", "0", "--out", at("results"));
    await until(() => expect(again.told()).toContain("watching"));
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect((await stop(again)).stderr).toContain("submitted 0 files, 0 jobs; 2 had their results");
    expect(await inputsOfJobs()).toEqual([at("early.bin"), at("late.bin")]);
    await facility.kill("worker");
  }, 90_000);

  it("takes a burst of 500 files, and makes no second job of any when it is killed on the way and started anew", async () => {
    const names = Array.from({ length: 500 }, (_, n) => at(`burst_${n}.bin`));
    const burst = () => start(join(folder, "*.bin"), "--settle", "0", "--out", at("results"), "--json");
    const first = burst();
    for (const name of names) {
      copyFileSync(run.input, `${name}.tmp`);
      renameSync(`${name}.tmp`, name);
    }
    await until(() => expect(submitted(first).length).toBeGreaterThan(100), 60_000);
    first.kill("SIGKILL");
    await first.result;
    const second = burst();
    await until(() => expect(submitted(second)).toHaveLength(500), 60_000);
    expect((await stop(second)).code).toBe(130);
    expect(await inputsOfJobs()).toEqual([...names].sort());
    const ids = submitted(second).flatMap(({ jobs }) => jobs);
    expect(new Set(ids).size).toBe(500);
  }, 150_000);

  it.each([
    [["--wait"], "--wait does not go with --watch"],
    [["--deadline", "2h"], "--deadline does not go with --watch"],
    [["--companion", "done"], "--companion done"],
    [["--qmap", "/nowhere/qmap.hdf"], "/nowhere/qmap.hdf does not exist"],
  ])("refuses %j at once", async (args, message) => {
    const { code, stderr } = await start(folder, "--out", at("results"), ...args).result;
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  it.each([
    ["--settle", "0"],
    ["--companion", "*.done"],
  ])("refuses %s %s without --watch", async (...args) => {
    const { code, stderr } = await startXpcs(["submit", run.input, "--qmap", run.qmap, ...args], { HOME: facility.folder }).result;
    expect(code).toBe(2);
    expect(stderr).toContain("add --watch");
  });
});
