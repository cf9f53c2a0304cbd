/** Events as version 1 wrote them must lead to the same state for ever. Never edit golden-v1.jsonl; add golden-v2.jsonl. */
import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { EVENT_TYPES } from "../../src/ledger/events.js";
import { reduce } from "../../src/ledger/reduce.js";
import { emptyState } from "../../src/ledger/state.js";
import { upcast } from "../../src/ledger/upcast.js";

it("events of version 1 still mean what they meant", async () => {
  const text = await readFile(new URL("./golden-v1.jsonl", import.meta.url), "utf8");
  const events = text
    .trimEnd()
    .split("\n")
    .map((line) => upcast(1, JSON.parse(line)));
  expect(new Set(events.map(({ type }) => type))).toEqual(new Set(Object.keys(EVENT_TYPES)));
  const state = emptyState();
  for (const event of events) reduce(state, event);
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

it("an entry that is no event is named as damaged", () => {
  expect(() => upcast(1, { type: "exploded" })).toThrow(expect.objectContaining({ code: "CORRUPT_DATA" }));
  expect(() => upcast(1, { type: "toString" })).toThrow(expect.objectContaining({ code: "CORRUPT_DATA" }));
  expect(() => upcast(2, {})).toThrow(expect.objectContaining({ code: "VERSION_MISMATCH" }));
});
