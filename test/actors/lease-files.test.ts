/** What central knows of the files of leases, and how many jobs it gives to a site that bounds them. */
import { beforeEach, expect, it } from "vitest";
import { LIMITS } from "../../src/core/limits.js";
import { noop } from "./support.js";
import { VirtualCentral, type VirtualSite } from "./virtual-central.js";

let world: VirtualCentral;

beforeEach(async () => {
  world = await new VirtualCentral().start();
});

it("a lease tells its site how much its files are, and its term when they will be there, from the last renewal alone", async () => {
  const jobs = await world.submit(noop({}, { inputBytes: 7e9 }), noop());
  const site = await world.site("a", { slots: 2 });
  const [sized, other] = (await site.poll(2, 0)).leases;
  expect(sized).toMatchObject({ job: jobs[0], inputBytes: 7e9 });
  expect(other).not.toHaveProperty("inputBytes");
  const { job, epoch } = sized!;
  const term = () => world.central.terms.get(job, epoch)!;
  const nowMs = () => world.clock.monotonicMs();
  expect(term()).not.toHaveProperty("filesAtMs");
  const renew = (more: object) => site.remote.renew({ ...site.me, held: [{ job, epoch, state: "staged-in", progress: null, ...more }] });
  await renew({ filesInMs: 40_000 });
  expect(term().filesAtMs).toBe(nowMs() + 40_000);
  await world.clock.advance(1_000);
  await renew({ filesInMs: 0 });
  expect(term().filesAtMs).toBe(nowMs());
  await renew({});
  expect(term()).not.toHaveProperty("filesAtMs");
  await renew({ filesInMs: LIMITS.filesInMsMax });
  await site.join({ slots: 2, held: [{ job, epoch }] });
  expect(term()).not.toHaveProperty("filesAtMs");
  for (const filesInMs of [-1, 0.5, LIMITS.filesInMsMax + 1, Number.NaN, Number.POSITIVE_INFINITY, "1", null, {}])
    await expect(renew({ filesInMs })).rejects.toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringContaining("filesInMs") });
  // Of a newer site: what this central does not know yet.
  await renew({ filesInMs: 3, bytesLeft: 7 });
  expect(term().filesAtMs).toBe(nowMs() + 3);
});

it("a site gets no more jobs than it takes, however many slots are free, and a wide one is not starved", async () => {
  const jobs = await world.submit(noop({}, { resources: { slots: 3 } }), noop(), noop());
  const site: VirtualSite = await world.site("a", { slots: 5 });
  const ask = async (jobsMax: number) => {
    const { leases } = await site.remote.lease({ ...site.me, slots: 5, jobsMax, waitMs: 0 });
    return leases.map(({ job }) => job);
  };
  const none = ask(0);
  await world.clock.advance(1);
  expect(await none).toEqual([]);
  expect(await ask(1)).toEqual([jobs[0]]);
  expect(await world.look(jobs[1]!)).toMatchObject({ state: "ready" });
  expect(await ask(4)).toEqual(jobs.slice(1));
  for (const jobsMax of [-1, 1.5, LIMITS.siteSlotsMax + 1])
    await expect(ask(jobsMax)).rejects.toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringContaining("jobsMax") });
});
