/** Where jobs go when run times differ widely: no slot stays idle while a job waits. Real processes. */
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { sleep } from "../../src/core/clock.js";
import type { JobSpec } from "../../src/core/job.js";
import { realClock } from "../../src/core/real-clock.js";
import { type Facility, startFacility } from "../chaos/processes.js";

let facility: Facility;
beforeAll(async () => {
  facility = await startFacility();
  for (const site of ["alpha", "beta"]) await facility.startSite(site, 1);
});
afterAll(() => facility.end());

const noops = (count: number, durationMs: number): JobSpec[] =>
  Array.from({ length: count }, () => ({ work: { app: "xpcs.noop", durationMs }, tags: {}, attemptsMax: 1 }));

it("a long job after many short ones does not keep the next from the other site", async () => {
  const { client } = facility;
  await client.wait((await client.submit({ jobs: noops(60, 5) })).jobs);
  const first = (await client.submit({ jobs: noops(1, 60_000) })).jobs[0]!;
  await vi.waitFor(async () => expect((await client.job(first)).state).toBe("running"), { timeout: 10_000 });
  // Long enough for its site's mean to say that it should have ended.
  await sleep(realClock, 1_000);
  const second = (await client.submit({ jobs: noops(1, 60_000) })).jobs[0]!;
  await vi.waitFor(async () => expect((await client.job(second)).state).toBe("running"), { timeout: 10_000 });
  const sites = [(await client.job(first)).site, (await client.job(second)).site];
  expect(sites.sort()).toEqual(["alpha", "beta"]);
  await client.cancel([first, second]);
});
