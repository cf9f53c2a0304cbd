/** How a site was started last, as it is kept for the next start. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { keepLaunch, keptLaunch } from "../../../src/cli/service/launch.js";
import { siteFiles } from "../../../src/cli/service/site-folder.js";

const files = siteFiles(mkdtempSync(join(tmpdir(), "xpcs-launch-")));
afterAll(() => rmSync(files.folder, { recursive: true }));

it.each(["", '{"name":"pol', "{}"])("says so where what was kept is damaged: %j", (text) => {
  writeFileSync(files.launch, text);
  expect(() => keptLaunch(files, "polaris")).toThrow(
    expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining(`${files.launch} is damaged`) }),
  );
});

it("is found again, and not before", () => {
  rmSync(files.launch, { force: true });
  expect(() => keptLaunch(files, "polaris")).toThrow(
    expect.objectContaining({ message: expect.stringContaining("was not started before") }),
  );
  const launch = { name: "polaris", cwd: "/data", words: ["--slots", "2"], environment: { PATH: "/bin" }, graceS: 30 };
  keepLaunch(files, launch);
  expect(keptLaunch(files, "polaris")).toEqual(launch);
});
