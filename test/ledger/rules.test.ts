/** The rules of jobs: each by name, then random histories and all short ones, with what must hold after every event. */
import { describe, expect, it } from "vitest";
import { XpcsError } from "../../src/core/errors.js";
import { checkpointChanges, noDirty, Restoring } from "../../src/ledger/checkpoint.js";
import { type Command, decide, retryDelayMs } from "../../src/ledger/decide.js";
import { EVENT_TYPES, type LedgerEvent } from "../../src/ledger/events.js";
import { reduce } from "../../src/ledger/reduce.js";
import { emptyState, type State } from "../../src/ledger/state.js";
import { Invariants, randomCommand, seeded, spec } from "./world.js";

/** Obeys commands one after the other, and says what came of the last. */
function history(...commands: Command[]): { state: State; last: readonly LedgerEvent[] | XpcsError } {
  const state = emptyState();
  let last: readonly LedgerEvent[] | XpcsError = [];
  commands.forEach((command, index) => {
    last = decide(state, command, 1_000 * (index + 1));
    if (!(last instanceof XpcsError)) for (const event of last) reduce(state, event);
  });
  return { state, last };
}

const submit = (attemptsMax = 3): Command => ({ type: "submit", key: "k", digest: "d", jobs: [{ id: "j", spec: spec(attemptsMax) }] });
const join = (site: string, instance = "1", held: { job: string; epoch: number }[] = []): Command => ({
  type: "join",
  site,
  instance,
  host: "h",
  slots: 1,
  apps: [],
  held,
});
const grant = (site: string): Command => ({ type: "grant", job: "j", site, why: "w" });
const lease = (epoch: number) => ({ job: "j", epoch });
const complete = (site: string, epoch: number): Command => ({
  type: "complete",
  site,
  lease: lease(epoch),
  outputs: [],
  summary: {},
  runMs: 7,
});
const expire = (epoch: number): Command => ({ type: "expire", lease: lease(epoch) });
const fail = (
  site: string,
  epoch: number,
  code: "NATIVE_CRASHED" | "INVALID_ARGUMENT" | "CANCELED" | "REFUSED" = "NATIVE_CRASHED",
): Command => ({
  type: "fail",
  site,
  lease: lease(epoch),
  code,
  reason: "it broke",
});
const codeOf = (last: readonly LedgerEvent[] | XpcsError) => (last instanceof XpcsError ? last.code : last.map(({ type }) => type));

describe("a completion", () => {
  it("tells how fast the links of its site are; small files do not, the past counts less, and a new start keeps it", () => {
    const measured = (stageInBytes: number, stageInS: number): Command => ({
      ...{ type: "complete", site: "a", lease: lease(1), outputs: [], runMs: 7 },
      summary: { stageInBytes, stageInS, stageOutBytes: 10, stageOutS: 3 },
    });
    const first = history(join("a"), submit(), grant("a"), measured(100e6, 2)).state;
    expect(first.sites.get("a")?.links).toEqual({ in: { bytes: 100e6, ms: 2_000 } });
    for (const command of [
      { ...submit(), key: "k2", jobs: [{ id: "j2", spec: spec() }] } as Command,
      { ...grant("a"), job: "j2" } as Command,
      { ...measured(50e6, 4), lease: { job: "j2", epoch: 1 } } as Command,
    ]) {
      const events = decide(first, command, 9_000);
      if (events instanceof XpcsError) throw events;
      for (const event of events) reduce(first, event);
    }
    const links = { in: { bytes: 130e6, ms: 5_600 } };
    expect(first.sites.get("a")?.links).toEqual(links);
    for (const event of decide(first, join("a", "2"), 10_000) as readonly LedgerEvent[]) reduce(first, event);
    expect(first.sites.get("a")).toMatchObject({ instance: "2", links });
  });

  it("is recorded once; the repeat is harmless", () => {
    const { state, last } = history(join("a"), submit(), grant("a"), complete("a", 1), complete("a", 1));
    expect(last).toEqual([]);
    expect(state.jobs.get("j")).toMatchObject({ state: "finished", epoch: 1 });
    expect(state.sites.get("a")?.runs).toEqual({ "xpcs.noop": { count: 1, totalMs: 7 } });
  });

  it("is stale after the job was granted again", () => {
    const { state, last } = history(join("a"), join("b"), submit(), grant("a"), expire(1), grant("b"), complete("a", 1));
    expect(codeOf(last)).toBe("STALE_LEASE");
    expect(state.jobs.get("j")).toMatchObject({ state: "leased", epoch: 2 });
  });

  it("counts after an expiry while the job was not granted again, from the same site only", () => {
    const expired = [join("a"), join("b"), submit(), grant("a"), expire(1)];
    expect(codeOf(history(...expired, complete("b", 1)).last)).toBe("STALE_LEASE");
    const { state, last } = history(...expired, complete("a", 1));
    expect(codeOf(last)).toEqual(["completed"]);
    expect(state.jobs.get("j")?.attempts).toEqual([
      { site: "a", epoch: 1, startedAt: expect.any(String), finishedAt: expect.any(String), outcome: "finished" },
    ]);
  });

  it("is refused from another site, for a future epoch and for an unknown job", () => {
    const leased = [join("a"), submit(), grant("a")];
    expect(codeOf(history(...leased, complete("b", 1)).last)).toBe("STALE_LEASE");
    expect(codeOf(history(...leased, complete("a", 2)).last)).toBe("STALE_LEASE");
    expect(codeOf(history(complete("a", 1)).last)).toBe("NOT_FOUND");
  });
});

