/**
 * Recalls: which jobs that sites hold and have not begun central wants back, because they are better off elsewhere (src/router/reroute.ts says which). Asked for in the
 * news; a site gives such a lease back if it has not begun, and then the job is ready like any other. In memory: after a restart central looks again.
 */
import type { JobId, SiteName } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { LeaseRef } from "../core/protocols.js";
import { type JobRecord, runningAt, type State } from "../ledger/state.js";
import { needOf, type Policy, type RoutedJob, type SiteLoad } from "../router/policy.js";
import type { PolicyOf } from "../router/policy-rules.js";
import { comesFirst, comesLate, planMoves, type Room, type UnbegunJob } from "../router/reroute.js";
import { loadOf } from "../router/work-ahead.js";
import { routed } from "./dispatch.js";
import type { TermsBySite } from "./lease-terms.js";
import { heldAt } from "./site-loads.js";

interface Recall {
  readonly lease: LeaseRef;
  readonly from: SiteName;
  readonly to: SiteName;
  readonly why: string;
  readonly atMs: number;
}

/** What a round sees. */
export interface Situation extends Room {
  readonly state: State;
  readonly terms: TermsBySite;
  readonly loads: readonly SiteLoad[];
  readonly policyOf: PolicyOf;
  readonly nowMs: number;
  readonly monotonicMs: number;
}

const isSame = (a: LeaseRef, b: LeaseRef) => a.job === b.job && a.epoch === b.epoch;

export class Rerouting {
  /** One that was not answered in time stays while its lease lasts, so that it is not asked for again. */
  readonly #recalls = new Map<JobId, Recall>();
  #lookedMs = Number.NEGATIVE_INFINITY;

  /** It is time to look again. */
  isDue(monotonicMs: number): boolean {
    return monotonicMs - this.#lookedMs >= LIMITS.rerouteMs;
  }

  /** Leases that `site` shall give back if it has not begun. */
  recalled(site: SiteName, monotonicMs: number): LeaseRef[] {
    const asked = [...this.#recalls.values()].filter(({ from, atMs }) => from === site && monotonicMs - atMs < LIMITS.recallMs);
    return asked.map(({ lease }) => lease);
  }

  /** Why it was recalled; null: it was not. */
  why(lease: LeaseRef): string | null {
    const recall = this.#recalls.get(lease.job);
    return recall !== undefined && isSame(recall.lease, lease) ? recall.why : null;
  }

  /** Looks again. @returns the sites that have news, and the slots that are idle still */
  look(situation: Situation): { news: ReadonlySet<SiteName>; idle: ReadonlyMap<SiteName, number> } {
    const { state, terms, loads, nowMs, monotonicMs } = situation;
    this.#lookedMs = monotonicMs;
    for (const [id, { lease, from }] of this.#recalls) {
      const job = state.jobs.get(id);
      const held = job === undefined ? undefined : runningAt(job, from);
      if (held?.epoch !== lease.epoch || terms.get(id, lease.epoch, from)?.phase !== "staged-in") this.#recalls.delete(id);
    }
    const open = [...this.#recalls.values()].filter(({ atMs }) => monotonicMs - atMs < LIMITS.recallMs);
    const idle = new Map(situation.idle);
    const asked = new Map(situation.asked);
    const keep = (id: JobId, to: SiteName): void => {
      const { slots } = needOf(state.jobs.get(id)!.spec.resources ?? {});
      for (const left of [idle, asked]) left.set(to, (left.get(to) ?? 0) - slots);
    };
    for (const { lease, to } of open) keep(lease.job, to);
    const held: Waiting[] = [];
    for (const load of loads) if (load.pilots === undefined) addUnbegun(held, situation, load);
    const movable: Waiting[] = [];
    for (const waiting of held.sort(comesFirst)) {
      if (movable.length === LIMITS.rerouteScanMax) break;
      const { record } = waiting;
      if (!this.#recalls.has(record.id) && (record.moves ?? 0) < LIMITS.movesMax) movable.push(waiting);
    }
    const bounds = { looked: LIMITS.rerouteScanMax, moves: LIMITS.recallsMax - open.length };
    const news = new Set<SiteName>();
    for (const { job, from, to, why } of planMoves(movable, loads, { idle, asked }, nowMs, bounds)) {
      const epoch = runningAt(state.jobs.get(job)!, from)!.epoch;
      this.#recalls.set(job, { lease: { job, epoch }, from, to, why, atMs: monotonicMs });
      news.add(from);
      keep(job, to);
    }
    return { news, idle };
  }
}

/** What the policy is asked of it is made when it is looked at. */
class Waiting implements UnbegunJob {
  readonly #situation: Situation;
  readonly #load: SiteLoad;
  readonly #at: number;
  readonly record: JobRecord;
  readonly freeSlots: number;
  readonly filesInMs: number;
  readonly isLate: boolean;
  #job: RoutedJob | null = null;

  /** @param at its place among those that the site holds */
  constructor(situation: Situation, load: SiteLoad, record: JobRecord, at: number, freeSlots: number, filesInMs: number) {
    this.#situation = situation;
    this.#load = load;
    this.#at = at;
    this.record = record;
    this.freeSlots = freeSlots;
    this.filesInMs = filesInMs;
    this.isLate = comesLate(filesInMs, { inputBytes: record.spec.inputBytes ?? null }, load);
  }

  get id(): JobId {
    return this.record.id;
  }

  get job(): RoutedJob {
    this.#job ??= routed(this.record, this.#situation.nowMs);
    return this.#job;
  }

  get site(): SiteName {
    return this.#load.name;
  }

  get policy(): Policy {
    return this.#situation.policyOf(this.record.spec);
  }

  ahead(): SiteLoad {
    const { state, nowMs } = this.#situation;
    return loadOf(this.#load, heldAt(state, this.#load.name).jobs, nowMs, this.#at);
  }
}

/** Adds the jobs that a site holds beyond its slots, or whose files come slowly; the oldest come first there. */
function addUnbegun(held: Waiting[], situation: Situation, load: SiteLoad): void {
  const { state, terms, monotonicMs } = situation;
  const { name, slots } = load;
  const { records, jobs, epochs, begun } = heldAt(state, name);
  let taken = 0;
  for (let at = 0; at < jobs.length; at += 1) {
    const freeSlots = slots - taken;
    taken += jobs[at]!.resources.slots ?? 1;
    if (begun[at]) continue;
    const record = records[at]!;
    if (record.cancelRequested) continue;
    const term = terms.get(record.id, epochs[at]!, name);
    if (term?.phase !== "staged-in") {
      begun[at] = term !== undefined;
      continue;
    }
    const filesInMs = Math.max(0, (term.filesAtMs ?? 0) - monotonicMs);
    if (taken <= slots && filesInMs === 0) continue;
    const waiting = new Waiting(situation, load, record, at, freeSlots, filesInMs);
    if (taken > slots || waiting.isLate) held.push(waiting);
  }
}
