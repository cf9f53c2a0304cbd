/** Leases, silence and restarts on virtual time: the real actors, codec and comlink over memory links, and a disk that can crash. */
import { beforeEach, describe, expect, it } from "vitest";
import { AttemptLogs } from "../../src/actors/attempt-logs.js";
import { Central } from "../../src/actors/central.js";
import { guardLink } from "../../src/actors/gate.js";
import { createIdSource } from "../../src/actors/ids.js";
import type { Role } from "../../src/core/access.js";
import { sleep } from "../../src/core/clock.js";
import { LIMITS } from "../../src/core/limits.js";
import { silentLogger } from "../../src/core/log.js";
import { CLIENT_API_METHODS, type ClientApi, type LeaseRef, WORK_SOURCE_METHODS, type WorkSource } from "../../src/core/protocols.js";
import { VERSION } from "../../src/core/version.js";
import { Ledger, loadState } from "../../src/ledger/ledger.js";
import { type MemoryStore, memoryStore } from "../../src/ledger/memory-store.js";
import { soonest } from "../../src/router/policies/soonest.js";
import { always } from "../../src/router/policy-rules.js";
import { type Connection, openSession } from "../../src/wire/connect.js";
import type { Link } from "../../src/wire/link.js";
import { memoryLinkPair } from "../../src/wire/memory-link.js";
import { noop, openDoor } from "./support.js";
import { settle, type VirtualClock, virtualClock } from "./virtual-clock.js";

let clock: VirtualClock;
let store: MemoryStore;
let central: Central;
let links: Link[];
let runs = 0;
let nextByte = 0;
let submits = 0;

async function startOn(disk: MemoryStore): Promise<void> {
  store = disk;
  links = [];
  runs += 1;
  central = new Central({
    ledger: new Ledger(store, await loadState(store)),
    policyOf: always(soonest),
    clock,
    logger: silentLogger,
    newJobId: createIdSource((size) => Uint8Array.from({ length: size }, () => nextByte++ % 256)),
    logs: new AttemptLogs("/nowhere"),
    incarnation: `run${runs}`,
    onDead: () => {},
  });
  central.start();
}

/** The process is gone: links cut, nothing of it runs on, unsynced writes lost but for `keep`. */
async function crashAndRestart(keep = 0): Promise<void> {
  for (const link of links) link.close();
  const disk = store.crash(keep);
  await startOn(disk);
}

function dial(role: Role): Link {
  const [near, far] = memoryLinkPair();
  guardLink(far, { central, ...openDoor(role, central), clock, logger: silentLogger, peer: "test" });
  links.push(far);
  return near;
}
const options = { token: "t", version: VERSION };
const client = () => openSession<ClientApi>(dial("operator"), CLIENT_API_METHODS, { ...options, clock, party: "client" });
const siteLink = () => openSession<WorkSource>(dial("site"), WORK_SOURCE_METHODS, { ...options, clock, party: "site" });

class Site {
  readonly name: string;
  readonly instance: string;
  connection!: Connection<WorkSource>;
  constructor(name: string, instance = `${name}-1`) {
    this.name = name;
    this.instance = instance;
  }
  get me() {
    return { site: this.name, instance: this.instance };
  }
  async connect(held: LeaseRef[] = [], slots = 1) {
    this.connection = await siteLink();
    return this.connection.remote.join({ ...this.me, host: "h", slots, apps: ["xpcs.noop"], held });
  }
  lease(waitMs = 0, slots = 1) {
    return this.connection.remote.lease({ ...this.me, slots, waitMs });
  }
  renew(...held: LeaseRef[]) {
    return this.connection.remote.renew({ ...this.me, held: held.map((lease) => ({ ...lease, state: "running", progress: null })) });
  }
  complete(lease: LeaseRef) {
    const times = { startedAtMs: 0, finishedAtMs: 10 };
    return this.connection.remote.complete({ ...this.me, lease, outputs: [], summary: {}, ...times });
  }
}

beforeEach(async () => {
  clock = virtualClock();
  await startOn(memoryStore());
});

async function submitOne(): Promise<string> {
  const people = await client();
  submits += 1;
  const { jobs } = await people.remote.submit({ key: `k${submits}`, jobs: [noop()] });
  return jobs[0]!;
}
const look = async (id: string) => (await client()).remote.job({ id });

