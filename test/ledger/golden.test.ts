/** Events as earlier versions wrote them must lead to the same state for ever. Never edit the file of a version that is out; add the next. */
import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { noDirty } from "../../src/ledger/checkpoint.js";
import { EVENT_TYPES, EVENT_VERSION, type LedgerEvent } from "../../src/ledger/events.js";
import { reduce } from "../../src/ledger/reduce.js";
import { emptyState, type State } from "../../src/ledger/state.js";
import { upcast } from "../../src/ledger/upcast.js";

async function golden(version: number): Promise<LedgerEvent[]> {
  const text = await readFile(new URL(`./golden-v${version}.jsonl`, import.meta.url), "utf8");
  const lines = text.trimEnd().split("\n");
  return lines.map((line) => upcast(version, JSON.parse(line)));
}

function stateAfter(events: readonly LedgerEvent[]): State {
  const state = emptyState();
  for (const event of events) reduce(state, event);
  return state;
}

it("events of version 1 still mean what they meant", async () => {
  const state = stateAfter(await golden(1));
  const jobs = [...state.jobs.values()].map(({ id, state: at, epoch, attempts, reason }) => [
    id,
    at,
    epoch,
    attempts.map((a) => a.outcome),
    reason,
  ]);
  expect(jobs).toEqual([
    ["j1", "finished", 2, ["failed", "finished"], null],
    ["j2", "canceled", 1, ["canceled"], "canceled by its owner"],
    ["j3", "canceled", 0, [], "canceled by its owner"],
    ["j4", "leased", 1, ["running"], null],
    ["j5", "failed", 1, ["failed"], "a.bin ends at byte 12"],
  ]);
  expect(state.sites.get("a")).toMatchObject({ present: false, granted: 5, runs: { "xpcs.corr": { count: 1, totalMs: 900 } } });
  expect(state.keys.get("k1")).toEqual({ digest: "d1", jobs: ["j1", "j2"] });
});

it("events of version 2 still mean what they meant", async () => {
  const state = stateAfter(await golden(2));
  expect([...state.jobs.values()].map(({ id, state: at, reason, attemptsCounted }) => [id, at, reason, attemptsCounted])).toEqual([
    ["p1", "ready", null, 0],
    ["p2", "ready", null, 0],
    ["p3", "awaiting-parents", null, 0],
  ]);
  expect(state.jobs.get("p1")?.spec).toEqual({
    work: { app: "xpcs.noop", durationMs: 5 },
    experiment: "2026-3/smith",
    tags: { scan: "55" },
    attemptsMax: 1,
    priority: 2,
    retryDelayMs: 5000,
    resources: { slots: 2, memoryGb: 1.5 },
  });
  expect(state.due.size).toBe(0);
  expect([...state.ready]).toEqual(["p1", "p2"]);
  expect(state.sites.get("b")?.capacity).toEqual({ cores: 4, memoryGb: 16, gpus: 0, nodes: 1, walltimeS: null });
});

it("events of version 3 still mean what they meant, and with those of the others are all there are", async () => {
  const events = await golden(3);
  const types = [...(await golden(1)), ...(await golden(2)), ...events, ...(await golden(5))].map(({ type }) => type);
  expect(new Set(types)).toEqual(new Set(Object.keys(EVENT_TYPES)));
  const dirty = noDirty();
  const state = emptyState();
  for (const event of events) reduce(state, event, dirty);
  expect([[...state.order], [...state.keys.keys()], state.order.end, state.archived]).toEqual([["q3", "q5"], ["k3", "k5"], 5, 1]);
  expect([[...dirty.archive.keys()], [...dirty.unarchive]]).toEqual([
    ["job/q4", "key/k4"],
    ["job/q1", "job/q2", "key/k1", "key/k2"],
  ]);
  expect(dirty.archive.get("job/q4")).toMatchObject({ id: "q4", state: "canceled", owner: "smith", key: "k4", index: 3 });
});

it("events of version 4 still mean what they meant", async () => {
  const state = stateAfter(await golden(4));
  expect([...state.jobs.values()].map(({ id, index, state: at, changed, owner, key }) => [id, index, at, changed, owner, key])).toEqual([
    ["r1", 0, "ready", 1, "smith", "k1"],
    ["r2", 1, "failed", 3, "smith", "k1"],
    ["r3", 2, "ready", 2, "smith", "k1"],
    ["r4", 3, "ready", 4, undefined, "k2"],
  ]);
  expect(state.keys.get("k1")).toEqual({ digest: "d1", jobs: ["r1", "r2", "r3"] });
  expect(state.jobs.get("r3")?.spec).toEqual({
    work: { app: "xpcs.noop", durationMs: 7 },
    tags: {},
    attemptsMax: 1,
    experiment: "2026-3/b",
  });
  expect([...state.ready]).toEqual(["r1", "r3", "r4"]);
});

it("events of version 5 still mean what they meant", async () => {
  const state = stateAfter(await golden(5));
  expect([...state.downtimes]).toEqual([
    [
      "hand",
      [
        {
          ...{ id: "d1", site: "a", fromMs: 5000, toMs: null, kind: "unplanned", source: "hand", fetchedMs: 1000, text: "power" },
          ...{ by: "smith", removedBy: "jones" },
        },
      ],
    ],
  ]);
  const jobs = [...state.jobs.values()].map(({ id, state: at, epoch, attempts, attemptsCounted, moves }) => [
    ...[id, at, epoch, attempts.map((a) => `${a.site} ${a.outcome}${a.duplicate === true ? " too" : ""}`), attemptsCounted, moves],
  ]);
  expect(jobs).toEqual([
    ["s1", "ready", 1, ["a returned"], 0, 1],
    ["s2", "finished", 2, ["a finished", "b canceled too"], 0, undefined],
    ["s3", "leased", 2, ["a lost", "b running too"], 0, undefined],
    ["s4", "finished", 1, ["b finished"], 0, undefined],
  ]);
  expect([...state.leased].map(([site, held]) => [site, [...held]])).toEqual([
    ["a", []],
    ["b", ["s3"]],
  ]);
  expect(state.sites.get("a")?.runs["xpcs.noop"]?.count).toBe(1);
  expect(state.jobs.get("s4")?.refusedBy).toEqual(["a"]);
  expect(state.jobs.get("s2")?.crossCheck).toMatchObject({ agreed: false, wrong: null });
  expect(["a", "b"].map((site) => state.sites.get(site)?.checks)).toEqual([1, 2].map(() => ({ agreed: 0, differed: 1, wrong: 0 })));
  expect(state.sites.get("a")?.probation).toEqual({ since: 12_000, reason: "3 jobs in a row", failures: 0, probeAt: 42_000 });
  expect(state.sites.get("b")?.probation).toBeUndefined();
});

it("an entry that is no event is named as damaged", () => {
  expect(() => upcast(1, { type: "exploded" })).toThrow(expect.objectContaining({ code: "CORRUPT_DATA" }));
  expect(() => upcast(1, { type: "toString" })).toThrow(expect.objectContaining({ code: "CORRUPT_DATA" }));
  expect(() => upcast(EVENT_VERSION + 1, {})).toThrow(expect.objectContaining({ code: "VERSION_MISMATCH" }));
});
