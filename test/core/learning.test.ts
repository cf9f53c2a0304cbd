/** Running estimates against what they are estimates of. */
import { describe, expect, it } from "vitest";
import {
  finishedPerHour,
  finishedWith,
  type Learnt,
  learn,
  nominalBytes,
  PooledRuns,
  pooled,
  type RunsLearnt,
  runsOf,
  type SiteLearnt,
  sizeClass,
  spreadOf,
  weightOf,
} from "../../src/core/learning.js";
import { seeded } from "../ledger/world.js";

const learntFrom = (values: readonly number[], everyMs = 10_000): Learnt =>
  values.reduce<Learnt | undefined>((before, value, at) => learn(before, value, everyMs * at), undefined)!;

describe("a running estimate", () => {
  it("is the mean and the variance of the first few, and then that of the last ones", () => {
    expect(learntFrom([4, 8, 6, 2])).toEqual({ mean: 5, variance: 5, count: 4, at: 30_000 });
    const rng = seeded(1);
    // Two uniform numbers: mean 10, variance 2 * 4 * 4 / 12.
    const noisy = Array.from({ length: 4_000 }, () => 10 + 4 * (rng() + rng() - 1));
    let [sum, squares] = [0, 0];
    let now: Learnt | undefined;
    for (const [at, value] of noisy.entries()) {
      now = learn(now, value, at);
      if (at >= 1_000) [sum, squares] = [sum + now.mean, squares + now.variance];
    }
    expect(sum / 3_000).toBeCloseTo(10, 1);
    // An exponentially weighted variance is short of it by the variance of its mean: share / (2 - share).
    expect(squares / 3_000 / ((2 * 16) / 12)).toBeCloseTo(1 - 0.25 / 1.75, 1);
  });

  it("has moved nine tenths of the way after eight observations of something else", () => {
    const changed = [...Array.from({ length: 30 }, () => 10), ...Array.from({ length: 8 }, () => 30)];
    expect(learntFrom(changed).mean).toBeGreaterThan(27.9);
  });

  it("counts less with time, is unsure while little was seen, and a clock that goes back changes neither", () => {
    const one = learntFrom([5]);
    expect(weightOf(one, 0)).toBe(1);
    expect(weightOf(one, 30 * 60_000)).toBe(0.5);
    expect(weightOf(learntFrom(Array.from({ length: 100 }, () => 5)), 990_000)).toBe(7);
    expect(spreadOf(one)).toBeCloseTo(1.5);
    expect(spreadOf(learntFrom(Array.from({ length: 100 }, () => 5)))).toBeCloseTo(0.15);
    expect(learn(learntFrom([1, 1]), 1, 0).at).toBe(10_000);
    expect(weightOf(one, -1e9)).toBe(1);
  });

  it("of several places has the spread between them too", () => {
    const [a, b] = [learntFrom([10, 10, 10]), learntFrom([20, 20, 20])];
    expect(pooled([a, undefined, b])).toEqual({ mean: 15, variance: 25, count: 6, at: 20_000 });
    expect(pooled([undefined])).toBeUndefined();
    expect(pooled([a])).toEqual(a);
  });
});

it("classes of size hold sizes within a factor of four, and what they stand for is one of them", () => {
  for (const bytes of [1, 3, 1e3, 1e6, 823e6, 2 ** 40, 2 ** 53]) {
    const name = sizeClass(bytes);
    expect(sizeClass(nominalBytes(name)!)).toBe(name);
    expect(Math.abs(Math.log2(bytes / nominalBytes(name)!))).toBeLessThanOrEqual(1);
  }
  expect([sizeClass(null), sizeClass(0), nominalBytes("-")]).toEqual(["-", "-", null]);
});

it("jobs finished of late are those of the last minutes", () => {
  let finished = finishedWith(undefined, 0);
  for (let at = 10_000; at <= 3_600_000; at += 10_000) finished = finishedWith(finished, at);
  expect(finishedPerHour(finished, 3_600_000)).toBeGreaterThan(350);
  expect(finishedPerHour(finished, 3_600_000)).toBeLessThan(375);
  expect(finishedPerHour(finished, 3_720_000)).toBeCloseTo(finishedPerHour(finished, 3_600_000) / 2);
  expect(finishedPerHour(undefined, 0)).toBe(0);
});

it("an app may be called as something that every object has", () => {
  expect(runsOf({ runs: {} }, "constructor")).toBeUndefined();
});

describe("run times of several sites together", () => {
  it("are the same whether they are worked out anew or from those of before", () => {
    const rng = seeded(5);
    const learntAt = (at: number): RunsLearnt => ({
      ms: learntFrom([1e4 * rng(), 1e4 * rng()], at),
      ...(rng() < 0.5 ? { resultBytes: learntFrom([1e6 * rng()]) } : {}),
    });
    const sites: SiteLearnt[] = Array.from({ length: 6 }, () => ({ runs: {} }));
    const pool = new PooledRuns();
    for (let round = 0; round < 400; round += 1) {
      const at = Math.floor(rng() * sites.length);
      const app = ["a", "toString", "__proto__"][Math.floor(rng() * 3)]!;
      const name = ["-", "13", "14"][Math.floor(rng() * 3)]!;
      const before = sites[at]!;
      const classes = { ...runsOf(before, app), [name]: learntAt(round) };
      if (rng() < 0.05) sites[at] = { runs: {} };
      else sites[at] = { ...before, runs: Object.fromEntries([...Object.entries(before.runs), [app, classes]]) };
      expect(pool.of(sites)).toEqual(new PooledRuns().of(sites));
      const all = sites.map((site) => runsOf(site, app)?.[name]?.ms);
      expect(runsOf(pool.of(sites), app)?.[name]?.ms).toEqual(pooled(all));
    }
  });
});