describe("a poll", () => {
  it("gets no more than the site has slots, and the slot of a job that it reports in the same write", async () => {
    const [first, second, third] = [await submitOne(), await submitOne(), await submitOne()];
    const site = new Site("a");
    await site.connect();
    // It asks for more than it has.
    expect((await site.lease(0, 5)).leases).toMatchObject([{ job: first }]);
    let answered = false;
    const poll = site.lease(LIMITS.longPollMs, 1).finally(() => {
      answered = true;
    });
    await settle();
    expect(answered).toBe(false);
    await site.complete({ job: first, epoch: 1 });
    await settle();
    expect((await poll).leases).toMatchObject([{ job: second, epoch: 1 }]);
    expect(await look(second)).toMatchObject({ state: "staged-in", site: "a" });
    expect(await look(third)).toMatchObject({ state: "ready" });
  });

  it("counts the slots that a job takes", async () => {
    const people = await client();
    const wide = { resources: { slots: 2 } };
    const { jobs } = await people.remote.submit({ key: "wide", jobs: [noop({}, wide), noop()] });
    const site = new Site("a");
    await site.connect([], 2);
    expect((await site.lease(0, 2)).leases).toMatchObject([{ job: jobs[0] }]);
    const poll = site.lease(LIMITS.longPollMs, 2);
    await settle();
    expect(await look(jobs[1]!)).toMatchObject({ state: "ready" });
    await site.complete({ job: jobs[0]!, epoch: 1 });
    await settle();
    expect((await poll).leases).toMatchObject([{ job: jobs[1] }]);
  });
});

describe("a lease", () => {
  it("shows why its attempt waits while its site says so", async () => {
    const id = await submitOne();
    const site = new Site("a");
    await site.connect();
    const [lease] = (await site.lease()).leases;
    const held = { job: id, epoch: lease!.epoch, state: "staged-in", progress: null } as const;
    await site.connection.remote.renew({ ...site.me, held: [{ ...held, reason: "the transfer waits: the link is down" }] });
    expect(await look(id)).toMatchObject({ state: "staged-in", reason: "the transfer waits: the link is down" });
    await site.connection.remote.renew({ ...site.me, held: [held] });
    expect(await look(id)).toMatchObject({ state: "staged-in", reason: null });
  });

  it("lives while it is renewed, and ends one term after the last renewal; the job then runs elsewhere", async () => {
    const id = await submitOne();
    const [a, b] = [new Site("a"), new Site("b")];
    await a.connect();
    await a.lease();
    const lease = { job: id, epoch: 1 };
    for (let round = 0; round < 5; round += 1) {
      await clock.advance(LIMITS.leaseMs - 1_000);
      expect((await a.renew(lease)).news.lost).toEqual([]);
    }
    await b.connect();
    const poll = b.lease(LIMITS.longPollMs);
    await clock.advance(LIMITS.leaseMs - 100);
    expect(await look(id)).toMatchObject({ state: "running", site: "a" });
    await clock.advance(100 + LIMITS.reapMs);
    expect((await poll).leases).toMatchObject([{ job: id, epoch: 2 }]);
    expect(await look(id)).toMatchObject({
      site: "b",
      attempts: [
        { site: "a", outcome: "lost" },
        { site: "b", outcome: "running" },
      ],
    });
    // The first site was only slow. It learns that it lost the lease, and its result does not count.
    expect((await a.renew(lease)).news.lost).toEqual([lease]);
    await expect(a.complete(lease)).rejects.toMatchObject({ code: "STALE_LEASE" });
    await b.complete({ job: id, epoch: 2 });
    expect(await look(id)).toMatchObject({ state: "finished", site: "b", epoch: 2 });
  });

  it("of a site that died is granted elsewhere within 10 s of its last sign of life, whenever that was", async () => {
    const b = new Site("b");
    await b.connect();
    for (const phaseMs of [0, 1, LIMITS.reapMs / 2, LIMITS.reapMs - 1]) {
      // Each time another one: a site of which others finish the jobs gets none for a while.
      const a = new Site(`a${phaseMs}`);
      const id = await submitOne();
      await a.connect();
      await a.lease();
      await clock.advance(phaseMs);
      await a.renew({ job: id, epoch: 1 });
      // Its process dies, and its link with it.
      a.connection.close();
      const polls = [b.lease(LIMITS.longPollMs)];
      await clock.advance(10_000 - 1);
      expect((await Promise.all(polls)).flatMap(({ leases }) => leases)).toMatchObject([{ job: id, epoch: 2 }]);
      await b.complete({ job: id, epoch: 2 });
    }
  });

  it("that expired goes on, or completes, while nobody else has the job", async () => {
    const id = await submitOne();
    const a = new Site("a");
    await a.connect();
    await a.lease();
    a.connection.close();
    await clock.advance(2 * LIMITS.leaseMs);
    expect(await look(id)).toMatchObject({ state: "ready", reason: "no site is up (a is silent)" });
    const lease = { job: id, epoch: 1 };
    expect((await a.connect([lease])).news.lost).toEqual([]);
    expect(await look(id)).toMatchObject({ state: "staged-in", epoch: 1, attempts: [{ outcome: "running" }] });
    await a.complete(lease);
    expect(await look(id)).toMatchObject({ state: "finished", epoch: 1 });
  });

  it("whose grant was lost with the link comes back when the site connects again", async () => {
    const id = await submitOne();
    const a = new Site("a");
    await a.connect();
    await a.lease();
    a.connection.close();
    await settle();
    await a.connect([]);
    expect((await a.lease()).leases).toMatchObject([{ job: id, epoch: 2 }]);
    expect(await look(id)).toMatchObject({ attempts: [{ outcome: "returned" }, { outcome: "running" }] });
  });

  it("gets one full fresh term when central restarts, and is lost after that", async () => {
    const id = await submitOne();
    const a = new Site("a");
    await a.connect();
    await a.lease();
    const later = await submitOne();
    await clock.advance(LIMITS.leaseMs - 1_000);
    await crashAndRestart();
    await clock.advance(LIMITS.leaseMs - 1_000);
    expect(await look(id)).toMatchObject({ state: "staged-in", epoch: 1 });
    await clock.advance(1_000 + LIMITS.reapMs);
    expect(await look(id)).toMatchObject({ state: "ready", attempts: [{ outcome: "lost", reason: "site a stopped renewing its lease" }] });
    // It has the place that it had, before what was submitted after it.
    const b = new Site("b");
    await b.connect([], 2);
    expect((await b.lease(0, 2)).leases.map(({ job }) => job)).toEqual([id, later]);
  });

  it("of a canceled job ends with its site: the cancel is final when the lease expires", async () => {
    const id = await submitOne();
    const a = new Site("a");
    await a.connect();
    await a.lease();
    await (await client()).remote.cancel({ ids: [id] });
    expect((await a.renew({ job: id, epoch: 1 })).news.cancel).toEqual([{ job: id, epoch: 1 }]);
    a.connection.close();
    await clock.advance(LIMITS.leaseMs + LIMITS.reapMs);
    expect(await look(id)).toMatchObject({ state: "canceled", reason: "canceled by somebody" });
  });
});

