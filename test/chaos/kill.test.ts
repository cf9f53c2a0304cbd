/** kill -9 of a site, of kernel hosts and of central, while jobs run: every job finishes once. Real processes of the built command. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFailed, vi } from "vitest";
import type { JobId, JobSpec, JobView } from "../../src/core/job.js";
import { expectFinishedOnce, expectTidy } from "./checkers.js";
import { corrJobs, writeDetectorRun } from "./detector-run.js";
import { type Facility, startFacility } from "./processes.js";

let facility: Facility;
let following: AbortController;
/** How often each job was seen to become finished. */
let finishes: Map<JobId, number>;
let last: Map<JobId, string>;

beforeEach(async () => {
  facility = await startFacility();
  const { log } = facility;
  onTestFailed(() => console.log(log()));
  following = new AbortController();
  finishes = new Map();
  last = new Map();
  const onChange = ({ id, state }: JobView): void => {
    if (state === "finished" && last.get(id) !== "finished") finishes.set(id, (finishes.get(id) ?? 0) + 1);
    last.set(id, state);
  };
  facility.client.follow({ onChange, signal: following.signal }).catch(() => {});
});

afterEach(async () => {
  following.abort();
  await facility.end();
});

function noops(count: number, durationMs: number): JobSpec[] {
  return Array.from({ length: count }, (_, at) => ({ work: { app: "xpcs.noop", durationMs }, tags: { n: String(at) }, attemptsMax: 3 }));
}

async function submit(count: number, durationMs: number): Promise<JobId[]> {
  return (await facility.client.submit({ jobs: noops(count, durationMs) })).jobs;
}

/** Waits until `count` jobs are running, at `site` if given. */
async function running(count: number, site?: string): Promise<JobView[]> {
  return vi.waitFor(
    async () => {
      const { jobs } = await facility.client.jobs({ states: ["running"] });
      const found = jobs.filter((job) => site === undefined || job.site === site);
      expect(found.length).toBeGreaterThanOrEqual(count);
      return found;
    },
    { timeout: 15_000, interval: 50 },
  );
}

async function expectAllOnce(ids: readonly JobId[]): Promise<JobView[]> {
  const jobs = await facility.client.wait(ids, { signal: AbortSignal.timeout(45_000) });
  expectFinishedOnce(ids, jobs);
  await vi.waitFor(() => expect([...finishes.values()]).toEqual(ids.map(() => 1)));
  return jobs;
}

describe("kill -9 while jobs run:", { timeout: 60_000 }, () => {
  it("of a site: its jobs finish elsewhere", async () => {
    await Promise.all([facility.startSite("a"), facility.startSite("b")]);
    const ids = await submit(6, 1_500);
    const struck = await running(2, "a");
    await facility.kill("a");
    const jobs = await expectAllOnce(ids);
    for (const { id } of struck) {
      const job = jobs.find((candidate) => candidate.id === id)!;
      expect(job.attempts[0]).toMatchObject({ site: "a", outcome: "lost" });
      expect(job.site).toBe("b");
    }
  });

  it("of a site that starts again under its name: it is let in at once, and its jobs run again", async () => {
    await facility.startSite("a");
    const ids = await submit(4, 1_000);
    await running(2, "a");
    await facility.kill("a");
    await facility.startSite("a");
    const jobs = await expectAllOnce(ids);
    expect(jobs.filter(({ attempts }) => attempts.length > 1).length).toBeGreaterThanOrEqual(2);
  });

  it("of kernel hosts: the site goes on, and the attempts are counted with their reason", async () => {
    await facility.startSite("a");
    // Long enough for a busy machine to strike before their end.
    const ids = await submit(4, 5_000);
    const struck = await running(2, "a");
    // A job is running from when a host is asked for it; one that was killed before it began has cost no attempt.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(facility.killHosts("a")).toBe(2);
    const jobs = await expectAllOnce(ids);
    for (const { id } of struck) {
      const job = jobs.find((candidate) => candidate.id === id)!;
      expect(job.attempts[0]).toMatchObject({ outcome: "failed", code: "NATIVE_CRASHED", reason: expect.stringContaining("SIGKILL") });
      expect(job.attempts).toHaveLength(2);
    }
  });

  it("of central: work that runs goes on and is reported to the next one, under its epoch", async () => {
    await Promise.all([facility.startSite("a"), facility.startSite("b")]);
    const ids = await submit(8, 1_500);
    await running(4);
    await facility.kill("central");
    // Some attempts end while central is away.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await facility.startCentral();
    const jobs = await expectAllOnce(ids);
    expect(jobs.map(({ epoch }) => epoch)).toEqual(ids.map(() => 1));
  });

  it("of everything, one after the other, under correlations: each result is published once and whole", async () => {
    await Promise.all([facility.startSite("a"), facility.startSite("b")]);
    const results = join(facility.folder, "results");
    mkdirSync(results);
    const run = await writeDetectorRun(facility.folder, { frames: 20_000, photonsPerFrame: 400 });
    const names = Array.from({ length: 8 }, (_, at) => join(results, `run_${at}_results.hdf`));
    const { jobs: ids } = await facility.client.submit({ jobs: corrJobs(run, names) });
    await running(1, "a");
    facility.killHosts("a");
    await running(1, "b");
    await facility.kill("b");
    await facility.startSite("b");
    await running(1);
    await facility.kill("central");
    await facility.kill("a");
    await facility.startCentral();
    await facility.startSite("a");
    const jobs = await expectAllOnce(ids);
    expect(jobs.map(({ outputs }) => outputs.map(({ path }) => path))).toEqual(names.map((path) => [path]));
    await vi.waitFor(() => expectTidy(jobs));
  });

  it("a site that was paused beyond its lease discards what it computed, and works on", async () => {
    await Promise.all([facility.startSite("a", 1), facility.startSite("b", 1)]);
    const results = join(facility.folder, "results");
    mkdirSync(results);
    const run = await writeDetectorRun(facility.folder, { frames: 20_000, photonsPerFrame: 400 });
    const names = Array.from({ length: 3 }, (_, at) => join(results, `run_${at}_results.hdf`));
    const { jobs: ids } = await facility.client.submit({ jobs: corrJobs(run, names) });
    await running(1, "a");
    facility.signal("a", "SIGSTOP");
    const jobs = await expectAllOnce(ids);
    expect(jobs.some(({ attempts }) => attempts[0]?.site === "a" && attempts[0].outcome === "lost")).toBe(true);
    facility.signal("a", "SIGCONT");
    await vi.waitFor(async () => expect(await facility.client.sites()).toMatchObject([{ state: "up" }, { state: "up" }]), {
      timeout: 10_000,
    });
    await vi.waitFor(() => expect(facility.log()).toContain("attempt-discarded"), { timeout: 10_000 });
    expectFinishedOnce(ids, await facility.client.wait(ids));
    await vi.waitFor(() => expectTidy(jobs));
  });

  it("of central while jobs are submitted: the same key makes the same jobs once", async () => {
    const jobs = noops(3, 10);
    const first = await facility.client.submit({ jobs, key: "night-1" });
    await facility.kill("central");
    const again = facility.client.submit({ jobs, key: "night-1" });
    await facility.startCentral();
    expect(await again).toEqual(first);
    await facility.startSite("a");
    await expectAllOnce(first.jobs);
    expect((await facility.client.jobs()).jobs).toHaveLength(3);
  });
});
