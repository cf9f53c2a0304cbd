/** When another pilot is worth its wait, and how long it is: pure decisions, and the free windows behind some of them. */
import { describe, expect, it } from "vitest";
import { waitsIn } from "../../src/sites/free-windows.js";
import { type ExpectedStart, shapePilot, type WorkAhead, walltimesToTry } from "../../src/sites/pilot-shape.js";
import { seeded } from "../ledger/world.js";

const work: WorkAhead = { longestS: 600, slotS: 10_000, slotsBegun: 0, overheadS: 100 };
const starts = (...waits: readonly (number | null)[]) =>
  waits.map((waitS, at) => ({ walltimeS: 3_600 / 2 ** at, waitS })) as unknown as readonly [ExpectedStart, ...ExpectedStart[]];

it.each([
  [3_600, null, [3_600]],
  [3_600, 900, [3_600, 1_800, 900]],
  [3_600, 60, [3_600, 1_800, 900, 420]],
  [100, 60, [100]],
  [600, 500, [600]],
])("tries of %d s, at least %s: %j", (walltimeS, minS, expected) => {
  expect(walltimesToTry(walltimeS, minS)).toEqual(expected);
});

describe("the time of a pilot", () => {
  it.each<[string, readonly [ExpectedStart, ...ExpectedStart[]], Partial<WorkAhead>, number]>([
    ["is the file's where nothing is told", starts(null, null), {}, 3_600],
    ["is the file's where it begins soon enough", starts(30, 0), {}, 3_600],
    ["is the longest of those that begin as soon", starts(5_000, 40, 0), {}, 1_800],
    ["is shorter where that begins sooner", starts(5_000, 1_000, 0), {}, 900],
    ["is no shorter than the work needs", starts(5_000, 1_000, 0), { longestS: 900 }, 1_800],
    ["is the file's where nobody knows what the work needs", starts(5_000, 0), { longestS: null }, 3_600],
    ["fits a window where only windows are told", starts(null, 0), {}, 1_800],
    ["is the file's where even the longest job needs it", starts(5_000, 0, 0), { longestS: 3_000 }, 3_600],
  ])("%s", (_name, expected, more, walltimeS) => {
    const shape = shapePilot(expected, { ...work, ...more });
    expect(shape).toMatchObject({ skip: false, walltimeS });
    expect(shape.why === null).toBe(walltimeS === 3_600);
  });

  it("is said with its reason", () => {
    expect(shapePilot(starts(5_000, 0), work).why).toBe(
      "of 1800 s, since that begins now, one of 3600 s in about 5000 s, and no job that waits takes more than 600 s",
    );
    expect(shapePilot(starts(null, 0), work).why).toContain("one of the full time would have to wait");
  });
});

describe("another pilot", () => {
  it("is not worth it where those that run are done before it begins", () => {
    const shape = shapePilot(starts(2_000), { ...work, slotsBegun: 10 });
    expect(shape).toMatchObject({
      skip: true,
      why: "another would begin in about 2000 s, and the pilots that run have done all of it in about 1000 s",
    });
  });

  it.each([
    ["none runs", starts(2_000), { slotsBegun: 0 }],
    ["it begins before that", starts(900), { slotsBegun: 10 }],
    ["a shorter one does", starts(2_000, 100), { slotsBegun: 10 }],
    ["nobody knows how much there is", starts(2_000), { slotsBegun: 10, slotS: null }],
    ["nobody knows when it begins", starts(null), { slotsBegun: 10 }],
  ] as const)("is, where %s", (_why, expected, more) => {
    expect(shapePilot(expected, { ...work, ...more }).skip).toBe(false);
  });
});

it("never gives a time that was not tried or that the work does not fit, nor one that begins later than the file's", () => {
  const rng = seeded(5);
  for (let round = 0; round < 3_000; round += 1) {
    const tried = walltimesToTry(600 + Math.floor(rng() * 90) * 60, rng() < 0.2 ? null : 60);
    const expected = tried.map((walltimeS) => ({ walltimeS, waitS: rng() < 0.3 ? null : Math.floor(rng() ** 3 * 5_000) }));
    const ahead = {
      longestS: rng() < 0.2 ? null : Math.floor(rng() * 4_000),
      slotS: rng() < 0.2 ? null : Math.floor(rng() * 50_000),
      slotsBegun: Math.floor(rng() * 5),
      overheadS: 75,
    };
    const { walltimeS, why } = shapePilot(expected as unknown as readonly [ExpectedStart, ...ExpectedStart[]], ahead);
    const full = expected[0]!;
    const chosen = expected.find((each) => each.walltimeS === walltimeS)!;
    expect(chosen).toBeDefined();
    if (chosen === full) continue;
    expect(walltimeS).toBeGreaterThanOrEqual(ahead.longestS! + ahead.overheadS);
    expect(chosen.waitS).not.toBeNull();
    if (full.waitS !== null) expect(chosen.waitS!).toBeLessThan(full.waitS);
    expect(why).toContain(`of ${walltimeS} s`);
  }
});

it("a window holds a job that has no more nodes and is over before its end", () => {
  const windows = [
    { nodes: 8, forS: 600 },
    { nodes: 3, forS: 3_600 },
    { nodes: 1, forS: null },
  ];
  expect(waitsIn(windows, 3, [7_200, 3_600, 600])).toEqual([null, 0, 0]);
  expect(waitsIn(windows, 1, [7_200])).toEqual([0]);
  expect(waitsIn(windows, 5, [3_600, 600])).toEqual([null, 0]);
  expect(waitsIn([], 1, [60])).toEqual([null]);
});
