/** Parents, deadlines, priorities, and what an owner may change: the rules of jobs that depend on more than their own attempts. */
import { describe, expect, it } from "vitest";
import { XpcsError } from "../../src/core/errors.js";
import type { JobChanges, JobSpec } from "../../src/core/job.js";
import { type Command, decide } from "../../src/ledger/decide.js";
import type { LedgerEvent } from "../../src/ledger/events.js";
import { ReadyQueue } from "../../src/ledger/ready-queue.js";
import { reduce } from "../../src/ledger/reduce.js";
import { emptyState, type State } from "../../src/ledger/state.js";
import { spec } from "./world.js";

/** A ledger that obeys command after command, one second apart. */
class Played {
  readonly state: State = emptyState();
  now = 0;

  do(command: Command): string {
    this.now += 1_000;
    const decision = decide(this.state, command, this.now);
    if (decision instanceof XpcsError) return `${decision.code}: ${decision.message}`;
    for (const event of decision) reduce(this.state, event);
    const jobOf = (event: LedgerEvent) => ("job" in event ? ` ${event.job}` : event.type === "submitted" ? ` ${event.jobs.join(" ")}` : "");
    return decision.map((event) => `${event.type}${jobOf(event)}`).join(", ");
  }
  submit(jobs: Record<string, Partial<JobSpec>>): string {
    return this.do({
      type: "submit",
      key: Object.keys(jobs).join(),
      digest: "d",
      jobs: Object.entries(jobs).map(([id, more]) => ({ id, spec: spec(1, more) })),
    });
  }
  run(job: string, code: "NATIVE_CRASHED" | null = null): string {
    this.do({ type: "join", site: "s", instance: "1", host: "h", slots: 9, apps: [], held: [] });
    this.do({ type: "grant", job, site: "s", why: "w" });
    const lease = { job, epoch: this.state.jobs.get(job)!.epoch };
    if (code !== null) return this.do({ type: "fail", site: "s", lease, code, reason: "it broke" });
    return this.do({ type: "complete", site: "s", lease, outputs: [], summary: {}, runMs: 1 });
  }
  modify(id: string, changes: JobChanges): string {
    return this.do({ type: "modify", ids: [id], changes });
  }
  states(): Record<string, string> {
    return Object.fromEntries([...this.state.jobs].map(([id, { state }]) => [id, state]));
  }
}

