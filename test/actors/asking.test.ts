/** What sites ask for, and when one that brings the files of others will bring more. */
import { beforeEach, describe, expect, it } from "vitest";
import { askingOf } from "../../src/actors/asking.js";
import { Sites, type Waiter } from "../../src/actors/presence.js";
import { noop } from "./support.js";
import { VirtualCentral, type VirtualSite } from "./virtual-central.js";

describe("what sites ask for", () => {
  const one = (waiter: Pick<Waiter, "slots" | "jobsMax"> | null, free: number, prefetch = 0, links = 1) => {
    const sites = new Sites(10_000);
    const presence = sites.take("a", "a-1", 0, 0);
    Object.assign(presence, { prefetch, links, waiter: waiter && { ...waiter, answer: () => {}, claim: () => {} } });
    const { idle, asked, slots, ahead, jobsMax } = askingOf(sites, () => free);
    return [idle, asked, slots, ahead, jobsMax].map((map) => map.get("a"));
  };

  it.each([
    ["free slots", { slots: 4 }, 3, 0, [3, 3, 3, 0, undefined]],
    ["no more than it asked for", { slots: 2 }, 3, 0, [2, 2, 2, 0, undefined]],
    ["beyond its slots", { slots: 6 }, 3, 2, [3, 5, 5, 2, undefined]],
    ["when it holds more than its slots", { slots: 6 }, -1, 2, [-1, 1, 1, 1, undefined]],
    ["so many jobs at most", { slots: 6, jobsMax: 1 }, 3, 2, [1, 1, 5, 2, 1]],
    ["none", { slots: 6, jobsMax: 0 }, 3, 2, [0, 0, 5, 2, 0]],
  ] as const)("%s", (_, waiter, free, prefetch, expected) => {
    expect(one(waiter, free, prefetch)).toEqual(expected);
  });

  it("is nothing of one that does not ask, or whose link is away", () => {
    expect(one(null, 3)).toEqual(Array(5).fill(undefined));
    expect(one({ slots: 4 }, 3, 0, 0)).toEqual(Array(5).fill(undefined));
  });
});

describe("a site that takes no more jobs while files come", () => {
  const bytes = 1e9;
  let world: VirtualCentral;
  let [a, b]: VirtualSite[] = [];

  /** Two sites alike, to which such files take 10 s; `a` brings those of one job, and can bring no others. */
  beforeEach(async () => {
    world = await new VirtualCentral().start();
    [a, b] = [await world.site("a", { slots: 2 }), await world.site("b", { slots: 2 })];
    for (const site of [a, b]) {
      await world.submit(...Array.from({ length: 5 }, () => noop({}, { inputBytes: bytes, site: site.name })));
      for (let done = 0; done < 5; done += 1)
        await site.complete(await site.take(), { finishedAtMs: 1_000, summary: { stageInBytes: bytes, stageInS: 10 } });
    }
    await world.submit(noop({}, { inputBytes: bytes, site: "a" }));
    const { job, epoch } = await a.take();
    await a.renew({ job, epoch, state: "staged-in", filesInMs: 30_000 });
    void a.remote.lease({ ...a.me, slots: 1, jobsMax: 0, waitMs: 10_000 });
  });
  const stageInMs = async (id: string) => {
    const { sites } = await (await world.people()).explain({ id });
    return Object.fromEntries(sites.map(({ site, stagesMs }) => [site, stagesMs?.stageIn]));
  };

  it("is expected to begin with another's files when the first of those are there", async () => {
    const [id] = await world.submit(noop({}, { inputBytes: bytes }));
    const seen = await stageInMs(id!);
    expect(seen.a! - seen.b!).toBeGreaterThanOrEqual(30_000);
  });

  it("keeps nobody from a site that can", async () => {
    const poll = b!.poll(2);
    const [id] = await world.submit(noop({}, { inputBytes: bytes }));
    await world.clock.advance(100);
    expect((await poll).leases).toMatchObject([{ job: id }]);
  });
});
