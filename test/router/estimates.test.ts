/** The estimate of an answer: laws that hold whatever the sites, and what it goes by. */
import { describe, expect, it } from "vitest";
import { type Learnt, NOTHING_LEARNT, PooledRuns, type SiteLearnt } from "../../src/core/learning.js";
import { cannotFinish, estimate, promiseOf, stagesOf } from "../../src/router/estimates.js";
import { soonest } from "../../src/router/policies/soonest.js";
import type { RoutedJob, SiteLoad } from "../../src/router/policy.js";
import { estimateRun } from "../../src/router/run-times.js";
import { withJob } from "../../src/router/work-ahead.js";
import { seeded } from "../ledger/world.js";
import { among, asked, busy, cross, job, mean, randomWorld, running, site } from "./made.js";

const seen = (ms: number, more: Partial<Learnt> = {}): Learnt => ({ mean: ms, variance: 0, count: 20, at: 0, ...more });
const runs = (classes: Record<string, Learnt>): SiteLearnt => ({
  runs: { "xpcs.corr": Object.fromEntries(Object.entries(classes).map(([name, ms]) => [name, { ms }])) },
});

/** Each site of a random world, with the job, where it can be given to. */
function* pairs(seed: number, rounds: number): Generator<{ question: RoutedJob; load: SiteLoad; sites: SiteLoad[]; rng: () => number }> {
  const rng = seeded(seed);
  for (let round = 0; round < rounds; round += 1) {
    const { question, sites } = randomWorld(rng);
    for (const load of sites) yield { question, load, sites, rng };
  }
}

describe("laws", () => {
  it("a slower link, slower runs or more work ahead never make an answer sooner", () => {
    let looked = 0;
    for (const { question, load, rng } of pairs(21, 1_500)) {
      const before = estimate(question, load, 0);
      const { in: into, out } = load.links;
      const slower = <T extends { bytesPerS: number } | null>(rate: T): T =>
        rate === null ? rate : { ...rate, bytesPerS: rate.bytesPerS * rng() };
      expect(estimate(question, { ...load, links: { in: slower(into), out: slower(out) } }, 0).ms).toBeGreaterThanOrEqual(before.ms);
      for (const action of ["run", "wait"] as const)
        expect(estimate(question, withJob(load, question, action, 0), 0).ms).toBeGreaterThanOrEqual(before.ms - 1e-6);
      const [classes] = Object.values(load.learnt.runs);
      if (classes === undefined) continue;
      looked += 1;
      const longer = { ...load, learnt: mean(classes["-"]!.ms.mean * (1 + rng()), classes["-"]!.ms.count) };
      expect(estimate(question, longer, 0).run.ms).toBeGreaterThanOrEqual(before.run.ms);
    }
    expect(looked).toBeGreaterThan(500);
  });

  it("what is kept from question to question changes no answer: a copy of a site, of which nothing is kept, has the same", () => {
    let looked = 0;
    for (const { question, load, rng } of pairs(24, 800)) {
      const learnt = rng() < 0.3 ? mean(1_000 * rng(), 5) : load.learnt;
      const common = rng() < 0.3 ? mean(1_000 * rng(), 5, 1e6) : load.common;
      const nowMs = Math.floor(rng() * 10_000_000);
      // The links of a view are those of the view before it, whatever else has changed.
      for (const view of [load, withJob(load, question, "wait", 0), { ...load, learnt, common }]) {
        const [kept, fresh] = [estimate(question, view, nowMs), estimate(question, structuredClone(view), nowMs)];
        for (const what of ["ms", "sdMs", "doubtMs", "runMs", "aheadMs", "allocationMs", "stageIn", "stageOut", "run"] as const)
          expect(kept[what], what).toEqual(fresh[what]);
        looked += 1;
      }
    }
    expect(looked).toBeGreaterThan(1_000);
  });

  it("a site that becomes worse is not chosen where it was not before", () => {
    const rng = seeded(22);
    let others = 0;
    for (let round = 0; round < 3_000; round += 1) {
      const { question, sites } = randomWorld(rng);
      const first = soonest.choose(question, sites, 0);
      const worse = sites[Math.floor(rng() * sites.length)];
      if (worse === undefined || first.site === null || first.site === worse.name) continue;
      others += 1;
      const slow = (rate: SiteLoad["links"]["in"]) => (rate === null ? null : { ...rate, bytesPerS: rate.bytesPerS / 3 });
      const after = sites.map((load) =>
        load === worse ? { ...load, links: { in: slow(load.links.in), out: slow(load.links.out) } } : load,
      );
      expect(soonest.choose(question, after, 0).site, JSON.stringify({ question, sites })).not.toBe(worse.name);
    }
    expect(others).toBeGreaterThan(500);
  });

  it("stages add up to the answer, the longer of files and waits alone, and the spread is at most their sum", () => {
    for (const { question, load } of pairs(23, 1_500)) {
      const at = estimate(question, load, 0);
      const { stageIn, stageOut, allocationMs, aheadMs, run } = at;
      expect(at.ms).toBeCloseTo(Math.max(stageIn?.ms ?? 0, allocationMs + aheadMs) + run.ms + (stageOut?.ms ?? 0), 6);
      expect(at.sdMs).toBeLessThanOrEqual((stageIn?.sdMs ?? 0) + aheadMs + allocationMs + run.sdMs + (stageOut?.sdMs ?? 0) + 1e-6);
      const promised = promiseOf(at, null);
      expect(promised.stagesMs).toEqual(stagesOf(at));
      expect(Object.values(promised.stagesMs).every((ms) => ms! > 0 && Number.isInteger(ms))).toBe(true);
    }
  });
});

