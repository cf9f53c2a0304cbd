/** The keeper of pilots over a fake batch and a fake central: lost replies, withdrawals, pauses. */
import { expect, it } from "vitest";
import { XpcsError } from "../../src/core/errors.js";
import type { BatchJobs, BatchStatus } from "../../src/sites/batch-jobs.js";
import type { NodeHourBudget, NodeUse } from "../../src/sites/node-hours.js";
import type { ExpectedStart } from "../../src/sites/pilot-shape.js";
import { createPilots } from "../../src/sites/pilots.js";
import type { Ending, Phase } from "../../src/sites/schedulers/define.js";
import { NO_ORDERS, type SiteOrders } from "../../src/sites/site-orders.js";
import { virtualClock } from "../actors/virtual-clock.js";

const done: Ending = { outcome: "done", exitCode: 0, sentence: "it ended" };
const broken: Ending = { outcome: "failed", exitCode: 9, sentence: "it broke" };

/** A fake of src/sites/batch-jobs.ts that keeps jobs in memory: `jobs` is what the scheduler has. */
function world() {
  const clock = virtualClock();
  const jobs = new Map<string, { phase: Phase; ending: Ending | null }>();
  const unsettled = new Set<string>();
  const calls: string[] = [];
  const submittedS: (string | undefined)[] = [];
  const walltimes: number[] = [];
  const fake = {
    clock,
    jobs,
    unsettled,
    calls,
    walltimes,
    submittedS,
    waitingSlots: 0,
    joined: [] as { site: string; freeSlots: number }[],
    /** The pilots of which central was asked last. */
    asked: [] as readonly string[],
    loseReply: false,
    refuse: false,
    down: false,
    told: [] as (readonly string[])[],
    starts: [{ walltimeS: 600, waitS: 0 }] as [ExpectedStart, ...ExpectedStart[]],
    work: {} as { waitingSlotS?: number | null; waitingLongestS?: number | null; closesInS?: number; closes?: string },
    /** Central answers nobody. */
    away: false,
    orders: NO_ORDERS as SiteOrders,
    budget: { day: null, month: null, all: null } as NodeHourBudget,
    taken: [] as NodeUse[],
    startedMs: null as number | null,
    noDisk: false,
  };
  const batch: BatchJobs = {
    async submit({ tag, argv, settings, env }) {
      submittedS.push(env?.XPCS_BATCH_SUBMITTED_S);
      if (fake.refuse) throw new XpcsError("REFUSED", "no such queue");
      const attached = jobs.has(tag);
      walltimes.push(settings.walltimeS);
      if (!attached) jobs.set(tag, { phase: "queued", ending: null });
      calls.push(`${attached ? "found" : "submitted"} ${argv.join(" ")}`);
      if (fake.loseReply) {
        unsettled.add(tag);
        throw new XpcsError("DEADLINE_EXCEEDED", "no reply");
      }
      unsettled.delete(tag);
      return { ref: { tag, id: tag, folder: "/" }, attached };
    },
    known: async () => [...jobs.keys()].filter((tag) => !unsettled.has(tag)).map((tag) => ({ tag, id: tag, folder: "/" })),
    unsettled: async () => [...unsettled],
    poll: async (refs) => {
      if (fake.down) throw new XpcsError("UNAVAILABLE", "the scheduler is away");
      return refs.map(
        (ref): BatchStatus => ({ ref, ...jobs.get(ref.tag)!, sentence: "", words: "", startedMs: fake.startedMs, endedMs: null }),
      );
    },
    cancel: async ({ tag }) => {
      calls.push(`canceled ${tag}`);
      jobs.delete(tag);
    },
    forget: async ({ tag }) => void jobs.delete(tag),
    setAside: async ({ tag }) => {
      jobs.delete(tag);
      return `/.${tag}`;
    },
  };
  const pilots = createPilots({
    name: "farm",
    batch,
    settings: { nodes: 1, walltimeS: 600, modules: [], lines: [] },
    limits: { pilotsMin: 0, pilotsMax: 3, queuedMax: 2, slotsPerPilot: 2 },
    onEachNode: false,
    expectedStarts: async () => fake.starts,
    overheadS: 60,
    env: () => ({}),
    onTags: (tags) => void fake.told.push(tags),
    argv: (site) => ["run", site],
    backlog: async (asked) => {
      fake.asked = asked;
      if (fake.away) throw new XpcsError("UNAVAILABLE", "central is away");
      return { waitingSlots: fake.waitingSlots, ...fake.work, pilots: fake.joined };
    },
    orders: () => fake.orders,
    hours: {
      get budget() {
        return fake.budget;
      },
      taken: {
        ended: () => fake.taken,
        async add(use) {
          if (fake.noDisk) throw new XpcsError("IO_FAILED", "no space is left");
          fake.taken.push(use);
        },
      },
    },
    clock,
    logger: { info: () => {}, warn: () => {}, error: () => {} },
    rng: () => 0.5,
    everyMs: 1_000,
  });
  const tags = () => [...jobs.keys()];
  const set = (tag: string, phase: Phase, ending: Ending | null = null) => jobs.set(tag, { phase, ending });
  return Object.assign(fake, { pilots, tags, set, clock });
}

