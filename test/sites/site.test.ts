/** A site against a fake central: what it reports, and above all what it does not publish. Kernels here write known bytes. */
import { createHash, randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { sleep } from "../../src/core/clock.js";
import { XpcsError } from "../../src/core/errors.js";
import type { CorrJob, NoopJob } from "../../src/core/job.js";
import { silentLogger } from "../../src/core/log.js";
import { realClock } from "../../src/core/real-clock.js";
import type { Destination } from "../../src/files/publication.js";
import type { KernelRun } from "../../src/sites/kernel-host.js";
import type { KernelPool } from "../../src/sites/kernel-pool.js";
import { SHARED_PATHS, type Transfers } from "../../src/sites/locations.js";
import { runSite, type Site, type SiteOptions } from "../../src/sites/site.js";
import { createFakeCentral, type FakeCentral } from "./fake-central.js";

let folder: string;
let central: FakeCentral;
let site: Site | null;
let runs: number;

const NOOP: NoopJob = { app: "xpcs.noop", durationMs: 30 };
const corrJob = (name: string, overwrite = false): CorrJob => ({
  app: "xpcs.corr",
  input: { path: join(folder, "in.bin") },
  qmap: { path: join(folder, "q.hdf") },
  out: { path: join(folder, "out", `${name}_results.hdf`) },
  overwrite,
  options: {},
});
const outFiles = (): string[] => readdirSync(join(folder, "out")).sort();
const published = (name: string): string => readFileSync(join(folder, "out", `${name}_results.hdf`), "utf8");
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Imitates kernel hosts: waits, then writes the run's number as the result; hears the signal. */
function fakeKernels(delayMs = 30): KernelPool {
  return {
    async run({ work, signal }: KernelRun) {
      await sleep(realClock, work.app === "xpcs.noop" ? work.durationMs : delayMs, signal);
      if (signal.aborted) throw new XpcsError("CANCELED", "stopped");
      runs += 1;
      if (work.app === "xpcs.corr") writeFileSync(work.request.out, `result ${runs}`);
      return { summary: null };
    },
    failed: new Promise(() => {}),
    async close() {},
  };
}

function startSite(overrides: Partial<SiteOptions> = {}): Site {
  site = runSite({
    name: "here",
    instance: randomUUID(),
    host: "test",
    slots: 2,
    threadsPerSlot: 1,
    apps: ["xpcs.noop", "xpcs.corr"],
    commands: {},
    access: { of: async () => ({}) },
    roots: null,
    hosts: ["test"],
    launcher: null,
    capacity: { cores: 2, memoryGb: 8, gpus: 0, nodes: 1, walltimeS: null },
    workDir: join(folder, "work"),
    dial: central.dial,
    kernels: fakeKernels(),
    clock: realClock,
    logger: silentLogger,
    rng: Math.random,
    onRefused: () => {},
    ...overrides,
  });
  return site;
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-site-"));
  for (const name of ["out", "work"]) await mkdir(join(folder, name));
  for (const name of ["in.bin", "q.hdf"]) writeFileSync(join(folder, name), "bytes");
  central = createFakeCentral();
  site = null;
  runs = 0;
});

afterEach(async () => {
  await site?.stop({ graceMs: 0 });
  rmSync(folder, { recursive: true, force: true });
});

