/** Sites whose pilots are still to begin, as the router sees them: from what they say, who is connected, and what earlier pilots have shown. */
import { beforeEach, describe, expect, it } from "vitest";
import { comingPilots } from "../../src/actors/pilot-sites.js";
import { type PilotSite, Sites } from "../../src/actors/presence.js";
import { LIMITS } from "../../src/core/limits.js";
import { emptyState, type SiteRecord, type State } from "../../src/ledger/state.js";
import { noop, openClient, openSite, type TestCentral, withCentral } from "./support.js";

const capacity = { cores: 8, memoryGb: 16, gpus: 0, nodes: 1, walltimeS: 600 };
const selfTest = { at: "2026-11-26T12:00:00Z", queueWaitS: 60, eventsPerCoreS: 30e6, inBytesPerS: 1e8 };

describe("a site with pilots", () => {
  let state: State;
  let sites: Sites;
  const said = (more: Partial<PilotSite> = {}): PilotSite => ({
    ...{ slotsEach: 4, apps: ["xpcs.noop"], capacity, pilots: ["farm-1"], pilotsMax: 3, selfTest, says: null, submitters: null },
    ...{ tokenEndsMs: null, saidMs: 0, ...more },
  });
  const record = (name: string, more: Partial<SiteRecord> = {}): SiteRecord => ({
    ...{ name, instance: "1", host: "h", slots: 4, apps: [], joinedAt: 1, present: false, granted: 0, runs: {}, ...more },
  });
  const loads = (site: PilotSite) => {
    sites.pilotSites.set("farm", site);
    return comingPilots(state, sites, 1, 0);
  };
  beforeEach(() => {
    state = emptyState();
    sites = new Sites(10_000);
  });

  it("has so many pilots to come as are not there, and no load when all are, or the wait was never measured", () => {
    expect(loads(said())).toMatchObject([
      {
        name: "farm",
        up: true,
        slots: 0,
        eventsPerCoreS: 30e6,
        links: { in: { bytesPerS: 1e8, tested: true }, out: null },
        pilots: { count: 3, slotsEach: 4, queueWaitMs: 60_000 },
      },
    ]);
    state.sites.set("farm-1", record("farm-1", { present: true }));
    expect(loads(said())[0]?.pilots?.count).toBe(3);
    sites.take("farm-1", "1", 0, 0).links = 1;
    expect(loads(said())[0]?.pilots?.count).toBe(2);
    expect(loads(said({ pilotsMax: 1 }))).toEqual([]);
    expect(loads(said({ selfTest: null }))).toEqual([]);
    expect(loads(said({ selfTest: { at: selfTest.at, eventsPerCoreS: 1 } }))).toEqual([]);
  });

  it("learns from its pilots how long they wait in the queue, the newest for most", () => {
    const waited = (n: number, queueWaitS: number) => state.sites.set(`farm-${n}`, record(`farm-${n}`, { joinedAt: n, queueWaitS }));
    const waitMs = (site: PilotSite) => loads(site)[0]?.pilots?.queueWaitMs;
    waited(1, 100);
    // No self-test: the pilots alone.
    expect(waitMs(said({ selfTest: null }))).toBe(100_000);
    const old = { ...selfTest, at: "1970-01-01T00:00:00Z" };
    expect(waitMs(said({ selfTest: old }))).toBe(80_000);
    for (let n = 2; n < 12; n++) waited(n, 300);
    expect(waitMs(said({ selfTest: old }))).toBeGreaterThan(270_000);
    for (let n = 12; n < 24; n++) waited(n, 10);
    expect(waitMs(said({ selfTest: old }))).toBeLessThan(30_000);
    state.sites.set("other-1", record("other-1", { queueWaitS: 9_999 }));
    expect(waitMs(said({ selfTest: old }))).toBeLessThan(30_000);
  });

  it("knows what earlier pilots have shown, and of no others", () => {
    const ran = (count: number, totalMs: number) => ({ "xpcs.noop": { count, totalMs, results: { count, bytes: 10 * count } } });
    state.sites.set("farm-1", record("farm-1", { runs: ran(1, 100), links: { in: { bytes: 1e6, ms: 1_000 } } }));
    state.sites.set(
      "farm-2",
      record("farm-2", { runs: ran(3, 700), links: { in: { bytes: 3e6, ms: 1_000 } }, selfTest: { ...selfTest, queueWaitS: 5 } }),
    );
    for (const other of ["farm-x", "farm", "farm-1-2", "farmer-1"]) state.sites.set(other, record(other, { runs: ran(99, 1) }));
    expect(loads(said({ selfTest: null }))).toMatchObject([
      {
        learnt: { runs: { "xpcs.noop": { "-": { ms: { count: 4, mean: 200 }, resultBytes: { mean: 10 } } } } },
        links: { in: { bytesPerS: 2e6, tested: false } },
        pilots: { queueWaitMs: 5_000 },
      },
    ]);
  });

  it("says nothing of the correlator where nobody has told how many cores there are", () => {
    const unknown = { ...capacity, cores: LIMITS.resourceMax };
    expect(loads(said({ capacity: unknown }))[0]?.eventsPerCoreS).toBeNull();
    state.sites.set("farm-1", record("farm-1", { capacity }));
    expect(loads(said({ capacity: unknown }))[0]).toMatchObject({ eventsPerCoreS: 30e6, capacity });
  });
});

describe("central", () => {
  let central: TestCentral;
  withCentral((made) => {
    central = made;
  });

  it("has a job wait for the pilots of a connected site, and for nobody when that is gone", async () => {
    const [client, manager] = [await openClient(central), await openSite(central)];
    const like = { site: "farm", pilots: [], slots: 4, apps: ["xpcs.noop"], capacity, pilotsMax: 2, selfTest };
    expect(await manager.remote.backlog(like)).toMatchObject({ waitingSlots: 0, pilots: [] });
    const { jobs } = await client.remote.submit({ key: "k", jobs: [noop()] });
    const reason = async () => (await client.remote.job({ id: jobs[0]! })).reason;
    expect(await reason()).toMatch(
      /^2 pilots of site farm still to begin; soonest at farm \(a pilot in \S+ s, run time not measured yet\)$/,
    );
    expect(await manager.remote.backlog(like)).toMatchObject({ waitingSlots: 1, pilots: [] });
    // A site of before says neither: nothing changes for it.
    const { pilotsMax: _max, selfTest: _test, ...before } = like;
    await manager.remote.backlog(before);
    expect(await reason()).toBe("no site is connected to central");
    await manager.remote.backlog(like);
    manager.close();
    await expect.poll(reason).toBe("no site is connected to central");
    client.close();
  });
});
