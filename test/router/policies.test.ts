/** One suite over every policy of the registry: a new policy is tested by being listed. */
import { describe, expect, it } from "vitest";
import { fits, ineligible, type RoutedJob, type SiteLoad } from "../../src/router/policy.js";
import { POLICIES } from "../../src/router/registry.js";
import { seeded } from "../ledger/world.js";
import { able, asked, busy, cross, job, mean, randomWorld, running, site } from "./made.js";

describe.each(Object.entries(POLICIES))("the policy %s", (name, policy) => {
  const isPinned = name === "pinned";
  it("has the name that the registry gives it", () => {
    expect(policy.name).toBe(name);
  });

  it("never picks a site that cannot run the job or has no free slot, always says why, and always says the same", () => {
    const rng = seeded(7);
    const actions = new Set<string>();
    for (let round = 0; round < 2_000; round += 1) {
      const { question, sites } = randomWorld(rng);
      const frozen = JSON.stringify({ question, sites });
      const choice = asked(policy, question, sites, round);
      expect(asked(policy, question, sites, round), frozen).toEqual(choice);
      expect(JSON.stringify({ question, sites })).toBe(frozen);
      actions.add(`${choice.action} ${choice.site === null ? "nowhere" : "somewhere"}`);
      expect(choice.why.length, frozen).toBeGreaterThan(10);
      const open = isPinned && question.site === null ? [] : sites.filter((load) => ineligible(question, load) === null);
      expect(choice.site === null, frozen).toBe(open.length === 0);
      if (choice.site === null) continue;
      const chosen = sites.find((load) => load.name === choice.site)!;
      expect(ineligible(question, chosen), frozen).toBeNull();
      expect(able(question, sites, round)).toContainEqual(chosen);
      if (choice.action === "run") expect(fits(question, chosen), frozen).toBe(true);
    }
    expect([...actions].sort()).toEqual(["run somewhere", "wait nowhere", "wait somewhere"]);
  });

  it.skipIf(isPinned)("uses a free slot when all sites are alike", () => {
    const sites = [site("a", { held: busy(2), queued: 1, granted: 2 }), site("b", { granted: 1 })];
    expect(asked(policy, job(), sites, 0)).toMatchObject({ action: "run", site: "b" });
  });

  it.skipIf(isPinned)("says what a job waits for when no site can run it", () => {
    const reason = (question: RoutedJob, sites: SiteLoad[]) => {
      const choice = asked(policy, question, sites, 0);
      return choice.action === "wait" ? choice.why : "";
    };
    expect(reason(job(), [])).toBe("no site is connected to central");
    expect(reason(job(), [site("a", { up: false }), site("b", { up: false })])).toBe("no site is up (a, b are silent)");
    expect(reason(job({ app: "other" }), [site("a")])).toBe("no site offers other");
    expect(reason(job({ site: "z" }), [site("a")])).toBe("site z, to which it is pinned, is not connected to central");
    expect(reason(job({ site: "a" }), [site("a", { up: false })])).toBe("site a is silent");
    expect(reason(job(), [site("a", { held: busy(2) })])).toContain("all 2 slots of site a busy");
  });

  it.skipIf(isPinned)("goes by all that a job needs, and says what is lacking", () => {
    const large = job({ resources: { slots: 2, memoryGb: 100 } });
    const capacity = { cores: 8, memoryGb: 128, gpus: 0, nodes: 1, walltimeS: 3_600 };
    const small = site("a", { capacity: { ...capacity, memoryGb: 64 } });
    const enough = site("b", { capacity });
    expect(asked(policy, large, [small, enough], 0)).toMatchObject({ action: "run", site: "b" });
    expect(asked(policy, large, [small], 0)).toEqual({
      action: "wait",
      site: null,
      why: "no site has what the job needs: the job needs 100 GB of memory, site a has 64",
    });
    const taken = (queued: number) => site("b", { capacity, held: [running(0, { resources: { memoryGb: 60 } })], queued });
    const waiting = asked(policy, large, [taken(0)], 0);
    expect(waiting).toMatchObject({
      action: "wait",
      site: "b",
      why: expect.stringContaining("site b has 1 of 2 slots and 68 of 100 GB of memory free"),
    });
    // What is kept for a large job is not given to a small one behind it.
    expect(asked(policy, job(), [taken(2)], 0)).toMatchObject({ action: "wait" });
    expect(ineligible(job({ resources: { gpus: 1 } }), enough)).toBe("the job needs 1 GPUs, site b has 0");
    expect(ineligible(job({ resources: { walltimeS: 7_200 } }), enough)).toBe("the job may run 7200 s, site b allows 3600 s");
    expect(ineligible(job({ resources: { cores: 512 } }), site("unknown"))).toBeNull();
  });

  it.skipIf(isPinned)("does not send a job back to where it failed while another site can take it", () => {
    const sites = [site("a"), site("b")];
    for (const avoid of ["a", "b"]) expect(asked(policy, job({ avoid: [avoid] }), sites, 0).site).not.toBe(avoid);
    expect(asked(policy, job({ avoid: ["a", "b"] }), sites, 0)).toMatchObject({ action: "run" });
  });
});

