/** Profiles of facilities: those that come with the program follow their rules, and a mistake is told with its line. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseSettings } from "../../src/cli/settings-file.js";
import { profileNames, profileOfHost, readProfile } from "../../src/cli/site-profile.js";
import { FACILITY_PROFILE, isHostOf } from "../../src/sites/facility-profile.js";
import { schedulerNamed } from "../../src/sites/schedulers/registry.js";

const FOLDER = new URL("../../profiles/", import.meta.url);
const textOf = (name: string) => readFileSync(new URL(`${name}.yaml`, FOLDER), "utf8");
const parse = (text: string) => parseSettings(FACILITY_PROFILE, text, "p.yaml");

it("has a profile in every file, and a row for it in the documents", () => {
  expect(readdirSync(FOLDER).sort()).toEqual(["aurora.yaml", "frontier.yaml", "perlmutter.yaml", "polaris.yaml"]);
  expect(profileNames()).toEqual(["aurora", "frontier", "perlmutter", "polaris"]);
  const page = readFileSync(new URL("../../docs/profiles.md", import.meta.url), "utf8");
  for (const name of profileNames()) expect(page).toContain(`| \`${name}\` | `);
});

describe.each(profileNames())("%s", (name) => {
  const profile = readProfile(name);
  it("is named as its file, and takes its facts from pages of its facility", () => {
    expect(profile.name).toBe(name);
    for (const { page } of Object.values(profile.sources))
      expect(page).toMatch(/^https:\/\/(docs\.(alcf\.anl|nersc|olcf\.ornl)\.gov|github\.com\/NERSC)\//);
  });

  it("has a source on every line of its facts", () => {
    const facts = textOf(name)
      .split("\n")
      .filter((line) => /\{/.test(line) && !/page:/.test(line));
    expect(facts.length).toBeGreaterThan(10);
    for (const line of facts) expect(line).toMatch(/ from: \w+ \}$/);
  });

  it("demands what its scheduler takes, and knows a queue for one node", () => {
    const { takes } = schedulerNamed(profile.scheduler.value);
    for (const { setting } of profile.required ?? []) expect(takes).toContain(setting);
    for (const { is } of profile.queues ?? []) expect(takes).toContain(is);
    expect((profile.queues ?? []).filter(({ nodesMin = 1, byRequest }) => nodesMin === 1 && !byRequest)).not.toEqual([]);
  });
});

describe("a mistake is told with its line", () => {
  const good = textOf("polaris");
  const lineOf = (words: string) => good.split("\n").findIndex((line) => line.includes(words)) + 1;
  it.each([
    [
      "a source that is not there",
      "name: debug,",
      (line: string) => line.replace("from: jobs", "from: hearsay"),
      /there is no source hearsay/,
    ],
    ["no source", "name: debug,", (line: string) => line.replace(", from: jobs", ""), /queues\.0\.from: /],
    [
      "an unknown field",
      "name: eagle,",
      (line: string) => line.replace("path:", "paht: 1, path:"),
      /filesystems\.1: there is no setting "paht"/,
    ],
    ["an unknown scheduler", "scheduler:", (line: string) => line.replace("pbs,", "condor,"), /scheduler\.value: /],
    ["a time that is none", "name: debug-scaling", (line: string) => line.replace("3600", "1 hour"), /walltimeMaxS: /],
    ["a date that is none", "  overview:", (line: string) => line.replace("2026-11-26", "yesterday"), /sources\.overview\.read: /],
    ["a page that is no https", "  overview:", (line: string) => line.replace("https:", "http:"), /sources\.overview\.page: /],
    [
      "a path that is none",
      "scratch:",
      (line: string) => line.replace("/local/scratch", "/local $(id)"),
      /scratch\.path: must be an absolute path/,
    ],
    ["a proxy that is none", "proxy: {", (line: string) => line.replace("http:", "file:"), /proxy\.url: /],
    ["a setting that no profile demands", "setting: account", (line: string) => line.replace("account", "reservation"), /required\.0/],
    [
      "a source for nothing",
      "  policy: {",
      (line: string) => `${line}\n${line.replace("policy", "spare")}`,
      /nothing is taken from this source/,
    ],
  ])("%s", (_what, words, change, message) => {
    const at = lineOf(words);
    const changed = good
      .split("\n")
      .map((line, index) => (index + 1 === at ? change(line) : line))
      .join("\n");
    expect(changed).not.toBe(good);
    // What was added stands on the line after.
    const line = /spare/.test(changed) ? at + 1 : at;
    expect(() => parse(changed)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringMatching(message) }));
    expect(() => parse(changed)).toThrow(expect.objectContaining({ message: expect.stringContaining(`line ${line}: `) }));
  });

  it("a section that is missing without a reason, or is there in spite of one", () => {
    expect(() => parse(good.replace(/^scratch:.*\n/m, ""))).toThrow(/scratch is not there, and notFound does not say why/);
    expect(() => parse(`${good}notFound: { scratch: none }\n`)).toThrow(/notFound\.scratch: scratch is there/);
    expect(parse(`${good.replace(/^scratch:.*\n/m, "")}notFound: { scratch: none }\n`).notFound).toEqual({ scratch: "none" });
    expect(() => parse(good.replace(/^proxy:.*\n/m, ""))).toThrow(/outside: which proxy/);
  });
});

describe("a host", () => {
  it.each([
    ["polaris-login-02", "polaris"],
    ["polaris-login-02.hsn.cm.polaris.alcf.anl.gov", "polaris"],
    ["aurora-uan-0011", "aurora"],
    ["LOGIN12.frontier.olcf.ornl.gov", "frontier"],
    ["login01", null],
    ["x.polaris-login-1", null],
    ["localhost", null],
  ])("%s is of %s", (host, name) => {
    expect(profileOfHost(host)?.name ?? null).toBe(name);
  });

  it("is matched as a whole, with a dot as a dot", () => {
    const hosts = [{ match: "login*.a.b", from: "x" }];
    expect(["login1.a.b", "login.a.b", "login1.aXb", "login1.a.b.c", "xlogin1.a.b"].map((host) => isHostOf({ hosts }, host))).toEqual([
      ...[true, true, false, false, false],
    ]);
  });
});
