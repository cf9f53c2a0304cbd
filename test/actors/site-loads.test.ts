/** The view of the sites, of which most is kept from turn to turn, against one that is made of the same events at once. */
import { expect, it } from "vitest";
import { Sites } from "../../src/actors/presence.js";
import { heldAt, siteLoads } from "../../src/actors/site-loads.js";
import { XpcsError } from "../../src/core/errors.js";
import { LIMITS } from "../../src/core/limits.js";
import { type Command, decide } from "../../src/ledger/decide.js";
import type { LedgerEvent } from "../../src/ledger/events.js";
import { reduce } from "../../src/ledger/reduce.js";
import { emptyState, runningAt } from "../../src/ledger/state.js";
import { seeded, spec } from "../ledger/world.js";

const SITES = ["a", "b", "c"];
const APPS = ["xpcs.noop", "toString"];

/** Jobs of two apps and some sizes come, are given to sites, and end in all ways; every few events the views are compared. */
function compare(seed: number, stepMs: number): void {
  const rng = seeded(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(rng() * items.length)]!;
  const state = emptyState();
  const sites = new Sites(LIMITS.leaseMs);
  const past: LedgerEvent[] = [];
  let nowMs = 1_000;
  const obey = (command: Command): void => {
    const events = decide(state, command, nowMs);
    if (events instanceof XpcsError) return;
    past.push(...events);
    for (const event of events) reduce(state, event);
  };
  const selfTest = { at: "2026-01-01T00:00:00.000Z", inBytesPerS: 1e8, outBytesPerS: 1e7 };
  for (const site of SITES) {
    obey({
      type: "join",
      site,
      instance: "1",
      host: "h",
      slots: pick([1, 2, 8]),
      apps: APPS,
      held: [],
      ...(rng() < 0.5 ? { selfTest } : {}),
    });
    sites.take(site, "1", 0, 0).links = 1;
  }
  let compared = 0;
  for (let at = 0; at < 300; at += 1) {
    nowMs += Math.floor(rng() * stepMs);
    const job = `j${at}`;
    const inputBytes = pick([1e6, 3e6, 1e9]);
    const work = { app: pick(APPS), parameters: {}, inputs: {}, outputs: {}, overwrite: false };
    const resources = rng() < 0.2 ? { resources: { slots: 2 } } : {};
    obey({ type: "submit", key: job, digest: "d", jobs: [{ id: job, spec: { ...spec(3, { inputBytes, ...resources }), work } }] });
    const site = pick(SITES);
    if (rng() < 0.8) obey({ type: "grant", job, site, why: "" });
    for (const held of heldAt(state, site).records) {
      const lease = { job: held.id, epoch: runningAt(held, site)!.epoch };
      const what = rng();
      const outputs = [{ path: "/o", bytes: 1e5 * (1 + rng()), sha256: "0" }];
      const summary = { stageInBytes: inputBytes, stageInS: 10 * rng(), stageOutBytes: 1e5, stageOutS: 1 };
      if (what < 0.2) obey({ type: "complete", site, lease, outputs, summary, runMs: 100 + 20_000 * rng() });
      else if (what < 0.23) obey({ type: "fail", site, lease, code: "INTERNAL", reason: "so" });
      else if (what < 0.26) obey({ type: "expire", lease });
      else if (what < 0.29) obey({ type: "cancel", ids: [held.id] });
      else if (what < 0.3) obey({ type: "duplicate", job: held.id, site: pick(SITES), why: "" });
    }
    if (rng() < 0.3) continue;
    const seen = siteLoads(state, sites, nowMs, 0);
    if (at % 7 !== 0) continue;
    const again = emptyState();
    for (const event of past) reduce(again, event);
    expect(seen).toEqual(siteLoads(again, sites, nowMs, 0));
    for (const name of SITES) {
      const records = [...(state.leased.get(name) ?? [])].map((id) => state.jobs.get(id)!);
      expect(heldAt(state, name).records).toEqual(records.sort((a, b) => a.since - b.since || a.index - b.index));
    }
    compared += seen.some(({ queued }) => queued > 0) ? 1 : 0;
  }
  expect(compared).toBeGreaterThan(10);
}

it.each([1, 2, 3, 4, 5, 6])("is the same whether it was kept or made anew, random history %i", (seed) => compare(seed, 200));
