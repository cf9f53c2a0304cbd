/** What central makes of a site that takes no work, and of one that takes certain persons' work alone. */
import { expect, it } from "vitest";
import { noop, openClient, openSite, type TestCentral, withCentral } from "./support.js";

let central: TestCentral;
withCentral((made) => {
  central = made;
});

const capacity = { cores: 8, memoryGb: 16, gpus: 0, nodes: 1, walltimeS: null };
const joinAs = (site: string) => ({ site, instance: `${site}-1`, host: "h", slots: 2, apps: ["xpcs.noop"], capacity, held: [] });
const me = (site: string) => ({ site, instance: `${site}-1` });

it("gives nothing to a site that drains, shows why, and what waits for it says so", async () => {
  const [client, a, b] = [await openClient(central), await openSite(central), await openSite(central)];
  await a.remote.join(joinAs("a"));
  await a.remote.renew({ ...me("a"), held: [], draining: "it is draining: new disks" });
  const views = async () => (await client.remote.sites({})).sites.map(({ name, state, reason }) => [name, state, reason]);
  expect(await views()).toEqual([["a", "draining", "it is draining: new disks"]]);
  const poll = a.remote.lease({ ...me("a"), slots: 2, waitMs: 500 });
  const { jobs } = await client.remote.submit({ key: "k", jobs: [noop(), noop({}, { site: "a" })] });
  const reasons = async () => Promise.all(jobs.map(async (id) => (await client.remote.job({ id })).reason));
  expect(await reasons()).toEqual(["site a takes no work: it is draining: new disks", "site a takes no work: it is draining: new disks"]);
  expect((await poll).leases).toEqual([]);
  // Another one takes what may go there.
  await b.remote.join(joinAs("b"));
  expect((await b.remote.lease({ ...me("b"), slots: 2, waitMs: 1_000 })).leases.map(({ job }) => job)).toEqual([jobs[0]]);
  await a.remote.renew({ ...me("a"), held: [] });
  expect((await views())[0]).toEqual(["a", "up", null]);
  expect((await a.remote.lease({ ...me("a"), slots: 2, waitMs: 1_000 })).leases.map(({ job }) => job)).toEqual([jobs[1]]);
  for (const link of [client, a, b]) link.close();
});

it("says with each lease who submitted it", async () => {
  const [client, a] = [await openClient(central), await openSite(central)];
  await client.remote.submit({ key: "k", jobs: [noop({}, { experiment: "2026-3/smith" })] });
  await a.remote.join(joinAs("a"));
  const { leases } = await a.remote.lease({ ...me("a"), slots: 1, waitMs: 1_000 });
  const { owner } = (await client.remote.jobs({})).jobs[0]!;
  expect(owner).not.toBeNull();
  expect(leases).toMatchObject([{ owner, experiment: "2026-3/smith" }]);
  for (const link of [client, a]) link.close();
});

it("counts for pilots what they would take, and not what one of them has refused", async () => {
  const [client, manager, pilot] = [await openClient(central), await openSite(central), await openSite(central)];
  const jobs = [
    noop({}, { experiment: "2026-3/smith" }),
    noop({}, { experiment: "2026-3/jones" }),
    noop({}, { experiment: "2026-3/smith" }),
  ];
  await client.remote.submit({ key: "k", jobs });
  const like = { site: "farm", pilots: ["farm-1"], slots: 4, apps: ["xpcs.noop"], capacity: { ...capacity, walltimeS: 600 } };
  const waiting = async (more: object = {}, site = "farm") => (await manager.remote.backlog({ ...like, site, ...more })).waitingSlots;
  expect(await waiting()).toBe(3);
  expect(await waiting({ submitters: { persons: [], experiments: ["2026-3/smith"] } })).toBe(2);
  expect(await waiting({ submitters: { persons: ["nobody"], experiments: [] } })).toBe(0);
  const other = await openSite(central);
  await other.remote.join(joinAs("other"));
  await pilot.remote.join(joinAs("farm-1"));
  const { leases } = await pilot.remote.lease({ ...me("farm-1"), slots: 1, waitMs: 1_000 });
  const { job, epoch } = leases[0]!;
  await pilot.remote.fail({ ...me("farm-1"), lease: { job, epoch }, code: "REFUSED", reason: "not here" });
  expect(await waiting()).toBe(2);
  // Another site's pilots may think otherwise, also that of a similar name.
  expect([await waiting({}, "far"), await waiting({}, "farm-1")]).toEqual([3, 3]);
  for (const link of [client, manager, pilot, other]) link.close();
});

it("lets a pilot take what is pinned to the site that started it, and says what such a job waits for", async () => {
  const [client, manager, pilot] = [await openClient(central), await openSite(central), await openSite(central)];
  const { jobs } = await client.remote.submit({ key: "k", jobs: [noop({}, { site: "farm" }), noop({}, { site: "far" })] });
  const reason = async (id: string) => (await client.remote.job({ id })).reason;
  const like = { site: "farm", pilots: [], slots: 4, apps: ["xpcs.noop"], capacity: { ...capacity, walltimeS: 600 } };
  expect((await manager.remote.backlog(like)).waitingSlots).toBe(1);
  expect(await reason(jobs[0]!)).toBe("no site is connected to central");
  await manager.remote.backlog({ ...like, says: "the budget of 5 node-hours a day allows 0 in the queue" });
  expect(await reason(jobs[0]!)).toBe("site farm has no pilot at work: the budget of 5 node-hours a day allows 0 in the queue");
  expect(await reason(jobs[1]!)).toBe("no site is connected to central");
  await pilot.remote.join({ ...joinAs("farm-1"), pilotOf: "farm" });
  const { leases } = await pilot.remote.lease({ ...me("farm-1"), slots: 2, waitMs: 1_000 });
  expect(leases.map(({ job }) => job)).toEqual([jobs[0]]);
  for (const link of [client, manager, pilot]) link.close();
});
