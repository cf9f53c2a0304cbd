/** What `xpcs doctor` concludes from the facts of a machine. */
import { describe, expect, it } from "vitest";
import { checkMachine, hasFailure, type MachineFacts } from "../src/cli/doctor-checks.js";
import { probeMachine } from "../src/cli/doctor-probe.js";

const GIB = 1024 ** 3;

const SOUND: MachineFacts = {
  nodeVersion: "20.17.0",
  native: { kernelPath: "AVX3", cpuFeatures: ["avx2"], hdf5Version: "1.10.8", compiler: "g++ 12.2", threads: 8 },
  bundle: null,
  compiler: "g++ 12.2.0",
  cmake: "cmake version 3.25.1",
  cpuModel: "a CPU",
  cpuThreads: 8,
  memoryBytes: 64 * GIB,
  memoryLimitBytes: null,
  rsync: "rsync 3.2.7",
  ssh: "OpenSSH_9.2",
  schedulers: [
    { name: "slurm", version: "22.05.8" },
    { name: "local", version: "9.1" },
  ],
  submitters: ["sbatch"],
  disks: [{ name: "here", path: "/data", freeBytes: 100 * GIB, writable: true }],
};

function check(name: string, change: Partial<MachineFacts>) {
  return checkMachine({ ...SOUND, ...change }).find((each) => each.name === name);
}

describe("a sound machine", () => {
  it("passes with nothing to do", () => {
    const checks = checkMachine(SOUND);
    expect(checks.filter((each) => each.status !== "ok" || each.advice !== null)).toEqual([]);
    expect(hasFailure(checks)).toBe(false);
  });

  it("names the kernel path and the scheduler", () => {
    expect(check("kernel path", {})?.found).toBe("AVX3 (this CPU has avx2)");
    expect(check("scheduler", {})?.found).toBe("slurm 22.05.8");
  });
});

describe("what must be done", () => {
  it("an old Node fails", () => {
    expect(check("node", { nodeVersion: "18.20.4" })).toMatchObject({ status: "fail", advice: expect.stringContaining("20.17") });
  });

  it("a missing native core fails and names the set-up; then the build tools are needed", () => {
    const change = { native: { problem: "the native core is not built" }, compiler: null };
    expect(check("native core", change)).toMatchObject({ status: "fail", advice: expect.stringContaining("npm run setup") });
    expect(check("compiler", change)?.status).toBe("fail");
    expect(hasFailure(checkMachine({ ...SOUND, ...change }))).toBe(true);
  });

  it("a missing compiler is only a warning once the core is built", () => {
    expect(check("compiler", { compiler: null })?.status).toBe("warn");
  });

  it("a bundle is compared with its manifest, and needs neither compiler nor set-up", () => {
    const bundle = { version: "0.1.0", glibc: "2.36", files: 9, changed: [] };
    const bare = { bundle, compiler: null, cmake: null };
    expect(check("bundle", bare)).toMatchObject({ status: "ok", found: expect.stringContaining("all 9 files") });
    expect(hasFailure(checkMachine({ ...SOUND, ...bare }))).toBe(false);
    expect(checkMachine({ ...SOUND, ...bare }).filter(({ name }) => name === "compiler" || name === "cmake")).toEqual([]);
    const changed = ["a", "b", "c", "d", "e"].map((name) => `lib/${name}`);
    expect(check("bundle", { ...bare, bundle: { ...bundle, changed } })).toMatchObject({
      status: "fail",
      found: expect.stringContaining("lib/c and 2 more"),
    });
    const broken = check("native core", { ...bare, native: { problem: "it does not load: run `npm run setup`" } });
    expect(JSON.stringify(broken)).not.toContain("npm");
    expect(check("bundle", {})).toBeUndefined();
  });

  it("a full disk fails, a small or read-only one warns", () => {
    const disk = { name: "here", path: "/data", writable: true };
    expect(check("disk here", { disks: [{ ...disk, freeBytes: 0 }] })?.status).toBe("fail");
    expect(check("disk here", { disks: [{ ...disk, freeBytes: GIB }] })?.status).toBe("warn");
    expect(check("disk here", { disks: [{ ...disk, freeBytes: 9 * GIB, writable: false }] })?.advice).toContain("--out");
  });

  it("a memory limit counts, not the machine's memory", () => {
    expect(check("memory", { memoryLimitBytes: GIB })).toMatchObject({ status: "warn", found: expect.stringContaining("1.0 GiB (limit") });
  });

  it("every warning and failure says what to do", () => {
    const worst = checkMachine({
      ...SOUND,
      nodeVersion: "16.0.0",
      native: { problem: "no" },
      compiler: null,
      cmake: null,
      memoryBytes: GIB,
      rsync: null,
      ssh: null,
      schedulers: [],
      submitters: ["qsub"],
      disks: [{ name: "here", path: "/", freeBytes: 0, writable: true }],
    });
    expect(worst.filter((each) => each.status !== "ok" && each.advice === null)).toEqual([]);
  });
});

describe("the scheduler", () => {
  const local = { name: "local", version: "9.1" };
  it.each([
    [[{ name: "pbs", version: "2022" }, { name: "slurm", version: "24.05" }, local], ["qsub", "sbatch"], "ok", "pbs 2022, slurm 24.05"],
    [[local], ["qsub"], "warn", "qsub, but no scheduler"],
    [[local], [], "ok", "none on PATH"],
  ])("%j with %j is %s: %s", (schedulers, submitters, status, text) => {
    expect(check("scheduler", { schedulers, submitters })).toMatchObject({ status, found: expect.stringContaining(text) });
  });
});

describe("this machine", () => {
  it("can be looked at", async () => {
    const facts = await probeMachine(process.cwd());
    expect(facts.nodeVersion).toBe(process.versions.node);
    expect(facts.memoryBytes).toBeGreaterThan(0);
    expect(facts.disks.map((disk) => disk.name)).toEqual(["here", "temporary"]);
    expect(checkMachine(facts).find((each) => each.name === "node")?.status).toBe("ok");
  });

  it("a folder that does not exist is no disk, and no error", async () => {
    expect((await probeMachine("/does/not/exist")).disks.map((disk) => disk.name)).toEqual(["temporary"]);
  });
});