describe("a run time", () => {
  const at = (name: string, more: Parameters<typeof site>[1]) => site(name, { slots: 1, ...more });

  it("goes with the size within a class, and to another size by what other sites have shown", () => {
    // Class 13 stands for 2 ** 27 bytes, class 14 for 2 ** 29.
    const own = at("a", { learnt: runs({ 13: seen(10_000) }) });
    expect(estimateRun(job({ inputBytes: 1.5 * 2 ** 27 }), own, 0)).toMatchObject({ ms: 15_000, by: "runs", isOwn: true });
    expect(estimateRun(job({ inputBytes: 2 ** 29 }), own, 0)).toMatchObject({ ms: 40_000, isOwn: false });
    const others = runs({ 13: seen(5_000), 14: seen(15_000) });
    const common = new PooledRuns().of([own.learnt, others]);
    // Of 13 the pool has 7.5 s, of 14 it has 15 s, and this site takes 10 s for 13.
    expect(estimateRun(job({ inputBytes: 2 ** 29 }), { ...own, common }, 0).ms).toBe(20_000);
    expect(estimateRun(job(), own, 0).ms).toBe(10_000);
  });

  it("that was not seen for long gives way to what was known before, and its doubt grows", () => {
    const hour = 3_600_000;
    const [slow, quick] = among([at("a", { learnt: mean(30_000, 20) }), at("b", { learnt: mean(10_000, 20) })]);
    const later = (ms: number) => estimateRun(job(), slow!, ms);
    expect(later(0)).toMatchObject({ ms: 30_000 });
    expect(later(hour).ms).toBe(30_000);
    expect(later(12 * hour).ms).toBeCloseTo(20_000, -2);
    expect(later(hour).doubtMs).toBeGreaterThan(later(0).doubtMs);
    expect(later(12 * hour).doubtMs).toBeCloseTo(0.2 * later(12 * hour).ms);
    expect(quick!.name).toBe("b");
  });

  it("that is longer than the site allows keeps the job from it, when runs have shown it", () => {
    const capacity = { cores: 8, memoryGb: 16, gpus: 0, nodes: 1, walltimeS: 60 };
    const sites = [at("short", { learnt: mean(200_000, 20), capacity }), at("long", { learnt: mean(300_000, 20) })];
    expect(cannotFinish(job(), sites[0]!, 0)).toBe("the job takes about 200 s at site short, which allows 60 s");
    expect(asked(soonest, job(), sites)).toMatchObject({ action: "run", site: "long" });
    expect(asked(soonest, job(), [sites[0]!])).toMatchObject({ site: null, why: expect.stringContaining("which allows 60 s") });
    expect(cannotFinish(job(), at("new", { capacity, common: mean(200_000, 20) }), 0)).toBeNull();
  });
});