describe("a failure", () => {
  it("is tried again after a delay that doubles, up to the limit, and then names the last reason", () => {
    const { state } = history(join("a"), submit(2), grant("a"), fail("a", 1));
    expect(state.jobs.get("j")).toMatchObject({ state: "ready", attemptsCounted: 1, notBefore: 4_000 + 1_000 });
    const failed = history(join("a"), submit(2), grant("a"), fail("a", 1), grant("a"), grant("a"), fail("a", 2));
    expect(failed.state.jobs.get("j")).toMatchObject({ state: "failed", reason: "it broke (attempt 2 of 2, the last)" });
    expect([1, 2, 3, 20].map((failures) => retryDelayMs(failures))).toEqual([1_000, 2_000, 4_000, 60_000]);
  });

  it("that another attempt cannot mend is final at once", () => {
    const { state } = history(join("a"), submit(3), grant("a"), fail("a", 1, "INVALID_ARGUMENT"));
    expect(state.jobs.get("j")).toMatchObject({ state: "failed", reason: "it broke" });
  });

  describe("that is a refusal", () => {
    const offer = (site: string): Command => ({ ...join(site), apps: ["xpcs.noop"] }) as Command;
    const refuse = (site: string, epoch: number) => fail(site, epoch, "REFUSED");
    const begun = [offer("a"), offer("b"), join("c"), submit(1), grant("a"), refuse("a", 1)];

    it("lets another site try that offers the app, and counts no attempt", () => {
      const { state } = history(...begun);
      expect(state.jobs.get("j")).toMatchObject({
        state: "ready",
        attemptsCounted: 0,
        refusedBy: ["a"],
        attempts: [{ reason: "it broke" }],
      });
      expect(history(...begun, grant("b"), complete("b", 2)).state.jobs.get("j")).toMatchObject({ state: "finished" });
    });

    it("is final when all have refused, or none is left, with every reason", () => {
      const reason = "site b: it broke (refused before: site a: it broke)";
      expect(history(...begun, grant("b"), refuse("b", 2)).state.jobs.get("j")).toMatchObject({
        state: "failed",
        reason,
        attemptsCounted: 1,
      });
      const gone = history(offer("a"), offer("b"), submit(), grant("a"), { type: "leave", site: "b" }, refuse("a", 1));
      expect(gone.state.jobs.get("j")).toMatchObject({ state: "failed", reason: "it broke" });
      const pinned: Command = { type: "submit", key: "k", digest: "d", jobs: [{ id: "j", spec: spec(3, { site: "a" }) }] };
      expect(history(offer("a"), offer("b"), pinned, grant("a"), refuse("a", 1)).state.jobs.get("j")?.state).toBe("failed");
    });

    it("is forgotten when the job is retried", () => {
      const again = history(...begun, grant("b"), refuse("b", 2), { type: "retry", ids: ["j"], children: false });
      expect(again.state.jobs.get("j")).toMatchObject({ state: "ready", refusedBy: [] });
    });
  });

  it("is not granted before its delay has passed", () => {
    const { last } = history(join("a"), submit(), grant("a"), fail("a", 1), { ...grant("a") });
    expect(codeOf(last)).toEqual(["leased"]);
    const state = history(join("a"), submit(), grant("a"), fail("a", 1)).state;
    expect(decide(state, grant("a"), 4_999)).toMatchObject({ code: "REFUSED" });
  });

  it("repeated, or after the lease was lost, changes nothing", () => {
    expect(history(join("a"), submit(), grant("a"), fail("a", 1), fail("a", 1)).last).toEqual([]);
    expect(history(join("a"), submit(), grant("a"), expire(1), fail("a", 1)).last).toEqual([]);
  });
});

