/** Downtimes through a real central: by hand, who may, what jobs then do and say, HTTP, a restart, and the ends of tokens. */
import { createHash, randomBytes } from "node:crypto";
import { expect, it, vi } from "vitest";
import { makeToken } from "../../src/actors/tokens.js";
import { CLIENT_API_METHODS, type ClientApi, WORK_SOURCE_METHODS, type WorkSource } from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import { VERSION } from "../../src/core/version.js";
import { openSession } from "../../src/wire/connect.js";
import { openWebSocket } from "../../src/wire/websocket-client.js";
import { noop, openClient, openSite, start, type TestCentral, temporaryDir, withCentral } from "./support.js";

let central: TestCentral;
withCentral((made) => {
  central = made;
});

const HOUR = 3_600_000;
const later = (ms: number) => new Date(Date.now() + ms).toISOString();
const joinAs = (site: string) => ({ site, instance: `${site}-1`, host: "h", slots: 2, apps: ["xpcs.noop"], held: [] });
const me = (site: string) => ({ site, instance: `${site}-1` });
const text = "";

it("sends jobs elsewhere while a site is down, lets those that wait say why, and goes on when it is over", async () => {
  const [client, a, b] = [await openClient(central), await openSite(central), await openSite(central)];
  await a.remote.join(joinAs("a"));
  const { downtime } = await client.remote.addDowntime({ id: "d1", site: "a", from: later(-1_000), to: later(HOUR), text: "new disks" });
  expect(downtime).toMatchObject({
    id: "d1",
    site: "a",
    kind: "planned",
    source: "hand",
    state: "in-force",
    by: "operator",
    text: "new disks",
  });
  const { jobs } = await client.remote.submit({ key: "k", jobs: [noop(), noop({}, { site: "a" })] });
  const reason = async (id: string) => (await client.remote.job({ id })).reason;
  const poll = a.remote.lease({ ...me("a"), slots: 2, waitMs: 600 });
  for (const id of jobs) expect(await reason(id)).toMatch(/^site a is down, until 2\d{3}-.* UTC \(planned: new disks, said by hand\)$/);
  expect((await poll).leases).toEqual([]);
  expect((await client.remote.sites({})).sites[0]).toMatchObject({
    ...{ name: "a", state: "down", downtime, facility: null },
    reason: expect.stringMatching(/^down until .* \(planned: new disks, said by hand\)$/),
  });
  await b.remote.join(joinAs("b"));
  expect((await b.remote.lease({ ...me("b"), slots: 2, waitMs: 2_000 })).leases.map(({ job }) => job)).toEqual([jobs[0]]);
  // Taken back: the job that is pinned there goes.
  const waiting = a.remote.lease({ ...me("a"), slots: 2, waitMs: 5_000 });
  expect((await client.remote.removeDowntime({ id: "d1" })).downtime).toMatchObject({ state: "removed", by: "operator" });
  expect((await waiting).leases.map(({ job }) => job)).toEqual([jobs[1]]);
  for (const link of [client, a, b]) link.close();
});

it("sends nothing that would not end before a downtime that is to come, and lets what is short in", async () => {
  const [client, a] = [await openClient(central), await openSite(central)];
  await a.remote.join(joinAs("a"));
  await client.remote.addDowntime({ id: "d1", site: "a", from: later(HOUR), to: null, text });
  const long = noop({}, { resources: { walltimeS: 2 * 3_600 } });
  const short = noop({}, { resources: { walltimeS: 60 } });
  const { jobs } = await client.remote.submit({ key: "k", jobs: [long, short] });
  expect((await a.remote.lease({ ...me("a"), slots: 2, waitMs: 2_000 })).leases.map(({ job }) => job)).toEqual([jobs[1]]);
  expect((await client.remote.job({ id: jobs[0]! })).reason).toMatch(/site a goes down at .* and the job would not end there within 2 h$/);
  const [site] = (await client.remote.sites({})).sites;
  expect(site).toMatchObject({ state: "up", reason: expect.stringMatching(/^down from .* without an end that is known/) });
  for (const link of [client, a]) link.close();
});

it("begins to hold, and is over, by itself: nobody has to ask", async () => {
  const [client, a] = [await openClient(central), await openSite(central)];
  await a.remote.join(joinAs("a"));
  await client.remote.addDowntime({ id: "d1", site: "a", from: later(-1_000), to: later(1_500), text });
  const { jobs } = await client.remote.submit({ key: "k", jobs: [noop()] });
  expect((await a.remote.lease({ ...me("a"), slots: 2, waitMs: 8_000 })).leases.map(({ job }) => job)).toEqual(jobs);
  expect((await client.remote.downtimes({})).downtimes).toEqual([]);
  for (const link of [client, a]) link.close();
});

