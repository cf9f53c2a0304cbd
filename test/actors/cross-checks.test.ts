/** Cross-checks, word by word: what sites are asked for, and what becomes of their digests. */
import { expect, it } from "vitest";
import { type CrossCheckRules, wantsCheck } from "../../src/actors/cross-checks.js";
import { createIdSource } from "../../src/actors/ids.js";
import type { JobSpec } from "../../src/core/job.js";
import { seeded } from "../ledger/world.js";
import { VirtualCentral, type VirtualSite } from "./virtual-central.js";

const WITHIN_MS = 60_000;
const corr = (more: Partial<JobSpec> = {}): JobSpec => ({
  work: {
    ...{ app: "xpcs.corr", input: { path: "/data/a.bin" }, qmap: { path: "/data/q.hdf" } },
    ...{ out: { path: "/out/a.hdf" }, overwrite: false, options: {} },
  },
  ...{ tags: {}, attemptsMax: 1 },
  ...more,
});

async function begin(share: number, names = ["a", "b", "c"]): Promise<{ world: VirtualCentral; sites: Record<string, VirtualSite> }> {
  const world = await new VirtualCentral({ crossChecks: { share, withinMs: WITHIN_MS } }).start();
  const sites: Record<string, VirtualSite> = {};
  for (const name of names) sites[name] = await world.site(name, { apps: ["xpcs.corr", "copy"], exclusive: [] });
  return { world, sites };
}
const says = (sha256: string) => ({ summary: { contentSha256: sha256 } });

it("a job runs again where it has not, for its digest alone; a third run names the site that is wrong", async () => {
  const { world, sites } = await begin(0);
  const [id] = await world.submit(corr({ crossCheck: true }));
  const first = await sites.a!.take();
  expect(first).toMatchObject({ job: id, digest: true });
  expect(first).not.toHaveProperty("check");
  await sites.a!.complete(first, says("x"));
  // Not where it ran.
  expect(await sites.a!.offered()).toBe(0);
  const second = await sites.b!.take();
  expect(second).toMatchObject({ digest: true, check: true, work: { out: { path: "/out/cross-check-a.hdf" } } });
  await sites.b!.complete(second, says("y"));
  expect((await world.look(id!)).crossCheck).toMatchObject({ agreed: false, wrong: null });
  expect(await sites.b!.offered()).toBe(0);
  await sites.c!.complete(await sites.c!.take(), says("y"));
  const wrong = "site a (a-host) differs from site b (b-host) and site c (c-host), which agree";
  expect((await world.look(id!)).crossCheck).toMatchObject({ wrong: "a", reason: wrong });
  const views = (await (await world.people()).sites({})).sites;
  expect(views.map(({ name, crossChecks }) => [name, crossChecks])).toEqual([
    ["a", { agreed: 0, differed: 1, wrong: 1 }],
    ["b", { agreed: 1, differed: 1, wrong: 0 }],
    ["c", { agreed: 1, differed: 0, wrong: 0 }],
  ]);
  // A restart keeps what was found.
  await world.restart();
  expect((await world.look(id!)).crossCheck).toMatchObject({ wrong: "a" });
});

it("a check that no site begins is given up", async () => {
  const { world, sites } = await begin(1, ["a", "b"]);
  const [id] = await world.submit(corr());
  await sites.a!.complete(await sites.a!.take(), says("x"));
  await world.clock.advance(WITHIN_MS + 1_000);
  const checks = (await (await world.people()).jobs({ tags: { "cross-check": id! } })).jobs;
  expect(checks).toMatchObject([{ state: "failed", reason: expect.stringContaining("passed before a site began it"), priority: -1_000 }]);
  expect(await world.look(id!)).toMatchObject({ state: "finished" });
});

it("nothing is checked that asks not to be, said no digest, is exclusive, or is a check", async () => {
  const { world, sites } = await begin(1, ["a", "b"]);
  // It is there, and gets nothing as long as it drains.
  await sites.b!.remote.renew({ ...sites.b!.me, held: [], draining: "for a test" });
  await world.submit(corr({ crossCheck: false }));
  const unasked = await sites.a!.take();
  expect(unasked).not.toHaveProperty("digest");
  await sites.a!.complete(unasked, says("x"));
  await world.submit(corr());
  await sites.a!.complete(await sites.a!.take());
  await sites.a!.join({ apps: ["xpcs.corr", "copy"], exclusive: ["copy"] });
  const copy = { app: "copy", parameters: {}, inputs: {}, outputs: { o: { path: "/out/o" } }, overwrite: false };
  await world.submit(corr({ work: copy }));
  await sites.a!.complete(await sites.a!.take(), says("x"));
  expect((await (await world.people()).jobs({ states: ["ready"] })).jobs).toEqual([]);
  await world.submit(corr());
  await sites.a!.complete(await sites.a!.take(), says("x"));
  await sites.b!.renew();
  await sites.b!.complete(await sites.b!.take(), says("x"));
  expect((await (await world.people()).jobs({ states: ["ready"] })).jobs).toEqual([]);
});

it("the share that is drawn is the one that was asked for, and a job's own word counts more", () => {
  const rng = seeded(3);
  const newId = createIdSource((size) => Uint8Array.from({ length: size }, () => Math.floor(rng() * 256)));
  const ids = Array.from({ length: 20_000 }, (_, at) => newId(1_700_000_000_000 + 7 * at));
  const drawn = (share: number, spec: JobSpec = corr()) => {
    const rules: CrossCheckRules = { share, withinMs: WITHIN_MS };
    return ids.filter((id) => wantsCheck({ id, spec }, rules)).length;
  };
  expect(drawn(0)).toBe(0);
  // Within five standard deviations.
  expect(Math.abs(drawn(0.01) - 200)).toBeLessThan(71);
  expect(Math.abs(drawn(0.5) - 10_000)).toBeLessThan(354);
  expect(drawn(1)).toBe(20_000);
  expect(drawn(1, corr({ crossCheck: false }))).toBe(0);
  expect(drawn(0, corr({ crossCheck: true }))).toBe(20_000);
  expect(drawn(1, corr({ site: "a" }))).toBe(0);
});