describe("a cancel", () => {
  it("ends a waiting job at once, and one that runs when its site answers, fails, returns it or is lost", () => {
    expect(history(submit(), { type: "cancel", ids: ["j"] }).state.jobs.get("j")?.state).toBe("canceled");
    const requested = [join("a"), submit(), grant("a"), { type: "cancel", ids: ["j"] }] as Command[];
    expect(history(...requested).state.jobs.get("j")).toMatchObject({ state: "leased", cancelRequested: true });
    const giveBack: Command = { type: "giveBack", site: "a", leases: [lease(1)], reason: "stopped" };
    for (const end of [fail("a", 1, "CANCELED"), fail("a", 1), giveBack, expire(1), { type: "leave", site: "a" } as Command]) {
      expect(history(...requested, end).state.jobs.get("j")?.state, JSON.stringify(end)).toBe("canceled");
    }
    expect(history(...requested, { type: "cancel", ids: ["j"] }).last).toEqual([]);
  });

  it("that came too late leaves the result, and says so", () => {
    const { state } = history(join("a"), submit(), grant("a"), { type: "cancel", ids: ["j"] }, complete("a", 1));
    expect(state.jobs.get("j")).toMatchObject({ state: "finished", reason: expect.stringContaining("before the cancel") });
  });

  it("of an unknown job is NOT_FOUND and cancels none of the others", () => {
    const { state, last } = history(submit(), { type: "cancel", ids: ["j", "x"] });
    expect(codeOf(last)).toBe("NOT_FOUND");
    expect(state.jobs.get("j")?.state).toBe("ready");
  });
});

describe("a join", () => {
  it("of the same process keeps what it names and takes back the rest", () => {
    const leased = [join("a"), submit(), grant("a")];
    expect(history(...leased, join("a", "1", [lease(1)])).last).toEqual([]);
    expect(history(...leased, join("a", "1")).state.jobs.get("j")).toMatchObject({ state: "ready", attemptsCounted: 0 });
  });

  it("of a new process counts what it does not name as lost", () => {
    const leased = [join("a"), submit(), grant("a")];
    expect(history(...leased, join("a", "2")).state.jobs.get("j")).toMatchObject({ state: "ready", attemptsCounted: 1 });
    expect(history(...leased, join("a", "2", [lease(1)])).state.jobs.get("j")).toMatchObject({ state: "leased", epoch: 1 });
  });
});

describe("an expired lease", () => {
  it("resumes while nobody else has the job", () => {
    const resume: Command = { type: "resume", lease: lease(1), site: "a" };
    const { state, last } = history(join("a"), submit(1), grant("a"), expire(1), resume);
    // With one attempt allowed the loss was final, so there is nothing to resume.
    expect(codeOf(last)).toBe("STALE_LEASE");
    expect(state.jobs.get("j")?.state).toBe("failed");
    const again = history(join("a"), submit(2), grant("a"), expire(1), resume);
    expect(again.state.jobs.get("j")).toMatchObject({ state: "leased", epoch: 1, attemptsCounted: 0 });
    expect(codeOf(history(join("a"), join("b"), submit(), grant("a"), expire(1), grant("b"), resume).last)).toBe("STALE_LEASE");
  });
});

