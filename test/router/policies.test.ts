/** One suite over every policy of the registry: a new policy is tested by being listed. */
import { describe, expect, it } from "vitest";
import { candidates, fits, ineligible, NOTHING, type RoutedJob, type SiteLoad } from "../../src/router/policy.js";
import { POLICIES } from "../../src/router/registry.js";
import { seeded } from "../ledger/world.js";

const APPS = ["xpcs.corr", "xpcs.noop"];

const UNTESTED = { links: { in: null, out: null }, eventsPerCoreS: null };
const cross = (bytesPerS: number, tested = true) => ({ bytesPerS, tested });

function site(name: string, more: Partial<SiteLoad> = {}): SiteLoad {
  return {
    name,
    up: true,
    pilotOf: null,
    draining: null,
    slots: 2,
    apps: APPS,
    capacity: null,
    running: [],
    queued: 0,
    reserved: NOTHING,
    granted: 0,
    runs: {},
    ...UNTESTED,
    ...more,
  };
}
function job(more: Partial<RoutedJob> = {}): RoutedJob {
  return { id: "j", app: "xpcs.corr", site: null, avoid: [], refusedBy: [], resources: {}, inputBytes: null, waitedMs: 0, ...more };
}
const busy = (n: number) => Array.from({ length: n }, () => ({ app: "xpcs.corr", elapsedMs: 0, resources: {} }));
const queued = (slots: number) => ({ queued: slots, reserved: { ...NOTHING, slots } });
const closing = (leftMs: number) =>
  leftMs < 0 ? { closed: "is down", leftMs: 0, next: null } : { closed: null, leftMs, next: "goes down" };
const mean = (meanMs: number, count = 5) => ({ "xpcs.corr": { count, meanMs } });

function randomWorld(rng: () => number): { question: RoutedJob; sites: SiteLoad[] } {
  const count = Math.floor(rng() * 5);
  const names = ["a", "b", "c", "d"].slice(0, count);
  const sites = names.map((name) => {
    const slots = 1 + Math.floor(rng() * 4);
    const running = Array.from({ length: Math.floor(rng() * (slots + 1)) }, () => ({
      app: rng() < 0.5 ? "xpcs.corr" : "xpcs.noop",
      elapsedMs: rng() * 9_000,
      resources: rng() < 0.8 ? {} : { cores: 4, memoryGb: 8 },
    }));
    return site(name, {
      up: rng() < 0.7,
      slots,
      running,
      ...queued(Math.floor(rng() * 6)),
      capacity: rng() < 0.5 ? null : { cores: 8, memoryGb: 16, gpus: rng() < 0.3 ? 1 : 0, nodes: 1, walltimeS: null },
      granted: Math.floor(rng() * 50),
      apps: rng() < 0.7 ? APPS : ["xpcs.noop"],
      ...(rng() < 0.3 ? { opening: closing(rng() * 60_000 - 20_000) } : {}),
      runs: rng() < 0.5 ? {} : mean(rng() * 20_000, 1 + Math.floor(rng() * 9)),
      eventsPerCoreS: rng() < 0.5 ? null : 1e6 + rng() * 40e6,
      links: { in: rng() < 0.5 ? null : cross(1e6 + rng() * 1e9, rng() < 0.5), out: rng() < 0.5 ? null : cross(1e6 + rng() * 1e9) },
    });
  });
  const pinned = rng() < 0.2 ? "abcdz"[Math.floor(rng() * 5)]! : null;
  const needs = [{}, { slots: 2 }, { cores: 6 }, { memoryGb: 12, slots: 1 }, { gpus: 1 }][Math.floor(rng() * 10)] ?? {};
  return {
    question: job({
      site: pinned,
      avoid: rng() < 0.3 ? ["a"] : [],
      refusedBy: rng() < 0.2 ? ["b"] : [],
      resources: needs,
      inputBytes: rng() < 0.4 ? null : rng() * 5e9,
    }),
    sites,
  };
}

