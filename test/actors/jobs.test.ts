/** What a job may ask for, through the interface of central: experiments, parents by place, resources. The rules themselves are in test/ledger. */
import { describe, expect, it } from "vitest";

import type { FileRef } from "../../src/core/job.js";
import { noop, openClient, openSite, type TestCentral, withCentral } from "./support.js";

let central: TestCentral;
withCentral((made) => {
  central = made;
});

describe("a job", () => {
  it("names parents of its own request by their place, earlier ones only", async () => {
    const client = await openClient(central);
    const { jobs } = await client.remote.submit({ key: "k", jobs: [noop(), noop({}, { parents: ["#0"] })] });
    const second = await client.remote.job({ id: jobs[1]! });
    expect(second).toMatchObject({ state: "awaiting-parents", parents: [jobs[0]], reason: `waits for 1 of 1 parent: ${jobs[0]}` });
    for (const parent of ["#1", "#2", "#", "#x"])
      await expect(client.remote.submit({ key: parent, jobs: [noop(), noop({}, { parents: [parent] })] })).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        message: expect.stringContaining("jobs.1.parents"),
      });
    client.close();
  });

  it("goes only to a site that is large enough, and takes all of its slots that it asks for", async () => {
    const [client, site] = [await openClient(central), await openSite(central)];
    const me = { site: "s", instance: "1" };
    const capacity = { cores: 8, memoryGb: 16, gpus: 0, nodes: 1, walltimeS: 600 };
    await site.remote.join({ ...me, host: "h", slots: 3, apps: ["xpcs.noop"], capacity, held: [] });
    const { jobs } = await client.remote.submit({
      key: "k",
      jobs: [
        noop({}, { resources: { gpus: 1 } }),
        noop({}, { resources: { slots: 2, walltimeS: 60 } }),
        noop({}, { resources: { slots: 2 } }),
        noop(),
      ],
    });
    const { leases } = await site.remote.lease({ ...me, slots: 3, waitMs: 100 });
    expect(leases.map(({ job, resources }) => [job, resources])).toEqual([[jobs[1], { slots: 2, walltimeS: 60 }]]);
    const views = await Promise.all(jobs.map((id) => client.remote.job({ id })));
    expect(views[0]!.reason).toBe("no site has what the job needs: the job needs 1 GPUs, site s has 0");
    expect(views[2]!.reason).toContain("site s has 1 of 2 slots free");
    // The third slot is kept for the job ahead.
    expect(views[3]!.state).toBe("ready");
    expect((await client.remote.sites({})).sites).toMatchObject([{ capacity, apps: ["xpcs.noop"] }]);
    for (const close of [client.close, site.close]) close();
  });

  it("goes only to a site that has the features it needs; one that tells none has none", async () => {
    const [client, plain, newer] = [await openClient(central), await openSite(central), await openSite(central)];
    const capacity = { cores: 8, memoryGb: 16, gpus: 0, nodes: 1, walltimeS: 600 };
    const features = ["avx512f", "boost_corr=0.4.1"];
    await plain.remote.join({ site: "plain", instance: "1", host: "h", slots: 2, apps: ["xpcs.noop"], capacity, held: [] });
    await newer.remote.join({
      ...{ site: "newer", instance: "1", host: "h", slots: 1, apps: ["xpcs.noop"], held: [] },
      capacity: { ...capacity, features },
    });
    const needs = [["avx512f", "boost_corr>=0.4"], ["boost_corr=0.3"]];
    const { jobs } = await client.remote.submit({ key: "k", jobs: needs.map((words) => noop({}, { resources: { features: words } })) });
    expect((await plain.remote.lease({ site: "plain", instance: "1", slots: 2, waitMs: 100 })).leases).toEqual([]);
    const { leases } = await newer.remote.lease({ site: "newer", instance: "1", slots: 1, waitMs: 100 });
    expect(leases.map(({ job }) => job)).toEqual([jobs[0]]);
    expect((await client.remote.job({ id: jobs[1]! })).reason).toBe(
      "no site has what the job needs: the job needs boost_corr=0.3, which site newer does not have; the job needs boost_corr=0.3, which site plain does not have",
    );
    await expect(client.remote.submit({ key: "bad", jobs: [noop({}, { resources: { features: ["a b"] } })] })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("is no feature"),
    });
    for (const close of [client.close, plain.close, newer.close]) close();
  });

  it("keeps the monitor and what belongs to its input, and shows them among its inputs", async () => {
    const [client, site] = [await openClient(central), await openSite(central)];
    const me = { site: "s", instance: "1" };
    await site.remote.join({ ...me, host: "h", slots: 1, apps: ["xpcs.corr"], held: [] });
    const paths = ["/d/a.bin.000", "/d/a.bin.001", "/d/q.hdf", "/d/beam.h5"].map((path) => ({ path }));
    const [input, part, qmap, beam] = paths as [FileRef, FileRef, FileRef, FileRef];
    const monitor = { ...beam, dataset: "/entry/i0" };
    const work = {
      app: "xpcs.corr" as const,
      input,
      parts: [part],
      qmap,
      monitor,
      out: { path: "/d/r.hdf" },
      overwrite: false,
      options: {},
    };
    const { jobs } = await client.remote.submit({ key: "k", jobs: [{ work, tags: {}, attemptsMax: 1 }] });
    expect((await client.remote.job({ id: jobs[0]! })).inputs).toEqual(paths.map(({ path }) => path));
    expect((await site.remote.lease({ ...me, slots: 1, waitMs: 1000 })).leases).toMatchObject([{ work }]);
    const relative = { ...work, parts: [{ path: "a.bin.001" }] };
    await expect(client.remote.submit({ key: "l", jobs: [{ work: relative, tags: {}, attemptsMax: 1 }] })).rejects.toThrow(/parts/);
    for (const close of [client.close, site.close]) close();
  });

  it("that a site refuses goes to another one, and says who refused it while it waits", async () => {
    const [client, a, b] = [await openClient(central), await openSite(central), await openSite(central)];
    const [first, second] = ["a", "b"].map((site) => ({ site, instance: "1" })) as [
      { site: string; instance: string },
      { site: string; instance: string },
    ];
    for (const [site, me] of [
      [a, first],
      [b, second],
    ] as const)
      await site.remote.join({ ...me, host: "h", slots: 1, apps: ["xpcs.noop"], held: [] });
    const { jobs } = await client.remote.submit({ key: "k", jobs: [noop({}, { attemptsMax: 1 })] });
    const job = jobs[0]!;
    const { leases } = await a.remote.lease({ ...first, slots: 1, waitMs: 100 });
    expect(leases).toMatchObject([{ job, epoch: 1 }]);
    await a.remote.fail({ ...first, lease: { job, epoch: 1 }, code: "REFUSED", reason: "no such camera here" });
    expect((await a.remote.lease({ ...first, slots: 1, waitMs: 50 })).leases).toEqual([]);
    const waiting = await client.remote.job({ id: job });
    expect(waiting).toMatchObject({ state: "ready", reason: expect.stringContaining("site b has a free slot") });
    expect(waiting.reason).toContain("refused by site a: no such camera here");
    expect(Date.parse(waiting.since)).toBeGreaterThanOrEqual(Date.parse(waiting.submittedAt));
    await b.remote.leave(second);
    expect((await client.remote.job({ id: job })).reason).toBe("no other site offers xpcs.noop; refused by site a: no such camera here");
    await b.remote.join({ ...second, host: "h", slots: 1, apps: ["xpcs.noop"], held: [] });
    expect((await b.remote.lease({ ...second, slots: 1, waitMs: 100 })).leases).toMatchObject([{ job, epoch: 2 }]);
    await b.remote.fail({ ...second, lease: { job, epoch: 2 }, code: "REFUSED", reason: "nor here" });
    const failed = await client.remote.job({ id: job });
    expect(failed).toMatchObject({ state: "failed", reason: "site b: nor here (refused before: site a: no such camera here)" });
    expect(failed.attempts.map(({ site, code }) => [site, code])).toEqual([
      ["a", "REFUSED"],
      ["b", "REFUSED"],
    ]);
    for (const close of [client.close, a.close, b.close]) close();
  });

  it("belongs to an experiment, also when none is named, and is listed by it", async () => {
    const client = await openClient(central);
    const named = await client.remote.submit({ key: "a", jobs: [noop({}, { experiment: "2026-3/smith" })] });
    const unnamed = await client.remote.submit({ key: "b", jobs: [noop()] });
    const listed = async (experiment: string) => (await client.remote.jobs({ experiment })).jobs.map(({ id }) => id);
    expect(await listed("2026-3/smith")).toEqual(named.jobs);
    expect(await listed("local/default")).toEqual(unnamed.jobs);
    expect((await client.remote.job({ id: named.jobs[0]! })).experiment).toBe("2026-3/smith");
    for (const experiment of ["smith", "../smith", "2026-3/", "2026-3/a/b", "2026-3/a b"])
      await expect(client.remote.submit({ key: "c", jobs: [noop({}, { experiment })] }), experiment).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
      });
    client.close();
  });
});
