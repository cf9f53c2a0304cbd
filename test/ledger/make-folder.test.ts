/** Folders that people name: made whole, or refused with what is in the way. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { checkFolder, makeFolder } from "../../src/ledger/make-folder.js";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "xpcs-folder-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

it("is made with those that lead to it, also when two make it at once; checking makes nothing", async () => {
  const path = join(dir, "a", "b", "c");
  await checkFolder(path, "the folder");
  expect(existsSync(join(dir, "a"))).toBe(false);
  await Promise.all([makeFolder(path, "the folder"), makeFolder(path, "the folder")]);
  await makeFolder(path, "the folder");
  expect(existsSync(path)).toBe(true);
});

it("is private where that is wanted; those above it, and one that was there, stay as they are", async () => {
  const path = join(dir, "a", "b");
  const modeOf = (folder: string) => statSync(folder).mode & 0o777;
  await makeFolder(path, "the folder", 0o700);
  expect(modeOf(path)).toBe(0o700);
  expect(modeOf(join(dir, "a"))).toBe(0o777 & ~process.umask());
  chmodSync(path, 0o750);
  await makeFolder(path, "the folder", 0o700);
  expect(modeOf(path)).toBe(0o750);
});

it("is refused where a file is in the way, by its name, and where the system makes none", async () => {
  const file = join(dir, "file");
  writeFileSync(file, "");
  for (const path of [file, join(file, "below"), join(file, "below", "deeper")]) {
    const refusal = { code: "INVALID_ARGUMENT", message: `the folder ${path} cannot be used: ${file} is a file; name a folder` };
    await expect(checkFolder(path, "the folder")).rejects.toMatchObject(refusal);
    await expect(makeFolder(path, "the folder")).rejects.toMatchObject(refusal);
  }
  await expect(makeFolder("/proc/xpcs-nowhere/below", "the folder")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

it.skipIf(process.getuid?.() === 0)("is refused where one may not write (root may everywhere)", async () => {
  const closed = join(dir, "closed");
  mkdirSync(closed);
  chmodSync(closed, 0o500);
  for (const path of [closed, join(closed, "below")]) {
    await expect(checkFolder(path, "the folder")).rejects.toMatchObject({ message: expect.stringContaining("may not write into") });
  }
});
