/** What is learnt moves the work: a site that turns three times slower gets less of it within two minutes, and more again when it is as it was. */
import { expect, it } from "vitest";
import { planGrants } from "../../src/actors/dispatch.js";
import { Sites } from "../../src/actors/presence.js";
import { siteLoads } from "../../src/actors/site-loads.js";
import { type Command, decide } from "../../src/ledger/decide.js";
import { reduce } from "../../src/ledger/reduce.js";
import { emptyState } from "../../src/ledger/state.js";
import { soonest } from "../../src/router/policies/soonest.js";
import { always } from "../../src/router/policy-rules.js";
import { seeded, spec } from "../ledger/world.js";

const SLOTS = 2;
const RUN_MS = 20_000;
const SLOW_FROM = 1_200_000;
const SLOW_TO = 2_400_000;

/** Two sites alike, a job every 7 s; answers which site got each job, and when. */
function shift(seed: number): { atMs: number; site: string }[] {
  const rng = seeded(seed);
  const state = emptyState();
  const sites = new Sites(Number.MAX_SAFE_INTEGER);
  let nowMs = 0;
  const obey = (command: Command): void => {
    const events = decide(state, command, nowMs);
    if (events instanceof Error) throw events;
    for (const event of events) reduce(state, event);
  };
  for (const site of ["a", "b"]) {
    obey({ type: "join", site, instance: "1", host: "h", slots: SLOTS, apps: ["xpcs.noop"], held: [] });
    sites.take(site, "1", 0, 0).links = 1;
  }
  const ends: { job: string; site: string; startMs: number; endMs: number }[] = [];
  const given: { atMs: number; site: string }[] = [];
  for (let at = 0; nowMs < 3_600_000; nowMs += 500) {
    if (nowMs >= 7_000 * at) {
      obey({ type: "submit", key: `k${at}`, digest: "d", jobs: [{ id: `j${at}`, spec: spec() }] });
      at += 1;
    }
    for (const one of ends.filter(({ endMs }) => endMs <= nowMs)) {
      ends.splice(ends.indexOf(one), 1);
      const lease = { job: one.job, epoch: 1 };
      obey({ type: "complete", site: one.site, lease, outputs: [], summary: {}, runMs: one.endMs - one.startMs });
    }
    const asked = new Map(["a", "b"].map((site) => [site, SLOTS - (state.leased.get(site)?.size ?? 0)]));
    for (const { job, site, why, promised } of planGrants(state, siteLoads(state, sites, nowMs, 0), always(soonest), asked, nowMs)) {
      obey({ type: "grant", job, site, why, promised });
      const slow = site === "a" && nowMs >= SLOW_FROM && nowMs < SLOW_TO ? 3 : 1;
      ends.push({ job, site, startMs: nowMs, endMs: nowMs + RUN_MS * slow * (0.8 + 0.4 * rng()) });
      given.push({ atMs: nowMs, site });
    }
  }
  return given;
}

it("share of a site that turns three times slower", () => {
  let [before, slow, after] = [0, 0, 0];
  const seeds = [1, 2, 3, 4, 5];
  for (const seed of seeds) {
    const given = shift(seed);
    const share = (from: number, to: number) => {
      const then = given.filter(({ atMs }) => atMs >= from && atMs < to);
      return then.filter(({ site }) => site === "a").length / then.length / seeds.length;
    };
    before += share(600_000, SLOW_FROM);
    slow += share(SLOW_FROM + 120_000, SLOW_TO);
    after += share(SLOW_TO + 600_000, 3_600_000);
  }
  expect(before).toBeGreaterThan(0.4);
  // Its slots could do a quarter of what comes.
  expect(slow).toBeLessThan(0.3);
  expect(after).toBeGreaterThan(0.35);
});

it("the same shift twice is the same", () => {
  expect(shift(7)).toEqual(shift(7));
});
