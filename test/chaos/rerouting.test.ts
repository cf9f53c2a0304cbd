/** Recalls and second attempts with a real central and real sites: files come once, wherever the job ends up. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, it, onTestFailed } from "vitest";
import type { JobSpec } from "../../src/core/job.js";
import { watchNames } from "./files-seen.js";
import { type Facility, startFacility } from "./processes.js";

let facility: Facility;
beforeEach(async () => {
  facility = await startFacility();
  const { log } = facility;
  onTestFailed(() => console.log(log()));
});
afterEach(() => facility.end());

const noop = (durationMs: number): JobSpec => ({ work: { app: "xpcs.noop", durationMs }, tags: {}, attemptsMax: 1 });

it("a job that waits at one site goes to another that starts meanwhile", { timeout: 120_000 }, async () => {
  const settings = join(facility.folder, "a.json");
  writeFileSync(settings, JSON.stringify({ prefetch: 3 }));
  await facility.startSite("a", 1, ["--settings", settings]);
  const { client } = facility;
  await client.wait((await client.submit({ jobs: [noop(4_000)] })).jobs);
  const { jobs } = await client.submit({ jobs: Array.from({ length: 4 }, () => noop(4_000)) });
  while ((await client.jobs({ states: ["ready"] })).jobs.length > 0) await pause(100);
  await facility.startSite("b", 1);
  const ended = await client.wait(jobs);
  expect(ended.map(({ state }) => state)).toEqual(jobs.map(() => "finished"));
  const moved = ended.filter(({ attempts }) => attempts.length > 1);
  expect(moved.length).toBeGreaterThan(0);
  for (const { attempts } of moved) {
    expect(attempts).toMatchObject([
      { site: "a", outcome: "returned", reason: expect.stringMatching(/^recalled: a free slot of site b answers in/) },
      { site: "b", outcome: "finished" },
    ]);
  }
});

it("a job that is late begins at an idle site too; one result is published, and the other attempt stops", {
  timeout: 120_000,
}, async () => {
  const { folder, client } = facility;
  const [input, results, hang] = [join(folder, "in"), join(folder, "results"), join(folder, "hang")];
  mkdirSync(results);
  writeFileSync(input, "what is copied");
  const app = (slow: string) => ({
    copy: {
      argv: ["/bin/sh", "-c", `${slow}; cat "$1" > "$2"`, "copy", "{input}", "{output}"],
      parameters: { input: { type: "input" }, output: { type: "output" } },
    },
  });
  writeFileSync(join(folder, "a.json"), JSON.stringify(app(`test ! -e ${hang} || sleep 300`)));
  writeFileSync(join(folder, "b.json"), JSON.stringify(app("true")));
  const copy = (name: string, more: Partial<JobSpec>): JobSpec => ({
    work: {
      app: "copy",
      parameters: {},
      inputs: { input: { path: input } },
      outputs: { output: { path: join(results, name) } },
      overwrite: false,
    },
    ...{ tags: {}, attemptsMax: 1 },
    ...more,
  });
  for (const name of ["a", "b"]) await facility.startSite(name, 1, ["--apps", join(folder, `${name}.json`)]);
  await client.wait((await client.submit({ jobs: ["a", "b"].map((site) => copy(`first-${site}`, { site })) })).jobs);
  writeFileSync(hang, "");
  const seen = watchNames(results);
  // It must begin at a: b is busy.
  const { jobs: busy } = await client.submit({ jobs: [{ ...noop(3_000), site: "b" }] });
  await pause(500);
  const { jobs } = await client.submit({ jobs: [copy("late", { deadline: new Date(Date.now() + 2_000).toISOString() })] });
  const [job] = await client.wait(jobs);
  expect(job).toMatchObject({
    state: "finished",
    site: "b",
    attempts: [
      { site: "a", outcome: "canceled", reason: expect.stringContaining("had its result first") },
      { site: "b", outcome: "finished", duplicate: true },
    ],
  });
  await client.wait(busy);
  // The first attempt hears that it is over, and its command is stopped: the slot is free again.
  const { jobs: after } = await client.submit({ jobs: [{ ...noop(10), site: "a" }] });
  expect((await client.wait(after))[0]).toMatchObject({ state: "finished" });
  expect(readFileSync(join(results, "late"), "utf8")).toBe("what is copied");
  expect(seen.counts.get("late")).toBe(1);
  seen.close();
  expect(readdirSync(results).sort()).toEqual(["first-a", "first-b", "late"]);
});
