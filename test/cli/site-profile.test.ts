/** `xpcs site init --profile`: what a profile adds to the file, that what was found wins, and how differences are told. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseSettings } from "../../src/cli/settings-file.js";
import { type MachineReport, reportDifferences, settingsToFill, siteFileText } from "../../src/cli/site-file-text.js";
import { jobPlace, nodeDifferences, profileNames, queueDifferences, readProfile } from "../../src/cli/site-profile.js";
import { BATCH_FILE } from "../../src/sites/batch-file.js";
import type { Queue } from "../../src/sites/schedulers/define.js";
import { schedulerNamed } from "../../src/sites/schedulers/registry.js";
import { RIGS } from "../sites/schedulers/rigs.js";
import { startXpcs } from "./xpcs-process.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-profile-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const queue = (name: string, more: Partial<Queue> = {}): Queue => ({ name, open: true, walltimeMaxS: null, nodes: null, ...more });
const report = (name: string, queues: readonly Queue[] = []): MachineReport => ({
  ...{ host: "login1", cores: 64, memoryGb: 512, kernels: "AVX3", folder: "/scratch/u/batch", disks: [] },
  schedulers: [{ name: readProfile(name).scheduler.value, version: "1" }],
  queues,
  accounts: [],
  nodes: [],
  profile: readProfile(name),
});
const written = (name: string, queues: readonly Queue[] = []) =>
  parseSettings(BATCH_FILE, siteFileText(report(name, queues), "/b.yaml"), "b.yaml").job as Record<string, unknown>;

describe("the file", () => {
  it.each(profileNames())("of %s is right as it is, says all that the profile knows, and names its pages", (name) => {
    const text = siteFileText(report(name), "/b.yaml");
    expect(parseSettings(BATCH_FILE, text, "b.yaml").scheduler).toBe(readProfile(name).scheduler.value);
    const { queues = [], nodes = [], filesystems = [], login = [], sources, notFound } = readProfile(name);
    for (const { name: each } of [...queues, ...nodes, ...filesystems]) expect(text).toContain(`  #   ${each}: `);
    for (const { note, from } of login) expect(text).toContain(`${note} [${from}]`);
    for (const { page, read } of Object.values(sources)) expect(text).toContain(`${page}, read ${read}`);
    for (const [what, why] of Object.entries(notFound)) expect(text).toContain(`${what}: ${why}`);
  });

  it("has what the facility demands", () => {
    expect(written("polaris")).toMatchObject({ queue: "debug", walltimeS: 3600, filesystems: ["home", "eagle"] });
    expect(written("polaris").lines).toEqual([
      expect.stringMatching(/^export http_proxy=http:\/\/proxy\.alcf.* no_proxy='admin,.*alcf\.anl\.gov'$/),
    ]);
    expect(written("perlmutter")).toMatchObject({ qos: "debug", constraint: "cpu", lines: [] });
    expect(written("perlmutter").queue).toBeUndefined();
    expect(written("frontier")).toMatchObject({ queue: "batch", walltimeS: 3600 });
  });

  it("has the limit that was found, and says where the profile has another", () => {
    const found = [queue("debug", { walltimeMaxS: 1800, nodes: 1 }), queue("prod", { walltimeMaxS: 86_400, nodes: 496 })];
    expect(written("polaris", found)).toMatchObject({ queue: "debug", walltimeS: 1800 });
    const told = reportDifferences(report("polaris", found));
    expect(told).toEqual(
      expect.arrayContaining([
        "the queue debug gives at most 1800 s here, 3600 by the profile polaris",
        "the queue debug has 1 nodes here, 2 by the profile polaris",
        "the queue capacity of the profile polaris is not here",
      ]),
    );
    expect(told.filter((line) => line.includes("prod"))).toEqual([]);
    const text = siteFileText(report("polaris", found), "/b.yaml");
    for (const line of told) expect(text).toContain(`  #   ${line}`);
  });
});

describe("accounts and nodes", () => {
  const account = (name: string, isDefault = false) => ({ name, isDefault, qos: [] });
  it.each([
    [[account("a")], "a"],
    [[account("a"), account("b", true)], "b"],
    [[account("a"), account("b")], undefined],
    [[account("-x"), account("b")], "b"],
    [[], undefined],
  ])("%j: the account that is demanded is %s", (accounts, name) => {
    const told = { ...report("polaris"), accounts };
    expect(parseSettings(BATCH_FILE, siteFileText(told, "/b.yaml"), "b.yaml").job.account).toBe(name);
    expect(settingsToFill(told)).toEqual(name === undefined ? ["account"] : []);
  });

  const node = { count: 1, cpus: 64, cores: null, memoryGb: 540, gpus: 4, queues: [] };
  it.each([
    ["polaris", node, []],
    ["polaris", { ...node, cpus: 32, cores: 32, gpus: null }, []],
    ["polaris", { ...node, gpus: 2 }, ["no nodes like compute of the profile polaris are here"]],
    ["polaris", { ...node, memoryGb: 256 }, ["no nodes like compute of the profile polaris are here"]],
    ["frontier", { ...node, cpus: 112, cores: 56, memoryGb: 512, gpus: 8 }, []],
    ["perlmutter", { ...node, cpus: 256, memoryGb: 512, gpus: 0 }, ["no nodes like gpu of the profile perlmutter are here"]],
  ])("of %s and %j: %j", (name, found, differences) => {
    expect(nodeDifferences(readProfile(name), [found])).toEqual(differences);
    expect(nodeDifferences(readProfile(name), [])).toEqual([]);
  });
});

describe("the place of jobs", () => {
  const { takes } = schedulerNamed("pbs");
  const polaris = readProfile("polaris");
  it.each([
    [
      "the profile's first that takes one node and is open",
      [queue("prod"), queue("debug", { open: false }), queue("preemptable")],
      "preemptable",
      259_200,
    ],
    ["one of those here, where none of the profile's is", [queue("new", { walltimeMaxS: 900 })], "new", 900],
    ["the profile's first where the scheduler names none", [], "debug", 3600],
    ["none that is given by request only, or for more nodes", [queue("demand"), queue("prod"), queue("x", { open: false })], null, null],
  ] as const)("is %s", (_what, queues, name, limitS) => {
    expect(jobPlace(polaris, queues, takes)).toEqual({ queue: name, qos: null, walltimeMaxS: limitS });
  });

  it("takes the limit of a job of one node", () => {
    expect(jobPlace(readProfile("frontier"), [], schedulerNamed("slurm").takes)).toEqual({ queue: "batch", qos: null, walltimeMaxS: 7200 });
  });

  it("differs in nothing where the scheduler names no queues, or says the same", () => {
    expect(queueDifferences(polaris, [])).toEqual([]);
    const same = (polaris.queues ?? []).map(({ name, walltimeMaxS = null, nodesMax = null }) =>
      queue(name, { walltimeMaxS, nodes: nodesMax }),
    );
    expect(queueDifferences(polaris, same)).toEqual([]);
    expect(queueDifferences(polaris, [...same.slice(1), { ...same[0]!, open: false }])).toEqual(["the queue debug is closed"]);
  });
});

describe("the command", () => {
  const onFakePbs = async (...args: string[]) => {
    const stage = await RIGS.pbs!.start();
    try {
      return await startXpcs(args, stage.environment as Record<string, string>).result;
    } finally {
      await stage.end();
    }
  };

  it("writes a file with a profile, and tells what differs and what is to be filled in", async () => {
    const file = join(folder, "polaris.yaml");
    const { code, stdout, stderr } = await onFakePbs("site", "init", file, "--profile", "polaris", "--json");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({ file, scheduler: "pbs", profile: "polaris", toFill: ["account"] });
    expect(JSON.parse(stdout).differences).toContainEqual("the queue capacity of the profile polaris is not here");
    expect(readFileSync(file, "utf8")).toContain('filesystems: ["home", "eagle"]');
    const inWords = await onFakePbs("site", "init", join(folder, "again.yaml"), "--profile", "polaris");
    expect(inWords.stderr).toContain("differs: the queue capacity of the profile polaris is not here");
    expect(inWords.stderr).toContain("to be filled in, as the facility demands it: account");
  });

  it.each([
    [["site", "init", "FILE", "--profile", "summit"], 'there is no profile "summit", there are aurora, frontier, perlmutter, polaris'],
    [["site", "init", "FILE", "--profile", "../profiles/polaris"], "there is no profile"],
    [["site", "init", "FILE", "--profile", "frontier"], "the profile frontier is of a machine with slurm, and here pbs answers"],
    [["site", "--profile", "polaris", "--work", "FILE"], "--profile is for the file that xpcs site init writes"],
  ] as const)("%j is refused", async (args, words) => {
    const result = await onFakePbs(...args.map((word) => (word === "FILE" ? join(folder, "none.yaml") : word)));
    expect([result.code, result.stderr]).toEqual([2, expect.stringContaining(words)]);
  });
});
