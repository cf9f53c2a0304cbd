/** Which unbegun jobs move, and which stay: a plain account of the rule on small worlds. */
import { describe, expect, it } from "vitest";
import { soonest } from "../../src/router/policies/soonest.js";
import type { Policy, RoutedJob, SiteFacts, SiteLoad } from "../../src/router/policy.js";
import { comesLate, planMoves, type UnbegunJob } from "../../src/router/reroute.js";
import { seeded } from "../ledger/world.js";
import { among, busy, job as made, site as madeSite, mean } from "./made.js";

const job = (id: string, more: Partial<RoutedJob> = {}) => made({ id, ...more });
const site = (name: string, more: Partial<SiteFacts> = {}) => madeSite(name, { slots: 1, apps: ["xpcs.corr"], ...more });
const takes = (meanMs: number) => ({ learnt: mean(meanMs, 1e9) });
/** A site whose slot is busy, with `ahead` jobs whose files it has. */
const full = (name: string, ahead: number, meanMs: number, more: Partial<SiteFacts> = {}) =>
  madeSite(name, { slots: 1, apps: ["xpcs.corr"], held: busy(1), queued: ahead, ...takes(meanMs), ...more });
/** Jobs that a site took one after the other; how the site was before each is worked out with the sites. */
const heldBy = (at: string, ...jobs: RoutedJob[]) => jobs.map((each, place) => ({ job: each, site: at, place, filesInMs: 0 }));
const BOUNDS = { looked: 10, moves: 10 };
function unbegun(held: ReturnType<typeof heldBy>, sites: readonly SiteLoad[], policy: Policy = soonest): UnbegunJob[] {
  return held.map(({ place, ...rest }) => {
    const here = sites.find(({ name }) => name === rest.site)!;
    const { running: _running, queued: _queued, free: _free, freeAtMs: _at, ...facts } = here;
    return {
      ...rest,
      id: rest.job.id,
      policy,
      isLate: comesLate(rest.filesInMs, rest.job, here),
      freeSlots: rest.filesInMs > 0 ? 1 : -place,
      ahead: () => madeSite(rest.site, { ...facts, held: busy(1), queued: place }),
    };
  });
}
const plan = (held: ReturnType<typeof heldBy>, made: SiteLoad[], idle: Record<string, number>, bounds = BOUNDS, asked = idle) => {
  const sites = among(made);
  const room = { idle: new Map(Object.entries(idle)), asked: new Map(Object.entries(asked)) };
  return planMoves(unbegun(held, sites), sites, room, 0, bounds);
};

describe("an unbegun job", () => {
  it("moves to a free slot that answers much sooner, the one that waits behind most first", () => {
    const moves = plan(heldBy("a", job("1"), job("2")), [full("a", 2, 60_000), site("b", takes(60_000))], { b: 1 });
    expect(moves).toEqual([{ job: "2", from: "a", to: "b", why: "a free slot of site b answers in 60 s, site a in 180 s" }]);
  });
  it("stays where the other site would answer hardly sooner", () => {
    expect(plan(heldBy("a", job("1")), [full("a", 1, 10_000), site("b", takes(15_000))], { b: 1 })).toEqual([]);
    expect(plan(heldBy("a", job("1")), [full("a", 1, 10_000), site("b", takes(10_000))], { b: 1 })).toHaveLength(1);
    // Half the time, but a few seconds.
    expect(plan(heldBy("a", job("1")), [full("a", 1, 3_000), site("b", takes(3_000))], { b: 1 })).toEqual([]);
  });
  it("stays where the files would have to cross again for longer than it waits", () => {
    const far = (bytesPerS: number) => site("b", { ...takes(60_000), links: { in: { bytesPerS, tested: false, spread: 0 }, out: null } });
    const large = heldBy("a", job("1", { inputBytes: 1e9 }));
    expect(plan(large, [full("a", 1, 60_000), far(1e9)], { b: 1 })).toHaveLength(1);
    expect(plan(large, [full("a", 1, 60_000), far(1e7)], { b: 1 })).toEqual([]);
  });
  it("stays where nobody asks for work, where it is pinned, and where its site is silent", () => {
    const other = site("b", takes(60_000));
    expect(plan(heldBy("a", job("1")), [full("a", 1, 60_000), other], { b: 0 })).toEqual([]);
    expect(plan(heldBy("a", job("1", { site: "a" })), [full("a", 1, 60_000), other], { b: 1 })).toEqual([]);
    expect(plan(heldBy("a", job("1")), [full("a", 1, 60_000, { up: false }), other], { b: 1 })).toEqual([]);
  });
  it("leaves a site that drains for a free slot, however little that gains, and for nothing else", () => {
    const draining = full("a", 1, 1_000, { draining: "it is draining" });
    const [move] = plan(heldBy("a", job("1")), [draining, site("b", takes(1_000))], { b: 1 });
    expect(move).toMatchObject({ to: "b", why: "site a takes no work: it is draining" });
    expect(plan(heldBy("a", job("1")), [draining, full("b", 0, 1_000)], { b: 0 })).toEqual([]);
  });
});

