/** The rules of a job that runs twice: either may answer, one does, and nothing that held of single attempts is given up. */
import { beforeEach, describe, expect, it } from "vitest";
import type { Command } from "../../src/ledger/decide.js";
import { type JobRecord, lastSite } from "../../src/ledger/state.js";
import { Story } from "./story.js";
import { spec } from "./world.js";

let story: Story;

const ask = (command: Command) => story.ask(command);
const obey = (command: Command) => story.obey(command);
const job = (): JobRecord => story.state.jobs.get("j")!;
const outcomes = () => job().attempts.map(({ site, outcome }) => `${site} ${outcome}`);
const join = (site: string, instance = "1", held: { job: string; epoch: number }[] = []): Command => ({
  ...{ type: "join", site, instance, host: "h", slots: 2, apps: ["xpcs.noop"], held },
});
const complete = (site: string, epoch: number): Command => ({
  ...{ type: "complete", site, lease: { job: "j", epoch }, outputs: [{ path: `/${site}`, bytes: 1, sha256: site }], summary: {}, runMs: 5 },
});
const fail = (
  site: string,
  epoch: number,
  code: "NATIVE_CRASHED" | "INVALID_ARGUMENT" | "REFUSED" | "CANCELED" = "NATIVE_CRASHED",
): Command => ({
  ...{ type: "fail", site, lease: { job: "j", epoch }, code, reason: "crash" },
});
const expire = (epoch: number): Command => ({ type: "expire", lease: { job: "j", epoch } });

/** The job runs at a as attempt 1, and at b as attempt 2. */
beforeEach(() => {
  story = new Story();
  for (const site of ["a", "b", "c"]) obey(join(site));
  obey({ type: "submit", key: "k", digest: "d", jobs: [{ id: "j", spec: spec(1) }] });
  obey({ type: "grant", job: "j", site: "a", why: "first" });
  obey({ type: "duplicate", job: "j", site: "b", why: "late" });
});

it("runs at both sites, each with an epoch of its own, and says so", () => {
  expect(job()).toMatchObject({ state: "leased", epoch: 2, why: "first", reason: "it runs at site b too: late" });
  expect(job().attempts).toMatchObject([{ epoch: 1 }, { epoch: 2, duplicate: true }]);
  expect(job().attempts[0]).not.toHaveProperty("duplicate");
  expect([...story.state.leased].filter(([, held]) => held.has("j")).map(([site]) => site)).toEqual(["a", "b"]);
});

it.each([
  ["a third time", "c"],
  ["where it runs", "a"],
])("is refused %s", (_, site) => {
  expect(ask({ type: "duplicate", job: "j", site, why: "" })).toMatchObject({ code: "REFUSED" });
});

it("is refused once more after its duplicate has ended, for a job that waits, and at a site that is not there", () => {
  obey(fail("b", 2));
  expect(ask({ type: "duplicate", job: "j", site: "c", why: "" })).toMatchObject({ code: "REFUSED" });
  obey({ type: "submit", key: "k2", digest: "d", jobs: [{ id: "w", spec: spec() }] });
  expect(ask({ type: "duplicate", job: "w", site: "c", why: "" })).toMatchObject({ code: "REFUSED" });
  obey({ type: "grant", job: "w", site: "a", why: "" });
  obey({ type: "leave", site: "c" });
  expect(ask({ type: "duplicate", job: "w", site: "c", why: "" })).toMatchObject({ code: "REFUSED" });
  expect(ask({ type: "duplicate", job: "x", site: "c", why: "" })).toMatchObject({ code: "NOT_FOUND" });
});

describe("the first answer wins,", () => {
  it.each([
    ["of the first attempt", "a", 1, ["a finished", "b canceled"]],
    ["of the duplicate", "b", 2, ["a canceled", "b finished"]],
  ] as const)("%s", (_, site, epoch, ends) => {
    obey(complete(site, epoch));
    expect(job()).toMatchObject({ state: "finished", outputs: [{ sha256: site }] });
    expect(outcomes()).toEqual(ends);
    expect(lastSite(job())).toBe(site);
    // Again: harmless. The other one: refused, and told that the job has ended.
    expect(obey(complete(site, epoch))).toEqual([]);
    const [other, late] = site === "a" ? (["b", 2] as const) : (["a", 1] as const);
    expect(ask(complete(other, late))).toMatchObject({ code: "STALE_LEASE", details: { jobEnded: true } });
    expect(ask({ type: "resume", lease: { job: "j", epoch: late }, site: other })).toMatchObject({ code: "STALE_LEASE" });
    expect(obey(fail(other, late))).toEqual([]);
    expect(story.state.sites.get(site)?.runs["xpcs.noop"]).toMatchObject({ count: 1 });
    expect(story.state.sites.get(other)?.runs).toEqual({});
    expect([...story.state.leased.values()].every((held) => held.size === 0)).toBe(true);
  });
  it("and a site cannot answer for the other's attempt", () => {
    expect(ask(complete("a", 2))).toMatchObject({ code: "STALE_LEASE" });
    expect(ask(complete("b", 1))).toMatchObject({ code: "STALE_LEASE" });
    expect(obey({ type: "claim", lease: { job: "j", epoch: 1 }, site: "b" })).toEqual([]);
  });
});