describe("a long poll", () => {
  it("is answered once when its time is over, and does not tell the same cancel again and again", async () => {
    const id = await submitOne();
    const a = new Site("a");
    await a.connect([], 2);
    await a.lease();
    const idle = a.lease(5_000);
    await (await client()).remote.cancel({ ids: [id] });
    expect((await idle).news.cancel).toEqual([{ job: id, epoch: 1 }]);
    let answered = false;
    const next = a.lease(5_000).then((answer) => {
      answered = true;
      return answer;
    });
    await clock.advance(4_000);
    expect(answered).toBe(false);
    await clock.advance(1_000);
    expect(await next).toMatchObject({ leases: [], news: { cancel: [{ job: id, epoch: 1 }] } });
  });

  it("whose time is over while its leases go to the disk still brings them", async () => {
    await startOn(memoryStore(() => sleep(clock, 10)));
    const a = new Site("a");
    const connected = a.connect();
    await clock.advance(50);
    await connected;
    const poll = a.lease(100);
    await clock.advance(95);
    const people = await client();
    const submitted = people.remote.submit({ key: "k", jobs: [noop()] });
    await clock.advance(50);
    expect((await poll).leases).toMatchObject([{ job: (await submitted).jobs[0], epoch: 1 }]);
  });

  it("of a site that is full waits; it never gets more than its slots", async () => {
    const people = await client();
    await people.remote.submit({ key: "k", jobs: [noop(), noop(), noop()] });
    const a = new Site("a");
    await a.connect([], 2);
    expect((await a.lease(0, 10)).leases).toHaveLength(2);
    const third = a.lease(1_000, 10);
    await clock.advance(1_000);
    expect((await third).leases).toEqual([]);
    const waiting = (await people.remote.jobs({ states: ["ready"] })).jobs;
    expect(waiting).toMatchObject([{ reason: expect.stringContaining("all 2 slots of site a busy") }]);
  });
});