describe("soonest", () => {
  const { soonest } = POLICIES;
  it("prefers the faster of two free sites, and says by how much", () => {
    const choice = asked(soonest, job(), [site("a", { learnt: mean(9_000) }), site("b", { learnt: mean(3_000) })], 0);
    expect(choice).toEqual({
      action: "run",
      site: "b",
      why: "soonest at b (2 of 2 slots free, 3.0 s by 5 runs), before a (2 of 2 slots free, 9.0 s by 5 runs)",
    });
  });

  it("waits for a fast site rather than start on a slow one, until the queue there is too long", () => {
    const fast = { held: [running(900)], slots: 1, learnt: mean(1_000) };
    const slow = site("slow", { learnt: mean(10_000) });
    expect(asked(soonest, job(), [site("fast", fast), slow], 0)).toMatchObject({ action: "wait", site: "fast" });
    expect(asked(soonest, job(), [site("fast", { ...fast, queued: 20 }), slow], 0)).toMatchObject({ action: "run", site: "slow" });
  });

  it("leaves a free slot idle only for a gain that it states, and that is worth it", () => {
    const rng = seeded(11);
    let waited = 0;
    let insteadOfWaiting = 0;
    for (let round = 0; round < 6_000; round += 1) {
      const { question, sites } = randomWorld(rng);
      const choice = asked(soonest, question, sites, round);
      const can = able(question, sites, round);
      if (can.length === 0) continue;
      const free = can.filter((load) => fits(question, load));
      if (choice.action === "run") {
        expect(free.map(({ name }) => name)).toContain(choice.site);
        if (choice.why.includes("would not gain enough")) insteadOfWaiting += 1;
      } else if (free.length > 0) {
        waited += 1;
        const gainS = Number(/ answers (\S+) s sooner than /.exec(choice.why)?.[1]);
        // What the free slots would take at best, known where their own mean is.
        expect(gainS, choice.why).toBeGreaterThanOrEqual(1);
        const means = free.map(({ learnt }) => learnt.runs[question.app]?.["-"]?.ms.mean);
        const known = means.filter((meanMs) => meanMs !== undefined);
        if (known.length === means.length) expect(gainS * 1000, choice.why).toBeGreaterThanOrEqual(0.24 * Math.min(...known));
      }
    }
    expect(waited).toBeGreaterThan(10);
    expect(insteadOfWaiting).toBeGreaterThan(10);
  });

  it("does not wait for a job that has outlasted the mean: the longer it has run, the longer it is taken to go on", () => {
    const after = (elapsedMs: number) => [
      site("alpha", { slots: 1, learnt: mean(10, 60), held: [running(elapsedMs)] }),
      site("beta", { slots: 1, learnt: mean(14, 60) }),
    ];
    for (const elapsedMs of [0, 9, 11, 500, 2_000, 60_000]) {
      expect(asked(soonest, job(), after(elapsedMs), 0), `after ${elapsedMs} ms`).toMatchObject({ action: "run", site: "beta" });
    }
    const slow = (elapsedMs: number) => [
      site("fast", { slots: 1, learnt: mean(3_000), held: [running(elapsedMs)] }),
      site("slow", { slots: 1, learnt: mean(10_000) }),
    ];
    expect(asked(soonest, job(), slow(2_900), 0)).toEqual({
      action: "wait",
      site: "fast",
      why: "a slot of fast (a slot in 0.10 s, 3.0 s by 5 runs) answers 6.9 s sooner than slow (1 of 1 slots free, 10 s by 5 runs)",
    });
    expect(asked(soonest, job(), slow(6_500), 0)).toEqual({
      action: "run",
      site: "slow",
      why: "a free slot at slow (1 of 1 slots free, 10 s by 5 runs): waiting for fast (a slot in 6.5 s, 3.0 s by 5 runs) would not gain enough",
    });
  });

  it("begins with what self-tests tell of correlator and cores, for the size of the job, and says so", () => {
    const capacity = { cores: 8, memoryGb: 64, gpus: 0, nodes: 1, walltimeS: null };
    const sites = [site("a", { eventsPerCoreS: 40e6, capacity }), site("b", { eventsPerCoreS: 10e6, capacity })];
    expect(asked(soonest, job({ inputBytes: 3.2e9 }), sites, 0)).toEqual({
      action: "run",
      site: "a",
      why: "soonest at a (2 of 2 slots free, 2.5 s by its self-test), before b (2 of 2 slots free, 10 s by its self-test)",
    });
    // A job that says how many cores it takes; another app; a job of unknown size.
    expect(asked(soonest, job({ inputBytes: 3.2e9, resources: { cores: 1 } }), sites, 0)).toMatchObject({
      why: expect.stringContaining("a (2 of 2 slots free, 10 s by"),
    });
    expect(asked(soonest, job({ inputBytes: 3.2e9, resources: { slots: 2 } }), sites, 0)).toMatchObject({
      why: expect.stringContaining("a (2 of 2 slots free, 1.3 s by"),
    });
    for (const other of [job({ inputBytes: 3.2e9, app: "xpcs.noop" }), job()])
      expect(asked(soonest, other, sites, 0)).toMatchObject({
        why: expect.stringContaining("a (2 of 2 slots free, run time not measured yet)"),
      });
    // Real runs take over, site by site.
    const ran = [{ ...sites[0]!, learnt: mean(20_000, 1) }, sites[1]!];
    expect(asked(soonest, job({ inputBytes: 3.2e9 }), ran, 0)).toMatchObject({
      site: "b",
      why: "soonest at b (2 of 2 slots free, 10 s by its self-test), before a (2 of 2 slots free, 20 s by 1 run)",
    });
  });

  it("counts what files take to cross and results to come back: by the self-test, then by what jobs have shown", () => {
    const near = site("near", { learnt: mean(10_000) });
    const far = (more: Partial<SiteLoad>) => site("far", { learnt: mean(5_000), ...more });
    const large = job({ inputBytes: 3.2e9 });
    expect(asked(soonest, large, [far({}), near], 0)).toMatchObject({ site: "far" });
    expect(asked(soonest, large, [far({ links: { in: cross(100e6), out: null } }), near], 0)).toEqual({
      action: "run",
      site: "near",
      why: "soonest at near (2 of 2 slots free, 10 s by 5 runs), before far (2 of 2 slots free, 32 s to bring 3.2 GB by its self-test, 5.0 s by 5 runs)",
    });
    expect(asked(soonest, large, [far({ links: { in: cross(1e9, false), out: null } }), near], 0)).toMatchObject({
      site: "far",
      why: expect.stringContaining("far (2 of 2 slots free, 3.2 s to bring 3.2 GB, 5.0 s by 5 runs)"),
    });
    const made = mean(5_000, 5, 80e6);
    const slowBack = far({ learnt: made, links: { in: null, out: cross(10e6, false) } });
    expect(asked(soonest, large, [slowBack, near], 0)).toMatchObject({
      site: "near",
      why: expect.stringContaining("far (2 of 2 slots free, 5.0 s by 5 runs, 8.0 s to send back 80 MB)"),
    });
    // A job of unknown size: nothing is said of it.
    expect(asked(soonest, job(), [far({ links: { in: cross(1), out: null } }), near], 0)).toMatchObject({ site: "far" });
  });

  it("brings files while a job waits for a slot: the longer of both counts", () => {
    const links = { in: cross(1e9, false), out: null };
    const sitesAt = (elapsedMs: number) => [
      site("fast", { slots: 1, learnt: mean(3_000), links, held: [running(elapsedMs)] }),
      site("slow", { slots: 1, learnt: mean(10_000) }),
    ];
    // 2 s to bring, 0.1 s or 2.9 s to wait.
    const gainS = (elapsedMs: number) => {
      const choice = asked(soonest, job({ inputBytes: 2e9 }), sitesAt(elapsedMs), 0);
      return choice.action === "wait" ? Number(/ answers (\S+) s sooner than /.exec(choice.why)?.[1]) : 0;
    };
    expect(gainS(2_900)).toBe(5);
    expect(gainS(100)).toBe(4.1);
  });

  it("takes a running job of the same app to be of this one's size, while none has ended", () => {
    const capacity = { cores: 1, memoryGb: 64, gpus: 0, nodes: 1, walltimeS: null };
    const busySite = site("a", { slots: 1, capacity, eventsPerCoreS: 40e6, held: busy(1) });
    expect(asked(soonest, job({ inputBytes: 3.2e9 }), [busySite], 0)).toMatchObject({
      action: "wait",
      why: expect.stringContaining("a (a slot in 10 s, 10 s by its self-test)"),
    });
  });

  it("tries a site of which nothing is known", () => {
    const sites = [site("a", { learnt: mean(5_000), held: busy(1) }), site("new")];
    expect(asked(soonest, job(), sites, 0)).toMatchObject({
      action: "run",
      site: "new",
      why: expect.stringContaining("not measured yet"),
    });
  });
});

describe("round-robin", () => {
  it("takes the sites in turn, whether free or not", () => {
    const sites = [site("a", { granted: 4, slots: 10 }), site("b", { granted: 3, slots: 1, held: busy(1) })];
    expect(asked(POLICIES["round-robin"], job(), sites, 0)).toMatchObject({ action: "wait", site: "b" });
  });
});