describe("a job with parents", () => {
  it("waits for the last of them, in one request or in several", () => {
    const played = new Played();
    expect(played.submit({ a: {}, b: {}, c: { parents: ["a", "b"] } })).toBe("submitted a b c");
    played.submit({ d: { parents: ["c"] } });
    expect(played.run("a")).toBe("completed a");
    expect(played.states()).toMatchObject({ c: "awaiting-parents", d: "awaiting-parents" });
    expect(played.run("b")).toBe("completed b, released c");
    expect(played.run("c")).toBe("completed c, released d");
    expect(played.submit({ e: { parents: ["a"] } })).toBe("submitted e");
    expect(played.states()).toMatchObject({ d: "ready", e: "ready" });
  });

  it("fails with them, down to the last generation, unless it asks to run all the same", () => {
    const played = new Played();
    played.submit({
      a: {},
      b: { parents: ["a"] },
      c: { parents: ["b"] },
      d: { parents: ["a"], onParentFailure: "run" },
      e: { parents: ["b", "d"] },
    });
    expect(played.run("a", "NATIVE_CRASHED")).toBe("attemptEnded a, failed b, released d, failed c, failed e");
    expect(played.state.jobs.get("c")?.reason).toBe("its parent b failed");
    expect(played.submit({ f: { parents: ["b"] } })).toBe("submitted f, failed f");
    expect(played.submit({ g: { parents: ["b"], onParentFailure: "run" } })).toBe("submitted g");
  });

  it("hears of a cancel and of a deadline too", () => {
    const played = new Played();
    played.submit({ a: {}, b: { parents: ["a"] }, c: { deadline: new Date(5_000).toISOString() }, d: { parents: ["c"] } });
    expect(played.do({ type: "cancel", ids: ["a"] })).toBe("canceled a, failed b");
    expect(played.state.jobs.get("b")?.reason).toBe("its parent a was canceled");
    expect(played.do({ type: "overdue", job: "c" })).toBe("");
    played.now = 6_000;
    expect(played.do({ type: "overdue", job: "c" })).toBe("failed c, failed d");
    expect(played.state.jobs.get("c")?.reason).toBe("its deadline 1970-01-01T00:00:05.000Z passed before a site began it");
  });

  it("can be canceled while it waits", () => {
    const played = new Played();
    played.submit({ a: {}, b: { parents: ["a"] } });
    expect(played.do({ type: "cancel", ids: ["b"] })).toBe("canceled b");
    expect(played.run("a")).toBe("completed a");
    expect(played.states()).toEqual({ a: "finished", b: "canceled" });
  });

  it("cannot name a parent that is not there, or one of another experiment, which looks the same", () => {
    const played = new Played();
    played.submit({ a: { experiment: "2026-3/smith" } });
    const missing = "NOT_FOUND: there is no job a in experiment local/default that could be a parent";
    expect(played.submit({ b: { parents: ["a"] } })).toBe(missing);
    expect(played.submit({ c: { parents: ["nowhere"] } })).toBe(missing.replace("job a", "job nowhere"));
    expect(played.states()).toEqual({ a: "ready" });
  });
});

describe("a retry", () => {
  it("begins anew with all attempts, and only what failed or was canceled", () => {
    const played = new Played();
    played.submit({ a: {} });
    played.run("a", "NATIVE_CRASHED");
    expect(played.do({ type: "retry", ids: ["a"], children: false })).toBe("retried a");
    expect(played.state.jobs.get("a")).toMatchObject({ state: "ready", attemptsCounted: 0, finishedAt: null, reason: null });
    expect(played.do({ type: "retry", ids: ["a"], children: false })).toBe("");
    expect(played.run("a")).toBe("completed a");
    expect(played.state.jobs.get("a")?.attempts.map(({ outcome }) => outcome)).toEqual(["failed", "finished"]);
    expect(played.do({ type: "retry", ids: ["a"], children: false })).toContain("REFUSED: job a is finished");
  });

  it("takes the children along when asked, and refuses one whose parent stays failed", () => {
    const played = new Played();
    played.submit({ a: {}, b: { parents: ["a"] }, c: { parents: ["b"] } });
    played.run("a", "NATIVE_CRASHED");
    expect(played.do({ type: "retry", ids: ["c"], children: false })).toContain("REFUSED: job c cannot run: its parent b failed");
    expect(played.do({ type: "retry", ids: ["a"], children: true })).toBe("retried a, retried b, retried c");
    expect(played.states()).toEqual({ a: "ready", b: "awaiting-parents", c: "awaiting-parents" });
    expect(played.run("a")).toBe("completed a, released b");
  });
});

describe("a modification", () => {
  it("counts for what has not begun, and a repeat changes nothing", () => {
    const played = new Played();
    played.submit({ a: {}, b: {} });
    expect(played.modify("b", { priority: 5 })).toBe("modified b");
    expect([...played.state.ready]).toEqual(["b", "a"]);
    expect(played.modify("b", { priority: 5 })).toBe("");
    played.modify("b", { site: "s", deadline: new Date(9_999_000).toISOString() });
    expect(played.state.due.has("b")).toBe(true);
    played.modify("b", { site: null, deadline: null });
    expect(played.state.jobs.get("b")?.spec).toEqual(spec(1, { priority: 5 }));
    expect(played.state.due.has("b")).toBe(false);
  });

  it("of a job that has ended is refused but for its tags, and changes none of the others", () => {
    const played = new Played();
    played.submit({ a: {}, b: {} });
    played.run("a");
    expect(played.do({ type: "modify", ids: ["b", "a"], changes: { priority: 1 } })).toBe(
      "REFUSED: job a is finished: only its tags can change, not priority",
    );
    expect(played.state.jobs.get("b")?.spec.priority).toBeUndefined();
    expect(played.modify("a", { tags: { good: "yes" } })).toBe("modified a");
    expect(played.modify("nowhere", { priority: 1 })).toContain("NOT_FOUND");
  });
});

