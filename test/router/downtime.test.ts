/** When a site is there for a job: downtimes in force and to come against what the job takes; through every policy of the registry. */
import { describe, expect, it } from "vitest";
import type { Downtime } from "../../src/core/downtime.js";
import { ALWAYS_OPEN, closedNow, closesTooSoon, openingOf } from "../../src/router/downtime.js";
import { ineligible } from "../../src/router/policy.js";
import { POLICIES } from "../../src/router/registry.js";
import { asked, job, type Made, mean, running, site } from "./made.js";

const MINUTE = 60_000;
/** Of the views that made.ts makes. */
const NOW = 0;
const at = (minutes: number): number => NOW + minutes * MINUTE;

function down(from: number, to: number | null, more: Partial<Downtime> = {}): Downtime {
  const toMs = to === null ? null : at(to);
  return { id: "x", site: "a", fromMs: at(from), toMs, kind: "planned", source: "alcf", fetchedMs: NOW, text: "PM", ...more };
}

const takes = (minutes: number) => mean(minutes * MINUTE);
const closing = (name: string, from: number, to: number | null, more: Made = {}) =>
  site(name, { opening: openingOf([down(from, to, { site: name })], NOW), ...more });

describe("openingOf", () => {
  it("is open where nothing is known, all is over, degraded, or removed", () => {
    for (const downtimes of [[], [down(-60, 0)], [down(-60, 60, { degraded: true })], [down(-60, null, { removedBy: "smith" })]])
      expect(openingOf(downtimes, NOW), JSON.stringify(downtimes)).toEqual(ALWAYS_OPEN);
  });

  it("is closed from the first moment to the last, and says until when and who says so", () => {
    expect(openingOf([down(0, 60)], NOW)).toEqual({
      closed: "is down, until 1970-01-01 01:00 UTC (planned: PM, said by alcf)",
      leftMs: 0,
      next: null,
    });
    expect(openingOf([down(-5, null, { text: "", kind: "unplanned" })], NOW).closed).toBe(
      "is down, nobody has said until when (unplanned, said by alcf)",
    );
    expect(openingOf([down(-60, 0)], NOW).closed).toBeNull();
  });

  it("goes by the last of those that overlap, and by the first of those to come", () => {
    expect(openingOf([down(-60, 10), down(-5, 30), down(-90, 20)], NOW).closed).toContain("until 1970-01-01 00:30");
    expect(openingOf([down(-60, 10), down(-5, null)], NOW).closed).toContain("nobody has said");
    const next = openingOf([down(90, 100), down(30, 40, { text: "first" }), down(60, null)], NOW);
    expect(next).toEqual({ closed: null, leftMs: 30 * MINUTE, next: "goes down at 1970-01-01 00:30 UTC (planned: first, said by alcf)" });
  });
});