describe("a job whose files come slowly", () => {
  const RATE = { bytesPerS: 1e7, tested: false, spread: 0 };
  /** Files of 100 MB are there after 10 s. */
  const seen = { line: { fixedMs: 0, msPerByte: 1e-4 } };
  const near = (more: Partial<SiteFacts> = {}) => site("b", { ...takes(60_000), links: { in: { ...RATE, ...seen }, out: null }, ...more });
  const coming = (filesInMs: number, more: Partial<RoutedJob> = {}) =>
    heldBy("a", job("1", { inputBytes: 1e8, ...more })).map((held) => ({ ...held, filesInMs }));
  const here = (runMs = 60_000) => site("a", takes(runMs));

  it("goes where they are sooner, also to a site whose slots are busy", () => {
    const [move] = plan(coming(60_000), [here(), near()], { b: 1 });
    expect(move).toEqual({ job: "1", from: "a", to: "b", why: "site b answers in 70 s, site a, where its files are in 60 s, in 120 s" });
    expect(plan(coming(60_000), [here(), near()], { b: 0 }, BOUNDS, { b: 1 })).toHaveLength(1);
    expect(plan(coming(60_000), [here(), near({ ...takes(1_000), slots: 1 })], {}, BOUNDS, { b: 0 })).toEqual([]);
  });
  it("stays where they would hardly be sooner, or the answer would not be", () => {
    expect(plan(coming(16_000), [here(), near()], { b: 1 })).toEqual([]);
    expect(plan(coming(18_000), [here(), near()], { b: 1 })).toHaveLength(1);
    expect(plan(coming(60_000), [here(5_000), near()], { b: 1 })).toEqual([]);
  });
  it("stays where files come as they usually do", () => {
    const usual = (msPerByte: number) =>
      site("a", { ...takes(60_000), links: { in: { ...RATE, line: { fixedMs: 0, msPerByte } }, out: null } });
    expect(plan(coming(60_000), [usual(4.1e-4), near()], { b: 1 })).toEqual([]);
    expect(plan(coming(60_000), [usual(3.9e-4), near()], { b: 1 })).toHaveLength(1);
  });
  it("stays where nobody has seen how long files take to the other site", () => {
    expect(plan(coming(60_000), [here(), near({ links: { in: RATE, out: null } })], { b: 1 })).toEqual([]);
    expect(plan(coming(60_000), [here(), site("b", { links: { in: null, out: null } })], { b: 1 })).toEqual([]);
    // It has run such jobs, and no files crossed.
    expect(plan(coming(60_000), [here(), site("b", { ...takes(60_000), links: { in: null, out: null } })], { b: 1 })).toHaveLength(1);
  });
  it("stays where it is pinned", () => {
    expect(plan(coming(60_000, { site: "a" }), [here(), near()], { b: 1 })).toEqual([]);
  });
  it("comes before those that wait for slots, and takes the place at the other site", () => {
    const held = [...coming(60_000), ...heldBy("c", job("2", { inputBytes: 1e8 }))];
    const sites = [full("a", 1, 60_000), near({ slots: 2 }), full("c", 1, 60_000)];
    expect(plan(held, sites, { b: 1 }).map(({ job: id }) => id)).toEqual(["1"]);
    expect(plan(held, sites, { b: 2 }).map(({ job: id }) => id)).toEqual(["1", "2"]);
  });
});