it("does not lose a pilot whose submission had no reply, and makes no second one of it", async () => {
  const fake = world();
  fake.waitingSlots = 1;
  fake.loseReply = true;
  await fake.pilots.step();
  expect(fake.unsettled.size).toBe(1);
  fake.loseReply = false;
  fake.waitingSlots = 0;
  await fake.pilots.step();
  expect(fake.calls.map((call) => call.split(" ")[0])).toEqual(["submitted", "found", "canceled"]);
  expect(fake.tags()).toEqual([]);
});

it("tells a pilot when it was submitted", async () => {
  const fake = world();
  fake.waitingSlots = 1;
  await fake.pilots.step();
  expect(fake.submittedS).toEqual([String(Math.floor(fake.clock.nowMs() / 1_000))]);
});

it("submits for the work, waits for what has begun, and withdraws the youngest that is no longer needed", async () => {
  const fake = world();
  fake.waitingSlots = 4;
  await fake.pilots.step();
  const [first, second] = fake.tags();
  expect(fake.tags().length).toBe(2);
  fake.set(first!, "running");
  fake.waitingSlots = 2;
  expect(await fake.pilots.step()).toMatchObject({ submit: 0, withdraw: [second] });
  fake.joined = [{ site: "farm-1", freeSlots: 0 }];
  fake.waitingSlots = 0;
  expect(await fake.pilots.step()).toMatchObject({ submit: 0, withdraw: [] });
  fake.set(first!, "ended", done);
  fake.joined = [];
  await fake.pilots.step();
  expect(fake.tags()).toEqual([]);
});

it("waits longer after each pilot that fails, and not at all after one that works", async () => {
  const fake = world();
  fake.waitingSlots = 1;
  const failOnce = async (): Promise<void> => {
    await fake.pilots.step();
    for (const tag of fake.tags()) fake.set(tag, "ended", broken);
  };
  await failOnce();
  expect(await fake.pilots.step()).toMatchObject({ submit: 0, why: expect.stringContaining("it broke") });
  await fake.clock.advance(31_000);
  await failOnce();
  await fake.pilots.step();
  await fake.clock.advance(31_000);
  expect(await fake.pilots.step()).toMatchObject({ submit: 0 });
  await fake.clock.advance(30_000);
  expect(await fake.pilots.step()).toMatchObject({ submit: 1 });
});

it("replaces a pilot that had worked at once, whatever ended it", async () => {
  const fake = world();
  fake.waitingSlots = 1;
  await fake.pilots.step();
  const [tag] = fake.tags();
  fake.set(tag!, "running");
  fake.joined = [{ site: "farm-1", freeSlots: 0 }];
  fake.waitingSlots = 0;
  await fake.pilots.step();
  fake.set(tag!, "ended", { outcome: "gone", exitCode: null, sentence: "killed" });
  fake.joined = [];
  fake.waitingSlots = 1;
  expect(await fake.pilots.step()).toMatchObject({ submit: 1 });
});

