/** A site with a settings file, as a process: what its results get, and where its jobs may go. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import h5wasm from "h5wasm/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseSettings } from "../../src/cli/settings-file.js";
import type { JobView, Work } from "../../src/core/job.js";
import { writeQmap } from "../../src/demo/sample-files.js";
import { SITE_SETTINGS } from "../../src/sites/site-settings.js";
import { childrenOf, type Facility, startCommand, startFacility } from "../chaos/processes.js";
import { nexusSample } from "../xpcs/nexus-sample.js";
import { startXpcs } from "./xpcs-process.js";

let facility: Facility;
const file = (name: string) => join(facility.folder, name);
const out = (name: string) => `${file("results")}/${name}`;

beforeAll(async () => {
  facility = await startFacility();
  const apps = {
    write: {
      argv: ["/bin/sh", "-c", 'cat "$1" > "$2"', "sh", "{in}", "{out}"],
      parameters: { in: { type: "input" }, out: { type: "output" } },
    },
  };
  writeFileSync(file("apps.json"), JSON.stringify(apps));
  for (const name of ["data", "results", "secret"]) mkdirSync(file(name));
  writeFileSync(file("data/in.txt"), "input");
  writeFileSync(file("secret/key"), "secret");
  symlinkSync(file("secret/key"), file("data/link.txt"));
  const roots = { read: [file("data")], write: [file("results")] };
  const settings = { roots, results: { mode: "0640", groups: { "2026-3/smith": "games", "2026-3/jones": "no-such-group" } } };
  writeFileSync(file("settings.json"), JSON.stringify(settings));
  await facility.startSite("here", 1, ["--apps", file("apps.json"), "--settings", file("settings.json")]);
});
afterAll(() => facility.end());

async function run(work: Work, experiment: string): Promise<JobView> {
  const { jobs } = await facility.client.submit({ jobs: [{ work, experiment, tags: {}, attemptsMax: 1 }] });
  return (await facility.client.wait(jobs))[0]!;
}

function ended(path: string, experiment: string, input = file("data/in.txt")): Promise<JobView> {
  const files = { inputs: { in: { path: input } }, outputs: { out: { path } } };
  return run({ app: "write", parameters: {}, ...files, overwrite: false }, experiment);
}

describe("results", () => {
  it.runIf(process.geteuid!() === 0)("have the group of their experiment, and the mode", async () => {
    expect(await ended(file("results/smith.txt"), "2026-3/smith")).toMatchObject({ state: "finished" });
    const { gid, mode } = statSync(file("results/smith.txt"));
    expect([gid, mode & 0o777]).toEqual([60, 0o640]);
    expect(await ended(file("results/other.txt"), "2026-3/other")).toMatchObject({ state: "finished" });
    expect(statSync(file("results/other.txt")).gid).toBe(process.getegid!());
  });

  it("of an experiment whose group this site cannot give are refused at once, with the reason", async () => {
    expect(await ended(file("results/jones.txt"), "2026-3/jones")).toMatchObject({
      state: "failed",
      attempts: [{ code: "REFUSED" }],
      reason: expect.stringContaining("results of 2026-3/jones to the group no-such-group, and there is no such group here"),
    });
  });
});

describe("paths", () => {
  const refusal = (text: string) => ({ state: "failed", attempts: [{ code: "REFUSED" }], reason: expect.stringContaining(text) });

  it("outside the roots are refused at once, and nothing is read or written", async () => {
    const out = file("results/refused.txt");
    expect(await ended(out, "2026-3/other", file("secret/key"))).toMatchObject(refusal("is not in the folders that jobs may read"));
    expect(await ended(out, "2026-3/other", file("data/link.txt"))).toMatchObject(refusal("leads out of the folders that jobs may read"));
    expect(await ended(file("data/new.txt"), "2026-3/other")).toMatchObject(refusal("is not in the folders that jobs may write"));
    expect(readdirSync(file("data")).sort()).toEqual(["in.txt", "link.txt"]);
    expect(existsSync(out)).toBe(false);
  });

  it("with .. are refused by central already", async () => {
    await expect(ended(out("../escaped.txt"), "2026-3/other")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(ended(out("a.txt"), "2026-3/other", `${file("data")}/../secret/key`)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  it("that a detector file names itself are held to the roots too", async () => {
    await h5wasm.ready;
    const { sample } = nexusSample(file("data"), false);
    const { height, width } = sample.detector;
    const frames = {
      name: "data",
      data: new Uint16Array(20 * height * width).fill(1),
      shape: [20, height, width],
      chunks: [1, height, width],
    };
    for (const place of ["data", "secret"]) {
      const part = new h5wasm.File(file(`${place}/part.h5`), "w");
      part.create_dataset(frames);
      part.close();
      const master = new h5wasm.File(file(`data/${place}_master.h5`), "w");
      master
        .create_group("entry")
        .create_group("data")
        .create_external_link(file(`${place}/part.h5`), "/data", "data_000001");
      master.close();
    }
    const qmap = file("data/qmap.hdf");
    await writeQmap(qmap, sample);
    const work = (place: string): Work => ({
      app: "xpcs.corr",
      input: { path: file(`data/${place}_master.h5`) },
      qmap: { path: qmap },
      out: { path: file(`results/${place}.hdf`) },
      overwrite: false,
      options: { frameTimeS: 1e-3 },
    });
    expect(await run(work("data"), "2026-3/other")).toMatchObject({ state: "finished" });
    expect(await run(work("secret"), "2026-3/other")).toMatchObject(refusal(`${file("secret/part.h5")} is not in the folders`));
    // The same of a q-map, of what it does not need, and of what a file that it refers to refers to.
    const behind = new h5wasm.File(file("data/behind.h5"), "w");
    behind.create_external_link("../secret/key", "/x", "x");
    behind.close();
    for (const [place, target] of [
      ["secret/part.h5", file("secret/part.h5")],
      ["data/behind.h5", file("secret/key")],
    ] as const) {
      await writeQmap(qmap, sample);
      const map = new h5wasm.File(qmap, "a");
      map.create_group("unused").create_external_link(file(place), "/data", "link");
      map.close();
      expect(await run({ ...work("data"), overwrite: true } as Work, "2026-3/other")).toMatchObject(
        refusal(`${target} is not in the folders`),
      );
    }
  });
});

describe("supervision", () => {
  it("lets the site end, with exit code 1 and the reason, when its kernel hosts die again and again without work", async () => {
    writeFileSync(file("fragile.json"), '{"supervision": {"restart": {"endsMax": 1, "firstMs": 10}}}');
    const { siteToken } = facility.ready.central as { siteToken: string };
    const where = ["--central", facility.url, "--token", siteToken, "--work", file("work")];
    const site = startCommand(["site", ...where, "--name", "fragile", "--settings", file("fragile.json")]);
    await site.ready;
    const ended = new Promise<number | null>((resolve) => site.child.once("exit", resolve));
    const killing = setInterval(() => {
      // One that has gone between the two is fine.
      for (const pid of childrenOf(site.child.pid!)) spawnSync("kill", ["-KILL", String(pid)]);
    }, 700);
    expect(await ended).toBe(1);
    clearInterval(killing);
    expect(site.log()).toMatch(/"event":"kernel-host-ended"/);
    expect(site.log()).toMatch(/NATIVE_CRASHED.*ended 2 times within 60 s without work/);
    expect((await facility.client.sites()).find(({ name }) => name === "fragile")).toMatchObject({ state: "gone" });
  });
});

describe("examples/site-settings.json", () => {
  it("is one", () => {
    const text = readFileSync(new URL("../../examples/site-settings.json", import.meta.url), "utf8");
    const { results, locations, cache } = parseSettings(SITE_SETTINGS, text, "the example");
    expect([results.mode, locations?.map(({ by }) => by), cache.gb]).toEqual([0o640, ["http", "shared-path"], 200]);
  });
});

describe("a settings file that is wrong", () => {
  it("keeps the site from starting, with its place", async () => {
    writeFileSync(file("wrong.json"), '{"results": {"mode": "rw"}}');
    const args = ["site", "--central", facility.url, "--token", "t", "--name", "x", "--work", file("work"), "--settings"];
    const { code, stderr } = await startXpcs([...args, file("wrong.json")], {}).result;
    expect(code).toBe(2);
    expect(stderr).toContain("wrong.json line 1: results.mode: must be an octal mode");
    const missing = await startXpcs([...args, file("none.json"), "--json"], {}).result;
    expect([missing.code, missing.stderr]).toEqual([2, expect.stringMatching(/NOT_FOUND.*none\.json cannot be read/)]);
    // There, and not to be read: root may read any file, but no folder.
    const folder = await startXpcs([...args, file("."), "--json"], {}).result;
    expect([folder.code, folder.stderr]).toEqual([1, expect.stringMatching(/IO_FAILED.*cannot be read/)]);
  });
});