describe("a retry", () => {
  it("comes after its delay, and meanwhile the job says what it waits for", async () => {
    const id = await submitOne();
    const a = new Site("a");
    await a.connect();
    await a.lease();
    await a.connection.remote.fail({ ...a.me, lease: { job: id, epoch: 1 }, code: "NATIVE_CRASHED", reason: "signal 11" });
    const poll = a.lease(LIMITS.longPollMs);
    await settle();
    expect(await look(id)).toMatchObject({ state: "ready", reason: expect.stringMatching(/^attempt 2 of 3 is at .*signal 11$/) });
    await clock.advance(LIMITS.retryDelayMs + LIMITS.reapMs);
    expect((await poll).leases).toMatchObject([{ job: id, epoch: 2 }]);
  });

  it("of attempts whose sites fell silent ends at the limit too, each with its reason", async () => {
    const id = await submitOne();
    for (const name of ["a", "b", "c"]) {
      const site = new Site(name);
      await site.connect();
      await site.lease();
      expect(await look(id)).toMatchObject({ state: "staged-in", site: name });
      site.connection.close();
      await clock.advance(LIMITS.leaseMs + 2 * LIMITS.reapMs);
    }
    const view = await look(id);
    expect(view).toMatchObject({ state: "failed", reason: "site c stopped renewing its lease (attempt 3 of 3, the last)" });
    expect(view.attempts.map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ["lost", "site a stopped renewing its lease"],
      ["lost", "site b stopped renewing its lease"],
      ["lost", "site c stopped renewing its lease (attempt 3 of 3, the last)"],
    ]);
  });

  it("ends at the limit, with every attempt's reason", async () => {
    const id = await submitOne();
    const a = new Site("a");
    await a.connect();
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      const poll = a.lease(LIMITS.longPollMs);
      await clock.advance(2 * LIMITS.retryDelayMs + LIMITS.reapMs);
      expect((await poll).leases).toMatchObject([{ job: id, epoch: attempt }]);
      const lease = { job: id, epoch: attempt };
      await a.connection.remote.fail({ ...a.me, lease, code: "NATIVE_CRASHED", reason: `crash ${attempt}` });
    }
    const view = await look(id);
    expect(view).toMatchObject({ state: "failed", reason: "crash 3 (attempt 3 of 3, the last)" });
    expect(view.attempts.map(({ reason }) => reason)).toEqual(["crash 1", "crash 2", "crash 3 (attempt 3 of 3, the last)"]);
  });
});

describe("a submission", () => {
  it("that was acknowledged survives a crash; one that was not is made by its repeat, once", async () => {
    const first = await submitOne();
    // The disk is slow now: the next submission is on its way to it when central dies.
    let hold = true;
    const slow = memoryStore(() => (hold ? new Promise(() => {}) : Promise.resolve()));
    hold = false;
    await startOn(slow);
    const kept = await (await client()).remote.submit({ key: "kept", jobs: [noop()] });
    hold = true;
    const people = await client().catch(() => null);
    const pending = people!.remote.submit({ key: "lost", jobs: [noop()] });
    const outcome = pending.catch((error: { code: string }) => error.code);
    await settle();
    hold = false;
    await crashAndRestart(0);
    expect(await outcome).toBe("UNAVAILABLE");
    const again = await client();
    expect(await again.remote.submit({ key: "kept", jobs: [noop()] })).toEqual(kept);
    const repeated = await again.remote.submit({ key: "lost", jobs: [noop()] });
    expect(await again.remote.submit({ key: "lost", jobs: [noop()] })).toEqual(repeated);
    expect((await again.remote.jobs({})).jobs).toHaveLength(2);
    expect(first).toHaveLength(15);
  });
});

describe("a link", () => {
  it("that shows no token in time is closed", async () => {
    const link = dial("operator");
    let closed = false;
    link.onClose(() => {
      closed = true;
    });
    await clock.advance(LIMITS.authenticateMs - 1);
    expect(closed).toBe(false);
    await clock.advance(1);
    expect(closed).toBe(true);
  });
});
