/** A site with a settings file, as a process: what its results get, and where its jobs may go. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JobView } from "../../src/core/job.js";
import { parseSiteSettings } from "../../src/sites/site-settings.js";
import { type Facility, startFacility } from "../chaos/processes.js";
import { startXpcs } from "./xpcs-process.js";

let facility: Facility;
const file = (name: string) => join(facility.folder, name);

beforeAll(async () => {
  facility = await startFacility();
  const apps = {
    write: { argv: ["/bin/sh", "-c", 'echo result > "$1"', "sh", "{out}"], parameters: { out: { type: "output" } } },
  };
  writeFileSync(file("apps.json"), JSON.stringify(apps));
  const settings = { results: { mode: "0640", groups: { "2026-3/smith": "games", "2026-3/jones": "no-such-group" } } };
  writeFileSync(file("settings.json"), JSON.stringify(settings));
  await facility.startSite("here", 1, ["--apps", file("apps.json"), "--settings", file("settings.json")]);
});
afterAll(() => facility.end());

async function ended(path: string, experiment: string): Promise<JobView> {
  const work = { app: "write", parameters: {}, inputs: {}, outputs: { out: { path } }, overwrite: false };
  const { jobs } = await facility.client.submit({ jobs: [{ work, experiment, tags: {}, attemptsMax: 1 }] });
  return (await facility.client.wait(jobs))[0]!;
}

describe("results", () => {
  it.runIf(process.geteuid!() === 0)("have the group of their experiment, and the mode", async () => {
    expect(await ended(file("smith.txt"), "2026-3/smith")).toMatchObject({ state: "finished" });
    const { gid, mode } = statSync(file("smith.txt"));
    expect([gid, mode & 0o777]).toEqual([60, 0o640]);
    expect(await ended(file("other.txt"), "2026-3/other")).toMatchObject({ state: "finished" });
    expect(statSync(file("other.txt")).gid).toBe(process.getegid!());
  });

  it("of an experiment whose group this site cannot give are refused at once, with the reason", async () => {
    expect(await ended(file("jones.txt"), "2026-3/jones")).toMatchObject({
      state: "failed",
      attempts: [{ code: "REFUSED" }],
      reason: expect.stringContaining("results of 2026-3/jones to the group no-such-group, and there is no such group here"),
    });
  });
});

describe("examples/site-settings.json", () => {
  it("is one", () => {
    const text = readFileSync(new URL("../../examples/site-settings.json", import.meta.url), "utf8");
    expect(parseSiteSettings(text, "the example").results.mode).toBe(0o640);
  });
});

describe("a settings file that is wrong", () => {
  it("keeps the site from starting, with its place", async () => {
    writeFileSync(file("wrong.json"), '{"results": {"mode": "rw"}}');
    const args = ["site", "--central", facility.url, "--token", "t", "--name", "x", "--work", file("work"), "--settings"];
    const { code, stderr } = await startXpcs([...args, file("wrong.json")], {}).result;
    expect(code).toBe(2);
    expect(stderr).toContain("wrong.json: results.mode: must be an octal mode");
    expect((await startXpcs([...args, file("none.json")], {}).result).stderr).toContain("none.json cannot be read");
  });
});