describe("leaving for the archive", () => {
  const parent = { type: "submit", key: "p", digest: "d", jobs: [{ id: "p", spec: spec() }] } as const;
  const child = {
    type: "submit",
    key: "c",
    digest: "d",
    jobs: [{ id: "c", spec: spec(3, { parents: ["p"], onParentFailure: "run" }) }],
  } as const;
  const archive = (endedBefore: number): Command => ({ type: "archive", endedBefore, jobsMax: 10 });
  const leave = (more: Partial<Extract<Command, { type: "remove" }>> = {}): Command => ({
    ...{ type: "remove", experiment: "local/default", archived: [], archivedKeys: [], jobs: 1, sequence: 100, ...more },
  });

  it("is for jobs that ended before the time, with all below them", () => {
    const canceled = [parent, child, { type: "cancel", ids: ["p"] }] as const;
    // The child runs all the same: its parent stays as long as it does.
    expect(history(...canceled, archive(1e9)).last).toEqual([]);
    const both = [...canceled, { type: "cancel", ids: ["c"] }] as const;
    expect(history(...both, archive(4_000)).last).toEqual([]);
    const { state, last } = history(...both, archive(4_001));
    expect(last).toEqual([{ type: "archived", at: 5_000, jobs: ["p", "c"] }]);
    expect([state.jobs.size, state.keys.size, state.children.size, state.archived, [...state.order]]).toEqual([0, 0, 0, 2, []]);
    expect(state.index.get("state", "canceled")).toBeUndefined();
    // Places are not used again.
    expect(history(...both, archive(4_001), submit()).state.jobs.get("j")?.index).toBe(2);
    expect(codeOf(history(...both, archive(4_001), child).last)).toBe("NOT_FOUND");
  });

  it("lets an experiment go when the file has all of it, as it is", () => {
    expect(codeOf(history(parent, leave()).last)).toBe("REFUSED");
    const ended = [parent, { type: "cancel", ids: ["p"] }] as const;
    expect(codeOf(history(...ended, leave({ sequence: 1 })).last)).toBe("REFUSED");
    expect(codeOf(history(...ended, leave({ jobs: 2 })).last)).toBe("REFUSED");
    const { state, last } = history(...ended, leave({ sequence: 2 }));
    expect(last).toEqual([{ type: "removed", at: 3_000, experiment: "local/default", jobs: ["p"], keys: ["p"] }]);
    expect([state.jobs.size, state.keys.size, state.archived]).toEqual([0, 0, 0]);
    expect(history(...ended, leave({ sequence: 2 }), leave({ sequence: 2 })).last).toEqual([]);
    const archived = history(...ended, archive(1e9), leave({ archived: ["p"], archivedKeys: ["p"] }));
    expect([codeOf(archived.last), archived.state.archived]).toEqual([["removed"], 0]);
  });
});