describe("a site", () => {
  it("runs what it is granted and reports it under its epoch", async () => {
    startSite();
    const leases = [central.grant("j1", NOOP), central.grant("j2", NOOP), central.grant("j3", NOOP)];
    await vi.waitFor(() => expect(central.said.completed).toHaveLength(3), { timeout: 5_000 });
    expect(central.said.completed.map(({ lease }) => lease)).toEqual(expect.arrayContaining(leases));
  });

  it("publishes a result whole, with its digest, and tidies up", async () => {
    startSite();
    central.grant("j1", corrJob("a"));
    await vi.waitFor(() => expect(central.said.completed).toHaveLength(1));
    const path = join(folder, "out", "a_results.hdf");
    expect(central.said.completed[0]?.outputs).toEqual([{ path, bytes: 8, sha256: sha256("result 1") }]);
    await vi.waitFor(() => expect([...outFiles(), ...readdirSync(join(folder, "work"))]).toEqual(["a_results.hdf"]));
  });

  it("tidies up once a destination that was out of reach is back, or when it starts again", { timeout: 30_000 }, async () => {
    let away = 1;
    const transfers: Transfers = {
      ...SHARED_PATHS,
      of: (ref) => {
        const plain = SHARED_PATHS.of(ref);
        const settle = async (destination: Destination): Promise<void> => {
          if (away > 0) throw new XpcsError("UNAVAILABLE", `out of reach: ${away--}`);
          await plain.settle(destination);
        };
        return { ...plain, settle };
      },
    };
    const left = (): string[] => [...outFiles(), ...readdirSync(join(folder, "work"))];
    startSite({ transfers });
    central.grant("j1", corrJob("a"));
    await vi.waitFor(() => expect([central.said.completed.length, away]).toEqual([1, 0]));
    expect(outFiles()).toEqual([".a_results.hdf.j1.published", "a_results.hdf"]);
    await vi.waitFor(() => expect(left()).toEqual(["a_results.hdf"]), { timeout: 15_000, interval: 200 });
    away = Number.POSITIVE_INFINITY;
    central.grant("j2", corrJob("b"));
    await vi.waitFor(() => expect(central.said.completed).toHaveLength(2));
    await vi.waitFor(() => expect(outFiles()).toContain(".b_results.hdf.j2.published"));
    await site?.stop({ graceMs: 100 });
    expect(left()).toHaveLength(4);
    away = 0;
    startSite({ transfers });
    await vi.waitFor(() => expect(left()).toEqual(["a_results.hdf", "b_results.hdf"]), { timeout: 5_000 });
  });

  it("fails a job whose input is missing, or whose result would replace a stranger's file", async () => {
    startSite();
    writeFileSync(join(folder, "out", "b_results.hdf"), "a stranger's");
    central.grant("j1", { ...corrJob("a"), input: { path: join(folder, "none.bin") } });
    central.grant("j2", corrJob("b"));
    await vi.waitFor(() => expect(central.said.failed).toHaveLength(2));
    const codes = Object.fromEntries(central.said.failed.map(({ lease, code }) => [lease.job, code]));
    expect(codes).toEqual({ j1: "NOT_FOUND", j2: "ALREADY_EXISTS" });
    expect(published("b")).toBe("a stranger's");
    expect(runs).toBe(0);
  });

  it("replaces a file when the job says so", async () => {
    startSite();
    writeFileSync(join(folder, "out", "b_results.hdf"), "a stranger's");
    central.grant("j2", corrJob("b", true));
    await vi.waitFor(() => expect(central.said.completed).toHaveLength(1));
    expect(published("b")).toBe("result 1");
  });

  it("stops and discards a lost lease: no file, no report", async () => {
    startSite({ kernels: fakeKernels(60_000) });
    central.grant("j1", corrJob("a"));
    await vi.waitFor(() => expect(central.said.states).toContain("j1.1 running"));
    central.takeAway("j1");
    await vi.waitFor(() => expect(readdirSync(join(folder, "work"))).toEqual([]));
    expect(outFiles()).toEqual([]);
    expect([...central.said.completed, ...central.said.failed, ...central.said.returned]).toEqual([]);
  });

  it("stops a canceled job and says CANCELED", async () => {
    startSite({ kernels: fakeKernels(60_000) });
    const lease = central.grant("j1", corrJob("a"));
    await vi.waitFor(() => expect(central.said.states).toContain("j1.1 running"));
    central.cancel(lease);
    await vi.waitFor(() => expect(central.said.failed).toEqual([expect.objectContaining({ lease, code: "CANCELED" })]));
  });

  it("stops an attempt that takes longer than its job allows, and says so", async () => {
    startSite();
    central.grant("j1", { app: "xpcs.noop", durationMs: 60_000 }, { walltimeS: 0.2 });
    await vi.waitFor(() => expect(central.said.failed).toHaveLength(1), { timeout: 5_000 });
    expect(central.said.failed[0]).toMatchObject({
      code: "WALLTIME_EXCEEDED",
      reason: "attempt 1 of j1 took longer than the 0.2 s that the job allows",
    });
  });

  it("hears of a cancel at once, also with every slot busy and long before the next renewal", async () => {
    central = createFakeCentral({ renewMs: 3_600_000 });
    startSite({ slots: 1, kernels: fakeKernels(60_000) });
    const lease = central.grant("j1", corrJob("a"));
    // The change of state is reported early; the next renewal is an hour away.
    await vi.waitFor(() => expect(central.said.states).toContain("j1.1 running"));
    central.cancel(lease);
    await vi.waitFor(() => expect(central.said.failed).toEqual([expect.objectContaining({ lease, code: "CANCELED" })]));
  });

  it("computes on while central is away, publishes nothing, and completes when it answers again", async () => {
    startSite({ kernels: fakeKernels(300) });
    const lease = central.grant("j1", corrJob("a"));
    await vi.waitFor(() => expect(central.said.states).toContain("j1.1 running"));
    central.goAway();
    await vi.waitFor(() => expect(runs).toBe(1));
    await sleep(realClock, 200);
    expect(outFiles().filter((name) => !name.startsWith("."))).toEqual([]);
    central.comeBack();
    await vi.waitFor(() => expect(central.said.completed.map((said) => said.lease)).toEqual([lease]), { timeout: 10_000 });
    expect(published("a")).toBe("result 1");
    expect(central.said.joins).toBe(2);
  });

  it("discards what it computed when the lease was granted again meanwhile", async () => {
    startSite({ kernels: fakeKernels(300) });
    central.grant("j1", corrJob("a"));
    await vi.waitFor(() => expect(central.said.states).toContain("j1.1 running"));
    central.goAway();
    await vi.waitFor(() => expect(runs).toBe(1));
    central.takeAway("j1");
    central.comeBack();
    await vi.waitFor(() => expect(readdirSync(join(folder, "work"))).toEqual([]), { timeout: 10_000 });
    expect(outFiles()).toEqual([]);
    expect(central.said.completed).toEqual([]);
  });

  it("completes once when the reply to the completion is lost", async () => {
    startSite();
    central.onComplete = () => {
      central.onComplete = null;
      queueMicrotask(() => {
        central.goAway();
        central.comeBack();
      });
    };
    const lease = central.grant("j1", corrJob("a"));
    await vi.waitFor(() => expect(outFiles()).toEqual(["a_results.hdf"]), { timeout: 10_000 });
    await vi.waitFor(() => expect(readdirSync(join(folder, "work"))).toEqual([]), { timeout: 10_000 });
    expect(central.said.completed.map((said) => said.lease)).toEqual([lease]);
    expect(runs).toBe(1);
  });

  it.each([
    ["gives work back whose process was ended by a signal just before it is told to stop", "SIGTERM", 300, "returned"],
    ["reports work as failed whose process was ended by a signal, when it is not told to stop", "SIGKILL", null, "failed"],
    ["reports work as failed that crashed before it was told to stop", "SIGSEGV", 300, "failed"],
  ] as const)("%s", async (_name, signal, stopAfterMs, outcome) => {
    const failing = vi.fn(async () => {
      throw new XpcsError("NATIVE_CRASHED", `the kernel host process was ended by ${signal}`, { signal });
    });
    const here = startSite({ kernels: { ...fakeKernels(), run: failing } });
    const lease = central.grant("j1", NOOP);
    await vi.waitFor(() => expect(failing).toHaveBeenCalled());
    if (stopAfterMs !== null) {
      await sleep(realClock, stopAfterMs);
      await here.stop({ graceMs: 1_000 });
    }
    const heard = () => ({ failed: central.said.failed.map(({ lease: one }) => one), returned: central.said.returned });
    await vi.waitFor(() => expect(heard()).toEqual({ failed: [], returned: [], [outcome]: [lease] }), { timeout: 5_000 });
  });

  it("gives back what it cannot finish when it is told to stop, and says goodbye", async () => {
    const running = startSite({ kernels: fakeKernels(60_000) });
    const lease = central.grant("j1", corrJob("a"));
    await vi.waitFor(() => expect(central.said.states).toContain("j1.1 running"));
    await running.stop({ graceMs: 50 });
    expect(central.said.returned).toEqual([lease]);
    expect(central.said.left).toBe(true);
    await running.ended;
  });

  it("finishes running work within the grace period", async () => {
    const running = startSite({ kernels: fakeKernels(200) });
    central.grant("j1", corrJob("a"));
    await vi.waitFor(() => expect(central.said.states).toContain("j1.1 running"));
    await running.stop({ graceMs: 10_000 });
    expect(central.said.completed).toHaveLength(1);
    expect(central.said.returned).toEqual([]);
  });

  it("ends with the error when central refuses its token", async () => {
    const running = startSite({
      dial: async () => {
        throw new XpcsError("PERMISSION_DENIED", "unknown token");
      },
    });
    await expect(running.ended).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  });
});

