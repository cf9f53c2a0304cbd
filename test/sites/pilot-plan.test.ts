/** How many pilots a site should have. */
import { describe, expect, it } from "vitest";
import { type PilotLimits, type PilotSeen, planOrders, planPilots } from "../../src/sites/pilot-plan.js";

const LIMITS: PilotLimits = { pilotsMin: 0, pilotsMax: 4, queuedMax: 2, slotsPerPilot: 8 };
let count = 0;
const queued = (): PilotSeen => ({ tag: `q${count++}`, begun: false, freeSlots: null });
const starting = (): PilotSeen => ({ tag: `s${count++}`, begun: true, freeSlots: null });
const joined = (freeSlots: number): PilotSeen => ({ tag: `j${count++}`, begun: true, freeSlots });
const plan = (waitingSlots: number, pilots: readonly PilotSeen[], limits: Partial<PilotLimits> = {}, pausedFor: string | null = null) =>
  planPilots({ waitingSlots, pilots, pausedFor, budget: null }, { ...LIMITS, ...limits });

describe("pilots are submitted", () => {
  it.each([
    ["none without work", 0, [], {}, 0],
    ["one for one job", 1, [], {}, 1],
    ["one for as many as it has slots", 8, [], {}, 1],
    ["two for one more", 9, [], {}, 2],
    ["as many as may be queued", 1000, [], {}, 2],
    ["as many as are allowed in all", 1000, [joined(0), joined(0), joined(0)], {}, 1],
    ["none beyond the limit", 1000, [joined(0), joined(0), joined(0), joined(0)], {}, 0],
    ["none while a running one has room", 3, [joined(3)], {}, 0],
    ["one for what is beyond that room", 4, [joined(3)], {}, 1],
    ["none while one has begun, but not joined", 8, [starting()], {}, 0],
    ["none while one is queued", 8, [queued()], {}, 0],
    ["the least number, without work", 0, [], { pilotsMin: 2 }, 2],
    ["the least number beside those that run", 0, [joined(8)], { pilotsMin: 2 }, 1],
    ["none when none is allowed", 100, [], { pilotsMax: 0 }, 0],
  ] as const)("%s", (_name, waiting, pilots, limits, submit) => {
    const found = plan(waiting, pilots, limits);
    expect(found).toMatchObject({ submit, withdraw: [] });
    expect(found.why).toMatch(/slots? of work waits?, \d+ pilots? with room for \d+, \d+ queued: \S/);
  });
});

it("the youngest queued pilots are withdrawn when they are no longer needed", () => {
  const pilots = [joined(0), queued(), queued(), queued()];
  expect(plan(5, pilots, { queuedMax: 9 })).toMatchObject({ submit: 0, withdraw: [pilots[2]!.tag, pilots[3]!.tag] });
  expect(plan(0, pilots).withdraw.length).toBe(3);
  expect(plan(0, pilots, { pilotsMin: 2 }).withdraw.length).toBe(2);
  // One that runs is never withdrawn: it leaves by itself when it has nothing to do.
  expect(plan(0, [joined(8), starting()]).withdraw).toEqual([]);
});

it("nothing is submitted during a pause, and the plan says why", () => {
  const found = plan(5, [], {}, "the last pilot failed: it waits until 12:00");
  expect(found).toMatchObject({ submit: 0, withdraw: [], why: expect.stringContaining("1 pilot more needed, but the last pilot failed") });
});

it("is never beyond its limits, and settles: after it has been followed there is nothing more to do", () => {
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % below;
  };
  for (let round = 0; round < 2_000; round += 1) {
    const limits = { pilotsMin: random(3), pilotsMax: 3 + random(6), queuedMax: 1 + random(4), slotsPerPilot: 1 + random(9) };
    const make = [queued, starting, () => joined(random(limits.slotsPerPilot + 1))] as const;
    let pilots: PilotSeen[] = Array.from({ length: random(limits.pilotsMax + 2) }, () => make[random(3)]!());
    const waiting = random(60);
    const first = plan(waiting, pilots, limits);
    if (first.submit > 0) {
      expect(pilots.length + first.submit).toBeLessThanOrEqual(limits.pilotsMax);
      expect(pilots.filter(({ begun }) => !begun).length + first.submit).toBeLessThanOrEqual(limits.queuedMax);
    }
    const withdrawn = new Set(first.withdraw);
    expect(pilots.filter(({ tag, begun }) => withdrawn.has(tag) && begun)).toEqual([]);
    pilots = [...pilots.filter(({ tag }) => !withdrawn.has(tag)), ...Array.from({ length: first.submit }, queued)];
    const second = plan(waiting, pilots, limits);
    expect(second.withdraw).toEqual([]);
    expect(second.submit).toBe(0);
  }
});

describe("a budget of node-hours", () => {
  const budget = (queuedMax: number) => ({ queuedMax, why: `the budget allows ${queuedMax}` });
  const within = (waitingSlots: number, pilots: readonly PilotSeen[], queuedMax: number) =>
    planPilots({ waitingSlots, pilots, pausedFor: null, budget: budget(queuedMax) }, LIMITS);

  it.each([
    ["keeps one from being submitted", 100, [], 0, { submit: 0 }, "none more; the budget allows 0"],
    ["lets one be submitted in place of two", 100, [], 1, { submit: 1 }, "1 more; the budget allows 1"],
    ["that is wide enough says nothing", 100, [], 9, { submit: 2 }, "no more than 2 may be queued"],
    ["does nothing to those that run", 100, [joined(0)], 0, { submit: 0, withdraw: [] }, "none more; the budget allows 0"],
    ["is not named where nothing waits", 0, [joined(8)], 0, { submit: 0, withdraw: [] }, "enough"],
  ] as const)("%s", (_name, waiting, pilots, queuedMax, plan, words) => {
    const found = within(waiting, pilots, queuedMax);
    expect(found).toMatchObject(plan);
    expect(found.why.endsWith(words), found.why).toBe(true);
  });

  it("withdraws what is queued beyond it, the youngest, and says why", () => {
    const pilots = [queued(), queued()];
    expect(within(100, pilots, 1)).toEqual({
      submit: 0,
      withdraw: [pilots[1]!.tag],
      why: "100 slots of work wait, 0 pilots with room for 0, 2 queued: 1 queued pilot withdrawn; the budget allows 1",
    });
  });
});

describe("the admin's orders", () => {
  it("are none where there are none", () => {
    expect(planOrders({ drain: null, halt: null }, [queued()])).toBeNull();
  });

  it("to drain withdraw what is queued, and let the others finish", () => {
    const pilots = [queued(), joined(3), starting()];
    expect(planOrders({ drain: "new disks", halt: null }, pilots)).toEqual({
      submit: 0,
      withdraw: [pilots[0]!.tag],
      why: "it is draining: new disks: 1 pilot withdrawn, 2 pilots may finish",
    });
  });

  it("to halt end all", () => {
    const pilots = [queued(), joined(3), starting()];
    expect(planOrders({ drain: "new disks", halt: "" }, pilots)).toEqual({
      submit: 0,
      withdraw: pilots.map(({ tag }) => tag),
      why: "it was halted: 3 pilots withdrawn",
    });
  });
});
