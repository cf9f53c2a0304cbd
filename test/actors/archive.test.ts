/** Jobs that ended long ago: out of the listings, and still there for who asks; and what is forgotten. A real central, its clock put forward. */
import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Keeping } from "../../src/actors/housekeeping.js";
import type { ClientApi, WorkSource } from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import { connect } from "../../src/index.js";
import { openLevelStore } from "../../src/ledger/level-store.js";
import { verifyLedger, verifyLines } from "../../src/ledger/verify.js";
import type { Connection } from "../../src/wire/connect.js";
import { noop, openClient, openSite, start, type TestCentral, temporaryDir } from "./support.js";

const HOUR_MS = 3_600_000;
const me = { site: "s", instance: "1" };
let aheadMs = 0;
/** Wall time that can be put forward; all else is real. */
const clock = { ...realClock, nowMs: () => realClock.nowMs() + aheadMs, monotonicMs: () => realClock.monotonicMs() + aheadMs };
let dir = "";
let central: TestCentral;
let client: Connection<ClientApi>;
const cleanups: (() => Promise<unknown>)[] = [];

async function run(keeping: Partial<Keeping> = {}): Promise<void> {
  central = await start(dir, { clock, keeping: { liveMs: HOUR_MS, ...keeping } });
  client = await openClient(central);
}

async function stop(): Promise<void> {
  client.close();
  await central.stop();
}

