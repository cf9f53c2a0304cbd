/** What central tells a site that starts pilots: how much waits for such, and which of them have room. */
import { expect, it } from "vitest";
import { WORK_SOURCE_METHODS, type WorkSource } from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import { VERSION } from "../../src/core/version.js";
import { connect } from "../../src/index.js";
import { openSession } from "../../src/wire/connect.js";
import { openWebSocket } from "../../src/wire/websocket-client.js";
import { noop, openClient, openSite, type TestCentral, withCentral } from "./support.js";

let central: TestCentral;
withCentral((made) => {
  central = made;
});

const capacity = { cores: 8, memoryGb: 16, gpus: 0, nodes: 1, walltimeS: 600 };
const like = { site: "farm", pilots: ["farm-1", "farm-2"], slots: 4, apps: ["xpcs.noop"], capacity };

it("counts the slots of what a pilot could run, and no other", async () => {
  const [client, site] = [await openClient(central), await openSite(central)];
  const backlog = () => site.remote.backlog(like);
  expect(await backlog()).toMatchObject({ waitingSlots: 0, pilots: [] });
  const jobs = [
    noop(),
    noop({}, { resources: { slots: 3 } }),
    noop({}, { resources: { slots: 5 } }),
    noop({}, { resources: { gpus: 1 } }),
    noop({}, { resources: { walltimeS: 601 } }),
    noop({}, { site: "elsewhere" }),
    noop({}, { parents: ["#0"] }),
    { ...noop(), work: { app: "other", parameters: {}, inputs: {}, outputs: {}, overwrite: false } },
  ];
  await client.remote.submit({ key: "k", jobs });
  expect(await backlog()).toMatchObject({ waitingSlots: 4, pilots: [] });
  client.close();
  site.close();
});

it("counts what needs features that nobody knows yet, until a pilot has shown them", async () => {
  const [client, site] = [await openClient(central), await openSite(central)];
  const needing = (word: string) => noop({}, { resources: { features: [word] } });
  await client.remote.submit({ key: "k", jobs: [needing("avx512f"), needing("declared"), needing("absent")] });
  const declaring = { ...like, capacity: { ...capacity, features: ["declared"] } };
  expect(await site.remote.backlog(declaring)).toMatchObject({ waitingSlots: 3 });
  const pilot = await openSite(central);
  await pilot.remote.join({
    ...{ site: "farm-1", instance: "1", host: "h", slots: 4, apps: ["xpcs.noop"], held: [] },
    capacity: { ...capacity, features: ["avx512f", "declared"] },
  });
  expect(await site.remote.backlog(declaring)).toMatchObject({ waitingSlots: 2 });
  for (const close of [client.close, site.close, pilot.close]) close();
});

it("tells which pilots are there, and their free slots", async () => {
  const [client, manager, pilot, stranger] = [
    await openClient(central),
    ...(await Promise.all([1, 2, 3].map(() => openSite(central)))),
  ] as const;
  await pilot!.remote.join({ site: "farm-1", instance: "1", host: "h", slots: 4, apps: ["xpcs.noop"], capacity, held: [] });
  await stranger!.remote.join({ site: "other", instance: "1", host: "h", slots: 4, apps: ["xpcs.noop"], capacity, held: [] });
  expect(await manager!.remote.backlog(like)).toMatchObject({ waitingSlots: 0, pilots: [{ site: "farm-1", freeSlots: 4 }] });
  await client.remote.submit({ key: "k", jobs: [noop({}, { resources: { slots: 3 } })] });
  const [granted] = (await pilot!.remote.lease({ site: "farm-1", instance: "1", slots: 4, waitMs: 1_000 })).leases;
  expect(granted).toBeDefined();
  expect(await manager!.remote.backlog(like)).toMatchObject({ waitingSlots: 0, pilots: [{ site: "farm-1", freeSlots: 1 }] });
  await pilot!.remote.giveBack({ site: "farm-1", instance: "1", leases: [{ job: granted!.job, epoch: granted!.epoch }], reason: "r" });
  await pilot!.remote.leave({ site: "farm-1", instance: "1" });
  expect((await manager!.remote.backlog(like)).pilots).toEqual([]);
  for (const link of [client, manager, pilot, stranger]) link!.close();
});

it("counts nodes as slots' worth", async () => {
  const [client, manager, pilot] = [await openClient(central), await openSite(central), await openSite(central)];
  const wide = { ...capacity, nodes: 3 };
  await client.remote.submit({ key: "k", jobs: [noop({}, { resources: { nodes: 3 } }), noop({}, { resources: { nodes: 1 } }), noop()] });
  const ask = { ...like, slots: 4, capacity: wide };
  // 4, 4/3 rounded up, 1.
  expect(await manager.remote.backlog(ask)).toMatchObject({ waitingSlots: 7, pilots: [] });
  expect((await manager.remote.backlog(like)).waitingSlots).toBe(5);
  await pilot.remote.join({ site: "farm-1", instance: "1", host: "h", slots: 4, apps: ["xpcs.noop"], capacity: wide, held: [] });
  const { leases } = await pilot.remote.lease({ site: "farm-1", instance: "1", slots: 4, waitMs: 1_000 });
  // The second must wait for nodes; the third needs none.
  expect(leases).toHaveLength(2);
  expect(await manager.remote.backlog(ask)).toMatchObject({ waitingSlots: 2, pilots: [{ site: "farm-1", freeSlots: 0 }] });
  for (const link of [client, manager, pilot]) link.close();
});

it("is not for a token of one site, whose pilots it could not admit", async () => {
  const person = await connect(central.url, { token: central.operatorToken });
  const { token } = await person.createToken({ role: "site", site: "farm", person: "x", validS: 60 });
  const link = await openWebSocket(central.url, { clock: realClock });
  const site = await openSession<WorkSource>(link, WORK_SOURCE_METHODS, { clock: realClock, token, version: VERSION, party: "site" });
  await expect(site.remote.backlog(like)).rejects.toMatchObject({
    code: "PERMISSION_DENIED",
    message: expect.stringContaining("any site"),
  });
  site.close();
  person.close();
});