describe("the queue of ready jobs", () => {
  it("goes by priority, then deadline, then submission, and follows changes", () => {
    const queue = new ReadyQueue();
    const at = (deadline: string) => ({ deadline });
    queue.add("new", {}, { index: 5 });
    queue.add("late", at("2026-01-02T00:00:00Z"), { index: 1 });
    queue.add("soon", at("2026-01-01T00:00:00Z"), { index: 2 });
    queue.add("low", { priority: -1 }, { index: 3 });
    queue.add("high", { priority: 3 }, { index: 4 });
    queue.add("old", {}, { index: 0 });
    expect([...queue]).toEqual(["high", "soon", "late", "old", "new", "low"]);
    queue.add("old", {}, { index: 0 });
    queue.add("low", { priority: 4 }, { index: 3 });
    queue.delete("late");
    expect([...queue]).toEqual(["low", "high", "soon", "old", "new"]);
    expect(queue.size).toBe(5);
  });

  it("keeps the place of a job whose attempt was lost, given back, recalled, refused or failed", () => {
    const endings: ((lease: { job: string; epoch: number }) => Command)[] = [
      (lease) => ({ type: "expire", lease }),
      (lease) => ({ type: "giveBack", site: "s", leases: [lease], reason: "it stops" }),
      (lease) => ({ type: "giveBack", site: "s", leases: [lease], reason: "better off elsewhere", moved: true }),
      (lease) => ({ type: "fail", site: "s", lease, code: "NATIVE_CRASHED", reason: "it broke" }),
      (lease) => ({ type: "fail", site: "s", lease, code: "REFUSED", reason: "not here" }),
      () => ({ type: "leave", site: "s" }),
      () => ({ type: "join", site: "s", instance: "2", host: "h", slots: 9, apps: ["xpcs.noop"], held: [] }),
    ];
    for (const ending of endings) {
      const played = new Played();
      const enter = (id: string) => played.do({ type: "submit", key: id, digest: "d", jobs: [{ id, spec: spec() }] });
      for (const site of ["s", "t"]) played.do({ type: "join", site, instance: "1", host: "h", slots: 9, apps: ["xpcs.noop"], held: [] });
      for (const id of ["a", "b", "c"]) enter(id);
      for (const job of ["b", "a"]) played.do({ type: "grant", job, site: "s", why: "w" });
      enter("d");
      expect([...played.state.ready]).toEqual(["c", "d"]);
      // Some endings are of all that the site holds.
      for (const job of ["b", "a"]) played.do(ending({ job, epoch: 1 }));
      expect([...played.state.ready]).toEqual(["a", "b", "c", "d"]);
    }
  });

  it("has a job behind its parents' other children where it was submitted, and one that is retried behind all that waited", () => {
    const played = new Played();
    played.submit({ p: {}, a: {}, child: { parents: ["p"] }, b: {} });
    expect([...played.state.ready]).toEqual(["p", "a", "b"]);
    played.run("p");
    expect([...played.state.ready]).toEqual(["a", "child", "b"]);
    for (const id of ["b", "a"]) played.run(id, "NATIVE_CRASHED");
    played.submit({ c: {} });
    played.do({ type: "retry", ids: ["b", "a"], children: false });
    played.submit({ d: {} });
    played.do({ type: "retry", ids: ["b"], children: false });
    expect([...played.state.ready]).toEqual(["child", "c", "a", "b", "d"]);
    // A priority that comes and goes changes nothing in the end.
    played.modify("child", { priority: 1 });
    played.modify("a", { priority: 1 });
    expect([...played.state.ready]).toEqual(["child", "a", "c", "b", "d"]);
    for (const id of ["a", "child"]) played.modify(id, { priority: 0 });
    expect([...played.state.ready]).toEqual(["child", "c", "a", "b", "d"]);
  });
});