it("holds for the pilots of a site", async () => {
  const [client, pilot, other] = [await openClient(central), await openSite(central), await openSite(central)];
  await pilot.remote.join({ ...joinAs("farm-1.2"), pilotOf: "farm" });
  await other.remote.join(joinAs("farmer"));
  await client.remote.addDowntime({ id: "d1", site: "farm", from: later(-1_000), to: null, text });
  const states = async () => (await client.remote.sites({})).sites.map(({ name, state }) => [name, state]);
  expect(await states()).toEqual([
    ["farm-1.2", "down"],
    ["farmer", "up"],
  ]);
  for (const link of [client, pilot, other]) link.close();
});

it("belongs to operators of all experiments; the others look", async () => {
  const boss = await openClient(central);
  const holder = async (role: "operator" | "visitor", experiment?: string) => {
    const token = makeToken(role, randomBytes);
    const hash = createHash("sha256").update(token).digest("hex");
    await boss.remote.addToken({ hash, role, person: "alice", validS: 60, ...(experiment === undefined ? {} : { experiment }) });
    const session = { clock: realClock, version: VERSION, token, party: "client" } as const;
    return openSession<ClientApi>(await openWebSocket(central.url, { clock: realClock }), CLIENT_API_METHODS, session);
  };
  await boss.remote.addDowntime({ id: "d1", site: "a", from: later(0), to: null, text });
  for (const link of [await holder("visitor"), await holder("operator", "2026-3/smith")]) {
    expect((await link.remote.downtimes({})).downtimes).toMatchObject([{ id: "d1", kind: "unplanned", to: null }]);
    await expect(link.remote.addDowntime({ id: "d2", site: "a", from: later(0), to: null, text })).rejects.toMatchObject({
      code: "PERMISSION_DENIED",
    });
    await expect(link.remote.removeDowntime({ id: "d1" })).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    link.close();
  }
  boss.close();
});

it("refuses what makes no sense", async () => {
  const { remote, close } = await openClient(central);
  const good = { id: "d1", site: "a", from: later(0), to: later(HOUR), text };
  const wrong: [object, string][] = [
    [{ to: later(-HOUR) }, "INVALID_ARGUMENT"],
    [{ from: later(-2 * HOUR), to: later(-HOUR) }, "INVALID_ARGUMENT"],
    [{ from: "tomorrow" }, "INVALID_ARGUMENT"],
    [{ site: "../a" }, "INVALID_ARGUMENT"],
    [{ id: "" }, "INVALID_ARGUMENT"],
    [{ text: "a\u001b[2Jb" }, "INVALID_ARGUMENT"],
    [{ text: "x".repeat(5_000) }, "INVALID_ARGUMENT"],
    [{ kind: "planned" }, "INVALID_ARGUMENT"],
  ];
  for (const [change, code] of wrong)
    await expect(remote.addDowntime({ ...good, ...change }), JSON.stringify(change)).rejects.toMatchObject({ code });
  await expect(remote.removeDowntime({ id: "d1" })).rejects.toMatchObject({ code: "NOT_FOUND" });
  expect((await remote.downtimes({})).downtimes).toEqual([]);
  close();
});

it("is there again after a restart", async () => {
  const folder = await temporaryDir();
  const first = await start(folder.dir);
  const client = await openClient(first);
  await client.remote.addDowntime({ id: "d1", site: "a", from: later(HOUR), to: null, text: "power" });
  const before = await client.remote.downtimes({});
  client.close();
  await first.stop();
  const second = await start(folder.dir);
  const again = await openClient(second);
  expect(await again.remote.downtimes({})).toEqual(before);
  again.close();
  await second.stop();
  await folder.remove();
});

it("goes over HTTP, with the key as its id", async () => {
  const base = central.url.replace("ws", "http");
  const ask = async (path: string, body?: unknown, key = "d-http") => {
    const headers = { authorization: `Bearer ${central.operatorToken}`, "content-type": "application/json", "idempotency-key": key };
    const init = body === undefined ? { headers } : { headers, method: "POST", body: JSON.stringify(body) };
    const response = await fetch(`${base}${path}`, init);
    return { status: response.status, body: (await response.json()) as { downtimes?: unknown[]; downtime?: unknown } };
  };
  const body = { site: "a", from: later(0), to: null };
  for (const _ of [1, 2]) expect(await ask("/v1/downtimes", body)).toMatchObject({ status: 201, body: { downtime: { id: "d-http" } } });
  expect((await ask("/v1/downtimes", { ...body, site: "b" })).status).toBe(409);
  expect((await ask("/v1/downtimes")).body.downtimes).toHaveLength(1);
  expect((await ask("/v1/downtimes/d-http/remove", {})).body.downtime).toMatchObject({ state: "removed" });
  expect((await ask("/v1/downtimes/nothing/remove", {})).status).toBe(404);
});

