/** Recalls, word by word: what central asks a site for, and what it does with the answers. */
import { beforeEach, describe, expect, it } from "vitest";
import { LIMITS } from "../../src/core/limits.js";
import { noop } from "./support.js";
import { VirtualCentral, type VirtualSite } from "./virtual-central.js";

let world: VirtualCentral;
let a: VirtualSite;
/** Jobs whose runs take a minute each, as is known. */
const long = () => noop();

beforeEach(async () => {
  world = await new VirtualCentral().start();
  a = await world.site("a", { prefetch: 2 });
  await world.submit(long());
  await a.complete(await a.take(), { finishedAtMs: 60_000 });
});

/** One job runs at `a`, and the files of two are brought there. */
async function fill(): Promise<{ job: string; epoch: number }[]> {
  await world.submit(long(), long(), long());
  const { leases } = await a.poll(3, 0);
  expect(leases).toHaveLength(3);
  return leases.map(({ job, epoch }) => ({ job, epoch }));
}
const staged = (leases: readonly { job: string; epoch: number }[]) =>
  leases.map((lease, at) => ({ ...lease, state: at === 0 ? ("running" as const) : ("staged-in" as const) }));

it("a job that waits at one site is recalled for the idle slot of another, and goes there", async () => {
  const leases = await fill();
  const b = await world.site("b");
  const poll = b.poll();
  await world.clock.advance(LIMITS.rerouteMs + LIMITS.reapMs);
  const news = await a.renew(...staged(leases));
  // The one that waits behind most.
  expect(news).toMatchObject({ lost: [], recall: [leases[2]] });
  await a.giveBack(leases[2]!);
  expect((await poll).leases).toMatchObject([{ job: leases[2]!.job, epoch: 2 }]);
  const { attempts } = await world.look(leases[2]!.job);
  expect(attempts[0]).toMatchObject({ site: "a", outcome: "returned", reason: expect.stringContaining("recalled: a free slot of site b") });
  expect(world.central.state.jobs.get(leases[2]!.job)).toMatchObject({ moves: 1, attemptsCounted: 0 });
});

it("a recall wakes the site's poll", async () => {
  const leases = await fill();
  await a.renew(...staged(leases));
  const waiting = a.poll(0);
  void (await world.site("b")).poll();
  await world.clock.advance(LIMITS.rerouteMs + LIMITS.reapMs);
  expect((await waiting).news.recall).toEqual([leases[2]]);
});

it("what has begun meanwhile stays, and is not asked for again", async () => {
  const leases = await fill();
  await a.renew(...staged(leases));
  void (await world.site("b")).poll();
  await world.clock.advance(LIMITS.rerouteMs + LIMITS.reapMs);
  const began = leases.map((lease, at) => ({ ...lease, state: at === 1 ? ("staged-in" as const) : ("running" as const) }));
  await a.renew(...began);
  // The next round asks for the other one.
  await world.clock.advance(LIMITS.rerouteMs + LIMITS.reapMs);
  expect((await a.renew(...began)).recall).toEqual([leases[1]]);
});

it("a site that knows no recalls keeps its jobs, and its result counts", async () => {
  const leases = await fill();
  await a.renew(...staged(leases));
  const b = await world.site("b");
  void b.poll().catch(() => {});
  for (let passed = 0; passed < 20_000; passed += 2_000) {
    await world.clock.advance(2_000);
    await a.renew(...staged(leases));
  }
  // It was asked in vain for long enough.
  expect((await a.renew(...staged(leases))).recall ?? []).not.toContainEqual(leases[2]);
  await a.complete(leases[2]!);
  expect(await world.look(leases[2]!.job)).toMatchObject({ state: "finished", site: "a", epoch: 1 });
});

it("a job is moved no more often than it may, and a restart of central does not forget how often", async () => {
  const leases = await fill();
  const moved = leases[2]!;
  const others = staged(leases.slice(0, 2));
  let mine = moved;
  for (let move = 1; move <= LIMITS.movesMax; move += 1) {
    const idle = await world.site(`idle${move}`);
    const poll = idle.poll();
    await world.clock.advance(LIMITS.rerouteMs + LIMITS.reapMs);
    expect((await a.renew(...others, { ...mine, state: "staged-in" })).recall).toEqual([mine]);
    await a.giveBack(mine);
    const [lease] = (await poll).leases;
    expect(lease?.job).toBe(moved.job);
    // It does not stay there either, and comes back to where it was.
    await idle.giveBack(lease!);
    await idle.remote.leave(idle.me);
    const { job, epoch } = await a.take();
    expect(job).toBe(moved.job);
    mine = { job, epoch };
  }
  await world.restart();
  await a.join({ prefetch: 2, held: [...others, mine].map(({ job, epoch }) => ({ job, epoch })) });
  void (await world.site("b")).poll();
  await world.clock.advance(LIMITS.rerouteMs + LIMITS.reapMs);
  const news = await a.renew(...others, { ...mine, state: "staged-in" });
  expect(news.recall).toEqual([leases[1]]);
});

describe("a job whose files come slowly", () => {
  const bytes = 1e9;
  const large = () => noop({}, { inputBytes: bytes });
  let b: VirtualSite;

  /** Files of a job were at `b` after 10 s, five times; so long they take there. */
  beforeEach(async () => {
    b = await world.site("b", { prefetch: 2 });
    await world.submit(...Array.from({ length: 5 }, () => noop({}, { inputBytes: bytes, site: "b" })));
    for (let done = 0; done < 5; done += 1)
      await b.complete(await b.take(), { finishedAtMs: 1_000, summary: { stageInBytes: bytes, stageInS: 10 } });
  });

  it("is recalled when its site tells so, for one that asks and has them sooner", async () => {
    await world.submit(large());
    const { job, epoch } = await a.take();
    const lease = { job, epoch };
    void b.poll();
    // As usual, as far as anybody knows.
    expect((await a.renew({ ...lease, state: "staged-in", filesInMs: 8_000 })).recall ?? []).toEqual([]);
    await world.clock.advance(LIMITS.rerouteMs + LIMITS.reapMs);
    expect((await a.renew({ ...lease, state: "staged-in", filesInMs: 300_000 })).recall ?? []).toEqual([]);
    await world.clock.advance(LIMITS.rerouteMs + LIMITS.reapMs);
    expect((await a.renew({ ...lease, state: "staged-in", filesInMs: 296_000 })).recall).toEqual([lease]);
    await a.giveBack(lease);
    expect((await world.look(job)).attempts[0]).toMatchObject({
      outcome: "returned",
      reason: expect.stringContaining("where its files are in"),
    });
  });

  it("stays when they are there, and when its site says nothing more of them", async () => {
    await world.submit(large());
    const { job, epoch } = await a.take();
    void b.poll();
    await a.renew({ job, epoch, state: "staged-in", filesInMs: 300_000 });
    await a.renew({ job, epoch, state: "staged-in" });
    await world.clock.advance(LIMITS.rerouteMs + LIMITS.reapMs);
    expect((await a.renew({ job, epoch, state: "staged-in", filesInMs: 0 })).recall ?? []).toEqual([]);
    await world.clock.advance(LIMITS.rerouteMs + LIMITS.reapMs);
    expect((await a.renew({ job, epoch, state: "staged-in", filesInMs: 0 })).recall ?? []).toEqual([]);
  });
});
