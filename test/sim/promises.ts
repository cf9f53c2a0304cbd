/**
 * The promises P1 to P7 (ARCHITECTURE.md) as checks: of a ledger's events, of what clients heard, and of the files. One set for the simulation
 * and for real processes (test/chaos/soak.ts): both read the ledger that a run left. P8 is of pilots alone (farm.ts).
 */
import { isDeepStrictEqual } from "node:util";
import { toXpcsError } from "../../src/core/errors.js";
import type { JobId, JobView, OutputFile } from "../../src/core/job.js";
import type { LedgerEvent } from "../../src/ledger/events.js";
import { reduce } from "../../src/ledger/reduce.js";
import { emptyState, type State } from "../../src/ledger/state.js";
import { openingOf } from "../../src/router/downtime.js";
import { Invariants } from "../ledger/world.js";

export type PromiseName = "P1" | "P2" | "P3" | "P4" | "P5" | "P6" | "P7" | "P8" | "defect";

/** A promise was broken. */
export class Broken extends Error {
  readonly promise: PromiseName;
  constructor(promise: PromiseName, what: string) {
    super(`${promise}: ${what}`);
    this.promise = promise;
  }
}

function demand(holds: boolean, promise: PromiseName, what: () => string): void {
  if (!holds) throw new Broken(promise, what());
}

/** What clients heard. The first promise that is broken as they listen is kept. */
export class History {
  readonly acknowledged = new Map<string, readonly JobId[]>();
  readonly canceled = new Set<JobId>();
  readonly marks = new Set<string>();
  /** Jobs that were seen in a final state, and which. */
  readonly #ended = new Map<JobId, string>();
  broken: Broken | null = null;
  readonly #onBroken: (broken: Broken) => void;

  constructor(onBroken: (broken: Broken) => void = () => {}) {
    this.#onBroken = onBroken;
  }

  #check(holds: boolean, promise: PromiseName, what: () => string): void {
    if (holds || this.broken !== null) return;
    this.broken = new Broken(promise, what());
    this.#onBroken(this.broken);
  }

  /** Central acknowledged `jobs` for `key`. */
  heard(key: string, jobs: readonly JobId[], count: number): void {
    const before = this.acknowledged.get(key) ?? jobs;
    this.#check(isDeepStrictEqual(before, jobs), "P2", () => `key ${key} had the jobs ${before.join(" ")}, and then ${jobs.join(" ")}`);
    this.#check(jobs.length === count, "P2", () => `key ${key} asked for ${count} jobs and got ${jobs.length}`);
    this.acknowledged.set(key, jobs);
  }

  /** Central showed a job at wall-clock time `nowMs`. */
  saw(job: JobView, nowMs: number): void {
    const { id, state, reason, since } = job;
    const waits = state === "ready" || state === "awaiting-parents";
    this.#check(!waits || (reason ?? "") !== "", "P7", () => `job ${id} is ${state} and does not say what it waits for`);
    // A clock that was wrong for a while leaves times that are; an hour is more than ours jump.
    this.#check(Date.parse(since) < nowMs + 3_600_000, "P7", () => `job ${id} is ${state} since ${since}, which is to come`);
    const before = this.#ended.get(id);
    this.#check(before !== "finished" || state === "finished", "P3", () => `job ${id} was seen finished, and then ${state}`);
    if (state === "finished" || state === "failed" || state === "canceled") this.#ended.set(id, state);
  }

  /** A request had an answer that it should never have. */
  failed(error: unknown): void {
    const { code, message } = toXpcsError(error);
    this.#check(false, "defect", () => `a client's request failed: ${code} ${message}`);
  }
}

/** A site on probation has one job at a time, and none before its pause is over. */
function checkTried(state: State, { site, at, job }: Extract<LedgerEvent, { type: "leased" }>): void {
  const { probation } = state.sites.get(site) ?? {};
  const held = state.leased.get(site)?.size ?? 0;
  const may = probation === undefined || (held === 1 && at >= probation.probeAt);
  demand(may, "defect", () => `job ${job} was sent to site ${site} on probation at ${at}, as one of ${held}: ${JSON.stringify(probation)}`);
}

/** No job is sent to a site that is known to be down. */
function checkOpen(state: State, { site, at, job }: Extract<LedgerEvent, { type: "leased" }>): void {
  const own = [...state.downtimes.values()].flat().filter((downtime) => downtime.site === site);
  demand(openingOf(own, at).closed === null, "defect", () => `job ${job} was sent to site ${site} at ${at}: ${JSON.stringify(own)}`);
}