describe("closesTooSoon", () => {
  it("lets in what ends before, to the millisecond, and says why not", () => {
    expect(closesTooSoon(job(), closing("a", 30, 60, { learnt: takes(30) }), NOW)).toBeNull();
    expect(closesTooSoon(job(), closing("a", 30, 60, { learnt: mean(30 * MINUTE + 1) }), NOW)).toBe(
      "site a goes down at 1970-01-01 00:30 UTC (planned: PM, said by alcf), in 30 min, and the job would not end there within 30 min",
    );
    expect(closesTooSoon(job(), site("a", { learnt: takes(1e6) }), NOW)).toBeNull();
  });

  it("counts files' ways, the wait for a slot and for pilots, and the time that a job says it may run in place of an estimate", () => {
    const links = { in: { bytesPerS: 1e6, tested: false, spread: 0 }, out: null };
    const far = closing("a", 30, 60, { learnt: takes(20), links });
    expect(closesTooSoon(job({ inputBytes: 500e6 }), far, NOW)).toBeNull();
    expect(closesTooSoon(job({ inputBytes: 700e6 }), far, NOW)).toContain("within 32 min");
    const busy = (minutes: number) => closing("a", 30, 60, { slots: 1, learnt: takes(20), held: [running((20 - minutes) * MINUTE)] });
    expect(closesTooSoon(job(), busy(9), NOW)).toBeNull();
    expect(closesTooSoon(job(), busy(11), NOW)).toContain("within 31 min");
    const short = closing("a", 30, 60, { learnt: takes(1) });
    expect(closesTooSoon(job({ resources: { walltimeS: 1_800 } }), short, NOW)).toBeNull();
    expect(closesTooSoon(job({ resources: { walltimeS: 1_801 } }), short, NOW)).not.toBeNull();
    const pilots = closing("a", 30, 60, { learnt: takes(20), slots: 0, pilots: { count: 1, slotsEach: 2, queueWaitMs: 11 * MINUTE } });
    expect(closesTooSoon(job(), pilots, NOW)).toContain("within 31 min");
  });

  it("does not let an estimate alone keep a job from a batch job that has only begun", () => {
    const begun = site("a", { learnt: takes(90), opening: { ...openingOf([down(60, null)], NOW), isWhole: true } });
    expect(closesTooSoon(job(), begun, NOW)).toBeNull();
    expect(closesTooSoon(job({ resources: { walltimeS: 5_400 } }), begun, NOW)).not.toBeNull();
  });
});

describe.each(Object.entries(POLICIES))("the policy %s", (name, policy) => {
  const isPinned = name === "pinned";
  const both = isPinned ? { site: "a" } : {};

  it("sends a job elsewhere, or lets it wait and say why", () => {
    const a = closing("a", -10, 60, { learnt: takes(1) });
    const b = site("b", { learnt: takes(20), granted: 100 });
    if (!isPinned) expect(asked(policy, job(), [a, b], NOW)).toMatchObject({ action: "run", site: "b" });
    expect(asked(policy, job(both), [a], NOW)).toEqual({
      ...{ action: "wait", site: null },
      why: "site a is down, until 1970-01-01 01:00 UTC (planned: PM, said by alcf)",
    });
    // Also of a site that is silent by then, the downtime is the better reason.
    expect(closedNow({ ...a, up: false })).toBe(ineligible(job(both), { ...a, up: false }));
    expect(asked(policy, job(both), [{ ...a, up: false }], NOW).why).toContain("site a is down, until");
    const soon = closing("a", 10, 60, { learnt: takes(20) });
    if (!isPinned) expect(asked(policy, job(), [soon, b], NOW)).toMatchObject({ action: "run", site: "b" });
    expect(asked(policy, job(both), [soon], NOW)).toMatchObject({
      ...{ action: "wait", site: null },
      why: expect.stringContaining("site a goes down at 1970-01-01 00:10 UTC (planned: PM, said by alcf), in 10 min"),
    });
    expect(asked(policy, job({ site: "a" }), [soon, b], NOW)).toMatchObject({ action: "wait", site: null });
  });

  it.skipIf(isPinned)("does not wait for a slot that is free only when it is too late", () => {
    const fast = (from: number) => closing("a", from, null, { slots: 1, learnt: takes(5), held: [running(0)] });
    const slow = site("b", { slots: 1, learnt: takes(60), granted: 100 });
    expect(asked(policy, job(), [fast(9), slow], NOW)).toMatchObject({ action: "run", site: "b" });
    expect(asked(policy, job(), [fast(9)], NOW)).toMatchObject({
      ...{ action: "wait", site: null },
      why: expect.stringMatching(/^site a goes down at .*, in 9 min, and the job would not end there within 10 min$/),
    });
  });
});

describe("soonest", () => {
  it("waits for a slot that is free in time", () => {
    const fast = closing("a", 11, null, { slots: 1, learnt: takes(5), held: [running(0)] });
    expect(asked(POLICIES.soonest, job(), [fast, site("b", { slots: 1, learnt: takes(60) })], NOW)).toMatchObject({
      action: "wait",
      site: "a",
    });
  });
});
