/** When a site is there for a job: downtimes in force and to come against what the job takes; through every policy of the registry. */
import { describe, expect, it } from "vitest";
import type { Downtime } from "../../src/core/downtime.js";
import { ALWAYS_OPEN, closedTo, openingOf } from "../../src/router/downtime.js";
import { ineligible, NOTHING, type RoutedJob, type SiteLoad } from "../../src/router/policy.js";
import { POLICIES } from "../../src/router/registry.js";

const MINUTE = 60_000;
const NOW = Date.parse("2026-12-07T14:00:00Z");
const at = (minutes: number): number => NOW + minutes * MINUTE;

function down(from: number, to: number | null, more: Partial<Downtime> = {}): Downtime {
  const toMs = to === null ? null : at(to);
  return { id: "x", site: "a", fromMs: at(from), toMs, kind: "planned", source: "alcf", fetchedMs: NOW, text: "PM", ...more };
}

function site(name: string, more: Partial<SiteLoad> = {}): SiteLoad {
  return {
    ...{ name, up: true, pilotOf: null, draining: null, slots: 2, apps: ["xpcs.corr"], capacity: null, running: [], queued: 0 },
    ...{ reserved: NOTHING, granted: 0, runs: {}, links: { in: null, out: null }, eventsPerCoreS: null },
    ...more,
  };
}

function job(more: Partial<RoutedJob> = {}): RoutedJob {
  return { id: "j", app: "xpcs.corr", site: null, avoid: [], refusedBy: [], resources: {}, inputBytes: null, waitedMs: 0, ...more };
}

const takes = (minutes: number) => ({ "xpcs.corr": { count: 5, meanMs: minutes * MINUTE } });
const closing = (name: string, from: number, to: number | null, more: Partial<SiteLoad> = {}) =>
  site(name, { opening: openingOf([down(from, to, { site: name })], NOW), ...more });

describe("openingOf", () => {
  it("is open where nothing is known, all is over, degraded, or removed", () => {
    for (const downtimes of [[], [down(-60, 0)], [down(-60, 60, { degraded: true })], [down(-60, null, { removedBy: "smith" })]])
      expect(openingOf(downtimes, NOW), JSON.stringify(downtimes)).toEqual(ALWAYS_OPEN);
  });

  it("is closed from the first moment to the last, and says until when and who says so", () => {
    expect(openingOf([down(0, 60)], NOW)).toEqual({
      closed: "is down, until 2026-12-07 15:00 UTC (planned: PM, said by alcf)",
      leftMs: 0,
      next: null,
    });
    expect(openingOf([down(-5, null, { text: "", kind: "unplanned" })], NOW).closed).toBe(
      "is down, nobody has said until when (unplanned, said by alcf)",
    );
    expect(openingOf([down(-60, 0)], NOW).closed).toBeNull();
  });

  it("goes by the last of those that overlap, and by the first of those to come", () => {
    expect(openingOf([down(-60, 10), down(-5, 30), down(-90, 20)], NOW).closed).toContain("until 2026-12-07 14:30");
    expect(openingOf([down(-60, 10), down(-5, null)], NOW).closed).toContain("nobody has said");
    const next = openingOf([down(90, 100), down(30, 40, { text: "first" }), down(60, null)], NOW);
    expect(next).toEqual({ closed: null, leftMs: 30 * MINUTE, next: "goes down at 2026-12-07 14:30 UTC (planned: first, said by alcf)" });
  });
});

