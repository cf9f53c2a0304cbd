/** Sites on probation through every policy: one job at a time, after a pause, and no job's last attempt where another site can have it. */
import { describe, expect, it } from "vitest";
import { ineligible } from "../../src/router/policy.js";
import { POLICIES } from "../../src/router/registry.js";
import { asked, busy, job, type Made, site } from "./made.js";

const tried = (triedInMs: number, more: Made = {}) => site("bad", { probation: { reason: "3 jobs failed", triedInMs }, ...more });
const good = site("good", { granted: 100, held: busy(1) });
const others = Object.entries(POLICIES).filter(([name]) => name !== "pinned");

describe.each(others)("the policy %s", (_name, policy) => {
  it("sends it nothing before the pause is over, and says so to what is pinned there", () => {
    expect(asked(policy, job(), [tried(90_000), good])).toMatchObject({ action: "run", site: "good" });
    expect(asked(policy, job({ site: "bad" }), [tried(90_000), good])).toEqual({
      ...{ action: "wait", site: null },
      why: "site bad is on probation (3 jobs failed): a job tries it in 90 s",
    });
  });

  it("sends it one job then, and no second one beside it", () => {
    expect(asked(policy, job(), [tried(0), good])).toMatchObject({ action: "run", site: "bad" });
    for (const trying of [{ held: busy(1) }, { queued: 1 }]) {
      expect(ineligible(job(), tried(0, trying))).toBe("site bad is on probation (3 jobs failed): a job is trying it");
      expect(asked(policy, job(), [tried(0, trying), good])).toMatchObject({ action: "run", site: "good" });
    }
  });

  it("does not try it with a job's last attempt, unless nobody else can have the job", () => {
    const last = job({ attemptsLeft: 1 });
    expect(asked(policy, last, [tried(0), good])).toMatchObject({ action: "run", site: "good" });
    expect(asked(policy, last, [tried(0)])).toMatchObject({ action: "run", site: "bad" });
    expect(asked(policy, job({ attemptsLeft: 2 }), [tried(0), good])).toMatchObject({ action: "run", site: "bad" });
  });
});
