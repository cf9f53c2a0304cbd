/** Sites whose pilots are still to begin, for each policy. */
import { describe, expect, it } from "vitest";
import { fits, type SiteLoad } from "../../src/router/policy.js";
import { POLICIES } from "../../src/router/registry.js";
import { seeded } from "../ledger/world.js";
import { able, asked, busy, job, mean, randomWorld, site } from "./made.js";

describe("pilots that are still to begin", () => {
  const coming = (more: Partial<SiteLoad> = {}, pilots: Partial<NonNullable<SiteLoad["pilots"]>> = {}): SiteLoad =>
    site("farm", { slots: 0, learnt: mean(10_000), pilots: { count: 2, slotsEach: 4, queueWaitMs: 60_000, ...pilots }, ...more });
  const { soonest } = POLICIES;

  it("are waited for where that is sooner than a free slot elsewhere, and the reason says so", () => {
    const slow = site("slow", { learnt: mean(200_000) });
    expect(asked(soonest, job(), [coming(), slow], 0)).toEqual({
      action: "wait",
      site: "farm",
      why: "a pilot of farm (a pilot in 60 s, 10 s by 5 runs) answers 130 s sooner than slow (2 of 2 slots free, 200 s by 5 runs)",
    });
    expect(asked(soonest, job(), [coming(), site("quick", { learnt: mean(20_000) })], 0)).toMatchObject({ action: "run", site: "quick" });
    expect(asked(soonest, job(), [coming(), site("full", { held: busy(2), learnt: mean(10_000) })], 0)).toMatchObject({ site: "full" });
  });

  it("have room for so many: those behind wait for the next round", () => {
    const slow = site("slow", { learnt: mean(80_000) });
    const behind = (slots: number) => asked(soonest, job(), [coming({ queued: slots }), slow], 0);
    expect([0, 7].map((slots) => behind(slots).site)).toEqual(["slow", "slow"]);
    const slower = site("slow", { learnt: mean(98_000) });
    expect(asked(soonest, job(), [coming({ queued: 7 }), slower], 0).site).toBe("farm");
    expect(asked(soonest, job(), [coming({ queued: 8 }), slower], 0).site).toBe("slow");
  });

  it("are nothing to a job that they would refuse, or that one of them has refused", () => {
    const slow = site("slow", { learnt: mean(200_000) });
    const rule = { submitters: { persons: ["ann"], experiments: [] } };
    expect(asked(soonest, job({ submitter: { owner: "ann" } }), [coming(rule), slow], 0)).toMatchObject({ action: "wait", site: "farm" });
    expect(asked(soonest, job({ submitter: { owner: "bob" } }), [coming(rule), slow], 0)).toMatchObject({ action: "run", site: "slow" });
    expect(asked(soonest, job({ submitter: { owner: "bob" } }), [coming(rule)], 0)).toMatchObject({
      action: "wait",
      site: null,
      why: "site farm takes jobs of certain persons and experiments, and not of bob in local/default",
    });
    expect(asked(soonest, job({ refusedBy: ["farm-2"] }), [coming(), slow], 0)).toMatchObject({ action: "run", site: "slow" });
    expect(asked(soonest, job({ refusedBy: ["farmer-2"] }), [coming(), slow], 0)).toMatchObject({ action: "wait", site: "farm" });
  });

  it("are not waited for for ever: whoever has waited longer than was measured expects as long again", () => {
    const slow = site("slow", { learnt: mean(200_000) });
    const after = (waitedMs: number) => asked(soonest, job({ waitedMs }), [coming(), slow], 0).action;
    expect([0, 59_000, 61_000, 100_000, 150_000, 1e9].map(after)).toEqual(["wait", "wait", "wait", "wait", "run", "run"]);
  });

  it("never run a job themselves, and keep none from a free slot for ever, whatever the sites", () => {
    const rng = seeded(13);
    let waited = 0;
    for (let round = 0; round < 3_000; round += 1) {
      const { question, sites } = randomWorld(rng);
      const pilots = { count: 1 + Math.floor(rng() * 3), slotsEach: 1 + Math.floor(rng() * 4), queueWaitMs: rng() * 100_000 };
      const all = [...sites, coming({ queued: Math.floor(rng() * 5) }, pilots)];
      const now = asked(soonest, question, all, round);
      if (now.site === "farm") waited += 1;
      expect([now.action, now.site]).not.toEqual(["run", "farm"]);
      const late = asked(soonest, { ...question, waitedMs: 1e12 }, all, round);
      if (able(question, sites, round).some((load) => fits(question, load))) expect(late.site).not.toBe("farm");
    }
    expect(waited).toBeGreaterThan(100);
  });

  it("are nothing to a job that is pinned, needs more than one has, or is routed by another policy", () => {
    const { policy } = { policy: POLICIES["round-robin"]! };
    expect(asked(policy, job(), [coming(), site("a")], 0)).toMatchObject({ action: "run", site: "a" });
    expect(asked(policy, job(), [coming()], 0)).toMatchObject({ action: "wait", site: null });
    expect(asked(soonest, job({ site: "farm" }), [coming()], 0)).toMatchObject({ action: "wait", site: null });
    expect(asked(soonest, job({ resources: { slots: 5 } }), [coming()], 0)).toMatchObject({
      action: "wait",
      site: null,
      why: expect.stringContaining("farm has 4"),
    });
    expect(asked(soonest, job(), [coming()], 0)).toEqual({
      action: "wait",
      site: "farm",
      why: "2 pilots of site farm still to begin; soonest at farm (a pilot in 60 s, 10 s by 5 runs)",
    });
  });
});
