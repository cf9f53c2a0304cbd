/** Second attempts, word by word: when central begins one, what both sites hear, and whose answer counts. */
import { beforeEach, describe, expect, it } from "vitest";
import type { JobSpec } from "../../src/core/job.js";
import { LIMITS } from "../../src/core/limits.js";
import { DUPLICATE_RULES } from "../../src/router/duplicates.js";
import { noop } from "./support.js";
import { VirtualCentral, type VirtualSite } from "./virtual-central.js";

let world: VirtualCentral;
let a: VirtualSite;
let b: VirtualSite;
const iso = (ms: number) => new Date(ms).toISOString();
const due = (inMs: number): Partial<JobSpec> => ({ deadline: iso(world.clock.nowMs() + inMs) });

/** Sites a and b, where such jobs take 10 s each. */
async function begin(when: "never" | "late" | "stragglers" = "late", apps = ["xpcs.noop"], more = {}): Promise<void> {
  world = await new VirtualCentral({ duplicates: { ...DUPLICATE_RULES, when } }).start();
  for (const name of ["a", "b"]) {
    const site = await world.site(name, { apps, ...more });
    await world.submit(noop({}, { site: name }));
    await site.complete(await site.take(), { finishedAtMs: 10_000 });
    if (name === "a") a = site;
    else b = site;
  }
}

/** A job that runs at a while b asks for work: its lease, and what b gets. */
async function running(more: Partial<JobSpec> = {}) {
  const [id] = await world.submit(noop({}, more));
  const lease = await a.take();
  expect(lease.job).toBe(id);
  await a.renew(lease);
  return { lease, second: b.ask() };
}
/** Time passes while a renews. */
async function pass(ms: number, lease: { job: string; epoch: number }, state: "running" | "staged-out" = "running") {
  const lost = [];
  for (let passed = 0; passed < ms; passed += 2_000) {
    await world.clock.advance(2_000);
    lost.push(...(await a.renew({ ...lease, state })).lost);
  }
  return lost;
}

