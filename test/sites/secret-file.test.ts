/** Secrets are read from files of their owner alone; anything else is said, and nothing is waited for. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { readSecretFile } from "../../src/files/secret-file.js";

const folder = mkdtempSync(join(tmpdir(), "xpcs-secret-"));
afterAll(() => rmSync(folder, { recursive: true }));

const path = join(folder, "secret");
const refused = (at: string, words: RegExp) =>
  expect(readSecretFile(at, "the key of the door")).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringMatching(new RegExp(`^the key of the door, ${at}, ${words.source}`)),
  });

it("reads a file of its owner alone, up to 64 KiB", async () => {
  for (const mode of [0o600, 0o400, 0o700]) {
    writeFileSync(path, "x".repeat(65_536), { mode: 0o600 });
    chmodSync(path, mode);
    expect(await readSecretFile(path, "the key")).toHaveLength(65_536);
    rmSync(path);
  }
  writeFileSync(path, "x".repeat(65_537), { mode: 0o600 });
  await refused(path, /is too large to be one/);
});

it("refuses one that others may read or write", async () => {
  writeFileSync(path, "x");
  for (const mode of [0o640, 0o620, 0o604, 0o602, 0o644]) {
    chmodSync(path, mode);
    await refused(path, /may be read by others: chmod 600 it/);
  }
});

it("refuses what is no file, and does not wait for a pipe", async () => {
  await refused(join(folder, "none"), /cannot be read: ENOENT/);
  mkdirSync(join(folder, "inner"));
  await refused(join(folder, "inner"), /is no file/);
  execFileSync("mkfifo", ["-m", "600", join(folder, "pipe")]);
  await refused(join(folder, "pipe"), /is no file/);
});
