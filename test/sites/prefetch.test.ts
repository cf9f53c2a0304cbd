/** Files come while jobs wait for a slot, and results go while the next one runs: a site against a fake central, with a transfer that takes its time. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { sleep } from "../../src/core/clock.js";
import { XpcsError } from "../../src/core/errors.js";
import type { CorrJob, Lease } from "../../src/core/job.js";
import { silentLogger } from "../../src/core/log.js";
import { realClock } from "../../src/core/real-clock.js";
import { createHeldLeases, type HeldLease } from "../../src/sites/held-leases.js";
import type { KernelPool } from "../../src/sites/kernel-pool.js";
import type { Transfers } from "../../src/sites/locations.js";
import { createRunSlots } from "../../src/sites/run-slots.js";
import { runSite, type Site, type SiteOptions } from "../../src/sites/site.js";
import type { Transfer } from "../../src/sites/transfers/define.js";
import { sharedPath } from "../../src/sites/transfers/shared-path.js";
import { createFakeCentral, type FakeCentral } from "./fake-central.js";

let folder: string;
let central: FakeCentral;
let site: Site;
/** What happened, in order: `in a`, `run a`, `ran a`, `out a`. */
let events: string[];
let finishRun: () => void;
let stageOut: Promise<void>;

const job = (name: string): CorrJob => ({
  app: "xpcs.corr",
  input: { path: join(folder, `${name}.bin`) },
  qmap: { path: join(folder, "q.hdf") },
  out: { path: join(folder, "out", `${name}_results.hdf`) },
  overwrite: false,
  options: {},
});
const nameOf = (path: string): string => path.split("/").at(-1)![0]!;
const slow: Transfer = {
  ...sharedPath,
  async stageIn(request) {
    events.push(`in ${nameOf(request.refs[0]!.path)}`);
    return sharedPath.stageIn(request);
  },
  async stageOut(request) {
    await stageOut;
    events.push(`out ${nameOf(request.destination.ref.path)}`);
    return sharedPath.stageOut(request);
  },
};
const transfers: Transfers = { of: () => slow };
const kernels: KernelPool = {
  async run({ work, signal }) {
    if (work.app !== "xpcs.corr") throw new Error("not a correlation");
    const name = nameOf(work.request.files.input!);
    events.push(`run ${name}`);
    await new Promise<void>((resolve) => {
      finishRun = resolve;
      signal.addEventListener("abort", () => resolve());
    });
    if (signal.aborted) throw new XpcsError("CANCELED", "stopped");
    writeFileSync(work.request.out, `result of ${name}`);
    events.push(`ran ${name}`);
    return { summary: null };
  },
  failed: new Promise(() => {}),
  async close() {},
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-prefetch-"));
  for (const name of ["out", "work"]) mkdirSync(join(folder, name));
  for (const name of ["a.bin", "b.bin", "c.bin", "q.hdf"]) writeFileSync(join(folder, name), "bytes");
  central = createFakeCentral();
  events = [];
  stageOut = Promise.resolve();
});
afterEach(async () => {
  await site.stop({ graceMs: 0 });
  rmSync(folder, { recursive: true, force: true });
});

function start(prefetch: number, more: Partial<SiteOptions> = {}): void {
  site = runSite({
    ...{ name: "here", instance: "i", host: "h", slots: 1, prefetch, threadsPerSlot: 1, apps: ["xpcs.corr"], commands: {}, roots: null },
    ...{ hosts: ["h"], launcher: null },
    ...{ access: { of: async () => ({}) }, transfers, capacity: { cores: 2, memoryGb: 8, gpus: 0, nodes: 1, walltimeS: null } },
    ...{ workDir: join(folder, "work"), dial: central.dial, kernels, clock: realClock, logger: silentLogger, rng: Math.random },
    onRefused: () => {},
    ...more,
  });
}
const seen = (...expected: string[]) => vi.waitFor(() => expect(events).toEqual(expected), { timeout: 5_000, interval: 5 });

it("brings the files of as many jobs ahead as it was told, and of no more", async () => {
  start(1);
  central.grant("a", job("a"));
  await seen("in a", "run a");
  for (const name of ["b", "c"]) central.grant(name, job(name));
  await vi.waitFor(() => expect(events).toHaveLength(3), 5_000);
  await sleep(realClock, 100);
  expect(events).toEqual(["in a", "run a", "in b"]);
  finishRun();
  await vi.waitFor(() => expect(central.said.completed).toHaveLength(1), 5_000);
  await vi.waitFor(() => expect(events.filter((event) => event.startsWith("in "))).toHaveLength(3), 5_000);
});