it("counts the end of the batch job in which a site works: what may run longer than is left does not go there", async () => {
  const [client, a] = [await openClient(central), await openSite(central)];
  await a.remote.join({ ...joinAs("a"), endsInS: 3_600 });
  const walltime = (walltimeS: number) => noop({}, { resources: { walltimeS } });
  const { jobs } = await client.remote.submit({ key: "k", jobs: [walltime(3_700), walltime(3_500)] });
  const [ends] = (await client.remote.downtimes({})).downtimes;
  expect(ends).toMatchObject({ id: "allocation-a", source: "allocation", kind: "planned", to: null, state: "to-come" });
  expect(Date.parse(ends!.from) - Date.now()).toBeGreaterThan(3_590_000);
  expect((await a.remote.lease({ ...me("a"), slots: 2, waitMs: 2_000 })).leases.map(({ job }) => job)).toEqual([jobs[1]]);
  expect((await client.remote.job({ id: jobs[0]! })).reason).toContain(
    "said by allocation), in 60 min, and the job would not end there within 62 min",
  );
  await expect(client.remote.removeDowntime({ id: "allocation-a" })).rejects.toMatchObject({ code: "REFUSED" });
  // Joining again, a little later by another clock, is no other end.
  await a.remote.join({ ...joinAs("a"), endsInS: 3_580 });
  expect((await client.remote.downtimes({})).downtimes[0]?.from).toBe(ends!.from);
  await a.remote.leave(me("a"));
  expect((await client.remote.downtimes({})).downtimes).toEqual([]);
  for (const link of [client, a]) link.close();
});

it("tells a site with pilots when it closes, and counts no work for it that would not end before", async () => {
  const [client, keeper] = [await openClient(central), await openSite(central)];
  const walltime = (walltimeS: number) => noop({}, { resources: { walltimeS } });
  await client.remote.submit({ key: "k", jobs: [walltime(60), walltime(1_200)] });
  const capacity = { cores: 8, memoryGb: 16, gpus: 0, nodes: 1, walltimeS: 3_600 };
  const backlog = () => keeper.remote.backlog({ site: "farm", pilots: [], slots: 4, apps: ["xpcs.noop"], capacity });
  expect(await backlog()).toMatchObject({ waitingSlots: 2, pilots: [] });
  expect(Object.keys(await backlog())).not.toContain("closesInS");
  await client.remote.addDowntime({ id: "d1", site: "farm", from: later(600_000), to: null, text: "power" });
  const answer = await backlog();
  expect(answer).toMatchObject({
    waitingSlots: 1,
    closes: expect.stringMatching(/^site farm goes down at .* \(planned: power, said by hand\)$/),
  });
  expect(Math.round(answer.closesInS! / 60)).toBe(10);
  await client.remote.addDowntime({ id: "d2", site: "farm", from: later(0), to: null, text });
  expect(await backlog()).toMatchObject({ waitingSlots: 0, closesInS: 0, closes: expect.stringContaining("is down") });
  for (const link of [client, keeper]) link.close();
});

it("counts the end of the token with which a site is connected, and nothing of it once the site has another", async () => {
  const client = await openClient(central);
  const withToken = async (validS: number | null) => {
    const token = makeToken("site", randomBytes);
    const hash = createHash("sha256").update(token).digest("hex");
    await client.remote.addToken({ hash, role: "site", site: "a", person: "alice", validS });
    const session = { clock: realClock, version: VERSION, token, party: "site" } as const;
    return openSession<WorkSource>(await openWebSocket(central.url, { clock: realClock }), WORK_SOURCE_METHODS, session);
  };
  const first = await withToken(3_600);
  await first.remote.join(joinAs("a"));
  const { jobs } = await client.remote.submit({ key: "k", jobs: [noop({}, { resources: { walltimeS: 7_200 } })] });
  const [ends] = (await client.remote.downtimes({})).downtimes;
  expect(ends).toMatchObject({ id: "token-a", site: "a", source: "token", kind: "planned", state: "to-come", to: null });
  expect(Date.parse(ends!.from) - Date.now()).toBeGreaterThan(3_590_000);
  expect((await client.remote.job({ id: jobs[0]! })).reason).toContain(
    "said by token), in 60 min, and the job would not end there within 2 h",
  );
  await expect(client.remote.removeDowntime({ id: "token-a" })).rejects.toMatchObject({ code: "REFUSED" });
  first.close();
  const second = await withToken(null);
  await vi.waitFor(() => second.remote.join(joinAs("a")));
  expect((await client.remote.downtimes({})).downtimes).toEqual([]);
  expect((await second.remote.lease({ ...me("a"), slots: 2, waitMs: 2_000 })).leases.map(({ job }) => job)).toEqual(jobs);
  for (const link of [client, second]) link.close();
});
