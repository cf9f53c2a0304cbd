/** Whose jobs a site takes. */
import { expect, it } from "vitest";
import { notTaken, type SubmitterRule, takesFrom } from "../../src/core/submitters.js";

const rule = (persons: string[], experiments: string[] = []): SubmitterRule => ({ persons, experiments });

it.each<[string, SubmitterRule, { owner?: string; experiment?: string }, boolean]>([
  ["everybody where there is no rule", null, {}, true],
  ["a person who is named", rule(["ann"]), { owner: "ann", experiment: "2026-3/x" }, true],
  ["nobody else", rule(["ann"]), { owner: "bob", experiment: "2026-3/x" }, false],
  ["nobody of a similar name", rule(["ann"]), { owner: "Ann " }, false],
  ["nobody without a name", rule(["ann"]), {}, false],
  ["an experiment, whoever it is", rule([], ["2026-3/smith"]), { owner: "bob", experiment: "2026-3/smith" }, true],
  ["an experiment also of somebody without a name", rule([], ["2026-3/smith"]), { experiment: "2026-3/smith" }, true],
  ["no other experiment", rule([], ["2026-3/smith"]), { owner: "bob", experiment: "2026-3/smith2" }, false],
  ["all of a cycle", rule([], ["2026-3/*"]), { experiment: "2026-3/jones" }, true],
  ["no other cycle", rule([], ["2026-3/*"]), { experiment: "2026-31/jones" }, false],
  ["either of the two", rule(["ann"], ["2026-3/smith"]), { owner: "ann", experiment: "2026-1/x" }, true],
  ["a job without an experiment as one of the default one", rule([], ["local/default"]), { owner: "bob" }, true],
])("takes %s", (_what, submitters, job, takes) => {
  expect(takesFrom(submitters, job)).toBe(takes);
});

it("says who is not taken", () => {
  expect(notTaken("polaris", { owner: "bob", experiment: "2026-3/x" })).toMatch(/^site polaris .* not of bob in 2026-3\/x$/);
  expect(notTaken("polaris", {})).toContain("somebody without a name in local/default");
});