describe("a site that died between publishing and completing", () => {
  /** Runs j1 until its completion is on its way, and stops the site there: published, but not recorded. */
  async function publishOnly(): Promise<void> {
    const first = startSite();
    central.onComplete = () => {
      central.goAway();
      throw new XpcsError("UNAVAILABLE", "central has died");
    };
    central.grant("j1", corrJob("a"));
    await vi.waitFor(() => expect(published("a")).toBe("result 1"));
    await first.stop({ graceMs: 0 });
    expect(central.said.completed).toEqual([]);
    central.onComplete = null;
    central.comeBack();
  }

  it("completes under the old epoch when it starts again, without computing again", async () => {
    await publishOnly();
    startSite();
    await vi.waitFor(() => expect(central.said.completed).toHaveLength(1));
    expect(central.said.completed[0]?.outputs[0]?.sha256).toBe(sha256("result 1"));
    await vi.waitFor(() => expect([...outFiles(), ...readdirSync(join(folder, "work"))]).toEqual(["a_results.hdf"]));
    expect(runs).toBe(1);
  });

  it("leaves it to the next attempt elsewhere, which finds the file and does not call it a conflict", async () => {
    await publishOnly();
    const lease = central.grant("j1", corrJob("a"));
    await mkdir(join(folder, "elsewhere"));
    startSite({ name: "elsewhere", workDir: join(folder, "elsewhere") });
    await vi.waitFor(() => expect(central.said.completed).toHaveLength(1));
    expect(central.said.completed[0]).toMatchObject({ lease, outputs: [{ sha256: sha256("result 1") }] });
    expect(runs).toBe(1);
  });

  it("still reports a conflict when somebody has changed the file since", async () => {
    await publishOnly();
    writeFileSync(join(folder, "out", "a_results.hdf"), "edited");
    central.grant("j1", corrJob("a"));
    await mkdir(join(folder, "elsewhere"));
    startSite({ name: "elsewhere", workDir: join(folder, "elsewhere") });
    await vi.waitFor(() => expect(central.said.failed).toEqual([expect.objectContaining({ code: "ALREADY_EXISTS" })]));
    expect(published("a")).toBe("edited");
  });
});