describe.each(Object.entries(POLICIES))("the policy %s", (name, policy) => {
  it("has the name that the registry gives it", () => {
    expect(policy.name).toBe(name);
  });

  it("never picks a site that cannot run the job or has no free slot, always says why, and always says the same", () => {
    const rng = seeded(7);
    const actions = new Set<string>();
    for (let round = 0; round < 5_000; round += 1) {
      const { question, sites } = randomWorld(rng);
      const frozen = JSON.stringify({ question, sites });
      const choice = policy.choose(question, sites, round);
      expect(policy.choose(question, sites, round), frozen).toEqual(choice);
      expect(JSON.stringify({ question, sites })).toBe(frozen);
      actions.add(`${choice.action} ${choice.site === null ? "nowhere" : "somewhere"}`);
      expect((choice.action === "run" ? choice.why : choice.reason).length, frozen).toBeGreaterThan(10);
      const able = sites.filter((load) => ineligible(question, load, sites) === null);
      if (able.length === 0) expect(choice.site, frozen).toBeNull();
      // Where all will close that it does not avoid, their places may be free too late.
      const inTime = able.filter(({ name: of, opening }) => !question.avoid.includes(of) && (opening?.leftMs ?? null) === null);
      if (choice.site === null) expect(inTime, frozen).toEqual([]);
      if (choice.site === null) continue;
      const chosen = sites.find((load) => load.name === choice.site)!;
      expect(ineligible(question, chosen, sites), frozen).toBeNull();
      expect(candidates(question, sites)).toContainEqual(chosen);
      if (choice.action === "run") expect(fits(question, chosen), frozen).toBe(true);
    }
    expect([...actions].sort()).toEqual(["run somewhere", "wait nowhere", "wait somewhere"]);
  });

  it("uses a free slot when all sites are alike", () => {
    const sites = [site("a", { running: busy(2), granted: 2 }), site("b", { granted: 1 })];
    expect(policy.choose(job(), sites, 0)).toMatchObject({ action: "run", site: "b" });
  });

  it("says what a job waits for when no site can run it", () => {
    const reason = (question: RoutedJob, sites: SiteLoad[]) => {
      const choice = policy.choose(question, sites, 0);
      return choice.action === "wait" ? choice.reason : "";
    };
    expect(reason(job(), [])).toBe("no site is connected to central");
    expect(reason(job(), [site("a", { up: false }), site("b", { up: false })])).toBe("no site is up (a, b are silent)");
    expect(reason(job({ app: "other" }), [site("a")])).toBe("no site offers other");
    expect(reason(job({ site: "z" }), [site("a")])).toBe("site z, to which it is pinned, is not connected to central");
    expect(reason(job({ site: "a" }), [site("a", { up: false })])).toBe("site a is silent");
    expect(reason(job(), [site("a", { running: busy(2) })])).toContain("all 2 slots of site a busy");
  });

  it("goes by all that a job needs, and says what is lacking", () => {
    const large = job({ resources: { slots: 2, memoryGb: 100 } });
    const capacity = { cores: 8, memoryGb: 128, gpus: 0, nodes: 1, walltimeS: 3_600 };
    const small = site("a", { capacity: { ...capacity, memoryGb: 64 } });
    const enough = site("b", { capacity });
    expect(policy.choose(large, [small, enough], 0)).toMatchObject({ action: "run", site: "b" });
    expect(policy.choose(large, [small], 0)).toEqual({
      action: "wait",
      site: null,
      reason: "no site is large enough: the job needs 100 GB of memory, site a has 64",
    });
    const taken = { ...enough, running: [{ app: "xpcs.corr", elapsedMs: 0, resources: { memoryGb: 60 } }] };
    const waiting = policy.choose(large, [taken], 0);
    expect(waiting).toMatchObject({
      action: "wait",
      site: "b",
      reason: expect.stringContaining("site b has 1 of 2 slots and 68 of 100 GB of memory free"),
    });
    // What is kept for a large job is not given to a small one behind it.
    expect(policy.choose(job(), [{ ...taken, ...queued(2) }], 0)).toMatchObject({ action: "wait" });
    expect(ineligible(job({ resources: { gpus: 1 } }), enough)).toBe("the job needs 1 GPUs, site b has 0");
    expect(ineligible(job({ resources: { walltimeS: 7_200 } }), enough)).toBe("the job may run 7200 s, site b allows 3600 s");
    expect(ineligible(job({ resources: { cores: 512 } }), site("unknown"))).toBeNull();
  });

  it("does not send a job back to where it failed while another site can take it", () => {
    const sites = [site("a"), site("b")];
    for (const avoid of ["a", "b"]) expect(policy.choose(job({ avoid: [avoid] }), sites, 0).site).not.toBe(avoid);
    expect(policy.choose(job({ avoid: ["a", "b"] }), sites, 0)).toMatchObject({ action: "run" });
  });
});

