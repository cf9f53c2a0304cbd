/** What a site's admin orders, and whose jobs it takes: a site against a fake central. */
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { sleep } from "../../src/core/clock.js";
import { XpcsError } from "../../src/core/errors.js";
import type { NoopJob } from "../../src/core/job.js";
import { silentLogger } from "../../src/core/log.js";
import { realClock } from "../../src/core/real-clock.js";
import type { KernelPool } from "../../src/sites/kernel-pool.js";
import { runSite, type Site, type SiteOptions } from "../../src/sites/site.js";
import { NO_ORDERS, ordersIn, takesNothing } from "../../src/sites/site-orders.js";
import { createFakeCentral, type FakeCentral } from "./fake-central.js";

let folder: string;
let central: FakeCentral;
let site: Site;
/** What the kernels do now, and how many have been stopped. */
let running: number;
let stopped: number;

const noop = (durationMs: number): NoopJob => ({ app: "xpcs.noop", durationMs });
/** Imitates kernel hosts: waits, or hears the signal. */
const kernels: KernelPool = {
  async run({ work, signal }) {
    running += 1;
    await sleep(realClock, work.app === "xpcs.noop" ? work.durationMs : 0, signal);
    running -= 1;
    if (!signal.aborted) return { summary: null };
    stopped += 1;
    throw new XpcsError("CANCELED", "stopped");
  },
  failed: new Promise(() => {}),
  async close() {},
};

async function start(more: Partial<SiteOptions> = {}): Promise<void> {
  site = runSite({
    ...{ name: "here", instance: randomUUID(), host: "test", slots: 2, threadsPerSlot: 1, apps: ["xpcs.noop"], commands: {} },
    ...{ hosts: ["test"], launcher: null },
    ...{ access: { of: async () => ({}) }, roots: null, workDir: folder, dial: central.dial, kernels, clock: realClock },
    ...{ capacity: { cores: 2, memoryGb: 8, gpus: 0, nodes: 1, walltimeS: null }, logger: silentLogger, rng: Math.random },
    onRefused: () => {},
    ...more,
  });
  await site.joined;
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-orders-"));
  central = createFakeCentral();
  running = 0;
  stopped = 0;
});
afterEach(async () => {
  await site?.stop({ graceMs: 0 });
  rmSync(folder, { recursive: true });
});

const completed = (): string[] => central.said.completed.map(({ lease }) => lease.job);

describe("submitters", () => {
  it("are refused with the reason where the rule does not name them, and nothing is run", async () => {
    await start({ submitters: { persons: ["ann"], experiments: ["2026-3/smith"] } });
    central.grant("j1", noop(1), undefined, { owner: "ann", experiment: "2026-3/jones" });
    central.grant("j2", noop(1), undefined, { owner: "bob", experiment: "2026-3/jones" });
    central.grant("j3", noop(1), undefined, { owner: "bob", experiment: "2026-3/smith" });
    central.grant("j4", noop(1));
    await vi.waitFor(() => expect([completed().sort(), central.said.failed.length]).toEqual([["j1", "j3"], 2]), { timeout: 5_000 });
    expect(central.said.failed.map(({ lease, code, reason }) => [lease.job, code, reason]).sort()).toEqual([
      ["j2", "REFUSED", "site here takes jobs of certain persons and experiments, and not of bob in 2026-3/jones"],
      ["j4", "REFUSED", "site here takes jobs of certain persons and experiments, and not of somebody without a name in local/default"],
    ]);
  });
});

describe("drain", () => {
  it("lets what runs finish, takes nothing, says so, and ends", async () => {
    await start();
    central.grant("j1", noop(600));
    await vi.waitFor(() => expect(running).toBe(1));
    site.obey({ drain: "new disks", halt: null });
    await vi.waitFor(() => expect(central.said.draining).toBe("it is draining: new disks"));
    central.grant("j2", noop(1));
    await vi.waitFor(() => expect(completed()).toEqual(["j1"]), { timeout: 5_000 });
    await sleep(realClock, 300);
    expect(completed()).toEqual(["j1"]);
    site.obey(NO_ORDERS);
    await vi.waitFor(() => expect([completed(), central.said.draining]).toEqual([["j1", "j2"], null]), { timeout: 5_000 });
  });
});

describe("halt", () => {
  it("stops all work at once, gives it back uncounted, and takes none until it is taken back", async () => {
    await start();
    central.grant("j1", noop(60_000));
    central.grant("j2", noop(60_000));
    await vi.waitFor(() => expect(running).toBe(2));
    site.obey({ drain: null, halt: "" });
    await vi.waitFor(() => expect([stopped, central.said.returned.map(({ job }) => job).sort()]).toEqual([2, ["j1", "j2"]]));
    expect([completed(), central.said.failed]).toEqual([[], []]);
    central.grant("j3", noop(1));
    await sleep(realClock, 300);
    expect(completed()).toEqual([]);
    site.obey(NO_ORDERS);
    await vi.waitFor(() => expect(completed()).toEqual(["j3"]), { timeout: 5_000 });
  });

  it("works while central is away", async () => {
    await start();
    central.grant("j1", noop(60_000));
    await vi.waitFor(() => expect(running).toBe(1));
    central.goAway();
    site.obey({ drain: null, halt: "now" });
    await vi.waitFor(() => expect([running, stopped]).toEqual([0, 1]));
    central.comeBack();
    await vi.waitFor(() => expect(central.said.returned.map(({ job }) => job)).toEqual(["j1"]), { timeout: 10_000 });
  });

  it("returns what was granted before central knew", async () => {
    await start();
    // Central has not answered the poll from before.
    central.grant("j1", noop(60_000));
    site.obey({ drain: null, halt: "now" });
    await sleep(realClock, 300);
    expect([running, completed()]).toEqual([0, []]);
  });
});

describe("the files of orders", () => {
  it("count when they are there, with their first line as the reason", () => {
    expect(ordersIn(folder)).toEqual(NO_ORDERS);
    expect(ordersIn(join(folder, "none"))).toEqual(NO_ORDERS);
    writeFileSync(join(folder, "drain"), "");
    expect(ordersIn(folder)).toEqual({ drain: "", halt: null });
    writeFileSync(join(folder, "halt"), "fire in the hall\nmore\n");
    expect(ordersIn(folder)).toEqual({ drain: "", halt: "fire in the hall" });
    // Not a file, or not to be read: an order all the same.
    rmSync(join(folder, "halt"));
    mkdirSync(join(folder, "halt"));
    expect(ordersIn(folder)).toEqual({ drain: "", halt: "" });
    writeFileSync(join(folder, "drain"), "x".repeat(100_000));
    expect(ordersIn(folder).drain!.length).toBe(1_000);
  });

  it.each([
    [{ drain: null, halt: null }, null],
    [{ drain: "", halt: null }, "it is draining"],
    [{ drain: "a", halt: null }, "it is draining: a"],
    [{ drain: "a", halt: "b" }, "it was halted: b"],
  ])("%j is %j", (orders, words) => {
    expect(takesNothing(orders)).toBe(words);
  });
});
