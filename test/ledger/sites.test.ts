/** What the ledger keeps of a site beside its jobs: its self-test, and how large the results of an app are there. */
import { expect, it } from "vitest";
import { XpcsError } from "../../src/core/errors.js";
import { type Command, decide } from "../../src/ledger/decide.js";
import type { LedgerEvent } from "../../src/ledger/events.js";
import { reduce } from "../../src/ledger/reduce.js";
import { emptyState, type SiteRecord } from "../../src/ledger/state.js";
import { spec } from "./world.js";

/** Obeys commands one after the other. */
function history(...commands: Command[]): { site: SiteRecord | undefined; events: LedgerEvent[]; last: readonly LedgerEvent[] } {
  const state = emptyState();
  const events: LedgerEvent[] = [];
  let last: readonly LedgerEvent[] = [];
  commands.forEach((command, index) => {
    const decision = decide(state, command, 1_000 * (index + 1));
    if (decision instanceof XpcsError) throw decision;
    last = decision;
    for (const event of decision) reduce(state, event);
    events.push(...decision);
  });
  return { site: state.sites.get("a"), events, last };
}

const join = (eventsPerCoreS?: number): Command => ({
  ...{ type: "join", site: "a", instance: "1", host: "h", slots: 1, apps: ["xpcs.noop"], held: [] },
  ...(eventsPerCoreS === undefined ? {} : { selfTest: { at: "2026-11-26T12:00:00Z", eventsPerCoreS } }),
});
const submit: Command = { type: "submit", key: "k", digest: "d", jobs: [{ id: "j", spec: spec(3) }] };
const grant: Command = { type: "grant", job: "j", site: "a", why: "w" };

it("keeps what a site has measured, and writes an event again when that has changed", () => {
  const { site, last } = history(join(1e6));
  expect(last).toMatchObject([{ type: "siteJoined", selfTest: { eventsPerCoreS: 1e6 } }]);
  expect(site?.selfTest).toEqual({ at: "2026-11-26T12:00:00Z", eventsPerCoreS: 1e6 });
  expect(history(join(1e6), join(1e6)).last).toEqual([]);
  expect(history(join(1e6), join(2e6)).site?.selfTest?.eventsPerCoreS).toBe(2e6);
  // A site that does not tell any more is not taken at its old word.
  expect(history(join(1e6), join()).site?.selfTest).toBeUndefined();
});

it("adds up how large results are, and how many made some", () => {
  const made = (bytes: number[]): Command => ({
    ...{ type: "complete", site: "a", lease: { job: "j", epoch: 1 }, summary: {}, runMs: 7 },
    outputs: bytes.map((size, at) => ({ path: `/o${at}`, bytes: size, sha256: "0" })),
  });
  const runs = (command: Command) => history(join(), submit, grant, command).site?.runs;
  expect(runs(made([10, 20]))).toEqual({ "xpcs.noop": { count: 1, totalMs: 7, results: { count: 1, bytes: 30 } } });
  expect(runs(made([]))).toEqual({ "xpcs.noop": { count: 1, totalMs: 7 } });
});

it("gives the same site when its events are replayed from their text", () => {
  const { site, events } = history(join(1e6), submit, grant);
  const state = emptyState();
  for (const event of JSON.parse(JSON.stringify(events)) as LedgerEvent[]) reduce(state, event);
  expect(state.sites.get("a")).toEqual(site);
});
