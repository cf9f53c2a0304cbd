/** A site that takes certain persons' jobs alone, with a real central: others go elsewhere, or fail with the reason. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parseSettings } from "../../src/cli/settings-file.js";
import { SITE_SETTINGS } from "../../src/sites/site-settings.js";
import { type Facility, startFacility } from "../chaos/processes.js";

let facility: Facility;
beforeAll(async () => {
  facility = await startFacility();
  const path = join(facility.folder, "closed.yaml");
  writeFileSync(path, 'submitters:\n  persons: ["somebody else"]\n  experiments: [2026-3/smith, 2026-2/*]\n');
  await facility.startSite("closed", 2, ["--settings", path]);
});
afterAll(() => facility.end());

const run = async (more: object) => {
  const spec = { work: { app: "xpcs.noop" as const, durationMs: 1 }, tags: {}, attemptsMax: 3, ...more };
  const { jobs } = await facility.client.submit({ jobs: [spec] });
  return (await facility.client.wait(jobs))[0]!;
};

it("runs what the rule names, refuses others with the reason, and these run where they may", async () => {
  expect(await run({ experiment: "2026-3/smith" })).toMatchObject({ state: "finished", site: "closed" });
  expect(await run({ experiment: "2026-2/any" })).toMatchObject({ state: "finished", site: "closed" });
  const alone = await run({ experiment: "2026-3/jones" });
  expect(alone).toMatchObject({ state: "failed", attempts: [{ outcome: "failed", code: "REFUSED" }] });
  expect(alone.reason).toBe(`site closed takes jobs of certain persons and experiments, and not of ${alone.owner} in 2026-3/jones`);
  await facility.startSite("open", 2);
  for (let round = 0; round < 4; round += 1)
    expect(await run({ experiment: "2026-3/jones" })).toMatchObject({ state: "finished", site: "open" });
  expect(await run({ experiment: "2026-3/jones", site: "closed" })).toMatchObject({
    state: "failed",
    reason: expect.stringContaining("site closed takes"),
  });
}, 60_000);

it.each([
  ["submitters: {}\n", 1, "names nobody"],
  ["submitters:\n  persons: [a]\n  experiments:\n    - 2026-3\n", 4, "is no experiment"],
  ["submitters:\n  persons: [a]\n  groups: [b]\n", 3, 'there is no setting "groups"'],
  ["submitters:\n  persons:\n    - ann\n    - 7\n", 4, "expected string"],
])("tells the line of a mistake in %j", (text, line, words) => {
  expect(() => parseSettings(SITE_SETTINGS, text, "f")).toThrow(
    expect.objectContaining({ message: expect.stringMatching(new RegExp(`line ${line}: .*${words}`)) }),
  );
});