it("leaves the name of a pilot alone that goes on after its batch job has ended, until it is gone", async () => {
  const fake = world();
  const names = () => fake.tags().map((tag) => tag.replace(/^xpcs\.|\.[^.]*$/g, ""));
  fake.waitingSlots = 1;
  await fake.pilots.step();
  const [lost] = fake.tags();
  fake.set(lost!, "running");
  fake.joined = [{ site: "farm-1", freeSlots: 0 }];
  fake.waitingSlots = 0;
  await fake.pilots.step();
  // Its node is lost to the scheduler, and works on.
  fake.set(lost!, "ended", { outcome: "node-failed", exitCode: null, sentence: "its node failed" });
  fake.waitingSlots = 1;
  expect(await fake.pilots.step()).toMatchObject({ submit: 1 });
  expect([names(), fake.asked]).toEqual([["farm-2"], ["farm-1"]]);
  // It counts for nothing else.
  expect(await fake.pilots.step()).toMatchObject({ submit: 0, why: expect.stringContaining("0 pilots with room for 0, 1 queued") });
  fake.joined = [];
  fake.waitingSlots = 3;
  await fake.pilots.step();
  expect(names()).toEqual(["farm-2", "farm-1"]);
  await fake.pilots.step();
  expect([...fake.asked].sort()).toEqual(["farm-1", "farm-2"]);
});

it("forgets a pilot that was refused, and tells why it waits", async () => {
  const fake = world();
  fake.waitingSlots = 1;
  fake.refuse = true;
  await fake.pilots.step();
  expect([fake.tags(), fake.unsettled.size]).toEqual([[], 0]);
  expect((await fake.pilots.step()).why).toContain("no such queue");
});

it("changes nothing while the scheduler or central is away, and goes on afterwards; at the end it withdraws what is queued", async () => {
  const fake = world();
  fake.waitingSlots = 1;
  fake.down = true;
  const stop = new AbortController();
  const running = fake.pilots.run(stop.signal);
  await fake.clock.advance(3_000);
  expect(fake.calls).toEqual([]);
  fake.down = false;
  await fake.clock.advance(3_000);
  expect(fake.tags().length).toBe(1);
  stop.abort();
  await running;
  expect(fake.tags()).toEqual([]);
});

it("gives its pilots few names, again and again, and each batch job a tag of its own", async () => {
  const fake = world();
  const seen = new Set<string>();
  for (let round = 0; round < 20; round += 1) {
    fake.waitingSlots = 4;
    await fake.pilots.step();
    for (const tag of fake.tags()) {
      seen.add(tag);
      fake.set(tag, "ended", done);
    }
    fake.waitingSlots = 0;
    await fake.pilots.step();
    await fake.clock.advance(10);
  }
  expect(seen.size).toBeGreaterThan(20);
  expect(new Set([...seen].map((tag) => tag.replace(/\.[^.]*$/, "")))).toEqual(new Set(["xpcs.farm-1", "xpcs.farm-2"]));
});

it("makes a pilot shorter for a free window, and none that would come too late, and says why", async () => {
  const fake = world();
  fake.waitingSlots = 1;
  fake.work = { waitingSlotS: 100, waitingLongestS: 100 };
  fake.starts = [
    { walltimeS: 600, waitS: 5_000 },
    { walltimeS: 300, waitS: 0 },
  ];
  expect(await fake.pilots.step()).toMatchObject({
    submit: 1,
    why: expect.stringContaining("1 more, of 300 s, since that begins now, one of 600 s in about 5000 s"),
  });
  expect(fake.walltimes).toEqual([300]);
  const [tag] = fake.tags();
  fake.set(tag!, "running");
  fake.joined = [{ site: "farm-1", freeSlots: 0 }];
  fake.starts = [{ walltimeS: 600, waitS: 5_000 }];
  // What was expected a moment ago counts for a while.
  expect(await fake.pilots.step()).toMatchObject({ submit: 1 });
  await fake.clock.advance(60_000);
  fake.waitingSlots = 2;
  for (const queued of fake.tags().slice(1)) fake.jobs.delete(queued);
  expect(await fake.pilots.step()).toMatchObject({
    submit: 0,
    why: expect.stringContaining("but not yet: another would begin in about 5000 s"),
  });
});