describe("a job that will miss its deadline", () => {
  beforeEach(() => begin());

  it("begins at an idle site too, once it is expected to be late; both know of one result", async () => {
    const { lease, second } = await running(due(12_000));
    // Two seconds more are expected, which is early enough; later, as long again as it has taken.
    await pass(8_000, lease);
    expect((await world.look(lease.job)).attempts).toHaveLength(1);
    await pass(8_000, lease);
    const other = await second;
    expect(other).toMatchObject({ job: lease.job, epoch: 2 });
    expect(await world.look(lease.job)).toMatchObject({
      state: "running",
      reason: expect.stringMatching(/^it runs at site b too: its answer is expected .* after its deadline; site b is idle/),
      attempts: [
        { site: "a", outcome: "running" },
        { site: "b", outcome: "running", duplicate: true },
      ],
    });
    await b.complete(other);
    const done = { state: "finished", site: "b", attempts: [{ outcome: "canceled" }, { outcome: "finished" }] };
    expect(await world.look(lease.job)).toMatchObject(done);
    expect((await a.renew(lease)).lost).toEqual([{ job: lease.job, epoch: 1 }]);
    await expect(a.complete(lease)).rejects.toMatchObject({ code: "STALE_LEASE", details: { jobEnded: true } });
  });

  it("is explained by the attempt that runs, when the other has failed", async () => {
    const { lease, second } = await running(due(12_000));
    await pass(16_000, lease);
    await b.fail(await second);
    const told = await (await world.people()).explain({ id: lease.job });
    expect(told).toMatchObject({ site: "a", promised: { ms: expect.any(Number) } });
  });

  it("does not while no slot is idle, while something waits, and where it is pinned", async () => {
    const [id] = await world.submit(noop({}, due(8_000)));
    const lease = await a.take();
    await a.renew(lease);
    await pass(20_000, lease);
    expect((await world.look(id!)).attempts).toHaveLength(1);
    // What waits is pinned to a: b is idle all the same.
    await world.submit(noop({}, { site: "a" }));
    void b.ask();
    await pass(8_000, lease);
    expect((await world.look(id!)).attempts).toHaveLength(1);
    await a.complete(lease);

    const pinned = await a.take();
    await a.renew(pinned);
    await pass(40_000, pinned);
    expect((await world.look(pinned.job)).attempts).toHaveLength(1);
  });

  it("is ended at the other site when one has its result, before that is made visible", async () => {
    const { lease, second: asked } = await running(due(8_000));
    await pass(18_000, lease);
    const second = await asked;
    expect((await b.renew({ ...second, state: "staged-out" })).lost).toEqual([]);
    expect((await a.renew({ ...lease, state: "staged-out" })).lost).toEqual([{ job: lease.job, epoch: 1 }]);
    await expect(a.complete(lease)).rejects.toMatchObject({ code: "STALE_LEASE", details: { jobEnded: false } });
    await b.complete(second);
    expect(await world.look(lease.job)).toMatchObject({ state: "finished", epoch: 2, site: "b" });
  });

  it("goes on at one site when the other falls silent, and after a restart of central", async () => {
    const { lease, second: asked } = await running(due(8_000));
    await pass(18_000, lease);
    const second = await asked;
    await b.renew(second);
    await world.restart();
    await a.join({ held: [{ job: lease.job, epoch: 1 }] });
    await b.join({ held: [{ job: lease.job, epoch: 2 }] });
    await pass(LIMITS.leaseMs + 2_000, lease);
    expect(await world.look(lease.job)).toMatchObject({ attempts: [{ outcome: "running" }, { outcome: "lost" }] });
    await a.complete(lease);
    await expect(b.complete(second)).rejects.toMatchObject({ code: "STALE_LEASE" });
    expect(await world.look(lease.job)).toMatchObject({ state: "finished", site: "a" });
  });

  it("is canceled at both", async () => {
    const { lease, second: asked } = await running(due(8_000));
    await pass(18_000, lease);
    const second = await asked;
    const [heardA, heardB] = [a.poll(0), b.poll(0)];
    await (await world.people()).cancel({ ids: [lease.job] });
    expect((await heardA).news.cancel).toEqual([{ job: lease.job, epoch: 1 }]);
    expect((await heardB).news.cancel).toEqual([{ job: lease.job, epoch: 2 }]);
    await a.fail(lease, "CANCELED");
    expect((await world.look(lease.job)).attempts).toMatchObject([{ outcome: "canceled" }, { outcome: "running" }]);
    await b.fail(second, "CANCELED");
    expect((await world.look(lease.job)).state).toBe("canceled");
  });
});

describe("a straggler", () => {
  it.each([
    ["is left alone", "late", false],
    ["begins at an idle site too, if central's settings say so", "stragglers", true],
  ] as const)("%s", async (_, when, twice) => {
    await begin(when);
    const { lease } = await running();
    await pass(28_000, lease);
    expect((await world.look(lease.job)).attempts).toHaveLength(1);
    await pass(6_000, lease);
    expect((await world.look(lease.job)).attempts).toHaveLength(twice ? 2 : 1);
  });
});

describe("a command", () => {
  const command: Partial<JobSpec> = { work: { app: "rename", parameters: {}, inputs: {}, outputs: {}, overwrite: false } };
  it.each([
    ["never runs twice where it is exclusive", { exclusive: ["rename"] }, 1],
    ["never runs twice at sites that do not say", {}, 1],
    ["runs twice where sites say that it may", { exclusive: [] }, 2],
  ] as const)("%s", async (_, more, attempts) => {
    await begin("late", ["xpcs.noop", "rename"], more);
    for (const [name, site] of [
      ["a", a],
      ["b", b],
    ] as const) {
      await world.submit(noop({}, { ...command, site: name }));
      await site.complete(await site.take(), { finishedAtMs: 10_000 });
    }
    const { lease } = await running({ ...command, ...due(8_000) });
    await pass(24_000, lease);
    expect((await world.look(lease.job)).attempts).toHaveLength(attempts);
  });
});
