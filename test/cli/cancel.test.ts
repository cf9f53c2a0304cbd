/** A cancel in every state that a job can be in, through real processes; a kernel that runs has stopped 2 s after it. */
import { copyFileSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { JobSpec, JobState } from "../../src/core/job.js";
import { type DetectorRun, writeDetectorRun } from "../chaos/detector-run.js";
import { type Facility, startFacility } from "../chaos/processes.js";

let facility: Facility;
beforeAll(async () => {
  facility = await startFacility();
});
afterAll(() => facility.end());

const noop = (durationMs: number, more: Partial<JobSpec> = {}): JobSpec => ({
  work: { app: "xpcs.noop", durationMs },
  tags: {},
  attemptsMax: 1,
  ...more,
});
const submit = async (...jobs: JobSpec[]) => (await facility.client.submit({ jobs })).jobs;
const reaches = (id: string, state: JobState) =>
  vi.waitFor(async () => expect((await facility.client.job(id)).state).toBe(state), { timeout: 15_000, interval: 20 });

describe("a cancel", () => {
  it("of a job that waits for a site, and of one that waits for that, ends both at once", async () => {
    const { client } = facility;
    const [waiting, child] = (await submit(noop(1), noop(1, { parents: ["#0"] }))) as [string, string];
    expect((await client.job(child)).state).toBe("awaiting-parents");
    expect(await client.cancel([child])).toEqual({ canceled: [child], alreadyFinal: [] });
    expect(await client.cancel([waiting])).toEqual({ canceled: [waiting], alreadyFinal: [] });
    for (const id of [waiting, child])
      expect(await client.job(id)).toMatchObject({ state: "canceled", attempts: [], reason: expect.stringContaining("canceled by") });
  });

  describe("with a site", () => {
    beforeAll(async () => {
      await facility.startSite("here", 1);
    });

    it("of a running kernel stops it within 2 s, and the slot is free for the next job", async () => {
      const { client } = facility;
      const [id] = (await submit(noop(600_000))) as [string];
      await reaches(id, "running");
      const beganMs = Date.now();
      await client.cancel([id]);
      await client.wait([id]);
      const stoppedMs = Date.now() - beganMs;
      expect(await client.job(id)).toMatchObject({ state: "canceled", attempts: [{ outcome: "canceled" }] });
      // What the promise says, not a measurement: a kernel that does not stop is killed at 1.2 s.
      expect(stoppedMs).toBeLessThan(2_000);
      const [next] = (await submit(noop(1))) as [string];
      expect((await client.wait([next]))[0]).toMatchObject({ state: "finished" });
    });

    it("of a correlation leaves neither a result nor anything on the way to one", async () => {
      const { client, folder } = facility;
      const run: DetectorRun = await writeDetectorRun(folder, { frames: 6_000, photonsPerFrame: 1_000 });
      const out = join(folder, "results");
      mkdirSync(out);
      copyFileSync(run.qmap, join(folder, "map.hdf"));
      const work = {
        app: "xpcs.corr",
        input: { path: run.input },
        qmap: { path: join(folder, "map.hdf") },
        out: { path: join(out, "r.hdf") },
        overwrite: false,
        options: { type: "twotime", qBins: [1], frameTimeS: 1e-3, threads: 1 },
      } as const;
      const [id] = (await submit({ work, tags: {}, attemptsMax: 1 })) as [string];
      await reaches(id, "running");
      const beganMs = Date.now();
      await client.cancel([id]);
      await client.wait([id]);
      expect(await client.job(id)).toMatchObject({ state: "canceled", outputs: [] });
      expect(Date.now() - beganMs).toBeLessThan(2_000);
      expect(existsSync(work.out.path)).toBe(false);
      expect(readdirSync(out)).toEqual([]);
    });

    it("of a job that has ended changes nothing, and says so; repeated, it answers the same", async () => {
      const { client } = facility;
      const [done, failed] = (await submit(noop(1), {
        work: {
          app: "xpcs.corr",
          input: { path: "/nowhere.bin" },
          qmap: { path: "/nowhere.hdf" },
          out: { path: "/nowhere/r.hdf" },
          overwrite: false,
          options: {},
        },
        tags: {},
        attemptsMax: 1,
      })) as [string, string];
      await client.wait([done, failed]);
      const before = await Promise.all([done, failed].map((id) => client.job(id)));
      expect(before.map(({ state }) => state)).toEqual(["finished", "failed"]);
      expect(await client.cancel([done, failed])).toEqual({ canceled: [], alreadyFinal: [done, failed] });
      expect(await Promise.all([done, failed].map((id) => client.job(id)))).toEqual(before);
      const [waiting] = (await submit(noop(1, { site: "elsewhere" }))) as [string];
      await client.cancel([waiting]);
      expect(await client.cancel([waiting])).toEqual({ canceled: [waiting], alreadyFinal: [] });
    });
  });
});
