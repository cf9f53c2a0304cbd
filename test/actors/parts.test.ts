/** Central's smaller parts alone: ids, the change feed, dispatch. */
import { describe, expect, it } from "vitest";
import { ChangeFeed } from "../../src/actors/change-feed.js";
import { planGrants } from "../../src/actors/dispatch.js";
import { createIdSource } from "../../src/actors/ids.js";
import { Sites } from "../../src/actors/presence.js";
import { siteLoads } from "../../src/actors/site-loads.js";
import { LIMITS } from "../../src/core/limits.js";
import { type Command, decide } from "../../src/ledger/decide.js";
import type { LedgerEvent } from "../../src/ledger/events.js";
import { reduce } from "../../src/ledger/reduce.js";
import { emptyState, type State } from "../../src/ledger/state.js";
import { soonest } from "../../src/router/policies/soonest.js";
import { always } from "../../src/router/policy-rules.js";
import { spec } from "../ledger/world.js";
import { settle, virtualClock } from "./virtual-clock.js";

function obey(state: State, command: Command): void {
  for (const event of decide(state, command, 1) as LedgerEvent[]) reduce(state, event);
}
const submit = (state: State, ids: string[], site?: string) =>
  obey(state, {
    type: "submit",
    key: `key of ${ids[0]}`,
    digest: "d",
    jobs: ids.map((id) => ({ id, spec: site === undefined ? spec() : { ...spec(), site } })),
  });

describe("ids", () => {
  it("sort in the order in which they were made, also when the clock stands still or goes back, and differ", () => {
    let byte = 0;
    const next = createIdSource((size) => Uint8Array.from({ length: size }, () => (byte = (byte * 181 + 7) % 256)));
    const start = Date.UTC(2026, 10, 22);
    const ids = Array.from({ length: 5_000 }, (_, index) => next(start + (index < 3_000 ? 0 : -1_000_000)));
    ids.push(next(start + 60_000), next(Date.UTC(2053, 0, 1)));
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[0-9a-hjkmnp-tv-z]{15}$/);
  });
});

