/** `explain` over a link: the outlook while a job waits, the promise when it was given away, and what really was; and the promise as a metric. */
import { beforeEach, expect, it } from "vitest";
import type { WorkSource } from "../../src/core/protocols.js";
import type { Connection } from "../../src/wire/connect.js";
import { noop, openClient, openSite, type TestCentral, withCentral } from "./support.js";

let central: TestCentral;
withCentral((made) => {
  central = made;
});

const process = (site: string) => ({ site, instance: `of-${site}` });

async function joined(site: string, more: Partial<Parameters<WorkSource["join"]>[0]> = {}): Promise<Connection<WorkSource>> {
  const link = await openSite(central);
  await link.remote.join({ ...process(site), host: "h", slots: 1, apps: ["xpcs.noop"], held: [], ...more });
  return link;
}

let one: Connection<WorkSource>;
beforeEach(async () => {
  one = await joined("one");
});

it("says what is expected of each site, then what was promised, then what was", async () => {
  const [client, two] = [await openClient(central), await joined("two", { apps: ["other"] })];
  const { jobs } = await client.remote.submit({ key: "k", jobs: [noop({}, { inputBytes: 4e6 }), noop()] });
  const [id, behind] = jobs as [string, string];
  const waiting = await client.remote.explain({ id });
  expect(waiting).toMatchObject({
    ...{ job: id, state: "ready", policy: "soonest", site: "one", promised: null, happened: null },
    sites: [
      { site: "one", unable: null, ms: 10_000, stagesMs: { run: 10_000, ahead: 0 }, runBy: "nothing", runs: 0 },
      { site: "two", unable: "site two does not offer xpcs.noop", ms: null, sdMs: null },
    ],
  });
  const { leases } = await one.remote.lease({ ...process("one"), slots: 1, waitMs: 5_000 });
  expect(leases).toMatchObject([{ job: id }]);
  const given = await client.remote.explain({ id });
  expect(given).toMatchObject({ state: "staged-in", site: "one", sites: [], promised: { ms: 10_000, next: null }, happened: null });
  expect(given.why).toContain("only one (1 of 1 slots free");
  const next = await client.remote.explain({ id: behind });
  expect(next.site).toBe("one");
  expect(next.sites[0]!.stagesMs.ahead).toBeGreaterThan(5_000);
  const summary = { stageInBytes: 4e6, stageInS: 0.25, slotWaitS: 0.125, stageOutBytes: 2e6, stageOutS: 0.5 };
  await one.remote.complete({
    ...process("one"),
    lease: { job: id, epoch: 1 },
    outputs: [],
    summary,
    startedAtMs: 1_000,
    finishedAtMs: 3_000,
  });
  const after = await client.remote.explain({ id });
  expect(after).toMatchObject({
    ...{ state: "finished", site: "one", promised: { ms: 10_000 } },
    happened: { stagesMs: { stageIn: 250, allocation: 0, ahead: 125, run: 2_000, stageOut: 500 } },
  });
  expect(after.happened!.ratio! / (Math.max(1, after.happened!.ms) / 10_000)).toBeCloseTo(1, 1);
  // Of a job of unknown size by the one that it has run, at the size that the class of 4 MB stands for: 2 ** 21 bytes.
  expect((await client.remote.explain({ id: behind })).sites[0]).toMatchObject({ runBy: "runs", runs: 1, stagesMs: { run: 1_049 } });
  const [view] = (await client.remote.sites({})).sites;
  expect(view!.answerOverPromise).toBeCloseTo(Math.max(1, after.happened!.ms) / 10_000, 3);
  for (const link of [client, one, two]) link.close();
});

it("goes by the policy of the job, and says that one which chooses no site chooses none", async () => {
  const client = await openClient(central);
  const { jobs } = await client.remote.submit({ key: "p", jobs: [noop({}, { policy: "pinned" })] });
  expect(await client.remote.explain({ id: jobs[0]! })).toMatchObject({
    ...{ policy: "pinned", site: null, why: expect.stringContaining("it names no site") },
    sites: [{ site: "one", unable: null }],
  });
  await expect(client.remote.submit({ key: "q", jobs: [noop({}, { policy: "best" })] })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  });
  await expect(client.remote.explain({ id: "nobody" })).rejects.toMatchObject({ code: "NOT_FOUND" });
  for (const link of [client, one]) link.close();
});
