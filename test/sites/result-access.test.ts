/** Group and mode of results: which an experiment gets, what is refused before work begins, and what the files have, from the first moment on. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseSettings } from "../../src/cli/settings-file.js";
import { realClock } from "../../src/core/real-clock.js";
import { type ResultRules, resultAccess } from "../../src/sites/result-access.js";
import { SITE_SETTINGS } from "../../src/sites/site-settings.js";
import { sharedPath } from "../../src/sites/transfers/shared-path.js";

const ROOT = { user: 0, groups: [0] };
const isRoot = process.geteuid!() === 0;
/** Groups that every Debian has. */
const [MAIL, GAMES] = [8, 60];

const of = (rules: Partial<ResultRules>, experiment?: string, identity = ROOT) =>
  resultAccess({ groups: {}, ...rules }, identity, realClock).of(experiment);

describe("the group of an experiment", () => {
  it("is its own, or made of its name, or that of all; without rules nothing changes", async () => {
    const rules = { mode: 0o640, group: "{name}", groups: { "2026-3/smith": "games" } };
    expect(await of(rules, "2026-3/smith")).toEqual({ mode: 0o640, group: GAMES });
    expect(await of(rules, "2026-3/mail")).toEqual({ mode: 0o640, group: MAIL });
    expect(await of({ group: "{cycle}" }, "mail/x")).toEqual({ group: MAIL });
    expect(await of({ group: "games" })).toEqual({ group: GAMES });
    expect(await of({}, "2026-3/smith")).toEqual({});
  });

  it("is refused before any work when there is none, when the site's user is no member, and when a number poses as a name", async () => {
    const refused = (text: string) => ({ code: "REFUSED", message: expect.stringContaining(text) });
    await expect(of({ group: "{name}" }, "2026-3/no-such-group")).rejects.toMatchObject(refused("no such group"));
    // getent takes 0 for the group root.
    await expect(of({ group: "{name}" }, "2026-3/0")).rejects.toMatchObject(refused("no such group"));
    await expect(of({ group: "{name}" }, "2026-3/--help")).rejects.toMatchObject(refused("no such group"));
    await expect(of({ group: "games" }, "2026-3/smith", { user: 1000, groups: [1000] })).rejects.toMatchObject(
      refused("results of 2026-3/smith to the group games, and may not: its user 1000 is no member"),
    );
    expect(await of({ group: "games" }, "2026-3/smith", { user: 1000, groups: [GAMES] })).toEqual({ group: GAMES });
  });
});

describe("the settings of results", () => {
  it("are read whole", () => {
    const text = '{"results": {"mode": "0640", "group": "xpcs-{name}", "groups": {"2026-3/smith": "g1"}}}';
    expect(parseSettings(SITE_SETTINGS, text, "s.json").results).toEqual({
      mode: 0o640,
      group: "xpcs-{name}",
      groups: { "2026-3/smith": "g1" },
    });
    expect(SITE_SETTINGS.parse({}).results).toEqual({ groups: {} });
  });

  it.each([
    ['{"results": {"mode": "0040"}}', /results\.mode: must be an octal mode/],
    ['{"results": {"mode": 640}}', /results\.mode/],
    ['{"results": {"mode": "4755"}}', /results\.mode/],
    ['{"results": {"group": "{person}"}}', /results\.group: may have \{cycle\} and \{name\}/],
    ['{"results": {"group": "a b"}}', /results\.group: is no name of a group/],
    ['{"results": {"groups": {"smith": "g"}}}', /results\.groups\.smith: is no experiment/],
    ['{"result": {}}', /result/],
    ["{", /line 1 is neither YAML nor JSON/],
  ])("%s are refused with their place", (text, message) => {
    expect(() => parseSettings(SITE_SETTINGS, text, "s.json")).toThrow(message);
  });
});

describe.each(["/tmp", "/dev/shm"])("a result that was made in %s", (place) => {
  let work: string;
  let there: string;
  beforeEach(() => {
    work = mkdtempSync(join(existsSync(place) ? place : tmpdir(), "xpcs-access-"));
    there = mkdtempSync(join(tmpdir(), "xpcs-access-"));
  });
  afterEach(() => {
    for (const folder of [work, there]) rmSync(folder, { recursive: true, force: true });
  });
  const path = () => join(there, "a_results.hdf");
  const facts = (file: string) => {
    const { gid, mode, uid } = statSync(file);
    return { uid, gid, mode: (mode & 0o7777).toString(8) };
  };
  const request = (access: { mode?: number; group?: number }, confirm = async () => {}) => {
    const local = join(work, "result.partial");
    writeFileSync(local, "result");
    const sha256 = createHash("sha256").update("result").digest("hex");
    const destination = { ref: { path: path() }, job: "j1", overwrite: false };
    return {
      destination,
      epoch: 1,
      local: { path: local, bytes: 6, sha256 },
      seen: null,
      access,
      confirm,
      report: () => {},
      signal: new AbortController().signal,
    };
  };

  it.runIf(isRoot)("has its group and mode before it is seen", async () => {
    let before: unknown = null;
    const look = async () => {
      const partial = readdirSync(there).find((name) => name.endsWith(".partial"));
      before = facts(join(there, partial!));
    };
    await sharedPath.stageOut(request({ mode: 0o640, group: GAMES }, look));
    expect(before).toEqual({ uid: 0, gid: GAMES, mode: "640" });
    expect(facts(path())).toEqual(before);
  });

  it("has the mode alone where no group is asked for", async () => {
    await sharedPath.stageOut(request({ mode: 0o444 }));
    expect(facts(path())).toMatchObject({ mode: "444" });
  });

  it.runIf(isRoot)("is not published where the system does not let the site's user, and the reason says so", () => {
    mkdirSync(join(work, "w"));
    for (const folder of [work, there, join(work, "w")]) {
      chownSync(folder, 65_534, 65_534);
      chmodSync(folder, 0o755);
    }
    const built = fileURLToPath(new URL("../../dist/sites/transfers/shared-path.js", import.meta.url));
    const script = `
      const { sharedPath } = await import(${JSON.stringify(built)});
      const { chownSync, writeFileSync } = await import("node:fs");
      const local = ${JSON.stringify(join(work, "w", "result.partial"))};
      writeFileSync(local, "result");
      // The file belongs to the user, as one that its own kernel host made.
      chownSync(local, 65534, 65534);
      process.setgroups([]); process.setgid(65534); process.setuid(65534);
      const request = { ...${JSON.stringify(request({ mode: 0o640, group: GAMES }))}, confirm: async () => {}, signal: new AbortController().signal };
      request.local.path = local;
      await sharedPath.stageOut(request).then(() => console.log("published"), (error) => console.log(error.code, error.message));`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
    expect(stdout, stderr).toContain(`IO_FAILED ${path()} cannot be given to group ${GAMES}`);
    expect(readdirSync(there)).toEqual([]);
  });
});
