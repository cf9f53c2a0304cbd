/** Central as its peers see it: a real ledger on a temporary folder, real websockets on loopback, sites played by the test. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Clock, sleep } from "../../src/core/clock.js";
import { LIMITS } from "../../src/core/limits.js";
import { CLIENT_API_METHODS, type ClientApi, WORK_SOURCE_METHODS, type WorkSource } from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import { VERSION } from "../../src/core/version.js";
import { connect, openSession } from "../../src/wire/connect.js";
import { openWebSocket } from "../../src/wire/websocket-client.js";
import { noop, openClient, openSite, start, type TestCentral, temporaryDir } from "./support.js";

let folder: Awaited<ReturnType<typeof temporaryDir>>;
let central: TestCentral;
beforeEach(async () => {
  folder = await temporaryDir();
  central = await start(folder.dir);
});
afterEach(async () => {
  await central.stop();
  await folder.remove();
});

const joinAs = (site: string, instance = `${site}-1`, slots = 2) => ({ site, instance, host: "h", slots, apps: ["xpcs.noop"], held: [] });
const done = { outputs: [], summary: {}, startedAtMs: 0, finishedAtMs: 1_500 };

describe("a site that left", () => {
  it("was seen last when it left, also after a restart of central", async () => {
    const site = await openSite(central);
    await site.remote.join(joinAs("a"));
    const joined = Date.now();
    await sleep(realClock, 50);
    await site.remote.leave({ site: "a", instance: "a-1" });
    const seen = async () => {
      const client = await openClient(central);
      const { sites } = await client.remote.sites({});
      client.close();
      expect(sites).toMatchObject([{ name: "a", state: "gone" }]);
      return sites[0]!.lastSeenAt;
    };
    const lastSeenAt = await seen();
    expect(Date.parse(lastSeenAt)).toBeGreaterThan(joined);
    site.close();
    await central.stop();
    central = await start(folder.dir);
    expect(await seen()).toBe(lastSeenAt);
  });
});

describe("the log", () => {
  it("names all that happens in one style", async () => {
    const names: string[] = [];
    const note = (event: string) => void names.push(event);
    await central.stop();
    central = await start(folder.dir, { logger: { info: note, warn: note, error: note } });
    const site = await openSite(central);
    await site.remote.join(joinAs("a"));
    await site.remote.leave({ site: "a", instance: "a-1" });
    site.close();
    expect(names).toEqual(["central-started", "link-authenticated", "site-joined", "site-left"]);
  });
});

describe("links without a token", () => {
  it("are bounded: the oldest makes room, and whoever has a token gets in", async () => {
    const before = await openClient(central);
    const closed: number[] = [];
    const links = [];
    for (let n = 0; n < LIMITS.unauthenticatedLinksMax + 3; n += 1) {
      const link = await openWebSocket(central.url, { clock: realClock });
      link.onClose(() => closed.push(n));
      links.push(link);
    }
    await vi.waitFor(() => expect(closed).toEqual([0, 1, 2]), { timeout: 5_000 });
    const after = await openClient(central);
    expect((await after.remote.jobs({})).jobs).toEqual([]);
    expect((await before.remote.jobs({})).jobs).toEqual([]);
    for (const link of links) link.close();
    before.close();
    after.close();
  });
});

describe("a job", () => {
  it("goes from submission to its result, and says where it ran and why there", async () => {
    const client = await openClient(central);
    const site = await openSite(central);
    const { jobs } = await client.remote.submit({ key: "k1", jobs: [noop({ scan: "53" })] });
    const id = jobs[0]!;
    expect(await client.remote.job({ id })).toMatchObject({
      state: "ready",
      reason: "no site is connected to central",
      tags: { scan: "53" },
    });

    await site.remote.join(joinAs("a"));
    const me = { site: "a", instance: "a-1" };
    const { leases } = await site.remote.lease({ ...me, slots: 2, waitMs: 1_000 });
    expect(leases).toMatchObject([{ job: id, epoch: 1, work: { app: "xpcs.noop" } }]);
    expect(await client.remote.job({ id })).toMatchObject({ state: "staged-in", site: "a" });
    await site.remote.renew({ ...me, held: [{ job: id, epoch: 1, state: "running", progress: 0.5 }] });
    expect(await client.remote.job({ id })).toMatchObject({ state: "running", progress: 0.5 });
    const lease = { job: id, epoch: 1 };
    const summary = { ...done.summary, stageInBytes: 5e6, stageInS: 0.5, stageOutBytes: 10, stageOutS: 3 };
    await site.remote.complete({ ...me, lease, ...done, summary });
    await site.remote.complete({ ...me, lease, ...done, summary });
    const view = await client.remote.job({ id });
    expect(view).toMatchObject({ state: "finished", site: "a", epoch: 1, progress: 1, reason: null });
    expect(view.why).toContain("a (2 of 2 slots free");
    expect(view.attempts).toHaveLength(1);
    expect((await client.remote.sites({})).sites).toMatchObject([
      { name: "a", state: "up", finishedJobs: 1, meanRunS: 1.5, stageInBytesPerS: 1e7, stageOutBytesPerS: null },
    ]);
    client.close();
    site.close();
  });

  it("wakes a site that waits for work", async () => {
    const client = await openClient(central);
    const site = await openSite(central);
    await site.remote.join(joinAs("a"));
    const waiting = site.remote.lease({ site: "a", instance: "a-1", slots: 1, waitMs: 10_000 });
    await client.remote.submit({ key: "k", jobs: [noop()] });
    expect((await waiting).leases).toHaveLength(1);
    client.close();
    site.close();
  });

  it("is canceled at once while it waits, and through its site while it runs", async () => {
    const client = await openClient(central);
    const site = await openSite(central);
    const me = { site: "a", instance: "a-1" };
    const { jobs } = await client.remote.submit({ key: "k", jobs: [noop(), noop()] });
    expect(await client.remote.cancel({ ids: [jobs[0]!] })).toEqual({ canceled: [jobs[0]], alreadyFinal: [] });
    expect(await client.remote.job({ id: jobs[0]! })).toMatchObject({ state: "canceled" });
    await site.remote.join(joinAs("a"));
    const { leases } = await site.remote.lease({ ...me, slots: 2, waitMs: 1_000 });
    expect(leases.map(({ job }) => job)).toEqual([jobs[1]]);
    const poll = site.remote.lease({ ...me, slots: 1, waitMs: 10_000 });
    await client.remote.cancel({ ids: jobs });
    expect((await poll).news.cancel).toEqual([{ job: jobs[1], epoch: 1 }]);
    expect(await client.remote.job({ id: jobs[1]! })).toMatchObject({
      state: "staged-in",
      reason: expect.stringContaining("cancel requested"),
    });
    await site.remote.fail({ ...me, lease: { job: jobs[1]!, epoch: 1 }, code: "CANCELED", reason: "stopped" });
    expect(await client.remote.job({ id: jobs[1]! })).toMatchObject({ state: "canceled" });
    expect(await client.remote.cancel({ ids: jobs })).toEqual({ canceled: jobs, alreadyFinal: [] });
    client.close();
    site.close();
  });

  it("is one job for one key, and a key for another request is a conflict", async () => {
    const client = await openClient(central);
    const first = await client.remote.submit({ key: "k", jobs: [noop({ a: "1", b: "2" })] });
    expect(await client.remote.submit({ key: "k", jobs: [noop({ b: "2", a: "1" })] })).toEqual(first);
    await expect(client.remote.submit({ key: "k", jobs: [noop()] })).rejects.toMatchObject({ code: "KEY_CONFLICT" });
    expect((await client.remote.jobs({})).jobs).toHaveLength(1);
    client.close();
  });

  it("is listed newest first, page by page, by state and by tag", async () => {
    const client = await openClient(central);
    const ids: string[] = [];
    for (let batch = 0; batch < 5; batch += 1) {
      const { jobs } = await client.remote.submit({
        key: `k${batch}`,
        jobs: [noop({ batch: String(batch) }), noop({ batch: String(batch) })],
      });
      ids.push(...jobs);
    }
    expect([...ids].sort()).toEqual(ids);
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const page = await client.remote.jobs({ limit: 3, ...(after === null ? {} : { after }) });
      seen.push(...page.jobs.map(({ id }) => id));
      after = page.next;
    } while (after !== null);
    expect(seen).toEqual([...ids].reverse());
    await client.remote.cancel({ ids: [ids[4]!] });
    expect((await client.remote.jobs({ states: ["canceled"] })).jobs.map(({ id }) => id)).toEqual([ids[4]]);
    expect((await client.remote.jobs({ tags: { batch: "1" } })).jobs.map(({ id }) => id)).toEqual([ids[3], ids[2]]);
    client.close();
  });

  it("shows its changes to whoever waits for them", async () => {
    const client = await openClient(central);
    const { cursor } = await client.remote.changes({ cursor: null, waitMs: 0 });
    const waiting = client.remote.changes({ cursor, waitMs: 10_000 });
    const { jobs } = await client.remote.submit({ key: "k", jobs: [noop()] });
    const changed = await waiting;
    expect(changed.jobs.map(({ id }) => id)).toEqual(jobs);
    expect((await client.remote.changes({ cursor: changed.cursor, waitMs: 0 })).jobs).toEqual([]);
    await client.remote.cancel({ ids: jobs });
    expect((await client.remote.changes({ cursor: changed.cursor, waitMs: 0 })).jobs).toMatchObject([{ state: "canceled" }]);
    client.close();
  });
});

describe("a restart of central", () => {
  it("keeps every acknowledged submission, and a site completes what it held", async () => {
    let client = await openClient(central);
    let site = await openSite(central);
    const me = { site: "a", instance: "a-1" };
    await site.remote.join(joinAs("a", "a-1", 1));
    const { jobs } = await client.remote.submit({ key: "k", jobs: [noop(), noop()] });
    const { cursor } = await client.remote.changes({ cursor: null, waitMs: 0 });
    const { leases } = await site.remote.lease({ ...me, slots: 1, waitMs: 1_000 });
    const { job, epoch } = leases[0]!;
    await central.stop();
    await client.closed;
    central = await start(folder.dir);
    client = await openClient(central);
    site = await openSite(central);
    expect((await client.remote.changes({ cursor, waitMs: 0 })).jobs.map(({ id }) => id)).toEqual([job]);
    expect(await client.remote.submit({ key: "k", jobs: [noop(), noop()] })).toEqual({ jobs });
    expect((await site.remote.join({ ...joinAs("a", "a-1", 1), held: [{ job, epoch }] })).news.lost).toEqual([]);
    await site.remote.complete({ ...me, lease: { job, epoch }, ...done });
    expect((await site.remote.lease({ ...me, slots: 1, waitMs: 1_000 })).leases.map((lease) => lease.job)).toEqual([jobs[1]]);
    expect(await client.remote.job({ id: job })).toMatchObject({ state: "finished", epoch: 1 });
    client.close();
    site.close();
  });

  it("leaves no timer behind that would keep the old process alive, though somebody waits for news", async () => {
    const live = new Set<symbol>();
    const counting: Clock = {
      ...realClock,
      after(delayMs, run) {
        const id = Symbol();
        live.add(id);
        const timer = realClock.after(delayMs, () => {
          live.delete(id);
          run();
        });
        return {
          cancel() {
            live.delete(id);
            timer.cancel();
          },
        };
      },
    };
    await central.stop();
    central = await start(folder.dir, { clock: counting });
    const client = await openClient(central);
    const site = await openSite(central);
    await site.remote.join(joinAs("a"));
    const { cursor } = await client.remote.changes({ cursor: null, waitMs: 0 });
    const polls = [
      client.remote.changes({ cursor, waitMs: 10_000 }),
      site.remote.lease({ site: "a", instance: "a-1", slots: 1, waitMs: 10_000 }),
    ];
    const outcomes = Promise.allSettled(polls);
    await client.remote.sites({});
    await central.stop();
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ status: "rejected", reason: { code: "UNAVAILABLE" } });
    await expect.poll(() => live.size).toBe(0);
    central = await start(folder.dir);
  });

  it("keeps the hashes of its tokens, which only the owner can read, and the tokens go on to count", async () => {
    expect((await stat(join(folder.dir, "tokens.json"))).mode & 0o777).toBe(0o600);
    await central.stop();
    central = await start(folder.dir);
    expect(central.firstTokens).toBeNull();
    (await openClient(central)).close();
    (await openSite(central)).close();
  });

  it("is refused while another central has the folder", async () => {
    await expect(start(folder.dir)).rejects.toMatchObject({
      code: "REFUSED",
      message: expect.stringContaining("in use by another central"),
    });
  });
});

describe("a site", () => {
  it("cannot take a name that a connected site has, but a new process of a dead one can, and its jobs run again", async () => {
    const client = await openClient(central);
    const first = await openSite(central);
    await first.remote.join(joinAs("a"));
    const { jobs } = await client.remote.submit({ key: "k", jobs: [noop()] });
    await first.remote.lease({ site: "a", instance: "a-1", slots: 1, waitMs: 1_000 });
    const second = await openSite(central);
    await expect(second.remote.join(joinAs("a", "a-2"))).rejects.toMatchObject({ code: "REFUSED" });
    first.close();
    await expect
      .poll(() =>
        second.remote.join(joinAs("a", "a-2")).then(
          () => "joined",
          () => "refused",
        ),
      )
      .toBe("joined");
    const { leases } = await second.remote.lease({ site: "a", instance: "a-2", slots: 1, waitMs: 1_000 });
    expect(leases).toMatchObject([{ job: jobs[0], epoch: 2 }]);
    expect((await client.remote.job({ id: jobs[0]! })).attempts).toMatchObject([{ outcome: "lost" }, { outcome: "running" }]);
    client.close();
    second.close();
  });

  it("is bound to the name it joined as, and must join first", async () => {
    const site = await openSite(central);
    await expect(site.remote.lease({ site: "a", instance: "a-1", slots: 1, waitMs: 0 })).rejects.toMatchObject({ code: "REFUSED" });
    await site.remote.join(joinAs("a"));
    await expect(site.remote.lease({ site: "b", instance: "a-1", slots: 1, waitMs: 0 })).rejects.toMatchObject({ code: "REFUSED" });
    await expect(site.remote.join(joinAs("b"))).rejects.toMatchObject({ code: "REFUSED" });
    site.close();
  });

  it("gives back what it holds when it leaves, without an attempt of the job", async () => {
    const client = await openClient(central);
    const site = await openSite(central);
    await site.remote.join(joinAs("a"));
    const { jobs } = await client.remote.submit({ key: "k", jobs: [noop({}, { attemptsMax: 1 })] });
    await site.remote.lease({ site: "a", instance: "a-1", slots: 1, waitMs: 1_000 });
    await site.remote.leave({ site: "a", instance: "a-1" });
    expect(await client.remote.job({ id: jobs[0]! })).toMatchObject({ state: "ready", attempts: [{ outcome: "returned" }] });
    expect((await client.remote.sites({})).sites).toMatchObject([{ name: "a", state: "gone" }]);
    client.close();
    site.close();
  });
});

describe("a token", () => {
  const session = async (token: string, party: "client" | "site", version = VERSION) => {
    const link = await openWebSocket(central.url, { clock: realClock });
    if (party === "client") return openSession<ClientApi>(link, CLIENT_API_METHODS, { clock: realClock, token, version, party });
    return openSession<WorkSource>(link, WORK_SOURCE_METHODS, { clock: realClock, token, version, party });
  };

  it("opens its own role only", async () => {
    await expect(session("wrong", "client")).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    await expect(session(central.siteToken, "client")).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    await expect(session(central.operatorToken, "site")).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    const site = await openSite(central);
    const link = await openWebSocket(central.url, { clock: realClock });
    const bare = connect<ClientApi>(link, CLIENT_API_METHODS, { clock: realClock });
    await expect(bare.remote.jobs({})).rejects.toMatchObject({ code: "REFUSED" });
    site.close();
    bare.close();
  });

  it("does not help a program of a version that cannot talk; the message says who must upgrade", async () => {
    await expect(session(central.operatorToken, "client", "9.0.0")).rejects.toMatchObject({
      code: "VERSION_MISMATCH",
      message: expect.stringContaining("upgrade the central"),
    });
  });
});

describe("a request", () => {
  it.each([
    [
      "a relative path",
      { app: "xpcs.corr", input: { path: "a.bin" }, qmap: { path: "/q" }, out: { path: "/o" }, overwrite: false, options: {} },
    ],
    [
      "a path with a line end",
      { app: "xpcs.corr", input: { path: "/a\n" }, qmap: { path: "/q" }, out: { path: "/o" }, overwrite: false, options: {} },
    ],
    [
      "an unknown option",
      { app: "xpcs.corr", input: { path: "/a" }, qmap: { path: "/q" }, out: { path: "/o" }, overwrite: false, options: { x: 1 } },
    ],
    ["no q-map and no job file", { app: "xpcs.corr", input: { path: "/a" }, out: { path: "/o" }, overwrite: false, options: {} }],
    ["an unknown app", { app: "sh", command: "true" }],
  ])("with %s is INVALID_ARGUMENT and names the field", async (_name, work) => {
    const client = await openClient(central);
    const jobs = [{ ...noop(), work }] as never;
    await expect(client.remote.submit({ key: "k", jobs })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(/^submit: jobs\.0\.work/),
    });
    client.close();
  });
});
