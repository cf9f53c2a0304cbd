/** The view of a site's work, job by job, against one that is made anew; and against a plain list of slots. */
import { expect, it } from "vitest";
import { NOTHING_LEARNT, type SiteLearnt } from "../../src/core/learning.js";
import { estimateStageIn } from "../../src/router/estimates.js";
import type { RoutedJob, SiteFacts } from "../../src/router/policy.js";
import { estimateRun } from "../../src/router/run-times.js";
import { type HeldJob, loadOf, withJob, withMany } from "../../src/router/work-ahead.js";
import { seeded } from "../ledger/world.js";

const learnt: SiteLearnt = {
  runs: {
    a: { "-": { ms: { mean: 10_000, variance: 0, count: 50, at: 0 } } },
    b: { "-": { ms: { mean: 3_000, variance: 1e6, count: 50, at: 0 } } },
  },
};

function facts(slots: number, rate: number | null): SiteFacts {
  return {
    ...{
      name: "s",
      up: true,
      pilotOf: null,
      draining: null,
      slots,
      capacity: null,
      apps: ["a", "b"],
      granted: 0,
      learnt,
      common: NOTHING_LEARNT,
    },
    links: { in: rate === null ? null : { bytesPerS: rate, tested: false, spread: 0.1 }, out: null },
    eventsPerCoreS: null,
  };
}

const question = (one: HeldJob): RoutedJob => ({ ...one, id: "j", site: null, avoid: [], refusedBy: [], waitedMs: 0 });

it("is the same whether jobs come one by one or are there already", () => {
  const rng = seeded(3);
  for (let round = 0; round < 150; round += 1) {
    const slots = 1 + Math.floor(rng() * 6);
    const site = facts(slots, rng() < 0.5 ? null : 1e6);
    const held: HeldJob[] = [];
    let load = loadOf(site, [], 0);
    let taken = 0;
    for (let n = 0; n < 12; n += 1) {
      const one = {
        app: rng() < 0.5 ? "a" : "b",
        resources: rng() < 0.2 ? { slots: 1 + Math.floor(rng() * slots) } : {},
        inputBytes: 4e6 * rng(),
        sinceMs: 0,
      };
      const { slots: need = 1 } = one.resources as { slots?: number };
      const runs = taken + need <= slots;
      // What comes after one that waits may not overtake it.
      if (!runs && taken < slots && need > 1) continue;
      taken += need;
      held.push(one);
      load = withJob(load, question(one), runs ? "run" : "wait", 0);
    }
    const anew = loadOf(site, held, 0);
    expect({ ...load, granted: 0, freeAtMs: load.freeAtMs.map(Math.round) }).toEqual({ ...anew, freeAtMs: anew.freeAtMs.map(Math.round) });
  }
});

it("has every slot free when a plain list of slots has it, each job on those that are free first", () => {
  const rng = seeded(5);
  for (let round = 0; round < 150; round += 1) {
    const slots = 1 + Math.floor(rng() * 5);
    const site = facts(slots, 1e6);
    let load = loadOf(site, [], 0);
    const plain = Array.from({ length: slots }, () => 0);
    for (let n = 0; n < 20; n += 1) {
      const one: HeldJob = { app: rng() < 0.5 ? "a" : "b", resources: {}, inputBytes: 8e6 * rng(), sinceMs: 0 };
      const first = plain.indexOf(Math.min(...plain));
      plain[first] = Math.max(plain[first]!, estimateStageIn(one, site)!.ms) + estimateRun(one, site, 0).ms;
      load = withJob(load, question(one), "wait", 0);
      expect(load.freeAtMs).toEqual([...plain].sort((a, b) => a - b));
    }
    expect([load.queued, load.free.slots]).toEqual([20, slots - 20]);
  }
});

it("has many jobs alike at a time as one after the other, as long as no slot is busy for longer than one of them takes", () => {
  const rng = seeded(6);
  for (let round = 0; round < 200; round += 1) {
    const slots = 1 + Math.floor(rng() * 9);
    const site = facts(slots, rng() < 0.5 ? null : 1e6);
    const one = question({ app: "a", resources: {}, inputBytes: rng() < 0.5 ? null : 8e6 * rng(), sinceMs: 0 });
    let single = loadOf(site, [], 0);
    for (let n = Math.floor(rng() * slots); n > 0; n -= 1) single = withJob(single, one, "run", 0);
    const count = Math.floor(rng() * 50);
    const many = withMany(single, one, count, 0);
    for (let n = 0; n < count; n += 1) single = withJob(single, one, "wait", 0);
    const rounded = ({ freeAtMs, inboundBytes, ...load }: typeof many) => ({
      ...load,
      freeAtMs: freeAtMs.map(Math.round),
      bytes: Math.round(inboundBytes),
    });
    expect(rounded(many)).toEqual(rounded(single));
  }
});

it("expects a job that is a little late to end soon, and one that is very late to go on as long again", () => {
  const end = (elapsedMs: number) =>
    loadOf(facts(1, null), [{ app: "b", resources: {}, inputBytes: null, sinceMs: -elapsedMs }], 0).freeAtMs[0]!;
  expect(end(0)).toBe(3_000);
  expect(end(2_000)).toBe(1_000);
  expect(end(3_500)).toBeGreaterThan(100);
  expect(end(3_500)).toBeLessThan(1_000);
  expect(end(9_000)).toBe(9_000);
});