beforeEach(async () => {
  aheadMs = 0;
  const { dir: made, remove } = await temporaryDir();
  dir = made;
  cleanups.push(remove);
});
afterEach(async () => {
  await stop();
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Has a site take so many jobs and finish them. */
async function finish(count: number): Promise<{ source: WorkSource; close: () => void }> {
  const site = await openSite(central);
  await site.remote.join({ ...me, host: "h", slots: 64, apps: ["xpcs.noop"], held: [] });
  for (let done = 0; done < count; ) {
    const { leases } = await site.remote.lease({ ...me, slots: 64, waitMs: 5_000 });
    for (const { job, epoch } of leases) {
      const data = new TextEncoder().encode(`log of ${job}\n`);
      await site.remote.pushLog({ ...me, lease: { job, epoch }, stream: "stdout", offset: 0, data });
      await site.remote.complete({ ...me, lease: { job, epoch }, outputs: [], summary: {}, startedAtMs: 0, finishedAtMs: 5 });
    }
    done += leases.length;
  }
  return { source: site.remote, close: site.close };
}

const listed = async (query: Parameters<ClientApi["jobs"]>[0] = {}) => (await client.remote.jobs(query)).jobs.map(({ id }) => id);

describe("a job that ended long ago", () => {
  it("leaves the listing and can still be read, with its log; its key still counts; it changes no more; also after a restart", async () => {
    await run();
    const request = { key: "k", jobs: [noop({ scan: "1" }), noop({ scan: "2" })] };
    const { jobs } = await client.remote.submit(request);
    const before = await client.remote.job({ id: jobs[0]! });
    (await finish(2)).close();
    const cursor = (await client.remote.changes({ cursor: null, waitMs: 0 })).cursor;
    const { jobs: young } = await client.remote.submit({ key: "young", jobs: [noop()] });
    await central.tidy();
    expect(await listed()).toHaveLength(3);
    aheadMs = 2 * HOUR_MS;
    await central.tidy();
    for (const restarted of [false, true]) {
      if (restarted) {
        await stop();
        await run();
      }
      expect(await listed()).toEqual(young);
      expect(await listed({ archived: true })).toEqual([...jobs].reverse());
      expect(await listed({ archived: true, tags: { scan: "2" } })).toEqual([jobs[1]]);
      expect(await listed({ archived: true, states: ["failed"] })).toEqual([]);
      const named = { archived: true, ids: ["none", jobs[0]!, young[0]!, jobs[1]!, jobs[0]!] };
      expect(await listed(named)).toEqual([...jobs].reverse());
      expect(await listed({ ...named, tags: { scan: "1" } })).toEqual([jobs[0]]);
      expect(await listed({ ...named, limit: 1, after: jobs[1]! })).toEqual([jobs[0]]);
      const first = await client.remote.jobs({ archived: true, limit: 1 });
      expect([first.jobs[0]!.id, first.next]).toEqual([jobs[1], jobs[1]]);
      expect(await listed({ archived: true, limit: 1, after: first.next! })).toEqual([jobs[0]]);
      const job = await client.remote.job({ id: jobs[0]! });
      expect(job).toMatchObject({ id: before.id, state: "finished", archived: true, tags: { scan: "1" }, attempts: [{ site: "s" }] });
      const log = await client.remote.logs({ id: jobs[0]!, stream: "stdout", offset: 0, waitMs: 0 });
      expect(log.text).toBe(`log of ${jobs[0]}\n`);
      expect(await client.remote.submit(request)).toEqual({ jobs });
      await expect(client.remote.submit({ ...request, jobs: [noop()] })).rejects.toMatchObject({ code: "KEY_CONFLICT" });
      for (const change of [
        client.remote.cancel({ ids: jobs }),
        client.remote.retry({ ids: jobs }),
        client.remote.modify({ ids: jobs, changes: { tags: {} } }),
      ])
        await expect(change).rejects.toMatchObject({ code: "REFUSED", message: expect.stringContaining("in the archive") });
      await expect(client.remote.submit({ key: "child", jobs: [noop({}, { parents: [jobs[0]!] })] })).rejects.toMatchObject({
        code: "NOT_FOUND",
      });
      // A client that slept through it is told of what it can still see.
      const news = await client.remote.changes({ cursor: restarted ? "1..0" : cursor, waitMs: 0 });
      expect(news.jobs.map(({ id }) => id)).toContain(young[0]);
    }
  });

  it("is among what a client waits for", async () => {
    await run();
    const { jobs } = await client.remote.submit({ key: "k", jobs: Array.from({ length: 40 }, () => noop()) });
    (await finish(40)).close();
    aheadMs = 2 * HOUR_MS;
    await central.tidy();
    const { jobs: young } = await client.remote.submit({ key: "young", jobs: [noop()] });
    await client.remote.cancel({ ids: young });
    const sdk = await connect(central.url, { token: central.operatorToken });
    const waited = await sdk.wait([...jobs, ...young]);
    expect(waited.map(({ id }) => id)).toEqual([...jobs, ...young]);
    expect(new Set(waited.map(({ archived, state }) => `${state} ${archived}`))).toEqual(new Set(["finished true", "canceled false"]));
    await expect(sdk.wait([jobs[0]!, "none"])).rejects.toMatchObject({ code: "NOT_FOUND" });
    sdk.close();
  });

  it("is no part of what a late site may report", async () => {
    await run();
    const { jobs } = await client.remote.submit({ key: "k", jobs: [noop()] });
    const { source, close } = await finish(1);
    aheadMs = 2 * HOUR_MS;
    await central.tidy();
    const done = { outputs: [], summary: {}, startedAtMs: 0, finishedAtMs: 5 };
    await expect(source.complete({ ...me, lease: { job: jobs[0]!, epoch: 1 }, ...done })).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect((await client.remote.job({ id: jobs[0]! })).attempts).toHaveLength(1);
    close();
  });
});

describe("the disk of central", () => {
  const verified = async () => {
    const store = await openLevelStore(join(dir, "ledger"));
    try {
      return await verifyLedger(store);
    } finally {
      await store.close();
    }
  };

  it("forgets events that are old enough, and nothing that a restart, a replay or a listing needs", async () => {
    await run({ eventsMs: 24 * HOUR_MS });
    const { jobs } = await client.remote.submit({ key: "k", jobs: [noop(), noop(), noop()] });
    (await finish(3)).close();
    const { jobs: waiting } = await client.remote.submit({ key: "w", jobs: [noop({}, { site: "elsewhere" })] });
    aheadMs = 2 * HOUR_MS;
    await central.tidy();
    await stop();
    const all = await verified();
    expect(all).toMatchObject({ jobs: 1, archived: 3 });
    await run({ eventsMs: 24 * HOUR_MS });
    aheadMs = 48 * HOUR_MS;
    await central.tidy();
    await client.remote.submit({ key: "new", jobs: [noop({}, { site: "elsewhere" })] });
    await stop();
    const left = await verified();
    expect(left).toMatchObject({ jobs: 2, archived: 3 });
    expect(left.events).toBe(1);
    await run();
    expect(await listed({ archived: true })).toEqual([...jobs].reverse());
    expect((await client.remote.job({ id: waiting[0]! })).state).toBe("ready");
    expect(await client.remote.submit({ key: "k", jobs: [noop(), noop(), noop()] })).toEqual({ jobs });
  });

  it("is tidied while jobs come, end and are copied, and the ledger stays one story", async () => {
    const keeping = { liveMs: 60_000, eventsMs: 120_000 };
    await run(keeping);
    let working = true;
    const load = async (name: string) => {
      for (let n = 0; working; n += 1) {
        const { jobs } = await client.remote.submit({
          key: `${name} ${n}`,
          jobs: [noop(), noop({}, { parents: ["#0"], onParentFailure: "run" })],
        });
        await client.remote.cancel({ ids: n % 2 === 0 ? jobs : jobs.slice(1) });
      }
      return name;
    };
    const loads = ["a", "b", "c"].map(load);
    const copies: string[] = [];
    for (let round = 0; round < 6; round += 1) {
      await new Promise((next) => setTimeout(next, 150));
      aheadMs += 61_000;
      const tidied = central.tidy();
      let text = "";
      for (
        let part = await client.remote.backup({ id: null, part: 0 }), at = 0;
        ;
        part = await client.remote.backup({ id: part.id, part: ++at })
      ) {
        text += Buffer.from(part.data).toString();
        if (part.last) break;
      }
      copies.push(text);
      await tidied;
    }
    working = false;
    await Promise.all(loads);
    const live = (await client.remote.jobs({ limit: 500 })).jobs;
    await stop();
    const facts = await verified();
    expect(facts.archived).toBeGreaterThan(0);
    expect(facts.jobs).toBeGreaterThanOrEqual(live.length > 0 ? 1 : 0);
    for (const text of copies) {
      async function* lines() {
        yield* text.trimEnd().split("\n");
      }
      const copy = await verifyLines(lines());
      expect(copy.jobs + copy.archived).toBeLessThanOrEqual(facts.jobs + facts.archived);
    }
    // Some of the copies begin from a base.
    expect(copies.some((text) => Number((JSON.parse(text.slice(0, text.indexOf("\n"))) as { base: number }).base) > 0)).toBe(true);
    await run(keeping);
    expect((await client.remote.jobs({ limit: 500 })).jobs.map(({ id }) => id)).toEqual(live.map(({ id }) => id));
  });

  it("keeps past events within a size, the newest of them", async () => {
    await run({ eventsMs: 24 * HOUR_MS, eventsBytes: 2_000 });
    await client.remote.submit({ key: "early", jobs: [noop({}, { site: "elsewhere" })] });
    aheadMs = 23 * HOUR_MS;
    for (let n = 0; n < 20; n += 1) await client.remote.submit({ key: `k${n}`, jobs: [noop({}, { site: "elsewhere" })] });
    aheadMs = 25 * HOUR_MS;
    await central.tidy();
    await stop();
    const { events } = await verified();
    expect(events).toBeGreaterThan(2);
    expect(events).toBeLessThan(10);
    await run({ eventsMs: 24 * HOUR_MS, eventsBytes: 2_000 });
    expect(await listed()).toHaveLength(21);
  });

  it("deletes the oldest logs, and says so where they were", async () => {
    const keeping = { liveMs: null, logsMs: 10 * HOUR_MS };
    await run(keeping);
    const { jobs } = await client.remote.submit({ key: "k", jobs: [noop(), noop()] });
    (await finish(2)).close();
    const logs = join(dir, "logs");
    const old = new Date(Date.now() - 11 * HOUR_MS);
    await utimes(join(logs, jobs[0]!, "1.stdout"), old, old);
    await mkdir(join(logs, "gone"));
    await writeFile(join(logs, "gone", "1.stdout"), "x");
    await utimes(join(logs, "gone", "1.stdout"), new Date(), new Date());
    const read = async (id: string) => client.remote.logs({ id, stream: "stdout", offset: 0, waitMs: 0 });
    await central.tidy();
    expect((await readdir(logs)).sort()).toEqual([jobs[1]!, "gone", "trimmed.json"].sort());
    expect((await read(jobs[1]!)).text).toContain("log of");
    // By age: what attempts had written until then.
    aheadMs = 12 * HOUR_MS;
    await central.tidy();
    const gone = await read(jobs[1]!);
    expect(gone.text).toMatch(/^\[what attempts had written until .* was deleted by central/);
    expect(await client.remote.logs({ id: jobs[1]!, stream: "stdout", offset: gone.next, waitMs: 0 })).toMatchObject({
      text: "",
      ended: true,
    });
    await stop();
    // By size.
    aheadMs = 0;
    await run({ liveMs: null, logsBytes: 40 });
    const { jobs: more } = await client.remote.submit({ key: "more", jobs: [noop(), noop(), noop()] });
    (await finish(3)).close();
    aheadMs = 2 * HOUR_MS;
    await central.tidy();
    const kept = (await readdir(logs)).filter((name) => more.includes(name));
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThan(3);
  });
});
