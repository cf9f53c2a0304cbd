/** A job whose files reach its site, and whose result comes back, through central alone: `xpcs submit` as ever, processes of the built command. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { JobView } from "../../src/core/job.js";
import { type DetectorRun, writeDetectorRun } from "../chaos/detector-run.js";
import { type Facility, startFacility } from "../chaos/processes.js";
import { datasetOf } from "../xpcs/file-contents.js";
import { type Result, startXpcs } from "./xpcs-process.js";

let facility: Facility;
let run: DetectorRun;
const file = (name: string): string => join(facility.folder, name);

/** The site itself may read and write nothing: what succeeds has come through central. */
const siteSettings = (more: object) => ({
  roots: { read: [], write: [] },
  locations: [{ folder: facility.folder, by: "http", giveUpS: 20, ...more }],
});

async function startSite(name: string, more: object = {}, ofSite: object = {}): Promise<void> {
  writeFileSync(file(`${name}.json`), JSON.stringify({ ...siteSettings(more), ...ofSite }));
  await facility.startSite(name, 2, ["--settings", file(`${name}.json`)]);
}

const xpcs = (...args: string[]): Promise<Result> => {
  const home = { HOME: facility.folder, XDG_CONFIG_HOME: file("config") };
  return startXpcs(args, { ...home, XPCS_CENTRAL: facility.url, XPCS_TOKEN: facility.operatorToken }).result;
};

async function job(id: string): Promise<JobView> {
  const { stdout } = await xpcs("job", id, "--json");
  return JSON.parse(stdout) as JobView;
}

const g2 = (path: string): Promise<ArrayLike<number>> => datasetOf(path, "/xpcs/multitau/normalized_g2");

beforeAll(async () => {
  facility = await startFacility((folder) => {
    writeFileSync(
      join(folder, "central.json"),
      JSON.stringify({ data: { read: [join(folder, "data")], write: [join(folder, "results")] } }),
    );
    return ["--settings", join(folder, "central.json")];
  });
  for (const name of ["data", "results", "elsewhere"]) mkdirSync(file(name));
  run = await writeDetectorRun(file("data"), { frames: 2000, photonsPerFrame: 400 });
  await startSite("far");
});
afterAll(() => facility.end());

