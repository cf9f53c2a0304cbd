/** Jobs that take down whatever runs them: they stop at their limit of attempts, say how each ended, and others go on. Real processes. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFailed } from "vitest";
import type { JobSpec } from "../../src/core/job.js";
import { type Facility, startFacility } from "./processes.js";

const APPS = {
  // The parent of a command is the kernel host, and its parent is the site.
  "kill-host": { argv: ["/bin/sh", "-c", "kill -9 $PPID"], parameters: {} },
  "kill-site": { argv: ["/bin/sh", "-c", "read -r _ _ _ site _ < /proc/$PPID/stat; kill -9 $site"], parameters: {} },
};
const job = (app: keyof typeof APPS, attemptsMax: number): JobSpec => ({
  work: { app, parameters: {}, inputs: {}, outputs: {}, overwrite: false },
  tags: {},
  attemptsMax,
});
const noop: JobSpec = { work: { app: "xpcs.noop", durationMs: 50 }, tags: {}, attemptsMax: 1 };

let facility: Facility;
let apps: string[];
beforeEach(async () => {
  facility = await startFacility();
  const { log } = facility;
  onTestFailed(() => console.log(log()));
  mkdirSync(join(facility.folder, "work"), { recursive: true });
  const file = join(facility.folder, "apps.json");
  writeFileSync(file, JSON.stringify(APPS));
  apps = ["--apps", file];
});
afterEach(() => facility.end());

describe("a poison job", { timeout: 180_000 }, () => {
  it("that kills its kernel host fails at the limit, with every attempt's reason, and nobody else suffers", async () => {
    await facility.startSite("a", 2, apps);
    const { jobs } = await facility.client.submit({ jobs: [job("kill-host", 3), ...Array.from({ length: 6 }, () => noop)] });
    const [poison, ...others] = await facility.client.wait(jobs);
    expect(poison).toMatchObject({ state: "failed", reason: expect.stringMatching(/SIGKILL.*attempt 3 of 3, the last/) });
    const ends = poison!.attempts.map(({ outcome, code, reason }) => [outcome, code, reason?.includes("SIGKILL")]);
    expect(ends).toEqual(Array.from({ length: 3 }, () => ["failed", "NATIVE_CRASHED", true]));
    expect(others.map(({ state }) => state)).toEqual(others.map(() => "finished"));
    // The site is as good as before.
    const { jobs: after } = await facility.client.submit({ jobs: [noop] });
    expect((await facility.client.wait(after))[0]).toMatchObject({ state: "finished", site: "a" });
  });

  it("that kills its site is lost with it, runs elsewhere, and fails at the limit", async () => {
    await Promise.all([facility.startSite("a", 1, apps), facility.startSite("b", 1, apps)]);
    const { jobs } = await facility.client.submit({ jobs: [job("kill-site", 2)] });
    const [poison] = await facility.client.wait(jobs);
    expect(poison).toMatchObject({ state: "failed", reason: expect.stringMatching(/stopped renewing.*attempt 2 of 2, the last/) });
    expect(poison!.attempts.map(({ site }) => site).sort()).toEqual(["a", "b"]);
    for (const { outcome, reason } of poison!.attempts)
      expect([outcome, reason]).toEqual(["lost", expect.stringContaining("stopped renewing")]);
    // A site that starts is not given it again.
    await facility.startSite("a", 1, apps);
    const { jobs: after } = await facility.client.submit({ jobs: [noop] });
    expect((await facility.client.wait(after))[0]).toMatchObject({ state: "finished", site: "a" });
    expect((await facility.client.job(jobs[0]!)).attempts).toHaveLength(2);
  });
});