describe("closedTo", () => {
  it("lets in what ends before, to the millisecond, and says why not", () => {
    const sites = [closing("a", 30, 60, { runs: takes(30) })];
    expect(closedTo(job(), sites[0]!, sites)).toBeNull();
    const longer = [closing("a", 30, 60, { runs: { "xpcs.corr": { count: 5, meanMs: 30 * MINUTE + 1 } } })];
    expect(closedTo(job(), longer[0]!, longer)).toBe(
      "site a goes down at 2026-12-07 14:30 UTC (planned: PM, said by alcf), in 30 min, and the job would not end there within 30 min",
    );
  });

  it("counts files' ways, the queue of pilots to come, and the time that a job says it may run in place of an estimate", () => {
    const links = { in: { bytesPerS: 1e6, tested: false }, out: null };
    const far = [closing("a", 30, 60, { runs: takes(20), links })];
    expect(closedTo(job({ inputBytes: 500e6 }), far[0]!, far)).toBeNull();
    expect(closedTo(job({ inputBytes: 700e6 }), far[0]!, far)).toContain("within 32 min");
    const short = [closing("a", 30, 60, { runs: takes(1) })];
    expect(closedTo(job({ resources: { walltimeS: 1_800 } }), short[0]!, short)).toBeNull();
    expect(closedTo(job({ resources: { walltimeS: 1_801 } }), short[0]!, short)).not.toBeNull();
    const pilots = [closing("a", 30, 60, { runs: takes(20), slots: 0, pilots: { count: 1, slotsEach: 2, queueWaitMs: 11 * MINUTE } })];
    expect(closedTo(job(), pilots[0]!, pilots)).toContain("within 31 min");
  });

  it("does not let an estimate alone keep a job from a batch job that has only begun", () => {
    const begun = [site("a", { runs: takes(90), opening: { ...openingOf([down(60, null)], NOW), isWhole: true } })];
    expect(closedTo(job(), begun[0]!, begun)).toBeNull();
    expect(closedTo(job({ resources: { walltimeS: 5_400 } }), begun[0]!, begun)).not.toBeNull();
  });
});

describe.each(Object.entries(POLICIES))("the policy %s", (_name, policy) => {
  it("sends a job elsewhere, or lets it wait and say why", () => {
    const a = closing("a", -10, 60, { runs: takes(1) });
    const b = site("b", { runs: takes(20), granted: 100 });
    expect(policy.choose(job(), [a, b], NOW)).toMatchObject({ action: "run", site: "b" });
    expect(policy.choose(job(), [a], NOW)).toEqual({
      action: "wait",
      site: null,
      reason: "site a is down, until 2026-12-07 15:00 UTC (planned: PM, said by alcf)",
    });
    // Also of a site that is silent by then, the downtime is the better reason.
    expect(policy.choose(job(), [{ ...a, up: false }], NOW)).toMatchObject({ reason: expect.stringContaining("site a is down, until") });
    const soon = closing("a", 10, 60, { runs: takes(20) });
    expect(policy.choose(job(), [soon, b], NOW)).toMatchObject({ action: "run", site: "b" });
    expect(policy.choose(job(), [soon], NOW)).toMatchObject({
      action: "wait",
      site: null,
      reason: expect.stringContaining("site a goes down at 2026-12-07 14:10 UTC (planned: PM, said by alcf), in 10 min"),
    });
    expect(policy.choose(job({ site: "a" }), [soon, b], NOW)).toMatchObject({ action: "wait", site: null });
    expect(ineligible(job(), soon, [soon, b])).not.toBeNull();
  });
});

describe("soonest", () => {
  it("does not wait for a slot that is free only when it is too late", () => {
    const busy = [{ app: "xpcs.corr", elapsedMs: 0, resources: {} }];
    const fast = (from: number) => closing("a", from, null, { slots: 1, runs: takes(5), running: busy });
    const slow = site("b", { slots: 1, runs: takes(60) });
    expect(POLICIES.soonest!.choose(job(), [fast(11), slow], NOW)).toMatchObject({ action: "wait", site: "a" });
    expect(POLICIES.soonest!.choose(job(), [fast(9), slow], NOW)).toMatchObject({ action: "run", site: "b" });
    expect(POLICIES.soonest!.choose(job(), [fast(9)], NOW)).toMatchObject({
      action: "wait",
      site: null,
      reason: expect.stringMatching(
        /^the only slot of site a busy; site a goes down at .*, in 9 min, and the job would not end there within 10 min$/,
      ),
    });
  });
});
