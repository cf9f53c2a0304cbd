/** Cross-checks with a real central and real sites: correlations agree bit for bit, and a site that computes something else is named. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, it, onTestFailed, vi } from "vitest";
import type { JobSpec } from "../../src/core/job.js";
import { corrJobs, writeDetectorRun } from "./detector-run.js";
import { type Facility, startFacility } from "./processes.js";

let facility: Facility;
let results: string;
beforeEach(async () => {
  facility = await startFacility(() => ["--cross-check", "100%"]);
  const { log } = facility;
  onTestFailed(() => console.log(log()));
  results = join(facility.folder, "results");
  mkdirSync(results);
});
afterEach(() => facility.end());

/** The checks of a job, when they have ended. */
async function checksOf(id: string) {
  const { client } = facility;
  for (;;) {
    const { jobs } = await client.jobs({ tags: { "cross-check": id } });
    if (jobs.length > 0 && jobs.every(({ finishedAt }) => finishedAt !== null)) return jobs;
    await pause(100);
  }
}

it("correlations of two sites with other threads agree bit for bit; their files differ, and the check leaves none", {
  timeout: 120_000,
}, async () => {
  const run = await writeDetectorRun(facility.folder, { frames: 500, photonsPerFrame: 100 });
  await facility.startSite("a", 1);
  await facility.startSite("b", 1, ["--threads", "2"]);
  const { client } = facility;
  const { jobs } = await client.submit({ jobs: corrJobs(run, [join(results, "r.hdf")]) });
  await client.wait(jobs);
  const [check] = await checksOf(jobs[0]!);
  const job = await client.job(jobs[0]!);
  expect(check).toMatchObject({ state: "finished", outputs: [], priority: -1_000 });
  expect(check!.site).not.toBe(job.site);
  expect(job.crossCheck).toMatchObject({ agreed: true, wrong: null });
  expect(new Set(job.crossCheck!.runs.map(({ sha256 }) => sha256)).size).toBe(1);
  expect(job.crossCheck!.runs[0]!.sha256).not.toBe(job.outputs[0]!.sha256);
  expect(readdirSync(results)).toEqual(["r.hdf"]);
  const work = join(facility.folder, "work");
  // The folder goes when central has the report.
  const left = () => ["a", "b"].flatMap((name) => readdirSync(join(work, name)).filter((each) => each.includes(".")));
  await vi.waitFor(() => expect(left()).toEqual([]), 20_000);
  const metrics = await (
    await fetch(`${facility.url.replace("ws", "http")}/metrics`, { headers: { authorization: `Bearer ${facility.operatorToken}` } })
  ).text();
  expect(metrics).toContain('xpcs_cross_checks_total{outcome="agreed",site=""} 1');
});

it("of three sites the one whose command writes something else is named, and its result stays where it is", {
  timeout: 120_000,
}, async () => {
  const input = join(facility.folder, "in");
  writeFileSync(input, "as it should be");
  const app = (words: string) => ({
    copy: {
      argv: ["/bin/sh", "-c", words, "copy", "{input}", "{output}"],
      parameters: { input: { type: "input" }, output: { type: "output" } },
    },
  });
  for (const name of ["a", "b", "c"]) {
    const file = join(facility.folder, `${name}.json`);
    writeFileSync(file, JSON.stringify(app(name === "a" ? 'echo wrong > "$2"' : 'cat "$1" > "$2"')));
    await facility.startSite(name, 1, ["--apps", file]);
  }
  const job: JobSpec = {
    work: {
      app: "copy",
      parameters: {},
      inputs: { input: { path: input } },
      outputs: { output: { path: join(results, "o") } },
      overwrite: false,
    },
    ...{ tags: {}, attemptsMax: 1 },
  };
  const { client } = facility;
  const { jobs } = await client.submit({ jobs: [job] });
  await client.wait(jobs);
  for (;;) {
    const found = (await client.job(jobs[0]!)).crossCheck;
    if (found?.runs.length === 3) break;
    await pause(100);
  }
  const { crossCheck } = await client.job(jobs[0]!);
  expect(crossCheck).toMatchObject({
    agreed: false,
    wrong: "a",
    reason: expect.stringMatching(/^site a \(.+\) differs from site . \(.+\) and site . \(.+\), which agree$/),
  });
  const site = (await client.sites()).find(({ name }) => name === "a");
  expect(site?.crossChecks?.wrong).toBe(1);
  const made = (await client.job(jobs[0]!)).site === "a" ? "wrong\n" : "as it should be";
  expect(readFileSync(join(results, "o"), "utf8")).toBe(made);
  expect(readdirSync(results)).toEqual(["o"]);
  expect(facility.log()).toContain('"cross-checked"');
});
