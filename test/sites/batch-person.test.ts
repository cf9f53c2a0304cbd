/** For whom a site's batch jobs are, as a scheduler lists them. */
import { expect, it } from "vitest";
import { batchPerson, listedName, settingsSchema } from "../../src/sites/batch-settings.js";
import { SCHEDULERS } from "../../src/sites/schedulers/registry.js";

it.each([
  [null, "me"],
  [{ persons: ["J. Doe"], experiments: [] }, "J. Doe"],
  [{ persons: [], experiments: ["2026-3/smith"] }, "2026-3/smith"],
  [{ persons: [], experiments: ["2026-3/*"] }, "me"],
  [{ persons: ["J. Doe", "smith"], experiments: [] }, "me"],
  [{ persons: ["J. Doe"], experiments: ["2026-3/smith"] }, "me"],
])("%j gives %s", (submitters, person) => {
  expect(batchPerson(submitters, "me")).toBe(person);
});

it.each([
  ["Jörg", "J_rg"],
  ["a,b=c:d'\"$(x)\n", "a_b_c_d____x__"],
  ["-x", "x-x"],
  ["", "x"],
  ["y".repeat(200), "y".repeat(100)],
])("the name %j is listed as %j, and every scheduler takes that", (name, listed) => {
  expect(listedName(name)).toBe(listed);
  for (const { takes } of SCHEDULERS) expect(settingsSchema(takes).safeParse({ walltimeS: 60, person: listed }).success).toBe(true);
});

it.each(["a,b", "a:b", "a=b", "$x", "a\nb", ""])("the name %j is refused in a file", (person) => {
  for (const { takes } of SCHEDULERS) expect(settingsSchema(takes).safeParse({ walltimeS: 60, person }).success).toBe(false);
});
