/** Which running jobs run twice: the rule on small worlds. */
import { expect, it } from "vitest";
import { DUPLICATE_RULES, type DuplicateRules, planDuplicates, type RunningAttempt } from "../../src/router/duplicates.js";
import { soonest } from "../../src/router/policies/soonest.js";
import type { RoutedJob, SiteLoad } from "../../src/router/policy.js";
import { among, busy, type Made, job as made, site as madeSite, mean } from "./made.js";

const NOW = 1_000_000;

function site(name: string, meanMs: number | null, more: Made = {}): SiteLoad {
  return madeSite(name, { slots: 1, apps: ["xpcs.corr"], ...(meanMs === null ? {} : { learnt: mean(meanMs, 1e9) }), ...more });
}
function attempt(id: string, elapsedMs: number, dueMs: number | null = null, more: Partial<RoutedJob> = {}): RunningAttempt {
  return { job: made({ id, ...more }), policy: soonest, site: "a", elapsedMs, dueMs };
}
const STRAGGLERS: DuplicateRules = { ...DUPLICATE_RULES, when: "stragglers" };
const sites = [site("a", 60_000, { held: busy(1) }), site("b", 60_000), site("c", 20_000)];
const plan = (running: RunningAttempt[], rules = STRAGGLERS, idle = { b: 1, c: 1 } as Record<string, number>, there = sites) =>
  planDuplicates(running, among(there), new Map(Object.entries(idle)), NOW, rules, 10);

it("late ones, at the site that answers soonest, with the reason", () => {
  expect(plan([attempt("1", 10_000, NOW + 40_000)])).toEqual([
    { job: "1", site: "c", why: "its answer is expected 10 s after its deadline; site c is idle and answers in 20 s" },
  ]);
  expect(plan([attempt("1", 10_000, NOW + 60_000)])).toEqual([]);
});

it("not where the second answer would hardly be sooner, or nobody knows how long such jobs take", () => {
  expect(plan([attempt("1", 10_000, NOW + 40_000)], STRAGGLERS, { b: 1 })).toEqual([]);
  const unknown = [site("a", null), site("b", null)];
  expect(plan([attempt("1", 500_000, NOW)], STRAGGLERS, { b: 1 }, unknown)).toEqual([]);
});

it("stragglers where the rules say so: three times what was expected, and long enough", () => {
  expect(plan([attempt("1", 179_000)])).toEqual([]);
  expect(plan([attempt("1", 181_000)])).toMatchObject([
    { site: "c", why: expect.stringContaining("it has taken 180 s, and 60 s were expected") },
  ]);
  expect(plan([attempt("1", 181_000)], DUPLICATE_RULES)).toEqual([]);
  const quick = [site("a", 1_000), site("b", 1_000)];
  expect(plan([attempt("1", 29_000)], STRAGGLERS, { b: 1 }, quick)).toEqual([]);
  expect(plan([attempt("1", 30_000)], STRAGGLERS, { b: 1 }, quick)).toHaveLength(1);
});

it("each idle slot once, the earliest deadline first; never at its own site, nor where it is not wanted", () => {
  const late = [attempt("1", 200_000), attempt("2", 10_000, NOW + 9_000), attempt("3", 10_000, NOW + 8_000)];
  expect(plan(late, STRAGGLERS, { c: 1 })).toMatchObject([{ job: "3", site: "c" }]);
  expect(plan([attempt("1", 200_000)], STRAGGLERS, { a: 1 })).toEqual([]);
  expect(plan([attempt("1", 200_000, null, { site: "a" })])).toEqual([]);
  expect(plan([attempt("1", 200_000, null, { refusedBy: ["b", "c"] })])).toEqual([]);
});

it("a site on probation gets one of them", () => {
  const tried = site("c", 20_000, { slots: 2, probation: { reason: "3 jobs failed", triedInMs: -1 } });
  const late = [attempt("1", 10_000, NOW + 9_000), attempt("2", 10_000, NOW + 8_000)];
  const there = [sites[0]!, tried];
  expect(plan(late, STRAGGLERS, { c: 2 }, there)).toMatchObject([{ job: "2", site: "c" }]);
});