/**
 * P2 and P3 over the events of a ledger; marks what happened in it.
 *
 * @returns the state that they make, the jobs that were ever canceled, and the attempts, as `job epoch`, that were recalled before they began
 */
export async function checkEvents(
  events: AsyncIterable<{ event: LedgerEvent }>,
  marks: Set<string>,
): Promise<{ state: State; canceled: ReadonlySet<JobId>; moved: ReadonlySet<string> }> {
  const state = emptyState();
  const canceled = new Set<JobId>();
  const moved = new Set<string>();
  const invariants = new Invariants();
  for await (const { event } of events) {
    try {
      reduce(state, event);
      marks.add(event.type === "attemptEnded" ? event.outcome : event.type);
      if (event.type === "crossChecked")
        marks.add(event.agreed ? "runs agreed" : event.wrong === null ? "runs differed" : "a wrong site was named");
      if (event.type === "leased" && event.duplicate === true) marks.add("duplicated");
      if (event.type === "attemptEnded" && event.next === "other") marks.add(`one of two attempts ${event.outcome}`);
      if (event.type === "attemptEnded" && event.moved === true) moved.add(`${event.job} ${event.epoch}`);
      if (event.type === "cancelRequested" || event.type === "canceled") canceled.add(event.job);
      invariants.check(event, state);
    } catch (error) {
      throw new Broken(/submitted twice|one key/.test((error as Error).message) ? "P2" : "P3", (error as Error).message);
    }
    if (event.type === "leased") {
      checkOpen(state, event);
      checkTried(state, event);
    }
    const ownFault = event.type === "attemptEnded" && event.code === "INTERNAL";
    demand(!ownFault, "defect", () => `an attempt ended by a fault of our own: ${JSON.stringify(event)}`);
  }
  for (const [key, { jobs }] of state.keys)
    for (const id of jobs) demand(state.jobs.has(id), "P2", () => `key ${key} has a job ${id} that is not there`);
  const named = [...state.keys.values()].flatMap(({ jobs }) => jobs);
  demand(named.length === state.jobs.size, "P2", () => `${state.jobs.size} jobs come from keys for ${named.length}`);
  if (moved.size > 0) marks.add("moved");
  return { state, canceled, moved };
}

/** P1: what was acknowledged is in the ledger. */
export function checkAcknowledged(state: State, canceled: ReadonlySet<JobId>, history: History): void {
  for (const [key, jobs] of history.acknowledged) {
    for (const id of jobs) demand(state.jobs.has(id), "P1", () => `job ${id} of key ${key} was acknowledged and is not in the ledger`);
    const kept = state.keys.get(key)?.jobs;
    demand(
      isDeepStrictEqual(kept, jobs),
      "P2",
      () => `key ${key} was acknowledged as ${jobs.join(" ")}, the ledger has ${kept?.join(" ")}`,
    );
  }
  for (const id of history.canceled)
    demand(canceled.has(id), "P1", () => `the cancel of job ${id} was acknowledged and is not in the ledger`);
}

/** P4: every job is final. Names those that are not. */
export function checkConverged(state: State, withinS: number): void {
  const open = [...state.jobs.values()].filter(({ finishedAt }) => finishedAt === null);
  const named = open.slice(0, 5).map(({ id, state: now, reason }) => `${id} ${now} ${reason ?? ""}`);
  demand(open.length === 0, "P4", () => `${open.length} jobs have not ended ${withinS} s after the last fault: ${named.join("; ")}`);
}

/** P6: what the events make is what central had. */
export function checkReplay(replayed: State, live: State): void {
  for (const field of ["jobs", "keys", "sites", "downtimes", "order"] as const)
    demand(isDeepStrictEqual(replayed[field], live[field]), "P6", () => `the replayed ${field} differ from those that central had`);
}

/** P5: what the ledger says of outputs is on disk. @param digest bytes and sha256 of a file, null when it is not there */
export function checkOutputs(state: State, digest: (path: string) => Pick<OutputFile, "bytes" | "sha256"> | null): void {
  const owners = new Map<string, JobId>();
  for (const { id, outputs, state: now, spec } of state.jobs.values()) {
    if (now !== "finished") continue;
    demand(outputs.length > 0 || !("out" in spec.work) || spec.checkOf !== undefined, "P5", () => `job ${id} finished without its output`);
    for (const { path, bytes, sha256 } of outputs) {
      demand(!owners.has(path), "P5", () => `${path} is the output of both ${owners.get(path)} and ${id}`);
      owners.set(path, id);
      const found = digest(path);
      const same = found !== null && found.bytes === bytes && found.sha256 === sha256;
      demand(same, "P5", () => `${path} of job ${id} is ${found === null ? "not there" : "not what was recorded"}`);
    }
  }
}
