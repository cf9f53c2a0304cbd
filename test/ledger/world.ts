/** Random commands against the ledger's rules, as callers who repeat, come late and lie would send them. From a seed, so a failure comes again. */
import type { JobChanges, JobId, JobSpec } from "../../src/core/job.js";
import type { Command } from "../../src/ledger/decide.js";
import { liveJobsOf } from "../../src/ledger/decide-archive.js";
import type { LedgerEvent, Submitted } from "../../src/ledger/events.js";
import type { JobRecord, State } from "../../src/ledger/state.js";

/** mulberry32: small, and good enough to choose commands. */
export function seeded(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const SITES = ["a", "b"];

export function spec(attemptsMax = 3, more: Partial<JobSpec> = {}): JobSpec {
  return { work: { app: "xpcs.noop", durationMs: 1 }, tags: {}, attemptsMax, ...more };
}

function pick<T>(rng: () => number, items: readonly T[]): T {
  return items[Math.floor(rng() * items.length)]!;
}

/** Parents among the jobs that are there, and a deadline that most histories reach. */
function randomFamily(rng: () => number, state: State, siblings: readonly JobId[]): Partial<JobSpec> {
  const known = [...state.order, ...siblings];
  const parents = known.filter(() => rng() < 0.3).slice(0, 3);
  return {
    ...(parents.length === 0 ? {} : { parents, onParentFailure: rng() < 0.5 ? "fail" : "run" }),
    ...(rng() < 0.3 ? { deadline: new Date(Math.floor(rng() * 200_000)).toISOString() } : {}),
    ...(rng() < 0.3 ? { priority: rng() < 0.5 ? 1 : -1 } : {}),
  };
}

/** A command that may or may not make sense in `state`. */
export function randomCommand(rng: () => number, state: State): Command {
  const job = rng() < 0.02 || state.jobs.size === 0 ? "unknown" : pick(rng, [...state.order]);
  const epochNow = state.jobs.get(job)?.epoch ?? 1;
  // Mostly the present epoch, sometimes one that was or will be.
  const lease = { job, epoch: Math.max(1, epochNow + (rng() < 0.8 ? 0 : pick(rng, [-1, 1]))) };
  const site = pick(rng, SITES);
  const finished = (isCheck: boolean) => {
    const some = [...state.jobs.values()].filter(
      ({ spec: { checkOf }, state: now }) => now === "finished" && (checkOf !== undefined) === isCheck,
    );
    return some.length === 0 ? job : pick(rng, some).id;
  };
  const done = { outputs: [{ path: "/o", bytes: 1, sha256: "0" }], summary: { contentSha256: pick(rng, ["0", "0", "1"]) }, runMs: 5 };
  const join = { type: "join", site, host: "h", slots: 2, apps: ["xpcs.noop"] } as const;
  const commands: (() => Command)[] = [
    () => {
      const n = Math.floor(rng() * 6);
      const ids: JobId[] = n % 2 === 0 ? [`j${n}`] : [`j${n}`, `j${n}x`];
      return {
        type: "submit",
        key: `k${n}`,
        digest: rng() < 0.1 ? "other" : "d",
        jobs: ids.map((id, at) => ({ id, spec: spec(1 + (n % 3), randomFamily(rng, state, at === 0 ? [] : ids.slice(0, at))) })),
      };
    },
    () => ({ type: "grant", job, site, why: "test" }),
    () => ({ type: "grant", job, site, why: "test", promised: { ms: 900, sdMs: 10, stagesMs: { run: 1 } } }),
    () => ({ type: "duplicate", job, site, why: "test" }),
    () => ({ type: "claim", lease, site }),
    () => ({ type: "crossCheck", job: finished(false), check: `c${Math.floor(rng() * 1e9)}`, withinMs: 10_000 }),
    () => ({ type: "compare", check: finished(true) }),
    // The way to a comparison is long.
    () => {
      const [check] = [...state.jobs.values()].filter(({ spec: { checkOf }, finishedAt }) => checkOf !== undefined && finishedAt === null);
      if (check?.state !== "leased") return { type: "grant", job: check?.id ?? job, site, why: "test" };
      return { type: "complete", ...done, site: check.attempts.at(-1)!.site, lease: { job: check.id, epoch: check.epoch } };
    },
    () => ({ type: "resume", lease, site }),
    () => ({ type: "expire", lease }),
    () => ({ type: "complete", ...done, site, lease }),
    () => ({ type: "fail", site, lease, code: rng() < 0.2 ? "INVALID_ARGUMENT" : "NATIVE_CRASHED", reason: "crash" }),
    () => ({ type: "giveBack", site, leases: [lease], reason: "stop" }),
    () => ({ type: "cancel", ids: [job] }),
    () => ({ type: "retry", ids: [job], children: rng() < 0.5 }),
    () => ({ type: "overdue", job }),
    () => ({ type: "archive", endedBefore: rng() * 200_000, jobsMax: 1 + Math.floor(rng() * 3) }),
    () => {
      const experiment = "local/default";
      // A key or a job in the archive is not the state's to know: here none is, as where nothing was archived before.
      return {
        type: "remove",
        experiment,
        archived: [],
        archivedKeys: [],
        jobs: liveJobsOf(state, experiment).length,
        sequence: state.sequence,
      };
    },
    () => ({
      type: "modify",
      ids: [job],
      changes: pick<JobChanges>(rng, [{ priority: 2 }, { deadline: null }, { tags: { a: "b" } }, { attemptsMax: 2 }]),
    }),
    () => ({ ...join, instance: pick(rng, ["1", "2"]), held: rng() < 0.5 ? [lease] : [] }),
    () => ({ type: "leave", site }),
    () => ({ type: "setProbation", site, reason: rng() < 0.5 ? null : "r" }),
    () => {
      const said = (id: string) => ({ id, site, fromMs: Math.floor(rng() * 100_000), toMs: rng() < 0.3 ? null : 200_000, text: "t" });
      const whose = (source: string) => ({ kind: "planned" as const, source, fetchedMs: 0 });
      const ids = ["f1", "f2"].filter(() => rng() < 0.5);
      if (rng() < 0.3) return { type: "removeDowntime", id: pick(rng, ["f1", "h1"]), person: "p" };
      if (rng() < 0.5) return { type: "addDowntime", downtime: { ...said(pick(rng, ["h1", "h2"])), ...whose("hand") } };
      return { type: "setDowntimes", source: "feed", downtimes: ids.map((id) => ({ ...said(id), ...whose("feed") })) };
    },
  ];
  return pick(rng, commands)();
}

/** What must hold after each event of any history; throws naming what does not. */
export class Invariants {
  readonly #completions = new Map<JobId, number>();
  readonly #epochs = new Map<JobId, number>();
  /** Epochs that run, and of a job that waits the one whose loss made it ready: it may be resumed. */
  readonly #open = new Map<JobId, Set<number>>();
  readonly #duplicated = new Set<JobId>();
  readonly #final = new Set<JobId>();
  readonly #keys = new Map<string, string>();

  #enter(event: Submitted): void {
    const known = this.#keys.get(event.key);
    if (known !== undefined && known !== event.digest) throw new Error(`one key made two requests: ${JSON.stringify(event)}`);
    this.#keys.set(event.key, event.digest);
    for (const job of event.jobs) {
      if (this.#epochs.has(job)) throw new Error(`a job was submitted twice: ${JSON.stringify(event)}`);
      this.#epochs.set(job, 0);
    }
    if (event.specs.length !== event.jobs.length) throw new Error(`a job was submitted without what it is: ${JSON.stringify(event)}`);
  }

  check(event: LedgerEvent, after: State): void {
    const demand = (holds: boolean, what: string) => {
      if (!holds) throw new Error(`${what}: ${JSON.stringify(event)}`);
    };
    if (event.type === "submitted") {
      this.#enter(event);
      // One whose parents had failed has failed with the same decision; its own event is looked at after this.
      for (const id of event.jobs) this.#indexed(after.jobs.get(id)!, after, demand);
    }
    if (!("job" in event)) return;
    if (event.type === "retried") {
      demand(this.#final.delete(event.job) && !this.#completions.has(event.job), "a job was retried that had not failed");
    }
    demand(event.type === "modified" || event.type === "crossChecked" || !this.#final.has(event.job), "a final job changed");
    const open = this.#open.get(event.job) ?? new Set();
    this.#open.set(event.job, open);
    if (event.type === "leased") {
      demand(event.epoch === this.#epochs.get(event.job)! + 1, "an epoch was reused or skipped");
      this.#epochs.set(event.job, event.epoch);
      const two = after.jobs.get(event.job)!.attempts.filter(({ outcome }) => outcome === "running").length === 2;
      demand(event.duplicate !== true || (two && !this.#duplicated.has(event.job)), "a job was duplicated twice, or did not run");
      if (event.duplicate === true) this.#duplicated.add(event.job);
      else open.clear();
      open.add(event.epoch);
    }
    if (event.type === "attemptEnded") {
      demand(open.has(event.epoch), "an attempt ended that did not run");
      // One that was lost may go on, even where the job had failed with it and was retried by hand.
      if (event.outcome !== "lost") open.delete(event.epoch);
      demand(event.moved !== true || event.outcome === "returned", "a recall was counted as something else");
      demand((event.next === "other") === (after.jobs.get(event.job)?.state === "leased"), "what goes on is not what runs");
    }
    if (event.type === "completed") {
      demand(!this.#completions.has(event.job), "a job completed twice");
      demand(open.has(event.epoch), "a completion came from an old lease");
      this.#completions.set(event.job, event.epoch);
    }
    const job = after.jobs.get(event.job)!;
    const parents = (job.spec.parents ?? []).map((id) => after.jobs.get(id)!);
    const wanted = ({ state, finishedAt }: JobRecord) =>
      state === "finished" || (job.spec.onParentFailure === "run" && finishedAt !== null);
    demand(event.type !== "released" || parents.every(wanted), "a job was released before its parents had ended");
    if (["finished", "failed", "canceled"].includes(job.state)) {
      this.#final.add(job.id);
      demand(job.finishedAt !== null, "a final job has no end");
    }
    this.#indexed(job, after, demand);
  }

  #indexed(job: JobRecord, after: State, demand: (holds: boolean, what: string) => void): void {
    demand(job.attempts.filter(({ outcome }) => outcome === "finished").length <= 1, "two attempts finished");
    const running = job.attempts.filter(({ outcome }) => outcome === "running");
    const most = job.state !== "leased" ? 0 : job.attempts.some(({ duplicate }) => duplicate) ? 2 : 1;
    demand(running.length <= most && (most === 0 || running.length > 0), "running attempts");
    demand(job.attemptsCounted <= job.spec.attemptsMax, "more attempts than allowed");
    const waits = job.state === "ready" || job.state === "awaiting-parents";
    demand(after.due.has(job.id) === (waits && job.spec.deadline !== undefined), "the index of deadlines differs");
    demand(after.ready.has(job.id) === (job.state === "ready"), "the ready index differs");
    const holders = [...after.leased].filter(([, held]) => held.has(job.id)).map(([site]) => site);
    demand(holders.length === running.length, "the lease index differs");
    demand(
      running.every(({ site }) => holders.includes(site)),
      "the lease index names another site",
    );
  }
}
