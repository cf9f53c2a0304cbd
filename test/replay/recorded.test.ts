/** A shift out of a ledger's events: what came, where it ran, how long it took, and which sites were there. */
import { describe, expect, it } from "vitest";
import type { LedgerEvent } from "../../src/ledger/events.js";
import { readShift } from "../../src/replay/recorded.js";
import { scaled } from "../../src/replay/shift.js";
import { SITE_CHANGES, withChanges } from "../../src/replay/site-changes.js";
import { runShift } from "../../src/replay/world.js";
import { POLICIES } from "../../src/router/registry.js";
import { START_MS, spec } from "./shifts.js";

const at = (s: number) => START_MS + 1_000 * s;
const join = (site: string, s: number, slots = 2): LedgerEvent => ({
  ...{ type: "siteJoined", at: at(s), site, instance: `${site}${s}`, host: "h", slots, apps: ["a"] },
});
const submitted = (s: number, ...jobs: string[]): LedgerEvent => ({
  ...{ type: "submitted", at: at(s), jobs, specs: jobs.map(() => spec()), key: `k${s}`, digest: "" },
});
const leased = (s: number, job: string, site: string, epoch = 1): LedgerEvent => ({
  ...{ type: "leased", at: at(s), job, epoch, site, instance: "i", why: "" },
});
const completed = (s: number, job: string, runMs: number, summary = {}): LedgerEvent => ({
  ...{ type: "completed", at: at(s), job, epoch: 1, outputs: [{ path: "/r", bytes: 10, sha256: "" }], summary, runMs },
});

async function* stream(events: readonly LedgerEvent[]): AsyncGenerator<LedgerEvent> {
  yield* events;
}
const read = (events: readonly LedgerEvent[]) => readShift(stream(events), "a ledger");

const DAY: readonly LedgerEvent[] = [
  join("fast", -10),
  join("slow", -10),
  submitted(0, "1", "2"),
  leased(0, "1", "fast"),
  leased(0, "2", "slow"),
  submitted(5, "3", "4"),
  completed(10, "1", 10_000, { stageInBytes: 4_000_000, stageInS: 2 }),
  leased(11, "3", "fast"),
  completed(31, "3", 20_000),
  completed(45, "2", 45_000),
  { type: "canceled", at: at(46), job: "4" },
];

