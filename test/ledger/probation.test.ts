/** Who is put on probation, and who is not: failures count against a site only where another one finished the job. */
import { expect, it } from "vitest";
import type { ErrorCode } from "../../src/core/errors.js";
import type { LedgerEvent } from "../../src/ledger/events.js";
import { probePauseMs } from "../../src/ledger/probation.js";
import { reduce } from "../../src/ledger/reduce.js";
import { emptyState } from "../../src/ledger/state.js";
import { Story } from "./story.js";
import { spec } from "./world.js";

/** The jobs of a few sites: what fails there, and what they finish. */
class SitesStory extends Story {
  #jobs = 0;

  constructor(...sites: string[]) {
    super(1_000_000);
    for (const site of sites) this.join(site);
  }

  join(site: string, more: object = {}): readonly LedgerEvent[] {
    return this.obey({ type: "join", site, instance: `${site}-1`, host: `${site}.host`, slots: 9, apps: ["xpcs.noop"], held: [], ...more });
  }

  submit(attemptsMax = 9): string {
    this.#jobs += 1;
    const id = `j${this.#jobs}`;
    this.obey({ type: "submit", key: id, digest: "d", jobs: [{ id, spec: { ...spec(attemptsMax), retryDelayMs: 1 } }] });
    return id;
  }

