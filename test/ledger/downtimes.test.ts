/** Downtimes in the ledger: one event where something is new, none where nothing is, and what was removed stays removed. */
import { expect, it } from "vitest";
import type { Downtime } from "../../src/core/downtime.js";
import { XpcsError } from "../../src/core/errors.js";
import { LIMITS } from "../../src/core/limits.js";
import { allRecords, checkpointChanges, noDirty, Restoring } from "../../src/ledger/checkpoint.js";
import { type Command, decide } from "../../src/ledger/decide.js";
import { reduce } from "../../src/ledger/reduce.js";
import { emptyState, type State } from "../../src/ledger/state.js";

const HOUR = 3_600_000;
const NOW = 100 * HOUR;

function downtime(id: string, more: Partial<Downtime> = {}): Downtime {
  return { id, site: "a", fromMs: NOW, toMs: NOW + HOUR, kind: "planned", source: "alcf", fetchedMs: NOW, text: "PM", ...more };
}

/** How many events followed. */
function obey(state: State, command: Command, now = NOW): number {
  const decision = decide(state, command, now);
  if (decision instanceof XpcsError) throw decision;
  for (const event of decision) reduce(state, event);
  return decision.length;
}

const set = (...downtimes: Downtime[]): Command => ({ type: "setDowntimes", source: "alcf", downtimes });
const byHand = (id: string, more: Partial<Downtime> = {}): Command => ({
  type: "addDowntime",
  downtime: downtime(id, { source: "hand", by: "smith", ...more }),
});

it("writes what a feed says where it differs, in place of what it said, and nothing where it does not", () => {
  const state = emptyState();
  expect(obey(state, set())).toBe(0);
  expect(obey(state, set(downtime("x"), downtime("y")))).toBe(1);
  expect(obey(state, set(downtime("x", { fetchedMs: NOW + 5 }), downtime("y", { fetchedMs: NOW + 5 })))).toBe(0);
  // When it first said so stays.
  expect(state.downtimes.get("alcf")?.map(({ fetchedMs }) => fetchedMs)).toEqual([NOW, NOW]);
  for (const change of [
    { toMs: null },
    { fromMs: NOW - 1 },
    { text: "other" },
    { kind: "unplanned" as const },
    { degraded: true as const },
  ]) {
    expect(obey(state, set(downtime("x", change), downtime("y"))), JSON.stringify(change)).toBe(1);
    expect(state.downtimes.get("alcf")?.[0]).toMatchObject(change);
  }
  expect(obey(state, set(downtime("y")))).toBe(1);
  expect(state.downtimes.get("alcf")).toEqual([downtime("y")]);
  expect(obey(state, set())).toBe(1);
  expect(state.downtimes.size).toBe(0);
});

it("keeps sources apart", () => {
  const state = emptyState();
  obey(state, set(downtime("x")));
  obey(state, { type: "setDowntimes", source: "nersc", downtimes: [downtime("n", { source: "nersc" })] });
  obey(state, byHand("h"));
  obey(state, set());
  expect([...state.downtimes.keys()].sort()).toEqual(["hand", "nersc"]);
});

it("keeps one that a feed has said away for ever once somebody has removed it", () => {
  const state = emptyState();
  obey(state, set(downtime("x"), downtime("y")));
  expect(obey(state, { type: "removeDowntime", id: "x", person: "smith" })).toBe(1);
  expect(obey(state, { type: "removeDowntime", id: "x", person: "smith" })).toBe(0);
  expect(obey(state, set(downtime("x"), downtime("y")))).toBe(0);
  expect(obey(state, set(downtime("x", { toMs: NOW + 9 * HOUR }), downtime("y")))).toBe(1);
  expect(state.downtimes.get("alcf")?.map(({ removedBy }) => removedBy)).toEqual(["smith", undefined]);
  expect(decide(state, { type: "removeDowntime", id: "z", person: "smith" }, NOW)).toMatchObject({ code: "NOT_FOUND" });
});

it("takes one by hand once, and refuses what is over, what has the id of another, and too many", () => {
  const state = emptyState();
  expect(obey(state, byHand("h"))).toBe(1);
  expect(obey(state, byHand("h"))).toBe(0);
  // Said again later, when it has begun.
  expect(obey(state, byHand("h", { kind: "unplanned", fetchedMs: NOW + 5 }))).toBe(0);
  expect(decide(state, byHand("h", { site: "b" }), NOW)).toMatchObject({ code: "KEY_CONFLICT" });
  expect(decide(state, byHand("i", { fromMs: 0, toMs: NOW }), NOW)).toMatchObject({ code: "INVALID_ARGUMENT" });
  for (let n = 1; n < LIMITS.downtimesMax; n += 1) obey(state, byHand(`n${n}`, { toMs: null }));
  expect(decide(state, byHand("one-more"), NOW)).toMatchObject({ code: "OVERLOADED" });
  // Those that were over a day ago make room.
  expect(obey(state, byHand("one-more", { toMs: NOW + 90 * HOUR }), NOW + 30 * HOUR)).toBe(1);
  expect(state.downtimes.get("hand")?.some(({ id }) => id === "h")).toBe(false);
});

it("is the same after its events as text, and after a checkpoint", () => {
  const state = emptyState();
  const dirty = noDirty();
  const again = emptyState();
  const records = new Map<string, unknown>();
  const commands: Command[] = [
    set(downtime("x")),
    byHand("h"),
    { type: "removeDowntime", id: "x", person: "smith" },
    set(downtime("x")),
    set(),
  ];
  for (const command of commands) {
    const events = decide(state, command, NOW) as Exclude<ReturnType<typeof decide>, XpcsError>;
    for (const event of events) {
      reduce(state, event, dirty);
      reduce(again, JSON.parse(JSON.stringify(event)) as typeof event);
    }
    const changes = checkpointChanges(state, dirty);
    for (const name of changes.gone) records.delete(name);
    for (const [name, value] of changes.records) records.set(name, value);
    expect(again.downtimes).toEqual(state.downtimes);
    const restored = emptyState();
    const restoring = new Restoring(restored);
    for (const record of [...records].sort(([a], [b]) => (a < b ? -1 : 1))) restoring.add(record);
    restoring.end();
    expect(restored.downtimes).toEqual(state.downtimes);
    expect([...allRecords(restored).keys()].filter((name) => name.startsWith("downtimes/"))).toEqual(
      [...state.downtimes.keys()].map((source) => `downtimes/${source}`).sort(),
    );
  }
  expect([...state.downtimes.keys()]).toEqual(["hand"]);
});