describe("a site that shares no files with the submitter", () => {
  it("correlates what was submitted, and the result is the same as without it", async () => {
    const maps = ["--qmap", run.qmap, "--frame-time", String(run.frameTimeS)];
    const { code, stderr } = await xpcs("submit", run.input, ...maps, "--out", file("results"), "--wait");
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining("finished at far") });
    expect(readdirSync(file("results"))).toEqual(["run_0001_results.hdf"]);
    await xpcs("corr", run.input, ...maps, "--out", file("here_results.hdf"));
    expect(await g2(file("results/run_0001_results.hdf"))).toEqual(await g2(file("here_results.hdf")));
    // The attempt's folder is gone; what it has read stays by digest.
    expect(readdirSync(file("work/far"))).toEqual(["staged"]);
    expect(readdirSync(file("work/far/staged/content"))).toHaveLength(2);
  });

  it("brings the q-map of further scans from nowhere but its own disk", async () => {
    copyFileSync(run.input, file("data/run_0002.bin"));
    copyFileSync(run.qmap, file("data/qmap2.hdf"));
    const { code } = await xpcs(
      "submit",
      file("data/run_0002.bin"),
      "--qmap",
      file("data/qmap2.hdf"),
      "--frame-time",
      "1e-3",
      "--out",
      file("results"),
      "--wait",
    );
    expect(code).toBe(0);
    // Copies under other names: the same two digests.
    expect(readdirSync(file("work/far/staged/content"))).toHaveLength(2);
  });

  it("is refused what central does not give away, with the reason", async () => {
    copyFileSync(run.input, file("elsewhere/run_0003.bin"));
    const args = ["--qmap", run.qmap, "--frame-time", "1e-3", "--attempts", "1"];
    await xpcs("submit", file("elsewhere/run_0003.bin"), ...args, "--out", file("results"), "--wait");
    const { stdout } = await xpcs("jobs", "--state", "failed", "--json");
    const jobs = JSON.parse(stdout) as JobView[];
    expect(jobs[0]).toMatchObject({
      attempts: [{ code: "REFUSED" }],
      reason: expect.stringContaining("run_0003.bin is not in the folders"),
    });
  });

  it("brings the files of a job while others have all slots", async () => {
    const spec = { tags: {}, attemptsMax: 1 };
    const busy = { ...spec, work: { app: "xpcs.noop", durationMs: 60_000 } } as const;
    const { jobs: running } = await facility.client.submit({ jobs: [busy, busy] });
    await vi.waitFor(async () => expect((await job(running[1]!)).state).toBe("running"), { timeout: 5_000, interval: 50 });
    copyFileSync(run.input, file("data/run_0004.bin"));
    const { stdout } = await xpcs(
      "submit",
      file("data/run_0004.bin"),
      "--qmap",
      run.qmap,
      "--frame-time",
      "1e-3",
      "--out",
      file("results"),
      "--json",
    );
    const [id] = (JSON.parse(stdout) as { jobs: string[] }).jobs;
    await vi.waitFor(async () => expect(await job(id!)).toMatchObject({ state: "staged-in", site: "far" }), {
      timeout: 30_000,
      interval: 20,
    });
    expect((await job(id!)).why).toContain("its files are brought while it waits");
    await facility.client.cancel(running);
    expect((await facility.client.wait([id!]))[0]).toMatchObject({ state: "finished" });
  });

  it("goes on where it was when it is killed while a file is on its way", async () => {
    const bytes = readFileSync(run.input);
    const large = file("data/large.bin");
    writeFileSync(large, Buffer.concat(Array.from({ length: Math.ceil(40e6 / bytes.length) }, () => bytes)));
    await facility.kill("far");
    await startSite("slow", { mbPerS: 15, connections: 2 });
    const { stdout } = await xpcs("submit", large, "--qmap", run.qmap, "--frame-time", "1e-3", "--out", file("results"), "--json");
    const [id] = (JSON.parse(stdout) as { jobs: string[] }).jobs;
    const staged = file("work/slow/staged");
    const parts = () =>
      existsSync(join(staged, "partial")) ? readdirSync(join(staged, "partial")).find((name) => name.endsWith(".parts")) : undefined;
    const noted = () => readFileSync(join(staged, "partial", parts()!), "utf8").split("\n").length;
    await vi.waitFor(() => expect(parts() !== undefined && noted() > 2).toBe(true), { timeout: 10_000, interval: 20 });
    await facility.kill("slow");
    const before = noted();
    await startSite("slow", { mbPerS: 15, connections: 2 });
    await vi.waitFor(() => expect(noted()).toBeGreaterThan(before), { timeout: 15_000, interval: 20 });
    await facility.client.wait([id!]);
    expect(await job(id!)).toMatchObject({ state: "finished" });
    expect(existsSync(file("results/large_results.hdf"))).toBe(true);
  });

  it("takes no more jobs than it may bring files of", async () => {
    await facility.kill("slow");
    const bytes = readFileSync(run.input);
    const names = ["one", "two"].map((name) => file(`data/${name}.bin`));
    for (const [at, name] of names.entries())
      writeFileSync(
        name,
        Buffer.concat([...Array.from({ length: Math.ceil(6e6 / bytes.length) }, () => bytes), bytes.subarray(0, 8 * (at + 1))]),
      );
    await startSite("narrow", { mbPerS: 2 }, { transfersMax: 1 });
    const { stdout } = await xpcs("submit", ...names, "--qmap", run.qmap, "--frame-time", "1e-3", "--out", file("results"), "--json");
    const [one, two] = (JSON.parse(stdout) as { jobs: string[] }).jobs as [string, string];
    const isComing = (id: string) =>
      vi.waitFor(async () => expect((await job(id)).state).toBe("staged-in"), { timeout: 20_000, interval: 20 });
    await isComing(one);
    const other = await job(two);
    // Two slots are free, and nobody else is there.
    if ((await job(one)).state === "staged-in") expect(other).toMatchObject({ state: "ready" });
    await isComing(two);
    expect((await job(one)).state).not.toBe("staged-in");
    expect(await facility.client.wait([one, two])).toMatchObject([{ state: "finished" }, { state: "finished" }]);
  });
});