describe("a recorded shift", () => {
  it("has the jobs that were not canceled, when they came", async () => {
    const { shift, jobs, canceled, drawn } = await read(DAY);
    expect({ jobs, canceled, drawn }).toEqual({ jobs: 3, canceled: 1, drawn: 0 });
    const given = [...{ [Symbol.iterator]: shift.arrivals }];
    expect(given.map(({ atMs, specs }) => [atMs, specs.length])).toEqual([
      [0, 2],
      [5_000, 1],
    ]);
  });

  it("has run times as they were, and in proportion where a job did not run", async () => {
    const { shift } = await read(DAY);
    const [fast, slow] = shift.sites;
    expect(fast?.times(0, spec()).runMs).toBe(10_000);
    expect(slow?.times(1, spec()).runMs).toBe(45_000);
    // Job 3 took 20 s where the mean is 15 s: at the slow site that would be 60 s.
    expect(slow?.times(2, spec()).runMs).toBe(60_000);
    expect(fast?.times(0, spec()).rateBytesPerMs).toBe(2_000);
  });

  it("runs again with as many jobs as it had", async () => {
    const { shift } = await read(DAY);
    for (const policy of Object.values(POLICIES)) {
      if (policy.name === "pinned") continue;
      expect(runShift(shift, { policy }).tally).toMatchObject({ submitted: 3, finished: 3 });
    }
  });

  const lost: LedgerEvent = {
    ...{ type: "attemptEnded", at: at(30), job: "1", epoch: 1, outcome: "lost", code: null, reason: "", next: "retry", notBefore: at(30) },
  };

  it("has sites that were silent away from when they were last heard of", async () => {
    const { shift } = await read([
      join("s", 0),
      submitted(1, "1"),
      leased(2, "1", "s"),
      lost,
      join("s", 50),
      leased(51, "1", "s", 2),
      completed(60, "1", 9_000),
    ]);
    expect(shift.sites[0]?.presence).toEqual([
      { fromMs: 0, untilMs: 20_000, leaves: false },
      { fromMs: 49_000, untilMs: Number.POSITIVE_INFINITY, leaves: false },
    ]);
  });

  it("knows which of two attempts at a time was lost, and which one has the result", async () => {
    const of = (...ends: LedgerEvent[]) =>
      read([join("a", 0, 1), join("b", 0, 1), submitted(1, "1", "2"), leased(2, "1", "a"), leased(20, "1", "b", 2), ...ends]);
    const always = { fromMs: 0, untilMs: Number.POSITIVE_INFINITY, leaves: false };
    const second = { ...completed(40, "1", 9_000), epoch: 2 };
    const silent = await of({ ...lost, next: "other" }, second);
    expect(silent.shift.sites.map(({ presence }) => presence)).toEqual([[{ ...always, untilMs: 20_000 }], [always]]);
    const { shift } = await of(completed(30, "1", 9_000), leased(31, "2", "b"), completed(41, "2", 18_000));
    const [a, b] = shift.sites;
    expect([a!.times(0, spec()).runMs, b!.times(1, spec()).runMs, b!.prefetch]).toEqual([9_000, 18_000, 0]);
  });

  it("keeps children behind their parents", async () => {
    const family: LedgerEvent = {
      ...{ type: "submitted", at: at(0), jobs: ["1", "2"], specs: [spec(), spec({ parents: ["1"] })], key: "k", digest: "", awaits: [1] },
    };
    const { shift } = await read([
      join("s", 0),
      family,
      leased(1, "1", "s"),
      completed(11, "1", 10_000),
      leased(12, "2", "s"),
      completed(22, "2", 10_000),
    ]);
    const { tally } = runShift(shift, { policy: POLICIES.soonest!, dispatchMs: 0 });
    expect([...tally.answersMs.values]).toEqual([10_000, 20_000]);
  });

  it("comes faster when it is scaled", async () => {
    const { shift } = await read(DAY);
    const given = [...{ [Symbol.iterator]: scaled(shift, 2).arrivals }];
    expect(given.map(({ atMs }) => atMs)).toEqual([0, 2_500]);
  });

  it.each([
    ["has no job to replay", [join("s", 0)]],
    ["no site ever joined", [submitted(0, "1")]],
  ])("is refused when it %s", async (message, events) => {
    await expect(read(events)).rejects.toThrow(message);
  });
});

describe("changes of sites", () => {
  const changes = (...sites: object[]) => SITE_CHANGES.parse({ sites });

  it("make slots, speeds and links others, sites go and new ones come", async () => {
    const { shift } = await read(DAY);
    const { sites } = withChanges(
      shift,
      changes(
        { name: "fast", without: true },
        { name: "slow", slots: 9, runFactor: 0.5, linkMBps: 2 },
        { name: "new", like: "fast", transferMBps: 3 },
      ),
    );
    expect(sites.map(({ name, slots }) => [name, slots])).toEqual([
      ["slow", 9],
      ["new", 2],
    ]);
    expect(sites[0]?.times(1, spec()).runMs).toBe(22_500);
    expect(sites[0]?.link?.bytesPerMs).toBe(2_000);
    expect(sites[1]?.times(0, spec()).rateBytesPerMs).toBe(3_000);
  });

  it.each([
    ["has no site x", [{ name: "x", slots: 2 }]],
    [
      "twice",
      [
        { name: "fast", slots: 2 },
        { name: "fast", slots: 3 },
      ],
    ],
    [
      "leave no site",
      [
        { name: "fast", without: true },
        { name: "slow", without: true },
      ],
    ],
    ["has a site fast", [{ name: "fast", like: "slow" }]],
  ])("are refused: %s", async (message, sites) => {
    const { shift } = await read(DAY);
    expect(() => withChanges(shift, changes(...sites))).toThrow(message);
  });

  it("are refused where they are misspelt", () => {
    expect(() => changes({ name: "fast", slot: 2 })).toThrow();
  });
});