describe("an unbegun job at a site that closes", () => {
  const closes = (inMs: number) => ({ opening: { closed: null, leftMs: inMs, next: "goes down" } });

  it("leaves where it would not end in time, however little that gains, and stays where it would", () => {
    const other = site("b", takes(59_000));
    const [move] = plan(heldBy("a", job("1")), [full("a", 1, 60_000, closes(110_000)), other], { b: 1 });
    expect(move).toMatchObject({ to: "b", why: expect.stringContaining("the job would not end there within 2") });
    // Another would answer hardly sooner, and here there is time.
    const near = site("b", takes(100_000));
    expect(plan(heldBy("a", job("1")), [full("a", 1, 60_000, closes(130_000)), near], { b: 1 })).toEqual([]);
    expect(plan(heldBy("a", job("1")), [full("a", 1, 60_000, closes(110_000)), near], { b: 1 })).toHaveLength(1);
  });

  it("leaves one that is down, or on probation", () => {
    const down = { opening: { closed: "is down", leftMs: 0, next: null } };
    for (const why of [down, { probation: { reason: "r", triedInMs: 0 } }])
      expect(plan(heldBy("a", job("1")), [full("a", 1, 1_000, why), site("b", takes(1_000))], { b: 1 })).toHaveLength(1);
  });
});

describe("a round", () => {
  it("gives each idle slot once", () => {
    const jobs = ["1", "2", "3", "4"].map((id) => job(id));
    const moves = plan(heldBy("a", ...jobs), [full("a", 4, 60_000), site("b", { slots: 2, ...takes(60_000) })], { b: 2 });
    expect(moves.map((move) => move.job)).toEqual(["4", "3"]);
  });
  it("looks at no more jobs, and moves no more, than it may", () => {
    const jobs = Array.from({ length: 9 }, (_, at) => job(String(at)));
    const sites = [full("a", 9, 60_000), site("b", { slots: 9, ...takes(60_000) })];
    let asked = 0;
    const counting: Policy = {
      name: "counting",
      choose(...question) {
        asked += 1;
        return soonest.choose(...question);
      },
    };
    const held = unbegun(heldBy("a", ...jobs), sites, counting);
    const room = { idle: new Map([["b", 9]]), asked: new Map([["b", 9]]) };
    expect(planMoves(held, sites, room, 0, { looked: 9, moves: 2 })).toHaveLength(2);
    expect(asked).toBe(2);
    expect(planMoves(held, sites, room, 0, { looked: 3, moves: 9 })).toHaveLength(3);
    expect(asked).toBe(5);
  });
  it("moves exactly those that gain 5 s and 30 % by a plain account, in any order of sites", () => {
    const rng = seeded(7);
    let moved = 0;
    for (let round = 0; round < 500; round += 1) {
      const [here, there] = [1_000 + rng() * 60_000, 1_000 + rng() * 60_000];
      const place = Math.floor(rng() * 3);
      const held = { job: job("1"), site: "a", place, filesInMs: 0 };
      const sites = [full("a", place + 1, here), site("b", takes(there))];
      // The running one to its end, those before it, and itself.
      const stayMs = here * (1 + place + 1);
      const pays = stayMs - there >= Math.max(5_000, 0.3 * stayMs);
      const moves = plan([held], rng() < 0.5 ? sites : [...sites].reverse(), { b: 1 });
      expect(moves.map(({ to }) => to)).toEqual(pays ? ["b"] : []);
      moved += moves.length;
    }
    expect(moved).toBeGreaterThan(100);
    expect(moved).toBeLessThan(450);
  });
});