describe("with a bound of transfers", () => {
  const names = ["a", "b", "c"];
  /** Ends the transfer of a job. */
  let arrive: Record<string, () => void>;
  let comingMax: number;
  let coming: number;

  const startBounded = (): void => {
    [arrive, comingMax, coming] = [{}, 0, 0];
    const link: Transfer = {
      ...slow,
      async stageIn(request) {
        const name = nameOf(request.refs[0]!.path);
        coming += 1;
        comingMax = Math.max(comingMax, coming);
        const stop = new Promise<void>((resolve) => request.signal.addEventListener("abort", () => resolve()));
        await Promise.race([stop, new Promise<void>((resolve) => (arrive[name] = resolve))]);
        coming -= 1;
        return slow.stageIn(request);
      },
    };
    start(0, { slots: 4, transfersMax: 1, transfers: { of: () => link } });
  };
  const isComing = (name: string) => vi.waitFor(() => expect(arrive).toHaveProperty(name), { timeout: 5_000, interval: 5 });
  const held = () => new Set(central.said.files.map(({ job: name }) => name));

  it("takes one job at a time, the next when the files of the first are there, and runs as many as it has slots", async () => {
    startBounded();
    for (const name of names) central.grant(name, job(name));
    await isComing("a");
    await sleep(realClock, 300);
    expect(held()).toEqual(new Set(["a"]));
    arrive.a!();
    await isComing("b");
    await sleep(realClock, 200);
    expect(held()).toEqual(new Set(["a", "b"]));
    arrive.b!();
    await isComing("c");
    // Both before it run meanwhile.
    expect(events.filter((event) => event.startsWith("run "))).toEqual(["run a", "run b"]);
    expect(comingMax).toBe(1);
    expect(central.said.files.filter(({ job: name }) => name === "a").at(-1)!.inMs).toBe(0);
  });

  it("takes the next one when the first was stopped, and when it failed", async () => {
    startBounded();
    const first = central.grant("a", job("a"));
    await isComing("a");
    central.grant("b", job("b"));
    central.cancel(first);
    await isComing("b");
    rmSync(join(folder, "b.bin"));
    arrive.b!();
    await vi.waitFor(() => expect(central.said.failed.map(({ lease }) => lease.job)).toEqual(["a", "b"]), 5_000);
    central.grant("c", job("c"));
    await isComing("c");
    expect(comingMax).toBe(1);
  });

  it("holds back what an older central gives all the same, and lets it go when it is stopped", async () => {
    central = createFakeCentral({ isOld: true });
    startBounded();
    const leases = names.map((name) => central.grant(name, job(name)));
    await vi.waitFor(() => expect(held()).toEqual(new Set(names)), 5_000);
    await vi.waitFor(() => expect(Object.keys(arrive)).toHaveLength(1), 5_000);
    // All were given together: which comes first is not said.
    const [first] = Object.keys(arrive) as [string];
    const [recalled, next] = names.filter((name) => name !== first) as [string, string];
    const lease = leases[names.indexOf(recalled)]!;
    central.recall(lease);
    await vi.waitFor(() => expect(central.said.returned).toEqual([lease]), 5_000);
    arrive[first]!();
    await isComing(next);
    expect(arrive).not.toHaveProperty(recalled);
    expect(comingMax).toBe(1);
  });
});

it("gives back what it is asked for while that waits, and nothing that has begun", async () => {
  start(1);
  const first = central.grant("a", job("a"));
  await seen("in a", "run a");
  const second = central.grant("b", job("b"));
  await seen("in a", "run a", "in b");
  central.recall(first);
  central.recall(second);
  await vi.waitFor(() => expect(central.said.returned).toEqual([second]), 5_000);
  // Its place is free for another.
  central.grant("c", job("c"));
  await seen("in a", "run a", "in b", "in c");
  finishRun();
  await vi.waitFor(() => expect(central.said.completed.map(({ lease }) => lease)).toEqual([first]), 5_000);
  expect(central.said.returned).toEqual([second]);
  await seen("in a", "run a", "in b", "in c", "ran a", "run c", "out a");
});