describe("the back-off", () => {
  it("starts where the job says, doubles, and keeps a first wait that is longer than the maximum", () => {
    const played = new Played();
    played.do({ type: "submit", key: "k", digest: "d", jobs: [{ id: "a", spec: spec(3, { retryDelayMs: 30_000 }) }] });
    played.run("a", "NATIVE_CRASHED");
    expect(played.state.jobs.get("a")?.notBefore).toBe(played.now + 30_000);
  });
});

describe("a job without a time limit", () => {
  /** Pilots of an hour each, one after the other; what is held there from `beginS` on goes back when they leave. */
  const through = (beginsS: readonly number[], more: Partial<JobSpec> = {}, endsInS: number | null = 3_600, runs = true) => {
    const played = new Played();
    played.submit({ a: more });
    for (const [at, beginS] of beginsS.entries()) {
      const site = `p-${at + 1}`;
      const joinedMs = played.now;
      played.do({
        type: "join",
        site,
        instance: "1",
        host: "h",
        slots: 1,
        apps: ["xpcs.noop"],
        held: [],
        ...(endsInS === null ? {} : { endsInS }),
      });
      played.now = joinedMs + 1_000 * beginS;
      played.do({ type: "grant", job: "a", site, why: "w" });
      played.now = joinedMs + 3_500_000;
      const leases = [{ job: "a", epoch: at + 1 }];
      played.do({ type: "giveBack", site, leases, reason: "the site is stopping", begun: runs ? leases : [] });
      played.do({ type: "leave", site });
    }
    return played.state.jobs.get("a")!;
  };

  it("that three pilots have ended before goes back no more, and says what to do", () => {
    expect(through([10, 10])).toMatchObject({ state: "ready", attemptsCounted: 0 });
    const { state, reason, attempts } = through([10, 1_000, 20]);
    expect([state, attempts.map(({ outcome }) => outcome)]).toEqual(["failed", ["returned", "returned", "returned"]]);
    expect(reason).toMatch(
      /^3 times it was not done when its site had to end, the last at p-3, after 34\d\d s: submit it again with --walltime S/,
    );
  });

  it("goes to where it is answered sooner, however long it has waited where it was", () => {
    const played = new Played();
    played.submit({ a: {} });
    for (let n = 1; n <= 4; n += 1) {
      const site = `p-${n}`;
      played.do({ type: "join", site, instance: "1", host: "h", slots: 1, apps: ["xpcs.noop"], held: [], endsInS: 3_600 });
      played.do({ type: "grant", job: "a", site, why: "w" });
      played.now += 3_000_000;
      played.do({ type: "giveBack", site, leases: [{ job: "a", epoch: n }], reason: "better off elsewhere", moved: true });
    }
    expect(played.state.jobs.get("a")).toMatchObject({ state: "ready", moves: 4 });
  });

  it("goes back for ever where it began late, where it has a time limit, and from sites that do not end", () => {
    expect(through([2_000, 3_000, 2_500, 3_400, 1_900]).state).toBe("ready");
    expect(through([10, 10, 3_000]).state).toBe("ready");
    expect(through([10, 10, 10, 10], { resources: { walltimeS: 3_300 } }).state).toBe("ready");
    expect(through([10, 10, 10, 10], {}, null).state).toBe("ready");
    // It waited there behind others, and never began.
    expect(through([10, 10, 10, 10], {}, 3_600, false).state).toBe("ready");
  });
});
