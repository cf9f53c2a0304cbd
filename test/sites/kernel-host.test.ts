/** Kernel hosts as real processes: what a site learns of their deaths, and that none outlives its site. Needs the built output. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";
import { silentLogger } from "../../src/core/log.js";
import { realClock } from "../../src/core/real-clock.js";
import { type HostProcess, startHost } from "../../src/sites/kernel-host.js";
import { createKernelPool, type KernelPool } from "../../src/sites/kernel-pool.js";
import { DEFAULT_SUPERVISION } from "../../src/sites/supervision.js";
import { virtualClock } from "../actors/virtual-clock.js";

const MAIN = fileURLToPath(new URL("../../dist/sites/kernel-host-main.js", import.meta.url));
const FAULTY = fileURLToPath(new URL("./faulty-host.mjs", import.meta.url));
const rules = DEFAULT_SUPERVISION.hosts;
const hosts: HostProcess[] = [];
let pool: KernelPool | null = null;

function start(main: string): HostProcess {
  const host = startHost({ clock: realClock, rules, main });
  hosts.push(host);
  return host;
}

function noop(host: Pick<HostProcess, "run">, durationMs: number, signal = new AbortController().signal) {
  return host.run({ work: { app: "xpcs.noop", durationMs }, onProgress: () => {}, signal });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

afterEach(async () => {
  await pool?.close();
  pool = null;
  await Promise.all(hosts.splice(0).map((host) => host.kill()));
});

describe("a kernel host", () => {
  it("runs work, and may be used again", async () => {
    const host = start(MAIN);
    await expect(noop(host, 5)).resolves.toEqual({ summary: null });
    await expect(noop(host, 5)).resolves.toEqual({ summary: null });
    expect(host.usable).toBe(true);
  });

  it("that is killed fails the work with NATIVE_CRASHED and the signal", async () => {
    const host = start(MAIN);
    await noop(host, 1);
    const work = noop(host, 60_000);
    process.kill(host.pid, "SIGKILL");
    await expect(work).rejects.toMatchObject({ code: "NATIVE_CRASHED", message: expect.stringContaining("SIGKILL") });
    expect(host.usable).toBe(false);
  });

  it("whose work says that something is not available has not crashed: its words are told, and it is used again", async () => {
    const host = start(FAULTY);
    for (let n = 0; n < 2; n += 1)
      await expect(noop(host, 5)).rejects.toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining("does not answer") });
    expect(host.usable).toBe(true);
    await expect(noop(host, 2)).rejects.toMatchObject({ code: "NATIVE_CRASHED", message: expect.stringContaining("exit code 7") });
  });

  it("that aborts is reported with its last words", async () => {
    await expect(noop(start(FAULTY), 1)).rejects.toMatchObject({
      code: "NATIVE_CRASHED",
      message: expect.stringMatching(/SIGABRT.*the heap is corrupt/),
    });
  });

  it("that exits is reported with its exit code", async () => {
    await expect(noop(start(FAULTY), 2)).rejects.toMatchObject({ code: "NATIVE_CRASHED", message: expect.stringContaining("exit code 7") });
  });

  it("that hangs is killed and reported", async () => {
    const host = start(FAULTY);
    await expect(noop(host, 3)).rejects.toMatchObject({ code: "NATIVE_CRASHED", message: expect.stringContaining("no sign of life") });
    expect(isAlive(host.pid)).toBe(false);
  });

  it("that stops in the middle of its work is given up within 10 s", async () => {
    // The process is real, the time is not: what is measured is how long the site would wait.
    const clock = virtualClock();
    const host = startHost({ clock, rules, main: MAIN });
    hosts.push(host);
    await noop(host, 1);
    const work = noop(host, 3_600_000);
    const end = work.then(
      () => "finished",
      (error: Error) => error.message,
    );
    process.kill(host.pid, "SIGSTOP");
    let waitedMs = 0;
    for (; host.usable && waitedMs < 10_000; waitedMs += 100) await clock.advance(100);
    expect(waitedMs).toBeLessThan(10_000);
    expect(await end).toContain("no sign of life");
  });

  it("stops its work when asked, and is killed when it does not listen", async () => {
    for (const [main, durationMs] of [
      [MAIN, 60_000],
      [FAULTY, 4],
    ] as const) {
      const controller = new AbortController();
      const host = start(main);
      const work = noop(host, durationMs, controller.signal);
      work.catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 300));
      controller.abort();
      await expect(work).rejects.toMatchObject({ code: "CANCELED" });
      expect(host.usable).toBe(main === MAIN);
    }
  });

  it("ends when its parent is killed", async () => {
    const script = `import { startHost } from ${JSON.stringify(fileURLToPath(new URL("../../dist/sites/kernel-host.js", import.meta.url)))};
      import { realClock } from ${JSON.stringify(fileURLToPath(new URL("../../dist/core/real-clock.js", import.meta.url)))};
      const host = startHost({ clock: realClock, rules: ${JSON.stringify(rules)} });
      await host.run({ work: { app: "xpcs.noop", durationMs: 1 }, onProgress() {}, signal: new AbortController().signal });
      console.log(host.pid);
      await host.run({ work: { app: "xpcs.noop", durationMs: 60000 }, onProgress() {}, signal: new AbortController().signal });`;
    const parent: ChildProcess = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
    const pid = await new Promise<number>((resolve) => parent.stdout?.once("data", (text) => resolve(Number(text))));
    expect(isAlive(pid)).toBe(true);
    parent.kill("SIGKILL");
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 5_000 });
  });
});

describe("a pool of kernel hosts", () => {
  it("keeps hosts warm and replaces one that died", async () => {
    const started: HostProcess[] = [];
    pool = createKernelPool({
      ...{ slots: 1, logger: silentLogger, clock: realClock, rules: DEFAULT_SUPERVISION.restart },
      start() {
        const host = start(MAIN);
        started.push(host);
        return host;
      },
    });
    await noop(pool, 1);
    await noop(pool, 1);
    expect(started).toHaveLength(1);
    const work = noop(pool, 60_000);
    process.kill(started[0]!.pid, "SIGKILL");
    await expect(work).rejects.toMatchObject({ code: "NATIVE_CRASHED" });
    await noop(pool, 1);
    expect(started).toHaveLength(2);
  });

  it("survives the death of an idle host", async () => {
    const started: HostProcess[] = [];
    pool = createKernelPool({
      ...{ slots: 1, logger: silentLogger, clock: realClock, rules: DEFAULT_SUPERVISION.restart },
      start() {
        const host = start(MAIN);
        started.push(host);
        return host;
      },
    });
    await noop(pool, 1);
    process.kill(started[0]!.pid, "SIGKILL");
    await vi.waitFor(() => expect(started[0]!.usable).toBe(false));
    await noop(pool, 1);
  });
});