it("lets the next job run while a result goes out", async () => {
  let go: () => void = () => {};
  stageOut = new Promise((resolve) => {
    go = resolve;
  });
  start(1);
  central.grant("a", job("a"));
  await seen("in a", "run a");
  central.grant("b", job("b"));
  await seen("in a", "run a", "in b");
  finishRun();
  await seen("in a", "run a", "in b", "ran a", "run b");
  go();
  await vi.waitFor(() => expect(central.said.completed.map(({ lease }) => lease.job)).toEqual(["a"]), 5_000);
});

it("gives back what waits for a slot when it stops, and lets what runs finish", async () => {
  start(1);
  central.grant("a", job("a"));
  await seen("in a", "run a");
  central.grant("b", job("b"));
  await seen("in a", "run a", "in b");
  const stopped = site.stop({ graceMs: 5_000 });
  await vi.waitFor(() => expect(central.said.returned.map(({ job: id }) => id)).toEqual(["b"]), 5_000);
  finishRun();
  await stopped;
  expect(central.said.completed.map(({ lease }) => lease.job)).toEqual(["a"]);
});

it("takes slots, cores and memory in order, and a wide job is not overtaken", async () => {
  const leases = createHeldLeases({
    ...{ site: "s", instance: "i", link: { call: () => new Promise<never>(() => {}) }, clock: realClock, logger: silentLogger },
    ...{ onDrain: () => {}, draining: () => null, onFree: () => {}, onArrived: () => {} },
  });
  const slots = createRunSlots({ slots: 2, cores: 8, memoryGb: 10, gpus: 0, nodes: 1 }, ["h"]);
  const held = (name: string, resources: Lease["resources"] = {}): HeldLease =>
    leases.add({ job: name, epoch: 1, work: { app: "xpcs.noop", durationMs: 1 }, resources, leaseMs: 1_000 });
  const got: string[] = [];
  const take = (lease: HeldLease) =>
    slots.take(lease).then(
      () => got.push(lease.lease.job),
      () => got.push(`not ${lease.lease.job}`),
    );
  const [small, wide, next, hungry] = [held("small"), held("wide", { slots: 2 }), held("next"), held("hungry", { memoryGb: 8 })] as const;
  for (const lease of [small, wide, next]) void take(lease);
  await sleep(realClock, 1);
  expect(got).toEqual(["small"]);
  slots.leave(small);
  await sleep(realClock, 1);
  expect(got).toEqual(["small", "wide"]);
  slots.leave(wide);
  void take(hungry);
  const second = held("second", { memoryGb: 8 });
  void take(second);
  await sleep(realClock, 1);
  expect(got.slice(2)).toEqual(["next", "hungry"]);
  slots.leave(next);
  await sleep(realClock, 1);
  expect(got).toHaveLength(4);
  second.stop("canceled");
  await sleep(realClock, 1);
  expect(got.at(-1)).toBe("not second");
});

it("gives each job nodes of its own, and takes them back", async () => {
  const leases = createHeldLeases({
    ...{ site: "s", instance: "i", link: { call: () => new Promise<never>(() => {}) }, clock: realClock, logger: silentLogger },
    ...{ onDrain: () => {}, draining: () => null, onFree: () => {}, onArrived: () => {} },
  });
  const slots = createRunSlots({ slots: 9, cores: 9, memoryGb: 9, gpus: 0, nodes: 3 }, ["n1", "n2", "n3"]);
  const held = (name: string, resources: Lease["resources"] = {}): HeldLease =>
    leases.add({ job: name, epoch: 1, work: { app: "xpcs.noop", durationMs: 1 }, resources, leaseMs: 1_000 });
  const [two, one, all, none] = [held("two", { nodes: 2 }), held("one", { nodes: 1 }), held("all", { nodes: 3 }), held("none")];
  expect(await slots.take(none!)).toEqual([]);
  expect(await slots.take(two!)).toEqual(["n1", "n2"]);
  expect(await slots.take(one!)).toEqual(["n3"]);
  const waiting = slots.take(all!);
  slots.leave(two!);
  slots.leave(two!);
  slots.leave(one!);
  expect([...(await waiting)].sort()).toEqual(["n1", "n2", "n3"]);
});
