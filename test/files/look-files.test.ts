/** Files that are looked at in a thread: what is said of them is what digests and versions made here say. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { digestFile } from "../../src/files/digest.js";
import { versionAt } from "../../src/files/file-version.js";
import { lookAtFiles } from "../../src/files/look-files.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-look-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const MB = 1024 * 1024;
const put = (name: string, bytes: Buffer | string): string => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
};
const expected = async (path: string) => ({ ...(await digestFile(path)), version: await versionAt(path) });

describe("files that are looked at together", () => {
  it("have their lengths, versions and digests, in their order, also when many ask at a time", async () => {
    const paths = [0, 1, MB - 1, MB, MB + 1, 3 * MB + 5].map((length, at) => put(`f${at}`, Buffer.alloc(length, `${at} and so on`)));
    const all = await Promise.all(Array.from({ length: 5 }, () => lookAtFiles({ paths, smallBytes: 10 * MB })));
    for (const found of all) expect(found).toEqual(await Promise.all(paths.map(expected)));
  });

  it("have no digest when they are large", async () => {
    const paths = [put("small", "1234"), put("large", "12345")];
    const found = await lookAtFiles({ paths, smallBytes: 4 });
    expect(found.map(({ bytes, sha256 }) => [bytes, sha256 === null])).toEqual([
      [4, false],
      [5, true],
    ]);
  });

  it("are digested anew when they are written to, or others have taken their names", async () => {
    const path = put("f", "before");
    const look = async () => (await lookAtFiles({ paths: [path], smallBytes: MB }))[0];
    const first = await look();
    expect(await look()).toEqual(first);
    put("f", "behind");
    const second = await look();
    expect(second).toEqual(await expected(path));
    renameSync(put("g", "beyond"), path);
    const third = await look();
    expect(third).toEqual(await expected(path));
    expect(new Set([first, second, third].map((each) => each!.sha256)).size).toBe(3);
  });

  it("are refused, all of them, when one is missing or no plain file; a pipe is not waited for", async () => {
    const good = put("f", "text");
    mkdirSync(join(folder, "folder"));
    execFileSync("mkfifo", [join(folder, "pipe")]);
    symlinkSync(join(folder, "nowhere"), join(folder, "link"));
    for (const [name, code] of [
      ["absent", "NOT_FOUND"],
      ["link", "NOT_FOUND"],
      ["folder", "REFUSED"],
      ["pipe", "REFUSED"],
    ] as const) {
      const asked = lookAtFiles({ paths: [good, join(folder, name)], smallBytes: MB });
      await expect(asked).rejects.toMatchObject({ code, message: expect.stringContaining(name) });
    }
    expect(await lookAtFiles({ paths: [good], smallBytes: MB })).toEqual([await expected(good)]);
  });
});
