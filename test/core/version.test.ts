/** The handshake of versions. */
import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { VERSION, versionConflict } from "../../src/core/version.js";

const conflict = (here: string, there: string) => versionConflict({ name: "central", version: here }, { name: "site", version: there });

it("the version is that of the package", async () => {
  const text = await readFile(new URL("../../package.json", import.meta.url), "utf8");
  expect(VERSION).toBe((JSON.parse(text) as { version: string }).version);
});

it("one minor version apart works, more does not, and the sentence says who must upgrade", () => {
  expect(conflict("1.4.0", "1.4.7")).toBeNull();
  expect(conflict("1.4.0", "1.5.0")).toBeNull();
  expect(conflict("1.5.0", "1.4.9")).toBeNull();
  expect(conflict("1.6.0", "1.4.0")).toContain("upgrade the site");
  expect(conflict("1.4.0", "1.6.0")).toContain("upgrade the central");
  expect(conflict("2.0.0", "1.9.0")).toContain("upgrade the site");
  expect(conflict("1.0.0", "banana")).toContain("gives no version");
});