describe("a job with a deadline", () => {
  const capacity = (cores: number) => ({ cores, memoryGb: 64, gpus: 0, nodes: 1, walltimeS: null });
  const large = site("large", { slots: 1, capacity: capacity(64), learnt: mean(10_000, 20) });
  const small = site("small", { slots: 1, capacity: capacity(4), learnt: mean(40_000, 20) });
  const by = (deadlineMs: number) => asked(soonest, job({ deadlineMs }), [large, small]);

  it("goes to the cheapest site that is in time, else to the soonest", () => {
    expect(by(60_000)).toEqual({
      action: "run",
      site: "small",
      why: "the cheapest in time is small (1 of 1 slots free, 40 s by 20 runs): 160 core seconds, answered 20 s before its deadline",
    });
    expect(by(41_000).site).toBe("large");
    expect(by(5_000)).toMatchObject({ site: "large", why: expect.stringContaining("soonest at large") });
    expect(asked(soonest, job(), [large, small]).site).toBe("large");
  });

  it("waits for the cheapest, if that is in time", () => {
    const busy = site("small", { slots: 1, capacity: capacity(4), learnt: mean(40_000, 20), held: [running(30_000)] });
    expect(asked(soonest, job({ deadlineMs: 80_000 }), [large, busy])).toMatchObject({ action: "wait", site: "small" });
    expect(asked(soonest, job({ deadlineMs: 51_000 }), [large, busy])).toMatchObject({ action: "run", site: "large" });
  });
});

it("a site of which nothing is known is tried before one that is only a little better than the mean", () => {
  const sites = [site("a", { learnt: mean(10_000, 20) }), site("b", { learnt: mean(11_000, 20) }), site("new")];
  expect(asked(soonest, job(), sites)).toMatchObject({
    site: "new",
    why: expect.stringMatching(/^tried, as little is known of it of late, at new/),
  });
  const much = [site("a", { learnt: mean(5_000, 20) }), site("b", { learnt: mean(11_000, 20) }), site("new")];
  expect(asked(soonest, job(), much).site).toBe("a");
  expect(site("x", { learnt: NOTHING_LEARNT, links: { in: cross(1), out: null } }).links.in?.bytesPerS).toBe(1);
});

describe("what a job's files cost the others whose files are on their way", () => {
  const inbound = (count: number, sinceMs: number) =>
    Array.from({ length: count }, () => ({ app: "xpcs.corr", resources: {}, inputBytes: 1e9, sinceMs }));
  const link = { bytesPerS: 1e9, tested: false, spread: 0, line: { fixedMs: 5_000, msPerByte: 1e-6 } };
  const at = (name: string, held: number, meanMs: number, sinceMs = 0) =>
    site(name, { slots: 16, held: inbound(held, sinceMs), learnt: mean(meanMs, 20), links: { in: link, out: null } });
  const large = job({ inputBytes: 2e9 });

  it("is its bytes at the pace of the link, for each of them", () => {
    expect(estimate(large, at("a", 3, 10_000), 0)).toMatchObject({ ms: 5_000 + 5_000 + 10_000, othersMs: 3 * 2_000 });
    // Half of their files are there.
    expect(estimate(large, at("a", 3, 10_000, -500), 0).othersMs).toBeCloseTo(1.5 * 2_000);
    expect(estimate(job(), at("a", 3, 10_000), 0).othersMs).toBe(0);
  });

  it("sends it to another site, where it is answered hardly later and delays nobody", () => {
    // 15 + 3 s for itself at a, of which the others lose 6 s; 7 + 15 s at b, then 7 + 25 s.
    expect(asked(soonest, large, [at("a", 3, 8_000), at("b", 0, 15_000)])).toMatchObject({
      ...{ site: "b", why: expect.stringContaining("it delays others less at b") },
    });
    expect(asked(soonest, large, [at("a", 3, 8_000), at("b", 0, 25_000)])).toMatchObject({ site: "a" });
  });
});

describe("what a job's run costs the others that wait for slots", () => {
  /** All slots are busy, and so many jobs wait. */
  const crowded = (name: string, waiting: number, meanMs: number) =>
    site(name, { slots: 4, held: busy(4), queued: waiting, learnt: mean(meanMs, 20) });

  it("is its share of the slots, for each of them", () => {
    expect(estimate(job(), crowded("a", 3, 8_000), 0).othersMs).toBe((3 * 8_000) / 4);
    expect(estimate(job({ resources: { slots: 2 } }), crowded("a", 3, 8_000), 0).othersMs).toBe((2 * 3 * 8_000) / 4);
    expect(estimate(job(), crowded("a", 0, 8_000), 0).othersMs).toBe(0);
  });
  it("sends a long one where fewer wait, though it is answered a little later", () => {
    // At a after 8 s, as one of the four ends then, and 8 s; at b 10 s and 10 s.
    const [a, b] = [crowded("a", 3, 8_000), crowded("b", 0, 10_000)];
    expect(asked(soonest, job(), [a, b])).toMatchObject({ site: "b" });
  });
});