describe("soonest", () => {
  const { soonest } = POLICIES;
  it("prefers the faster of two free sites, and says by how much", () => {
    const choice = soonest!.choose(job(), [site("a", { runs: mean(9_000) }), site("b", { runs: mean(3_000) })], 0);
    expect(choice).toEqual({
      action: "run",
      site: "b",
      why: "soonest at b (2 of 2 slots free, 3.0 s mean of 5 runs), before a (2 of 2 slots free, 9.0 s mean of 5 runs)",
    });
  });

  it("waits for a fast site rather than start on a slow one, until the queue there is too long", () => {
    const fast = { running: [{ app: "xpcs.corr", elapsedMs: 900, resources: {} }], slots: 1, runs: mean(1_000) };
    const slow = site("slow", { runs: mean(10_000) });
    expect(soonest!.choose(job(), [site("fast", fast), slow], 0)).toMatchObject({ action: "wait", site: "fast" });
    expect(soonest!.choose(job(), [site("fast", { ...fast, ...queued(20) }), slow], 0)).toMatchObject({ action: "run", site: "slow" });
  });

  it("leaves a free slot idle only for a gain that it states, and that is worth it", () => {
    const rng = seeded(11);
    let waited = 0;
    let insteadOfWaiting = 0;
    for (let round = 0; round < 15_000; round += 1) {
      const { question, sites } = randomWorld(rng);
      const choice = soonest!.choose(question, sites, round);
      const able = candidates(question, sites);
      if (typeof able === "string") continue;
      const free = able.filter((load) => fits(question, load));
      if (choice.action === "run") {
        expect(free.map(({ name }) => name)).toContain(choice.site);
        if (choice.why.includes("would not gain enough")) insteadOfWaiting += 1;
      } else if (free.length > 0) {
        waited += 1;
        const gainS = Number(/ answers (\S+) s sooner than /.exec(choice.reason)?.[1]);
        // What the free slots would take at best, known where their own mean is.
        expect(gainS, choice.reason).toBeGreaterThanOrEqual(1);
        const means = free.map(({ runs }) => runs[question.app]?.meanMs);
        const known = means.filter((meanMs) => meanMs !== undefined);
        if (known.length === means.length) expect(gainS * 1000, choice.reason).toBeGreaterThanOrEqual(0.24 * Math.min(...known));
      }
    }
    expect(waited).toBeGreaterThan(10);
    expect(insteadOfWaiting).toBeGreaterThan(10);
  });

  it("does not wait for a job that has outlasted the mean: the longer it has run, the longer it is taken to go on", () => {
    const after = (elapsedMs: number) => [
      site("alpha", { slots: 1, runs: mean(10, 60), running: [{ app: "xpcs.corr", elapsedMs, resources: {} }] }),
      site("beta", { slots: 1, runs: mean(14, 60) }),
    ];
    for (const elapsedMs of [0, 9, 11, 500, 2_000, 60_000]) {
      expect(soonest!.choose(job(), after(elapsedMs), 0), `after ${elapsedMs} ms`).toMatchObject({ action: "run", site: "beta" });
    }
    const slow = (elapsedMs: number) => [
      site("fast", { slots: 1, runs: mean(3_000), running: [{ app: "xpcs.corr", elapsedMs, resources: {} }] }),
      site("slow", { slots: 1, runs: mean(10_000) }),
    ];
    expect(soonest!.choose(job(), slow(2_900), 0)).toEqual({
      action: "wait",
      site: "fast",
      reason:
        "a slot of fast (a slot in 0.10 s, 3.0 s mean of 5 runs) answers 6.9 s sooner than slow (1 of 1 slots free, 10 s mean of 5 runs)",
    });
    expect(soonest!.choose(job(), slow(6_500), 0)).toEqual({
      action: "run",
      site: "slow",
      why: "a free slot at slow (1 of 1 slots free, 10 s mean of 5 runs): waiting for fast (a slot in 6.5 s, 3.0 s mean of 5 runs) would not gain enough",
    });
  });

  it("begins with what self-tests tell of correlator and cores, for the size of the job, and says so", () => {
    const capacity = { cores: 8, memoryGb: 64, gpus: 0, nodes: 1, walltimeS: null };
    const sites = [site("a", { eventsPerCoreS: 40e6, capacity }), site("b", { eventsPerCoreS: 10e6, capacity })];
    expect(soonest!.choose(job({ inputBytes: 3.2e9 }), sites, 0)).toEqual({
      action: "run",
      site: "a",
      why: "soonest at a (2 of 2 slots free, 2.5 s by its self-test), before b (2 of 2 slots free, 10 s by its self-test)",
    });
    // A job that says how many cores it takes; another app; a job of unknown size.
    expect(soonest!.choose(job({ inputBytes: 3.2e9, resources: { cores: 1 } }), sites, 0)).toMatchObject({
      why: expect.stringContaining("a (2 of 2 slots free, 10 s by"),
    });
    expect(soonest!.choose(job({ inputBytes: 3.2e9, resources: { slots: 2 } }), sites, 0)).toMatchObject({
      why: expect.stringContaining("a (2 of 2 slots free, 1.3 s by"),
    });
    for (const other of [job({ inputBytes: 3.2e9, app: "xpcs.noop" }), job()])
      expect(soonest!.choose(other, sites, 0)).toMatchObject({
        why: expect.stringContaining("a (2 of 2 slots free, run time not measured yet)"),
      });
    // Real runs take over, site by site.
    const ran = [{ ...sites[0]!, runs: mean(20_000, 1) }, sites[1]!];
    expect(soonest!.choose(job({ inputBytes: 3.2e9 }), ran, 0)).toMatchObject({
      site: "b",
      why: "soonest at b (2 of 2 slots free, 10 s by its self-test), before a (2 of 2 slots free, 20 s mean of 1 run)",
    });
  });

  it("counts what files take to cross and results to come back: by the self-test, then by what jobs have shown", () => {
    const near = site("near", { runs: mean(10_000) });
    const far = (more: Partial<SiteLoad>) => site("far", { runs: mean(5_000), ...more });
    const large = job({ inputBytes: 3.2e9 });
    expect(soonest!.choose(large, [far({}), near], 0)).toMatchObject({ site: "far" });
    expect(soonest!.choose(large, [far({ links: { in: cross(100e6), out: null } }), near], 0)).toEqual({
      action: "run",
      site: "near",
      why: "soonest at near (2 of 2 slots free, 10 s mean of 5 runs), before far (2 of 2 slots free, 32 s to bring 3.2 GB by its self-test, 5.0 s mean of 5 runs)",
    });
    expect(soonest!.choose(large, [far({ links: { in: cross(1e9, false), out: null } }), near], 0)).toMatchObject({
      site: "far",
      why: expect.stringContaining("far (2 of 2 slots free, 3.2 s to bring 3.2 GB, 5.0 s mean of 5 runs)"),
    });
    const made = { "xpcs.corr": { count: 5, meanMs: 5_000, resultBytes: 80e6 } };
    const slowBack = far({ runs: made, links: { in: null, out: cross(10e6, false) } });
    expect(soonest!.choose(large, [slowBack, near], 0)).toMatchObject({
      site: "near",
      why: expect.stringContaining("far (2 of 2 slots free, 5.0 s mean of 5 runs, 8.0 s to send back 80 MB)"),
    });
    // A job of unknown size: nothing is said of it.
    expect(soonest!.choose(job(), [far({ links: { in: cross(1), out: null } }), near], 0)).toMatchObject({ site: "far" });
  });

  it("brings files while a job waits for a slot: the longer of both counts", () => {
    const links = { in: cross(1e9, false), out: null };
    const sitesAt = (elapsedMs: number) => [
      site("fast", { slots: 1, runs: mean(3_000), links, running: [{ app: "xpcs.corr", elapsedMs, resources: {} }] }),
      site("slow", { slots: 1, runs: mean(10_000) }),
    ];
    // 2 s to bring, 0.1 s or 2.9 s to wait.
    const gainS = (elapsedMs: number) => {
      const choice = soonest!.choose(job({ inputBytes: 2e9 }), sitesAt(elapsedMs), 0);
      return choice.action === "wait" ? Number(/ answers (\S+) s sooner than /.exec(choice.reason)?.[1]) : 0;
    };
    expect(gainS(2_900)).toBe(5);
    expect(gainS(100)).toBe(4.1);
  });

  it("takes a running job of the same app to be of this one's size, while none has ended", () => {
    const capacity = { cores: 1, memoryGb: 64, gpus: 0, nodes: 1, walltimeS: null };
    const busySite = site("a", { slots: 1, capacity, eventsPerCoreS: 40e6, running: busy(1) });
    expect(soonest!.choose(job({ inputBytes: 3.2e9 }), [busySite], 0)).toMatchObject({
      action: "wait",
      reason: expect.stringContaining("a (a slot in 10 s, 10 s by its self-test)"),
    });
  });

  it("tries a site of which nothing is known", () => {
    const sites = [site("a", { runs: mean(5_000), running: busy(1) }), site("new")];
    expect(soonest!.choose(job(), sites, 0)).toMatchObject({
      action: "run",
      site: "new",
      why: expect.stringContaining("not measured yet"),
    });
  });
});