  #lease(job: string, site: string) {
    this.obey({ type: "grant", job, site, why: "w" });
    return { job, epoch: this.state.jobs.get(job)!.epoch };
  }

  fail(job: string, site: string, code: ErrorCode = "IO_FAILED"): void {
    this.obey({ type: "fail", site, lease: this.#lease(job, site), code, reason: "no space left" });
  }

  lose(...jobs: [string, string][]): void {
    const leases = jobs.map(([job, site]) => this.#lease(job, site));
    for (const lease of leases) {
      this.obey({ type: "expire", lease });
      this.nowMs -= 1_000;
    }
  }

  finish(job: string, site: string): void {
    this.obey({ type: "complete", site, lease: this.#lease(job, site), outputs: [], summary: {}, runMs: 1 });
  }

  /** Fails at one site and is finished by another. */
  move(from: string, to: string): void {
    const job = this.submit();
    this.fail(job, from);
    this.finish(job, to);
  }

  probation(site: string) {
    return this.state.sites.get(site)?.probation;
  }
}

it("begins when several different jobs in a row failed at a site and others finished them", () => {
  const story = new SitesStory("bad", "good");
  story.move("bad", "good");
  story.move("bad", "good");
  expect(story.probation("bad")).toBeUndefined();
  story.move("bad", "good");
  expect(story.probation("bad")).toEqual({
    since: story.nowMs,
    reason: "3 jobs in a row failed there and finished elsewhere, the last: IO_FAILED no space left",
    failures: 0,
    probeAt: story.nowMs + probePauseMs(0),
  });
  expect(story.events.at(-1)).toMatchObject({ type: "probationBegan", site: "bad" });
  expect(story.probation("good")).toBeUndefined();
});

it("begins also when the failures come first and the others finish later", () => {
  const story = new SitesStory("bad", "good");
  const jobs = [1, 2, 3].map(() => story.submit());
  for (const job of jobs) story.fail(job, "bad");
  for (const job of jobs) story.finish(job, "good");
  expect(story.probation("bad")).toBeDefined();
});

it("takes the leases of one silence for one failure, though they run out one after the other", () => {
  const silences = (apartMs: number) => {
    const story = new SitesStory("bad", "good");
    const jobs = [1, 2, 3, 4].map(() => story.submit());
    for (const job of jobs) {
      story.lose([job, "bad"]);
      story.nowMs += apartMs;
    }
    for (const job of jobs) story.finish(job, "good");
    return story.probation("bad");
  };
  expect(silences(3)).toBeUndefined();
  expect(silences(20_000)).toBeDefined();
});

it("is not begun by a job that fails everywhere, nor by many of them", () => {
  const story = new SitesStory("a", "b", "c");
  for (let poison = 0; poison < 20; poison += 1) {
    const job = story.submit(9);
    for (const site of ["a", "b", "c", "a", "b", "c", "a", "b", "c"]) story.fail(job, site, "NATIVE_CRASHED");
    expect(story.state.jobs.get(job)?.state).toBe("failed");
  }
  expect(["a", "b", "c"].map((site) => story.probation(site))).toEqual([undefined, undefined, undefined]);
});

it("is not begun by one job that fails at a site again and again", () => {
  const story = new SitesStory("bad", "good");
  const job = story.submit();
  for (let time = 0; time < 5; time += 1) story.fail(job, "bad");
  story.finish(job, "good");
  expect(story.probation("bad")).toBeUndefined();
});

it("begins anew to count when the site finishes a job", () => {
  const story = new SitesStory("bad", "good");
  story.move("bad", "good");
  story.move("bad", "good");
  story.finish(story.submit(), "bad");
  story.move("bad", "good");
  story.move("bad", "good");
  expect(story.probation("bad")).toBeUndefined();
  // What failed before the success is past, also where it is finished elsewhere only later.
  const early = [1, 2].map(() => story.submit());
  for (const job of early) story.fail(job, "bad");
  story.finish(story.submit(), "bad");
  for (const job of early) story.finish(job, "good");
  story.move("bad", "good");
  expect(story.probation("bad")).toBeUndefined();
});

it("is not begun by what jobs have wrong themselves, by refusals, and by jobs given back", () => {
  const story = new SitesStory("bad", "good");
  for (let time = 0; time < 4; time += 1) {
    const refused = story.submit();
    story.fail(refused, "bad", "REFUSED");
    story.finish(refused, "good");
    const returned = story.submit();
    story.obey({ type: "grant", job: returned, site: "bad", why: "w" });
    story.obey({ type: "giveBack", site: "bad", leases: [{ job: returned, epoch: 1 }], reason: "stopped" });
    story.finish(returned, "good");
  }
  expect(story.probation("bad")).toBeUndefined();
});

it("counts jobs that are lost at one moment once: a cut of the network is no fault of the site", () => {
  const story = new SitesStory("bad", "good");
  const lose = (count: number) => {
    const jobs = Array.from({ length: count }, () => story.submit());
    story.lose(...jobs.map((job): [string, string] => [job, "bad"]));
    story.nowMs += 60_000;
    for (const job of jobs) story.finish(job, "good");
  };
  lose(8);
  expect(story.probation("bad")).toBeUndefined();
  // One that dies with all it has, time and again, is a site that fails.
  lose(3);
  expect(story.probation("bad")).toBeUndefined();
  lose(3);
  expect(story.probation("bad")?.reason).toContain("failed there and finished elsewhere");
});

function onProbation(): SitesStory {
  const story = new SitesStory("bad", "good");
  for (let time = 0; time < 3; time += 1) story.move("bad", "good");
  return story;
}

it("goes on with growing pauses while jobs that try the site fail, and ends when one is finished", () => {
  const story = onProbation();
  const pauses: number[] = [];
  for (let time = 0; time < 7; time += 1) {
    story.fail(story.submit(), "bad");
    pauses.push((story.probation("bad")!.probeAt - story.nowMs) / 1_000);
  }
  expect(pauses).toEqual([60, 120, 240, 480, 900, 900, 900]);
  expect(story.probation("bad")).toMatchObject({ failures: 7 });
  const job = story.submit();
  story.finish(job, "bad");
  expect(story.events.at(-1)).toEqual({ type: "probationEnded", at: story.nowMs, site: "bad", reason: `it finished job ${job}` });
  expect(story.probation("bad")).toBeUndefined();
  // Nothing is left of it.
  story.move("bad", "good");
  expect(story.probation("bad")).toBeUndefined();
});

it("lets a site that was stopped and started be tried at once, keeps one waiting that died, and forgets it on another machine", () => {
  const restarted = onProbation();
  restarted.obey({ type: "leave", site: "bad" });
  restarted.join("bad", { instance: "bad-2" });
  expect(restarted.probation("bad")).toMatchObject({ probeAt: restarted.nowMs });
  const died = onProbation();
  const { probeAt } = died.probation("bad")!;
  died.join("bad", { instance: "bad-2" });
  expect(died.probation("bad")).toMatchObject({ probeAt });
  const moved = onProbation();
  moved.join("bad", { instance: "bad-2", host: "another" });
  expect(moved.probation("bad")).toBeUndefined();
});

it("is begun and lifted by hand", () => {
  const story = new SitesStory("a");
  expect(story.obey({ type: "setProbation", site: "a", reason: "its digests differ" })).toMatchObject([{ type: "probationBegan" }]);
  expect(story.obey({ type: "setProbation", site: "a", reason: "its digests differ" })).toEqual([]);
  expect(story.probation("a")?.reason).toBe("its digests differ");
  expect(story.obey({ type: "setProbation", site: "a", reason: null })).toMatchObject([
    { type: "probationEnded", reason: "it was lifted by hand" },
  ]);
  expect(story.obey({ type: "setProbation", site: "a", reason: null })).toEqual([]);
  expect(story.ask({ type: "setProbation", site: "z", reason: null })).toMatchObject({ code: "NOT_FOUND" });
});

it("is the same when the events are replayed from their text", () => {
  const story = onProbation();
  story.fail(story.submit(), "bad");
  const state = emptyState();
  for (const event of JSON.parse(JSON.stringify(story.events)) as LedgerEvent[]) reduce(state, event);
  expect(state.sites).toEqual(story.state.sites);
});