it("ends its pilots before a downtime, starts none in one or just before, and says why", async () => {
  const fake = world();
  const { pilots } = fake;
  fake.waitingSlots = 2;
  const closes = "site farm goes down at 2026-12-07 15:00 UTC";
  fake.work = { closesInS: 400, closes };
  expect((await pilots.step()).why).toContain(`of 360 s, since ${closes}`);
  expect(fake.walltimes).toEqual([360]);
  fake.jobs.clear();
  for (const closesInS of [119, 0]) {
    fake.work = { closesInS, closes };
    expect(await pilots.step()).toMatchObject({ submit: 0, why: expect.stringContaining(`1 pilot more needed, but ${closes}`) });
  }
  fake.work = { closesInS: 601, closes };
  const { why } = await pilots.step();
  expect([why.includes("since"), fake.walltimes]).toEqual([false, [360, 600]]);
});

it("tells which batch jobs there are: before a submission, and without those that have ended", async () => {
  const fake = world();
  fake.waitingSlots = 1;
  await fake.pilots.step();
  const [tag] = fake.tags();
  expect(fake.told).toEqual([[], [], [tag]]);
  fake.set(tag!, "ended", done);
  fake.waitingSlots = 0;
  await fake.pilots.step();
  expect(fake.told.slice(3)).toEqual([[tag], []]);
});

it("withdraws the queued ones when it is to drain, and takes work again afterwards", async () => {
  const fake = world();
  fake.waitingSlots = 4;
  await fake.pilots.step();
  const [first, second] = fake.tags();
  fake.set(first!, "running");
  fake.orders = { drain: "new disks", halt: null };
  expect(await fake.pilots.step()).toMatchObject({ submit: 0, withdraw: [second] });
  expect(fake.tags()).toEqual([first]);
  expect(await fake.pilots.step()).toMatchObject({ submit: 0, withdraw: [] });
  fake.orders = NO_ORDERS;
  expect((await fake.pilots.step()).submit).toBeGreaterThan(0);
});

it("cancels all of them when it is halted, at once and while central is away, and submits none until that is taken back", async () => {
  const fake = world();
  const over = new AbortController();
  fake.waitingSlots = 4;
  const running = fake.pilots.run(over.signal);
  await fake.clock.advance(1);
  expect(fake.tags().length).toBe(2);
  fake.set(fake.tags()[0]!, "running");
  fake.away = true;
  fake.orders = { drain: null, halt: "fire" };
  await fake.clock.advance(1_100);
  expect(fake.tags()).toEqual([]);
  expect(fake.pilots.view().why).toBe("it was halted: fire: 2 pilots withdrawn");
  fake.away = false;
  await fake.clock.advance(10_000);
  expect(fake.tags()).toEqual([]);
  fake.orders = NO_ORDERS;
  await fake.clock.advance(1_100);
  expect(fake.tags().length).toBe(2);
  over.abort();
  await fake.clock.advance(2_000);
  await running;
});

it("cancels a halted one again until it is gone", async () => {
  const fake = world();
  fake.waitingSlots = 1;
  await fake.pilots.step();
  fake.orders = { drain: null, halt: "" };
  fake.down = true;
  await expect(fake.pilots.step()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  expect(fake.tags().length).toBe(1);
  fake.down = false;
  await fake.pilots.step();
  expect(fake.tags()).toEqual([]);
});

it("counts what an ended pilot has taken before it forgets it, and submits none beyond the budget", async () => {
  const fake = world();
  // One pilot may take a sixth of an hour; two fit.
  fake.budget = { day: null, month: null, all: 0.35 };
  fake.waitingSlots = 6;
  await fake.clock.advance(86_400_000);
  expect(await fake.pilots.step()).toMatchObject({ submit: 2 });
  const [first, second] = fake.tags();
  fake.startedMs = fake.clock.nowMs();
  fake.set(first!, "running");
  fake.set(second!, "running");
  expect(await fake.pilots.step()).toMatchObject({
    submit: 0,
    why: expect.stringMatching(/none more; the budget of 0.35 node-hours in all allows 0/),
  });
  await fake.clock.advance(60_000);
  fake.set(first!, "ended", done);
  fake.noDisk = true;
  await expect(fake.pilots.step()).rejects.toMatchObject({ code: "IO_FAILED" });
  expect(fake.tags()).toEqual([first, second]);
  fake.noDisk = false;
  // It gave back most of what it held: another fits.
  expect(await fake.pilots.step()).toMatchObject({ submit: 1 });
  expect(fake.taken).toEqual([{ tag: first, nodes: 1, startedMs: fake.startedMs, endedMs: fake.startedMs + 60_000 }]);
});
