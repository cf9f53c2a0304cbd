/** A shift with work before it brings what it brings without, to the ms. */
import { expect, it } from "vitest";
import { FACILITIES, facilitySites, jobOf, XPCS } from "../../bench/experiment/facilities.js";
import { SHIFT_AFTER_MS, withHistory } from "../../bench/experiment/history.js";
import type { Shift } from "../../src/replay/shift.js";
import { runShift } from "../../src/replay/world.js";
import { POLICIES } from "../../src/router/registry.js";

/** Pinned, so that what was learnt before changes nothing. */
const batch = { atMs: 0, specs: Array.from({ length: 16 }, (_, at) => ({ ...jobOf(XPCS), site: FACILITIES[at % 3]! })) };
const shiftOf = (): Shift => {
  const sites = facilitySites({ source: "aps", seed: 5, prefetch: 64, rateShare: { theta: 1, cori: 1, summit: 1 } });
  const batches = [batch, { ...batch, atMs: 31_000 }];
  return { name: "two batches", startMs: 0, sites, arrivals: () => batches[Symbol.iterator]() };
};

it("moves the shift as it was behind six batches, which are over by then", () => {
  const options = { policy: POLICIES.soonest! };
  const alone = runShift(shiftOf(), options).tally;
  const { shift, jobs } = withHistory(shiftOf(), batch);
  expect(jobs).toBe(96);
  const later = runShift(shift, options).tally;
  expect(later.finished).toBe(96 + 32);
  expect(later.atMs.values[95]!).toBeLessThan(SHIFT_AFTER_MS);
  const moved = [...later.answersMs.values.subarray(96)].sort((a, b) => a - b);
  const kept = [...alone.answersMs.values].sort((a, b) => a - b);
  expect(moved).toHaveLength(32);
  for (const [at, ms] of kept.entries()) expect(moved[at]).toBeCloseTo(ms, 3);
});

it("moves when a site is away, and when it turns slower", () => {
  const shift = shiftOf();
  const [first] = shift.sites;
  const presence = [
    { fromMs: 0, untilMs: 60_000, leaves: false },
    { fromMs: 90_000, untilMs: Number.POSITIVE_INFINITY, leaves: false },
  ];
  const site = { ...first!, presence, slower: [{ fromMs: 10_000, factor: 3 }] };
  const [moved] = withHistory({ ...shift, sites: [site] }, batch).shift.sites;
  expect(moved!.presence).toEqual([
    { fromMs: 0, untilMs: SHIFT_AFTER_MS + 60_000, leaves: false },
    { fromMs: SHIFT_AFTER_MS + 90_000, untilMs: Number.POSITIVE_INFINITY, leaves: false },
  ]);
  expect(moved!.slower).toEqual([{ fromMs: SHIFT_AFTER_MS + 10_000, factor: 3 }]);
});