describe("the one that claims the job is alone from then on,", () => {
  it.each([
    ["the first attempt", "a", 1, "b", 2],
    ["the duplicate", "b", 2, "a", 1],
  ] as const)("%s", (_, site, epoch, other, late) => {
    obey({ type: "claim", lease: { job: "j", epoch }, site });
    expect(job().attempts.find((attempt) => attempt.epoch === late)).toMatchObject({
      outcome: "canceled",
      reason: `attempt ${epoch} at site ${site} had its result first`,
    });
    expect(obey({ type: "claim", lease: { job: "j", epoch }, site })).toEqual([]);
    expect(obey({ type: "claim", lease: { job: "j", epoch: late }, site: other })).toEqual([]);
    expect(ask(complete(other, late))).toMatchObject({ code: "STALE_LEASE", details: { jobEnded: false } });
    obey(complete(site, epoch));
    expect(job().state).toBe("finished");
  });
  it("also when it is then lost: the job fails, or is tried again, as ever", () => {
    obey({ type: "claim", lease: { job: "j", epoch: 2 }, site: "b" });
    obey(expire(2));
    expect(job()).toMatchObject({ state: "failed", attemptsCounted: 1 });
  });
});

describe("an attempt that ends beside another", () => {
  it.each([
    ["fails", fail("a", 1)],
    ["fails for good", fail("a", 1, "INVALID_ARGUMENT")],
    ["is lost", expire(1)],
    ["comes back", { type: "giveBack", site: "a", leases: [{ job: "j", epoch: 1 }], reason: "stop" }],
    ["is lost with its process", join("a", "2")],
    ["goes with its site", { type: "leave", site: "a" }],
  ] as [string, Command][])("%s: the other goes on, and nothing is counted", (_, command) => {
    obey(command);
    expect(job()).toMatchObject({ state: "leased", attemptsCounted: 0 });
    expect(job().reason).toMatch(/^attempt 1 at site a ended: /);
    expect([...story.state.leased].filter(([, held]) => held.has("j")).map(([site]) => site)).toEqual(["b"]);
    obey(complete("b", 2));
    expect(job().state).toBe("finished");
  });
  it("is not resumed: it was not the latest", () => {
    obey(expire(1));
    expect(ask({ type: "resume", lease: { job: "j", epoch: 1 }, site: "a" })).toMatchObject({ code: "STALE_LEASE" });
    expect(ask(complete("a", 1))).toMatchObject({ code: "STALE_LEASE" });
  });
  it("is not asked for again where it was refused", () => {
    obey(fail("b", 2, "REFUSED"));
    expect(job()).toMatchObject({ state: "leased", refusedBy: ["b"], attemptsCounted: 0 });
  });
  it("leaves the last one to end the job as a single one does", () => {
    obey(fail("b", 2));
    obey(fail("a", 1));
    expect(job()).toMatchObject({ state: "failed", attemptsCounted: 1 });
    expect(outcomes()).toEqual(["a failed", "b failed"]);
  });
  it.each([
    ["the first", ["b", 2], ["a", 1], ["a running", "b lost"]],
    ["the duplicate", ["a", 1], ["b", 2], ["a lost", "b running"]],
  ] as const)("leaves %s to be resumed, when both are lost and it was the later", (_, [gone, epochGone], [site, epoch], ends) => {
    obey({ type: "modify", ids: ["j"], changes: { attemptsMax: 3 } });
    obey(expire(epochGone));
    obey(expire(epoch));
    expect(job()).toMatchObject({ state: "ready", attemptsCounted: 1 });
    expect(ask({ type: "resume", lease: { job: "j", epoch: epochGone }, site: gone })).toMatchObject({ code: "STALE_LEASE" });
    obey({ type: "resume", lease: { job: "j", epoch }, site });
    expect(outcomes()).toEqual(ends);
    expect(job().attemptsCounted).toBe(0);
    obey(complete(site, epoch));
    expect(job().state).toBe("finished");
  });
  it("that was lost is not resumed when the other one failed", () => {
    obey({ type: "modify", ids: ["j"], changes: { attemptsMax: 3 } });
    obey(expire(2));
    obey(fail("a", 1));
    expect(job()).toMatchObject({ state: "ready", attemptsCounted: 1 });
    expect(ask({ type: "resume", lease: { job: "j", epoch: 2 }, site: "b" })).toMatchObject({ code: "STALE_LEASE" });
    obey({ type: "grant", job: "j", site: "c", why: "again" });
    expect(job()).toMatchObject({ epoch: 3, state: "leased" });
  });
});

it("keeps what a site names when it joins again, of its own attempt alone", () => {
  obey(join("b", "2", [{ job: "j", epoch: 2 }]));
  expect(outcomes()).toEqual(["a running", "b running"]);
  obey(join("a", "2", [{ job: "j", epoch: 2 }]));
  expect(outcomes()).toEqual(["a lost", "b running"]);
});

it("is canceled when both have stopped; a result that comes first counts", () => {
  obey({ type: "cancel", ids: ["j"] });
  expect(obey({ type: "claim", lease: { job: "j", epoch: 1 }, site: "a" })).toEqual([]);
  obey(fail("a", 1, "CANCELED"));
  expect(job()).toMatchObject({ state: "leased", cancelRequested: true });
  obey(fail("b", 2, "CANCELED"));
  expect(job()).toMatchObject({ state: "canceled", reason: "canceled by its owner" });
  expect(outcomes()).toEqual(["a canceled", "b canceled"]);
});
