/** `xpcs site init`: the file that it writes is one that `xpcs site --batch` reads, whatever a scheduler says; existing files stay. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseSettings } from "../../src/cli/settings-file.js";
import { type MachineReport, siteFileText } from "../../src/cli/site-file-text.js";
import { BATCH_FILE } from "../../src/sites/batch-file.js";
import type { Queue } from "../../src/sites/schedulers/define.js";
import { SCHEDULERS } from "../../src/sites/schedulers/registry.js";
import { RIGS } from "../sites/schedulers/rigs.js";
import { startXpcs } from "./xpcs-process.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-init-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const REPORT: MachineReport = {
  ...{ host: "login1", cores: 64, memoryGb: 512, kernels: "AVX3 (AMD EPYC)", folder: "/scratch/u/batch" },
  disks: [{ path: "/tmp", freeGb: 120 }],
  schedulers: [{ name: "slurm", version: "22.05.8" }],
  queues: [],
  accounts: [],
  nodes: [],
  profile: null,
};
const queue = (name: string, more: Partial<Queue> = {}): Queue => ({ name, open: true, walltimeMaxS: null, nodes: null, ...more });
const written = (report: Partial<MachineReport>) =>
  parseSettings(BATCH_FILE, siteFileText({ ...REPORT, ...report }, "/etc/b.yaml"), "b.yaml");

describe("the file", () => {
  it.each(SCHEDULERS.filter(({ name, detection }) => name !== "local" && detection !== null).map(({ name }) => name))(
    "is right for %s, also with all that it proposes",
    (name) => {
      const report: MachineReport = { ...REPORT, schedulers: [{ name, version: "1" }], queues: [queue("batch")] };
      expect(written(report)).toMatchObject({
        scheduler: name,
        folder: REPORT.folder,
        job: { queue: "batch", walltimeS: 3600 },
        pilots: { max: 1 },
      });
      // Every setting that stands in a comment can be taken over.
      const text = siteFileText(report, "b.yaml").replace(/^ {2}# (\w+: .+)$/gm, "  $1");
      expect(text).not.toBe(siteFileText(report, "b.yaml"));
      expect(parseSettings(BATCH_FILE, text, "b.yaml").job.lines).toHaveLength(1);
    },
  );

  it("takes the first open queue that gives a minute, and no more time than it gives", () => {
    const queues = [
      queue("closed", { open: false }),
      queue("short", { walltimeMaxS: 30 }),
      queue("debug", { walltimeMaxS: 1800, nodes: 2 }),
      queue("main"),
    ];
    expect(written({ queues }).job).toMatchObject({ queue: "debug", walltimeS: 1800 });
    const text = siteFileText({ ...REPORT, queues }, "b.yaml");
    for (const words of [
      "closed: no limit told, closed",
      "debug: 30 min, 2 nodes",
      "This queue gives at most 1800",
      "64 cores",
      "AVX3",
      "/tmp: 120 GB free",
    ])
      expect(text).toContain(words);
    expect(written({ queues: [] }).job.queue).toBeUndefined();
  });

  it("tells nodes and accounts, and proposes what a node has", () => {
    const node = { count: 3072, cpus: 256, cores: 128, memoryGb: 512, gpus: 0, queues: ["main"] };
    const report: MachineReport = {
      ...REPORT,
      queues: [queue("main")],
      accounts: [
        { name: "m1", isDefault: true, qos: ["debug", "regular"] },
        { name: "m2", isDefault: false, qos: [] },
      ],
      nodes: [{ ...node, count: 9, cpus: 8, queues: ["other"] }, node, { ...node, cores: null, memoryGb: null, gpus: 4, queues: [] }],
    };
    const text = siteFileText(report, "b.yaml");
    for (const words of [
      "  #   3072 with 256 CPUs (128 cores), 512 GB, no GPU, in main\n",
      "  #   3072 with 256 CPUs, 4 GPUs\n",
      "  #   m1, the default; QOS debug, regular\n",
      "  #   m2\n",
      "  # cpusPerNode: 256\n",
      "  # memoryGbPerNode: 512\n",
      // Where no facility demands an account, none is filled in.
      "  # account: NAME\n",
    ])
      expect(text).toContain(words);
    expect(parseSettings(BATCH_FILE, text, "b.yaml").job.account).toBeUndefined();
  });

  it("stays one file of settings with hostile words of machine and scheduler", () => {
    const evil = "x\n  lines: [rm -rf y]\u2028";
    const report: Partial<MachineReport> = {
      ...{ host: evil, kernels: evil, folder: `/a "${evil}`, disks: [{ path: evil, freeGb: 1 }] },
      schedulers: [
        { name: "slurm", version: evil },
        { name: "pbs", version: evil },
      ],
      queues: [queue(evil), queue("--wrap=id"), queue("good")],
      accounts: [{ name: evil, isDefault: true, qos: [evil] }],
      nodes: [{ count: 1, cpus: 1, cores: null, memoryGb: null, gpus: null, queues: [evil] }],
    };
    const { job, folder: kept } = written(report);
    expect([job.queue, job.lines, kept]).toEqual(["good", [], report.folder]);
  });
});

describe("the command", () => {
  const fake = async (
    name: "pbs" | "lsf",
    run: (xpcs: (...args: string[]) => Promise<{ code: number | null; stdout: string; stderr: string }>) => Promise<void>,
  ) => {
    const stage = await RIGS[name]!.start();
    try {
      await run((...args) => startXpcs(args, stage.environment as Record<string, string>).result);
    } finally {
      await stage.end();
    }
  };

  it.each(["pbs", "lsf"] as const)("writes a file on a machine with %s that doctor agrees with, and never over another", async (name) => {
    await fake(name, async (xpcs) => {
      const file = join(folder, `${name}.yaml`);
      const { code, stdout, stderr } = await xpcs("site", "init", file, "--json");
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(JSON.parse(stdout)).toMatchObject({ file, scheduler: name, walltimeS: expect.any(Number) });
      const text = readFileSync(file, "utf8");
      const checks = JSON.parse((await xpcs("doctor", "--batch", file, "--json")).stdout) as { checks: { name: string; status: string }[] };
      expect(checks.checks.at(-1)).toMatchObject({ name: `batch ${name}`, status: "ok" });
      const again = await xpcs("site", "init", file);
      expect([again.code, again.stderr]).toEqual([2, expect.stringContaining("stays as it is")]);
      expect(readFileSync(file, "utf8")).toBe(text);
    });
  });

  it.each([
    [["site", "init"], 2, "which file"],
    [["site", "begin", "x"], 2, "init"],
    [["site"], 2, "--work"],
    [["site", "init", "FILE"], 2, "no batch scheduler answers here"],
  ] as const)("%j is refused", async (args, code, words) => {
    const empty = join(folder, "bin");
    const result = await startXpcs(
      args.map((word) => (word === "FILE" ? join(folder, "none.yaml") : word)),
      { PATH: empty, HOME: folder },
    ).result;
    expect([result.code, result.stderr]).toEqual([code, expect.stringContaining(words)]);
  });

  it("says so where it may not write", async () => {
    writeFileSync(join(folder, "file"), "");
    await fake("pbs", async (xpcs) => {
      expect(await xpcs("site", "init", join(folder, "file", "b.yaml"))).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("cannot write"),
      });
    });
  });
});
