/** Sites on probation through every policy: one job at a time, after a pause, and no job's last attempt where another site can have it. */
import { describe, expect, it } from "vitest";
import { ineligible, NOTHING, type RoutedJob, type SiteLoad } from "../../src/router/policy.js";
import { POLICIES } from "../../src/router/registry.js";

function site(name: string, more: Partial<SiteLoad> = {}): SiteLoad {
  return {
    ...{ name, up: true, pilotOf: null, draining: null, slots: 2, apps: ["xpcs.corr"], capacity: null, running: [], queued: 0 },
    ...{ reserved: NOTHING, granted: 0, runs: {}, links: { in: null, out: null }, eventsPerCoreS: null },
    ...more,
  };
}

function job(more: Partial<RoutedJob> = {}): RoutedJob {
  return { id: "j", app: "xpcs.corr", site: null, avoid: [], refusedBy: [], resources: {}, inputBytes: null, waitedMs: 0, ...more };
}

const tried = (triedInMs: number, more: Partial<SiteLoad> = {}) =>
  site("bad", { probation: { reason: "3 jobs failed", triedInMs }, ...more });
const busy = [{ app: "xpcs.corr", elapsedMs: 0, resources: {} }];
const good = site("good", { granted: 100, running: busy });

describe.each(Object.entries(POLICIES))("the policy %s", (_name, policy) => {
  it("sends it nothing before the pause is over, and says so to what is pinned there", () => {
    expect(policy.choose(job(), [tried(90_000), good], 0)).toMatchObject({ action: "run", site: "good" });
    expect(policy.choose(job({ site: "bad" }), [tried(90_000), good], 0)).toEqual({
      ...{ action: "wait", site: null },
      reason: "site bad is on probation (3 jobs failed): a job tries it in 90 s",
    });
  });

  it("sends it one job then, and no second one beside it", () => {
    expect(policy.choose(job(), [tried(0), good], 0)).toMatchObject({ action: "run", site: "bad" });
    for (const trying of [{ running: busy }, { queued: 1 }]) {
      expect(ineligible(job(), tried(0, trying), [])).toBe("site bad is on probation (3 jobs failed): a job is trying it");
      expect(policy.choose(job(), [tried(0, trying), good], 0)).toMatchObject({ action: "run", site: "good" });
    }
  });

  it("does not try it with a job's last attempt, unless nobody else can have the job", () => {
    const last = job({ attemptsLeft: 1 });
    expect(policy.choose(last, [tried(0), good], 0)).toMatchObject({ action: "run", site: "good" });
    expect(policy.choose(last, [tried(0)], 0)).toMatchObject({ action: "run", site: "bad" });
    expect(policy.choose(job({ attemptsLeft: 2 }), [tried(0), good], 0)).toMatchObject({ action: "run", site: "bad" });
  });
});
