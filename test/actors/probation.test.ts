/** Probation through a real central: a site whose jobs fail and finish elsewhere gets none, says why, and is lifted; and prefetched jobs of a silent site move. */
import { expect, it, vi } from "vitest";
import type { WorkSource } from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import type { Connection } from "../../src/wire/connect.js";
import { noop, openClient, openSite, type TestCentral, withCentral } from "./support.js";

let central: TestCentral;
/** Added to both clocks of central. */
let laterMs = 0;
withCentral(
  (made) => {
    central = made;
    laterMs = 0;
  },
  { clock: { ...realClock, nowMs: () => Date.now() + laterMs, monotonicMs: () => realClock.monotonicMs() + laterMs } },
);

const joinAs = (site: string, more: object = {}) => ({
  site,
  instance: `${site}-1`,
  host: site,
  slots: 2,
  apps: ["xpcs.noop"],
  held: [],
  ...more,
});
const me = (site: string) => ({ site, instance: `${site}-1` });
const again = { attemptsMax: 9, retryDelayMs: 1 };

async function take(link: Connection<WorkSource>, site: string, slots = 1, waitMs = 5_000) {
  return (await link.remote.lease({ ...me(site), slots, waitMs })).leases.map(({ job, epoch }) => ({ job, epoch }));
}

it("keeps a site that fails what others finish from jobs, shows why, tries it with one job, and trusts it again", async () => {
  const [client, bad, good] = [await openClient(central), await openSite(central), await openSite(central)];
  await bad.remote.join(joinAs("bad"));
  await good.remote.join(joinAs("good"));
  const finish = async (link: Connection<WorkSource>, site: string, lease: { job: string; epoch: number }) =>
    link.remote.complete({ ...me(site), lease, outputs: [], summary: {}, startedAtMs: 0, finishedAtMs: 1 });
  for (let time = 0; time < 3; time += 1) {
    await client.remote.submit({ key: `k${time}`, jobs: [noop({}, { ...again })] });
    const [lease] = await take(bad, "bad");
    await bad.remote.fail({ ...me("bad"), lease: lease!, code: "IO_FAILED", reason: "disk full" });
    await finish(good, "good", (await take(good, "good"))[0]!);
  }
  const reason = "3 jobs in a row failed there and finished elsewhere, the last: IO_FAILED disk full";
  const view = async () => (await client.remote.sites({})).sites.find(({ name }) => name === "bad");
  expect(await view()).toMatchObject({ state: "probation", reason, probation: { reason, failures: 0 } });
  const { jobs } = await client.remote.submit({ key: "pinned", jobs: [noop({}, { site: "bad" }), noop({}, { site: "bad" })] });
  expect(await take(bad, "bad", 2, 300)).toEqual([]);
  const waits = async (id: string) => (await client.remote.job({ id })).reason;
  expect(await waits(jobs[0]!)).toMatch(/^site bad is on probation \(3 jobs in a row .*\): a job tries it in (29|30) s$/);
  const metrics = await fetch(`${central.url.replace("ws", "http")}/metrics`, {
    headers: { authorization: `Bearer ${central.operatorToken}` },
  });
  expect(await metrics.text()).toContain('xpcs_site_probation{site="bad"} 1');
  laterMs += 31_000;
  await Promise.all([bad.remote.renew({ ...me("bad"), held: [] }), good.remote.renew({ ...me("good"), held: [] })]);
  const [trial, ...more] = await take(bad, "bad", 2);
  expect([trial?.job, more]).toEqual([jobs[0], []]);
  expect(await waits(jobs[1]!)).toContain("a job is trying it");
  await finish(bad, "bad", trial!);
  expect(await view()).toMatchObject({ state: "up", reason: null, probation: null });
  expect(await take(bad, "bad", 2)).toMatchObject([{ job: jobs[1] }]);
  for (const link of [client, bad, good]) link.close();
});

it("is put on and lifted by operators, also over HTTP", async () => {
  const [client, site] = [await openClient(central), await openSite(central)];
  await site.remote.join(joinAs("a"));
  await client.remote.setProbation({ site: "a", reason: "its digests differ" });
  await client.remote.submit({ key: "k", jobs: [noop()] });
  expect(await take(site, "a", 1, 300)).toEqual([]);
  const lift = (name: string) =>
    fetch(`${central.url.replace("ws", "http")}/v1/sites/${name}/probation`, {
      method: "POST",
      headers: { authorization: `Bearer ${central.operatorToken}`, "content-type": "application/json" },
      body: JSON.stringify({ reason: null }),
    });
  expect((await lift("a")).status).toBe(200);
  expect((await lift("nowhere")).status).toBe(404);
  expect(await take(site, "a")).toHaveLength(1);
  for (const link of [client, site]) link.close();
});

it("moves all jobs of a site that went silent, those too whose files it was only bringing", async () => {
  const [client, silent] = [await openClient(central), await openSite(central)];
  await silent.remote.join(joinAs("silent", { slots: 1, prefetch: 2 }));
  const { jobs } = await client.remote.submit({ key: "k", jobs: [noop(), noop(), noop()] });
  const taken = [...(await take(silent, "silent", 3)), ...(await take(silent, "silent", 2, 1_000))];
  expect(taken.map(({ job }) => job).sort()).toEqual([...jobs].sort());
  silent.close();
  const other = await openSite(central);
  await other.remote.join(joinAs("other", { slots: 3 }));
  laterMs += 60_000;
  const moved: string[] = [];
  await vi.waitFor(
    async () => {
      await other.remote.renew({
        ...me("other"),
        held: moved.map((job) => ({ job, epoch: 2, state: "running" as const, progress: null })),
      });
      for (const { job } of await take(other, "other", 3 - moved.length, 500)) moved.push(job);
      expect(moved.length).toBe(3);
    },
    { timeout: 15_000 },
  );
  expect(moved.sort()).toEqual([...jobs].sort());
  for (const id of jobs) {
    const { attempts } = await client.remote.job({ id });
    expect(attempts.map(({ site, outcome }) => [site, outcome])).toEqual([
      ["silent", "lost"],
      ["other", "running"],
    ]);
  }
  for (const link of [client, other]) link.close();
});
