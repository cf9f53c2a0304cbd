/** How kernel hosts are kept up: the waits between starts, giving up, and the bounds of real child processes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { parseSettings } from "../../src/cli/settings-file.js";
import { XpcsError } from "../../src/core/errors.js";
import { silentLogger } from "../../src/core/log.js";
import type { CommandRun } from "../../src/core/protocols.js";
import { realClock } from "../../src/core/real-clock.js";
import { type HostProcess, startHost } from "../../src/sites/kernel-host.js";
import { createKernelPool, type KernelPool } from "../../src/sites/kernel-pool.js";
import { SITE_SETTINGS } from "../../src/sites/site-settings.js";
import { DEFAULT_SUPERVISION, type HostRules, Restarts } from "../../src/sites/supervision.js";
import { virtualClock } from "../actors/virtual-clock.js";

const MAIN = fileURLToPath(new URL("../../dist/sites/kernel-host-main.js", import.meta.url));
const RULES = { firstMs: 100, factor: 3, maxMs: 500, endsMax: 4, withinMs: 60_000 };

describe("the waits between restarts", () => {
  it("grow up to a bound, begin anew after a host that was ready, and end where there were too many in a while", async () => {
    const clock = virtualClock(0);
    const slot = new Restarts(RULES, clock);
    expect([slot.ended(), slot.ended(), slot.ended()]).toEqual([100, 300, 500]);
    slot.ready();
    expect(slot.ended()).toBe(100);
    expect(slot.ended()).toBeNull();
    await clock.advance(60_000);
    expect(slot.ended()).toBe(500);
  });
});

/** Imitates a host: ready, or dead, when the test says so. */
class FakeHost implements HostProcess {
  readonly pid = 1;
  usable = true;
  becomeReady: () => void = () => {};
  fail: (error: Error) => void = () => {};
  die: (how: string) => void = () => {};
  finish: (error?: Error) => void = () => {};
  killed = false;
  readonly ready = new Promise<void>((resolve, reject) => {
    this.becomeReady = resolve;
    this.fail = reject;
  });
  readonly ended = new Promise<string>((resolve) => {
    this.die = (how) => {
      this.usable = false;
      resolve(how);
    };
  });
  run(): Promise<{ summary: null }> {
    return new Promise((resolve, reject) => {
      this.finish = (error) => (error === undefined ? resolve({ summary: null }) : reject(error));
    });
  }
  async kill(): Promise<void> {
    this.killed = true;
    this.die("killed");
  }
}

describe("a pool of kernel hosts", () => {
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const begin = (slots: number) => {
    const clock = virtualClock(0);
    const hosts: FakeHost[] = [];
    const start = (): FakeHost => {
      const host = new FakeHost();
      hosts.push(host);
      return host;
    };
    const pool = createKernelPool({ slots, rules: RULES, clock, logger: silentLogger, start });
    const run = (signal = new AbortController().signal) =>
      pool.run({ work: { app: "xpcs.noop", durationMs: 1 }, onProgress: () => {}, signal }).then(
        () => "done",
        ({ code }: XpcsError) => code,
      );
    return { clock, hosts, pool, run };
  };
  const crash = new XpcsError("NATIVE_CRASHED", "no such library");

  it("starts a host that dies before it is ready again and again, ever later, and then gives up with its last words", async () => {
    const { clock, hosts, pool } = begin(1);
    let given: XpcsError | null = null;
    void pool.failed.then((error) => {
      given = error;
    });
    for (const waitMs of [100, 300, 500, 500]) {
      hosts.at(-1)!.fail(crash);
      await settle();
      const before = hosts.length;
      await clock.advance(waitMs - 1);
      expect(hosts).toHaveLength(before);
      await clock.advance(1);
      expect(hosts).toHaveLength(before + 1);
    }
    expect(given).toBeNull();
    hosts.at(-1)!.fail(crash);
    await settle();
    expect(given).toMatchObject({ code: "NATIVE_CRASHED", message: expect.stringMatching(/5 times within 60 s.*no such library/) });
    await clock.advance(60_000);
    expect(hosts).toHaveLength(5);
    await pool.close();
  });

  it("lets work wait for the next host that is ready, and stops waiting with the work", async () => {
    const { clock, hosts, run, pool } = begin(1);
    const work = run();
    const stop = new AbortController();
    const other = run(stop.signal);
    hosts[0]!.fail(crash);
    await settle();
    await clock.advance(100);
    hosts[1]!.becomeReady();
    await settle();
    hosts[1]!.finish();
    expect(await work).toBe("done");
    await settle();
    hosts[1]!.finish();
    expect(await other).toBe("done");
    const busy = run();
    const waiting = run(stop.signal);
    stop.abort();
    expect(await waiting).toBe("CANCELED");
    hosts[1]!.finish();
    expect(await busy).toBe("done");
    await pool.close();
    expect(hosts.every(({ killed }) => killed)).toBe(true);
  });

  it("replaces a host that died at work at once and without counting it, one that died idle after its wait", async () => {
    const { clock, hosts, run, pool } = begin(1);
    for (let crashes = 0; crashes < 20; crashes += 1) {
      hosts.at(-1)!.becomeReady();
      await settle();
      const work = run();
      await settle();
      hosts.at(-1)!.die("SIGSEGV");
      hosts.at(-1)!.finish(crash);
      expect(await work).toBe("NATIVE_CRASHED");
      expect(hosts).toHaveLength(crashes + 2);
    }
    hosts.at(-1)!.becomeReady();
    await settle();
    hosts.at(-1)!.die("SIGKILL");
    await settle();
    expect(hosts).toHaveLength(21);
    await clock.advance(100);
    expect(hosts).toHaveLength(22);
    await pool.close();
  });

  it("counts each slot by itself: many hosts that die once are no reason to give up", async () => {
    const { clock, hosts, pool } = begin(20);
    const early = [...hosts];
    for (const host of early) host.becomeReady();
    await settle();
    for (const host of early) host.die("SIGKILL");
    await settle();
    await clock.advance(100);
    expect(hosts).toHaveLength(40);
    expect(await Promise.race([pool.failed.then(() => "gave up"), settle().then(() => "goes on")])).toBe("goes on");
    await pool.close();
  });
});