describe("random histories", () => {
  it("keep every invariant, and replay to the same state from events and from any checkpoint", () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= 300; seed += 1) {
      const rng = seeded(seed);
      const live = emptyState();
      const invariants = new Invariants();
      const log: LedgerEvent[] = [];
      const dirty = noDirty();
      const used = new Set<string>();
      const disk = new Map<string, unknown>();
      const archived = new Map<string, unknown>();
      const checkpointAt = Math.floor(rng() * 60);
      let checkpoint = 0;
      for (let step = 0, now = 1; step < 120; step += 1, now += Math.floor(rng() * 2_000)) {
        const command = randomCommand(rng, live);
        // What central does for a key in the archive: it answers without asking the rules.
        if (command.type === "submit" && !live.keys.has(command.key) && used.has(command.key)) continue;
        if (command.type === "submit") used.add(command.key);
        const decision = decide(live, command, now);
        if (decision instanceof XpcsError) seen.add(decision.code);
        else {
          for (const event of decision) {
            reduce(live, event, dirty);
            log.push(event);
            seen.add(event.type);
          }
          // Invariants speak of states between commands, so the last event of each job is checked when all are applied.
          const lastOf = new Map(decision.filter((event) => "job" in event).map((event) => [(event as { job: string }).job, event]));
          for (const event of [...decision.filter(({ type }) => type === "submitted"), ...lastOf.values()]) {
            try {
              invariants.check(event, live);
            } catch (error) {
              throw new Error(`seed ${seed} step ${step}: ${(error as Error).message}`);
            }
          }
        }
        if (step === checkpointAt) {
          checkpoint = log.length;
          const { records, gone, archive, unarchive } = checkpointChanges(live, dirty);
          for (const name of gone) disk.delete(name);
          for (const [name, value] of records) disk.set(name, JSON.parse(JSON.stringify(value)));
          for (const [name, value] of archive) archived.set(name, value);
          for (const name of unarchive) archived.delete(name);
        }
      }
      const replayed = emptyState();
      for (const event of log) reduce(replayed, JSON.parse(JSON.stringify(event)) as LedgerEvent);
      expect(replayed, `seed ${seed}: replay of all events`).toEqual(live);

      const restored = emptyState();
      const restoring = new Restoring(restored);
      for (const name of [...disk.keys()].sort()) restoring.add([name, disk.get(name)]);
      restoring.end();
      restored.sequence = checkpoint;
      for (const event of log.slice(checkpoint)) reduce(restored, event);
      expect(restored.jobs, `seed ${seed}: checkpoint and the events after it`).toEqual(live.jobs);
      expect(restored.sites).toEqual(live.sites);
      expect(restored.keys).toEqual(live.keys);
      expect([...restored.order]).toEqual([...live.order]);
      expect([...restored.ready], `seed ${seed}: order after a restart`).toEqual([...live.ready]);
      expect([restored.archived, restored.order.end, restored.order.lastMs]).toEqual([live.archived, live.order.end, live.order.lastMs]);
      expect(restored.children).toEqual(live.children);
      // What has left the state is in the archive, and nothing else is.
      const whole = noDirty();
      const again = emptyState();
      for (const event of log.slice(0, checkpoint)) reduce(again, event, whole);
      expect(new Map([...whole.archive].filter(([name]) => name.startsWith("job/")))).toEqual(
        new Map([...archived].filter(([name]) => name.startsWith("job/"))),
      );
      expect(again.archived).toBe([...archived.keys()].filter((name) => name.startsWith("job/")).length);
      expect([...replayed.ready]).toEqual([...live.ready]);
    }
    // The histories are only worth something if they reach everything.
    const all = Object.keys(EVENT_TYPES);
    for (const kind of [...all, "KEY_CONFLICT", "NOT_FOUND", "STALE_LEASE", "REFUSED"]) expect(seen).toContain(kind);
  });

  it("include all sequences of five commands on one job and two sites", () => {
    const commands: Command[] = [
      grant("a"),
      grant("b"),
      expire(1),
      complete("a", 1),
      complete("b", 2),
      fail("a", 1),
      { type: "resume", lease: lease(1), site: "a" },
      { type: "cancel", ids: ["j"] },
      join("a", "2"),
    ];
    let ends = 0;
    const walk = (sequence: readonly Command[], log: readonly LedgerEvent[]) => {
      const state = emptyState();
      const invariants = new Invariants();
      for (const event of log) {
        reduce(state, event);
        invariants.check(event, state);
      }
      if (sequence.length === 5) {
        ends += 1;
        return;
      }
      for (const command of commands) {
        const decision = decide(state, command, 10_000_000 * (sequence.length + 1));
        // A command that does nothing leads to the same state, which its siblings explore.
        if (decision instanceof XpcsError || decision.length === 0) continue;
        walk([...sequence, command], [...log, ...decision]);
      }
    };
    const start = history(join("a"), join("b"), submit());
    expect(start.last).toHaveLength(1);
    const log: LedgerEvent[] = [];
    const state = emptyState();
    for (const [index, command] of [join("a"), join("b"), submit()].entries()) {
      for (const event of decide(state, command, index + 1) as LedgerEvent[]) {
        reduce(state, event);
        log.push(event);
      }
    }
    walk([], log);
    expect(ends).toBeGreaterThan(50);
  });
});
