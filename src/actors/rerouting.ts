/**
 * Recalls: which jobs that sites hold and have not begun central wants back, because they are better off elsewhere (src/router/reroute.ts says which). Asked for in the
 * news; a site gives such a lease back if it has not begun, and then the job is ready like any other. In memory: after a restart central looks again.
 */
import type { JobId, SiteName } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { LeaseRef } from "../core/protocols.js";
import { runningAt, type State } from "../ledger/state.js";
import { needOf, type SiteLoad } from "../router/policy.js";
import type { PolicyOf } from "../router/policy-rules.js";
import { planMoves, type UnbegunJob } from "../router/reroute.js";
import { loadOf } from "../router/work-ahead.js";
import { routed } from "./dispatch.js";
import type { LeaseTerms } from "./lease-terms.js";
import { heldBy, heldRecords } from "./site-loads.js";

interface Recall {
  readonly lease: LeaseRef;
  readonly from: SiteName;
  readonly to: SiteName;
  readonly why: string;
  readonly atMs: number;
}

/** What a round sees. */
export interface Situation {
  readonly state: State;
  readonly terms: Pick<LeaseTerms, "get">;
  readonly loads: readonly SiteLoad[];
  /** Slots by site for which it asks and nothing waits. */
  readonly idle: ReadonlyMap<SiteName, number>;
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
      if (held?.epoch !== lease.epoch || terms.get(id, lease.epoch)?.phase !== "staged-in") this.#recalls.delete(id);
    }
    const open = [...this.#recalls.values()].filter(({ atMs }) => monotonicMs - atMs < LIMITS.recallMs);
    const idle = new Map(situation.idle);
    for (const { lease, to } of open) idle.set(to, (idle.get(to) ?? 0) - needOf(state.jobs.get(lease.job)!.spec.resources ?? {}).slots);
    const held = loads.flatMap((load) => (load.pilots === undefined ? unbegun(situation, load) : []));
    const movable = held.filter(({ job }) => !this.#recalls.has(job.id) && (state.jobs.get(job.id)?.moves ?? 0) < LIMITS.movesMax);
    const bounds = { looked: LIMITS.rerouteScanMax, moves: LIMITS.recallsMax - open.length };
    const news = new Set<SiteName>();
    for (const { job, from, to, why } of planMoves(movable, loads, idle, nowMs, bounds)) {
      const epoch = runningAt(state.jobs.get(job)!, from)!.epoch;
      this.#recalls.set(job, { lease: { job, epoch }, from, to, why, atMs: monotonicMs });
      news.add(from);
      idle.set(to, (idle.get(to) ?? 0) - needOf(state.jobs.get(job)!.spec.resources ?? {}).slots);
    }
    return { news, idle };
  }
}

/** The jobs that a site holds beyond its slots and has not begun; the oldest come first there. */
function unbegun({ state, terms, policyOf, nowMs }: Situation, load: SiteLoad): UnbegunJob[] {
  const { name, slots } = load;
  const jobs = heldRecords(state, name);
  const held = heldBy(state, name);
  const found: UnbegunJob[] = [];
  let taken = 0;
  for (const [at, job] of jobs.entries()) {
    const freeSlots = slots - taken;
    taken += needOf(job.spec.resources ?? {}).slots;
    if (taken <= slots) continue;
    const epoch = runningAt(job, name)?.epoch ?? 0;
    if (terms.get(job.id, epoch)?.phase !== "staged-in" || job.cancelRequested) continue;
    const ahead = () => loadOf(load, held, nowMs, at);
    found.push({ job: routed(job, nowMs), policy: policyOf(job.spec), site: name, freeSlots, ahead });
  }
  return found;
}