describe("a real kernel host", () => {
  const folder = mkdtempSync(join(tmpdir(), "xpcs-bounds-"));
  let pool: KernelPool | null = null;
  afterEach(async () => {
    await pool?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("has its bound on memory and its niceness, and so have the commands that it runs", async () => {
    const rules: HostRules = { ...DEFAULT_SUPERVISION.hosts, memoryGb: 3, niceness: 4 };
    const started: HostProcess[] = [];
    const start = () => {
      const host = startHost({ clock: realClock, rules, main: MAIN });
      started.push(host);
      return host;
    };
    pool = createKernelPool({ slots: 1, rules: DEFAULT_SUPERVISION.restart, clock: realClock, logger: silentLogger, start });
    const logs = { stdout: join(folder, "stdout"), stderr: join(folder, "stderr") };
    const argv = ["/bin/sh", "-c", "cat /proc/self/limits; nice; python3 -c 'bytearray(4 * 10**9)'"];
    const plain = { app: "command", before: [], after: [], env: {}, exclusive: false } as const;
    const work: CommandRun = { ...plain, argv, cwd: folder, logs, pidFile: join(folder, "pid") };
    const running = pool.run({ work, onProgress: () => {}, signal: new AbortController().signal });
    await expect(running).rejects.toMatchObject({ code: "COMMAND_FAILED", message: expect.stringContaining("MemoryError") });
    const bound = /Max data size +(\d+) +(\d+)/;
    expect(readFileSync(logs.stdout, "utf8")).toMatch(/Max data size +3000000000 +3000000000 /);
    expect(readFileSync(logs.stdout, "utf8")).toMatch(/\n4\n$/);
    expect(bound.exec(readFileSync(`/proc/${started[0]!.pid}/limits`, "utf8"))?.slice(1)).toEqual(["3000000000", "3000000000"]);
  });

  it("that does not become ready in time is ended, and says so", async () => {
    const mute = join(mkdtempSync(join(tmpdir(), "xpcs-mute-")), "mute.mjs");
    writeFileSync(mute, "process.on('disconnect', () => process.exit()); setInterval(() => {}, 1000);");
    const host = startHost({ clock: realClock, rules: { ...DEFAULT_SUPERVISION.hosts, startMs: 1_000, silenceMs: 4_000 }, main: mute });
    await expect(host.ready).rejects.toMatchObject({
      code: "NATIVE_CRASHED",
      message: expect.stringContaining("was not ready after 1000 ms"),
    });
    expect(await host.ended).toContain("SIGKILL");
  });

  it("that cannot begin at all tells its last words", async () => {
    const host = startHost({ clock: realClock, rules: DEFAULT_SUPERVISION.hosts, main: join(tmpdir(), "xpcs-no-such-program.mjs") });
    await expect(host.ready).rejects.toMatchObject({ code: "NATIVE_CRASHED", message: expect.stringContaining("xpcs-no-such-program") });
  });
});

describe("the settings of supervision", () => {
  it("are as they were where nothing is said, and each can be said alone", () => {
    expect(SITE_SETTINGS.parse({}).supervision).toEqual(DEFAULT_SUPERVISION);
    const { supervision } = parseSettings(
      SITE_SETTINGS,
      '{"supervision": {"hosts": {"memoryGb": 64}, "restart": {"endsMax": 0}}}',
      "s.json",
    );
    expect(supervision).toEqual({
      restart: { ...DEFAULT_SUPERVISION.restart, endsMax: 0 },
      hosts: { ...DEFAULT_SUPERVISION.hosts, memoryGb: 64 },
    });
  });

  it.each([
    ['{"supervision": {"hosts": {"memoryGb": 0}}}', /supervision\.hosts\.memoryGb/],
    ['{"supervision": {"hosts": {"niceness": -5}}}', /supervision\.hosts\.niceness/],
    ['{"supervision": {"restart": {"factor": 0.5}}}', /supervision\.restart\.factor/],
    ['{"supervision": {"restarts": {}}}', /supervision/],
  ])("%s is refused with its place", (text, message) => {
    expect(() => parseSettings(SITE_SETTINGS, text, "s.json")).toThrow(message);
  });
});