describe("the change feed", () => {
  const world = () => {
    const state = emptyState();
    submit(state, ["a", "b", "c"]);
    const feed = new ChangeFeed(state, "run1");
    return { state, feed };
  };

  it("gives each changed job once, and goes on from any place in a page", () => {
    const { feed } = world();
    const start = feed.now();
    for (const job of ["a", "b", "a", "c"]) feed.changed(job);
    const changes = feed.since(start);
    expect(changes.jobs).toEqual(["b", "a", "c"]);
    expect(feed.since(changes.cursorAfter(1)).jobs).toEqual(["a", "c"]);
    expect(feed.since(changes.cursorAfter(3)).jobs).toEqual([]);
  });

  it("answers a cursor of another run, or one that fell out of the ring, from the ledger, page by page", () => {
    const { state, feed } = world();
    const old = "0.run0.77";
    submit(state, ["d"]);
    expect(feed.since(old).jobs).toEqual(["a", "b", "c", "d"]);
    // The first three came with one event, which a page may end in.
    let cursor = old;
    for (const job of ["a", "b", "c", "d"]) {
      const changes = feed.since(cursor);
      expect(changes.jobs[0]).toBe(job);
      cursor = changes.cursorAfter(1);
    }
    expect(feed.since(cursor).jobs).toEqual([]);
    expect(feed.since(feed.since(old).cursorAfter(0)).jobs).toHaveLength(4);
    const before = feed.now();
    obey(state, { type: "cancel", ids: ["b"] });
    feed.changed("b");
    for (let n = 0; n < 40_000; n += 1) feed.changed("c");
    expect(feed.since(before).jobs).toEqual(["b"]);
  });

  it("forgets none of the jobs of one event when central is restarted in the middle of them", () => {
    const { state, feed } = world();
    const start = feed.now();
    submit(state, ["d", "e", "f"]);
    for (const job of ["d", "e", "f"]) feed.changed(job);
    const again = new ChangeFeed(state, "run2");
    expect(again.since(feed.since(start).cursorAfter(2)).jobs).toContain("f");
    expect(again.since(feed.since(start).cursorAfter(3)).jobs).toEqual([]);
  });

  it("refuses what is no cursor", () => {
    const { feed } = world();
    for (const cursor of ["", "1", "a.b.c", "1.run1.-1", "1.run 1.2"]) {
      expect(() => feed.since(cursor)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    }
  });

  it("wakes those who wait, once, or lets them go when their time is over", async () => {
    const { feed } = world();
    const clock = virtualClock();
    const woken: string[] = [];
    void feed.wait(clock, 1_000).then(() => woken.push("first"));
    // Looking makes turns, and turns end in a wake; without news it must wake nobody, or two who wait would wake each other for ever.
    feed.wake();
    await settle();
    expect(woken).toEqual([]);
    feed.changed("a");
    feed.wake();
    await settle();
    expect(woken).toEqual(["first"]);
    void feed.wait(clock, 1_000).then(() => woken.push("second"));
    await clock.advance(999);
    expect(woken).toEqual(["first"]);
    await clock.advance(1);
    expect(woken).toEqual(["first", "second"]);
  });
});

describe("dispatch", () => {
  const world = () => {
    const state = emptyState();
    const early: string[] = [];
    const sites = new Sites(LIMITS.leaseMs);
    for (const site of ["a", "b"]) {
      obey(state, { type: "join", site, instance: "1", host: "h", slots: 2, apps: ["xpcs.noop"], held: [] });
      sites.take(site, "1", 0, 0).links = 1;
    }
    const plan = (asked: Record<string, number>, nowMs = 1, ahead: Record<string, number> = {}) => {
      const loads = siteLoads(state, sites, nowMs, 0);
      const grants = planGrants(state, loads, always(soonest), new Map(Object.entries(asked)), nowMs, new Map(Object.entries(ahead)));
      for (const { job, site, why } of grants) if (why.startsWith("its files are brought")) early.push(`${job} ${site}`);
      return grants.map(({ job, site }) => `${job} ${site}`);
    };
    return { state, plan, early };
  };

  it("gives a site that is full jobs ahead, as many as it takes, also pinned ones, and counts them as queued", () => {
    const { state, plan, early } = world();
    submit(state, ["1", "2", "3", "4", "5", "6", "7", "8"]);
    expect(plan({ a: 3, b: 2 }, 1, { a: 1 })).toEqual(["1 a", "2 b", "3 a", "4 b", "5 a"]);
    expect(early).toEqual(["5 a"]);
    for (const job of ["1", "3", "5"]) obey(state, { type: "grant", job, site: "a", why: "" });
    const [a] = siteLoads(state, new Sites(LIMITS.leaseMs), 1, 0);
    expect(a).toMatchObject({ queued: 1, free: { slots: -1 }, running: 2 });
    expect(plan({}, 1, { a: 1 })).toEqual([]);
  });

  it("shares jobs between sites that are alike, in the order of the queue", () => {
    const { state, plan } = world();
    submit(state, ["1", "2", "3", "4", "5"]);
    expect(plan({ a: 2, b: 2 })).toEqual(["1 a", "2 b", "3 a", "4 b"]);
  });

  it("gives a site no more than it asks for, and nothing to one that does not ask", () => {
    const { state, plan } = world();
    submit(state, ["1", "2", "3", "4", "5"]);
    expect(plan({ a: 1 })).toEqual(["1 a"]);
    expect(plan({})).toEqual([]);
  });

  it("gives the jobs that came after a long one to the free site, in the order of the queue", () => {
    const { state, plan } = world();
    for (let n = 0; n < 60; n += 1) {
      submit(state, [`short${n}`]);
      const site = n % 2 === 0 ? "a" : "b";
      obey(state, { type: "grant", job: `short${n}`, site, why: "" });
      const lease = { job: `short${n}`, epoch: 1 };
      // a is measured to be the faster one.
      obey(state, { type: "complete", site, lease, outputs: [], summary: {}, runMs: site === "a" ? 10 : 14 });
    }
    submit(state, ["long1", "long2"]);
    for (const job of ["long1", "long2"]) obey(state, { type: "grant", job, site: "a", why: "" });
    submit(state, ["next", "after"]);
    for (const nowMs of [1, 5, 12, 2_000, 10_000]) expect(plan({ b: 2 }, nowMs), `${nowMs} ms later`).toEqual(["next b", "after b"]);
  });

  /** Site `a` is full and the faster or the cheaper one, `b` is free; both have shown how long they take. */
  const unequal = (slots: Record<"a" | "b", number>, runMs: Record<"a" | "b", number>) => {
    const { state, plan } = world();
    for (const site of ["a", "b"] as const) {
      obey(state, { type: "join", site, instance: "1", host: "h", slots: slots[site], apps: ["xpcs.noop"], held: [] });
      for (let n = 0; n < 5; n += 1) {
        const job = `${site} has run ${n}`;
        submit(state, [job]);
        obey(state, { type: "grant", job, site, why: "" });
        obey(state, { type: "complete", site, lease: { job, epoch: 1 }, outputs: [], summary: {}, runMs: runMs[site] });
      }
    }
    for (let n = 0; n < slots.a; n += 1) {
      submit(state, [`running${n}`]);
      obey(state, { type: "grant", job: `running${n}`, site: "a", why: "" });
    }
    return { state, plan };
  };
  const names = (count: number) => Array.from({ length: count }, (_, n) => `job${n}`);

  it("gives a slower site what would wait longer for a large fast one, and leaves it idle where nothing would", () => {
    // 64 are answered there in the time of two runs, those after them in that of three, and `b` takes no longer; those that wait for others are in doubt.
    for (const [waiting, given] of [
      [50, 0],
      [400, 10],
    ] as const) {
      const { state, plan } = unequal({ a: 64, b: 64 }, { a: 10_000, b: 30_000 });
      submit(state, names(waiting));
      const grants = plan({ b: 10 });
      expect(grants).toHaveLength(given);
      for (const grant of grants) expect(grant).toMatch(/^job[56]\d b$/);
    }
    const { state, plan } = unequal({ a: 64, b: 64 }, { a: 10_000, b: 10_000_000 });
    submit(state, names(3_000));
    expect(plan({ b: 10 })).toEqual([]);
  });

  it("gives a free site the jobs with a deadline that the cheapest one cannot answer in time, though many wait for that one", () => {
    const { state, plan } = unequal({ a: 1, b: 10 }, { a: 10_000, b: 20_000 });
    const deadline = new Date(1 + 600_000).toISOString();
    obey(state, { type: "submit", key: "due", digest: "d", jobs: names(200).map((id) => ({ id, spec: { ...spec(), deadline } })) });
    const grants = plan({ b: 10 });
    expect(grants).toHaveLength(10);
    // The site that costs less has time for some 55 of them.
    for (const grant of grants) expect(grant).toMatch(/^job(4\d|5\d|6\d) b$/);
  });

  it("is not blocked by any number of jobs that wait for a site that is full, or for none", () => {
    const { state, plan } = world();
    const many = LIMITS.dispatchScanMax + 10;
    submit(
      state,
      Array.from({ length: many }, (_, n) => `nowhere${n}`),
      "z",
    );
    submit(
      state,
      Array.from({ length: many }, (_, n) => `pinned${n}`),
      "a",
    );
    submit(state, ["free"]);
    expect(plan({ b: 1 })).toEqual(["free b"]);
    obey(state, { type: "grant", job: "pinned0", site: "a", why: "" });
    obey(state, { type: "grant", job: "pinned1", site: "a", why: "" });
    expect(plan({ b: 1 })).toEqual(["free b"]);
  });
});
