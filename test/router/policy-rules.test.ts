/** Which policy a job gets. */
import { expect, it } from "vitest";
import { policyOf } from "../../src/router/policy-rules.js";
import { POLICIES } from "../../src/router/registry.js";

it("is its own, else that of the first rule for one of its tags, else central's", () => {
  const rule = (key: string, value: string, name: string) => ({ key, value, policy: POLICIES[name]! });
  const of = policyOf(POLICIES.soonest!, [
    rule("kind", "a", "pinned"),
    rule("kind", "b", "round-robin"),
    rule("x", "1", "shortest-backlog"),
  ]);
  const name = (tags: Record<string, string>, policy?: string) => of({ tags, ...(policy === undefined ? {} : { policy }) }).name;
  expect(name({})).toBe("soonest");
  expect(name({ kind: "b" })).toBe("round-robin");
  expect(name({ x: "1", kind: "a" })).toBe("pinned");
  expect(name({ kind: "a" }, "highest-throughput")).toBe("highest-throughput");
  expect(name({ kind: "a" }, "of a later version")).toBe("pinned");
  expect(name({ kind: "constructor" })).toBe("soonest");
});
