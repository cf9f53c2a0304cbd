/** The folders that jobs may read and write: hostile names, links and places, against the real file system. */
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseSettings } from "../../src/cli/settings-file.js";
import { checkReadable, checkWritable, readable } from "../../src/files/roots.js";
import { SITE_SETTINGS } from "../../src/sites/site-settings.js";
import { sharedPath } from "../../src/sites/transfers/shared-path.js";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "xpcs-roots-")));
const at = (...names: string[]) => join(folder, ...names);
const roots = { read: [at("data"), at("alias")], write: [at("results")] };
const REFUSED = { code: "REFUSED" };
const read = (path: string) => checkReadable([path], readable(roots));
const write = (path: string) => checkWritable([path], roots);
const ODD = "a b\n*?'\"`$(touch x);\u202e\u{1f4a9}.bin";

beforeAll(() => {
  for (const name of ["data/2026-3/deep", "data-evil", "results/below", "secret", "elsewhere"]) mkdirSync(at(name), { recursive: true });
  for (const name of [
    "data/a.bin",
    "data/2026-3/deep/b.bin",
    `data/${ODD}`,
    "data-evil/a.bin",
    "secret/key",
    "results/r.hdf",
    "elsewhere/c.bin",
  ])
    writeFileSync(at(name), name);
  symlinkSync(at("elsewhere"), at("alias"));
  symlinkSync(at("secret", "key"), at("data", "link.bin"));
  symlinkSync("../secret", at("data", "linked"));
  symlinkSync("2026-3/deep", at("data", "within"));
  symlinkSync("loop", at("data", "loop"));
  symlinkSync(at("secret", "not-there"), at("data", "dangling.bin"));
  symlinkSync(at("secret"), at("results", "out"));
  symlinkSync(at("secret", "key"), at("results", "taken.hdf"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a file to be read", () => {
  it.each([
    ["in a root", at("data", "a.bin")],
    ["deep in it", at("data", "2026-3", "deep", "b.bin")],
    ["with an odd name", at("data", ODD)],
    ["through a link that stays within", at("data", "within", "b.bin")],
    ["in a root that is a link", at("alias", "c.bin")],
    ["in the real place of such a root", at("elsewhere", "c.bin")],
    ["in a root for results", at("results", "r.hdf")],
    ["that is not there: whoever opens it says so", at("data", "none.bin")],
    ["under what is no folder: the same", at("data", "a.bin", "x")],
  ])("%s is let through", async (_what, path) => {
    await expect(read(path)).resolves.toBeUndefined();
  });

  it.each([
    ["elsewhere", at("secret", "key")],
    ["in a folder whose name begins like a root's", at("data-evil", "a.bin")],
    ["by way of ..", `${at("data")}/../secret/key`],
    ["by way of .. within a root", `${at("data")}/2026-3/../a.bin`],
    ["by way of a link's ..", `${at("data")}/within/../../../secret/key`],
    ["with a dot for a folder", `${at("data")}/./a.bin`],
    ["through a link to a file", at("data", "link.bin")],
    ["through a link to a folder", at("data", "linked", "key")],
    ["in a system folder", "/etc/passwd"],
    ["above the roots", folder],
    ["at the top", "/"],
    ["not absolute", "data/a.bin"],
  ])("%s is refused", async (_what, path) => {
    await expect(read(path)).rejects.toMatchObject(REFUSED);
  });

  it("elsewhere is refused in the same words whether it is there or not", async () => {
    const words = async (path: string) => (await read(path).catch((error: Error) => error.message))!.replaceAll(path, "PATH");
    expect(await words(at("secret", "key"))).toBe(await words(at("secret", "none")));
  });

  it("whose links go in a circle, or end in nothing, is not read", async () => {
    await expect(read(at("data", "loop"))).rejects.toMatchObject({ code: "IO_FAILED" });
    // It passes, as a missing file does, and is not found.
    await read(at("data", "dangling.bin"));
    const quiet = { lease: { job: "j1", epoch: 1 }, report: () => {}, signal: new AbortController().signal };
    const stage = { refs: [{ path: at("data", "dangling.bin") }], dir: folder, ...quiet };
    await expect(sharedPath.stageIn(stage)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("a result", () => {
  it.each([
    ["in a root for results", at("results", "new.hdf")],
    ["below it", at("results", "below", "new.hdf")],
    ["with an odd name", at("results", ODD)],
    ["in a folder that is not there: the transfer says so", at("results", "none", "new.hdf")],
  ])("%s is let through", async (_what, path) => {
    await expect(write(path)).resolves.toBeUndefined();
  });

  it.each([
    ["in a root for reading alone", at("data", "new.hdf")],
    ["elsewhere", at("secret", "new.hdf")],
    ["through a link to a folder", at("results", "out", "new.hdf")],
    ["in place of a root", at("results")],
    ["called ..", `${at("results", "below")}/..`],
    ["called .", `${at("results")}/.`],
    ["in a system folder", "/etc/cron.d/xpcs"],
  ])("%s is refused", async (_what, path) => {
    await expect(write(path)).rejects.toMatchObject(REFUSED);
  });

  it("replaces a link of its name, and never what the link leads to", async () => {
    const path = at("results", "taken.hdf");
    writeFileSync(at("local"), "result");
    const destination = { ref: { path }, job: "j1", overwrite: true };
    const local = { path: at("local"), bytes: 6, sha256: "0".repeat(64) };
    const found = await sharedPath.inspect(destination);
    const seen = found.kind === "free" ? found.seen : null;
    const quiet = { report: () => {}, signal: new AbortController().signal };
    await sharedPath.stageOut({ destination, epoch: 1, local, seen, access: {}, confirm: async () => {}, ...quiet });
    expect([lstatSync(path).isSymbolicLink(), readFileSync(path, "utf8")]).toEqual([false, "result"]);
    expect(readFileSync(at("secret", "key"), "utf8")).toBe("secret/key");
  });
});

describe("the roots themselves", () => {
  it("that are not there now make a job try again, not fail for ever", async () => {
    await expect(checkReadable([at("unmounted", "a.bin")], [at("unmounted")])).rejects.toMatchObject({ code: "IO_FAILED" });
    expect(existsSync(at("unmounted"))).toBe(false);
  });

  it("may be none, or all there is", async () => {
    await expect(checkReadable([at("data", "a.bin")], [])).rejects.toMatchObject({
      message: expect.stringContaining("at this site: none"),
    });
    await expect(checkReadable([at("secret", "key")], ["/"])).resolves.toBeUndefined();
  });

  it.each(["data", "/data/", "/data/../etc", "/data//x", "./data"])("%s is no root", (path) => {
    expect(() => parseSettings(SITE_SETTINGS, JSON.stringify({ roots: { read: [path], write: [] } }), "s.json")).toThrow(/roots\.read\.0/);
  });
});