describe("pilots that are still to begin", () => {
  const coming = (more: Partial<SiteLoad> = {}, pilots: Partial<NonNullable<SiteLoad["pilots"]>> = {}): SiteLoad =>
    site("farm", { slots: 0, runs: mean(10_000), pilots: { count: 2, slotsEach: 4, queueWaitMs: 60_000, ...pilots }, ...more });
  const { soonest } = POLICIES;

  it("are waited for where that is sooner than a free slot elsewhere, and the reason says so", () => {
    const slow = site("slow", { runs: mean(200_000) });
    expect(soonest!.choose(job(), [coming(), slow], 0)).toEqual({
      action: "wait",
      site: "farm",
      reason:
        "a pilot of farm (a pilot in 60 s, 10 s mean of 5 runs) answers 1.3e+2 s sooner than slow (2 of 2 slots free, 2.0e+2 s mean of 5 runs)",
    });
    expect(soonest!.choose(job(), [coming(), site("quick", { runs: mean(20_000) })], 0)).toMatchObject({ action: "run", site: "quick" });
    expect(soonest!.choose(job(), [coming(), site("full", { running: busy(2), runs: mean(10_000) })], 0)).toMatchObject({ site: "full" });
  });

  it("have room for so many: those behind wait for the next round", () => {
    const slow = site("slow", { runs: mean(80_000) });
    const behind = (slots: number) => soonest!.choose(job(), [coming(queued(slots)), slow], 0);
    expect([0, 7].map((slots) => behind(slots).site)).toEqual(["slow", "slow"]);
    const slower = site("slow", { runs: mean(98_000) });
    expect(soonest!.choose(job(), [coming(queued(7)), slower], 0).site).toBe("farm");
    expect(soonest!.choose(job(), [coming(queued(8)), slower], 0).site).toBe("slow");
  });

  it("are nothing to a job that they would refuse, or that one of them has refused", () => {
    const slow = site("slow", { runs: mean(200_000) });
    const rule = { submitters: { persons: ["ann"], experiments: [] } };
    expect(soonest!.choose(job({ submitter: { owner: "ann" } }), [coming(rule), slow], 0)).toMatchObject({ action: "wait", site: "farm" });
    expect(soonest!.choose(job({ submitter: { owner: "bob" } }), [coming(rule), slow], 0)).toMatchObject({ action: "run", site: "slow" });
    expect(soonest!.choose(job({ submitter: { owner: "bob" } }), [coming(rule)], 0)).toMatchObject({
      action: "wait",
      site: null,
      reason: "site farm takes jobs of certain persons and experiments, and not of bob in local/default",
    });
    expect(soonest!.choose(job({ refusedBy: ["farm-2"] }), [coming(), slow], 0)).toMatchObject({ action: "run", site: "slow" });
    expect(soonest!.choose(job({ refusedBy: ["farmer-2"] }), [coming(), slow], 0)).toMatchObject({ action: "wait", site: "farm" });
  });

  it("are not waited for for ever: whoever has waited longer than was measured expects as long again", () => {
    const slow = site("slow", { runs: mean(200_000) });
    const after = (waitedMs: number) => soonest!.choose(job({ waitedMs }), [coming(), slow], 0).action;
    expect([0, 59_000, 61_000, 100_000, 150_000, 1e9].map(after)).toEqual(["wait", "wait", "wait", "wait", "run", "run"]);
  });

  it("never run a job themselves, and keep none from a free slot for ever, whatever the sites", () => {
    const rng = seeded(13);
    let waited = 0;
    for (let round = 0; round < 3_000; round += 1) {
      const { question, sites } = randomWorld(rng);
      const pilots = { count: 1 + Math.floor(rng() * 3), slotsEach: 1 + Math.floor(rng() * 4), queueWaitMs: rng() * 100_000 };
      const all = [...sites, coming(queued(Math.floor(rng() * 5)), pilots)];
      const now = soonest!.choose(question, all, round);
      if (now.site === "farm") waited += 1;
      expect([now.action, now.site]).not.toEqual(["run", "farm"]);
      const late = soonest!.choose({ ...question, waitedMs: 1e12 }, all, round);
      const able = candidates(question, sites);
      if (typeof able !== "string" && able.some((load) => fits(question, load))) expect(late.site).not.toBe("farm");
    }
    expect(waited).toBeGreaterThan(100);
  });

  it("are nothing to a job that is pinned, needs more than one has, or is routed by another policy", () => {
    const { policy } = { policy: POLICIES["round-robin"]! };
    expect(policy.choose(job(), [coming(), site("a")], 0)).toMatchObject({ action: "run", site: "a" });
    expect(policy.choose(job(), [coming()], 0)).toMatchObject({ action: "wait", site: null });
    expect(soonest!.choose(job({ site: "farm" }), [coming()], 0)).toMatchObject({ action: "wait", site: null });
    expect(soonest!.choose(job({ resources: { slots: 5 } }), [coming()], 0)).toMatchObject({
      action: "wait",
      site: null,
      reason: expect.stringContaining("farm has 4"),
    });
    expect(soonest!.choose(job(), [coming()], 0)).toEqual({
      action: "wait",
      site: "farm",
      reason: "2 pilots of site farm still to begin; soonest at farm (a pilot in 60 s, 10 s mean of 5 runs)",
    });
  });
});

describe("round-robin", () => {
  it("takes the sites in turn, whether free or not", () => {
    const sites = [site("a", { granted: 4, slots: 10 }), site("b", { granted: 3, slots: 1, running: busy(1) })];
    expect(POLICIES["round-robin"]!.choose(job(), sites, 0)).toMatchObject({ action: "wait", site: "b" });
  });
});
