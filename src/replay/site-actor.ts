/**
 * A site on virtual time: brings the files of its leases, runs them in its slots in the order in which their files are there (as src/sites/run-slots.ts does),
 * sends the results back, and reports. What it may hold and run is what a real one may; how long things take its model says.
 */
import type { TermsBySite } from "../actors/lease-terms.js";
import type { JobId, JobSpec } from "../core/job.js";
import { NOTHING, needOf, plus, SHARED, type Shared } from "../router/policy.js";
import type { EventHeap } from "./event-heap.js";
import type { JobTimes, SiteModel } from "./shift.js";
import { SiteTransfers, type Wanted } from "./site-transfers.js";

/** What a job did at a site, ms since the beginning of the shift. */
export interface Ran {
  readonly id: JobId;
  readonly epoch: number;
  readonly spec: JobSpec;
  readonly times: JobTimes;
  readonly leasedMs: number;
  stagedMs: number;
  beganMs: number;
  endedMs: number;
}

interface Held extends Ran {
  state: "coming" | "waiting" | "running" | "leaving";
  readonly wanted: Wanted | null;
  /** Work that is left, ms at usual speed, as of `sinceMs`. */
  leftMs: number;
  sinceMs: number;
  /** Makes the end that was expected before void. */
  turn: number;
}

const RUNS = { phase: "running" } as const;
const LEAVES = { phase: "staged-out" } as const;
/** Its files are there. */
const WAITS = { phase: "staged-in", filesAtMs: 0 } as const;
/** Nobody knows when they will be. */
const COMES = { phase: "staged-in" } as const;

export interface SiteEvents {
  /** Its slots are free for another; its result is on its way. */
  readonly ran: (ran: Ran) => void;
  /** The result is there. */
  readonly done: (ran: Ran) => void;
  /** It may ask for more. */
  readonly room: () => void;
}

export class SiteActor {
  readonly model: SiteModel;
  readonly #heap: EventHeap;
  readonly #now: () => number;
  readonly #events: SiteEvents;
  readonly #transfers: SiteTransfers | null;
  readonly #held = new Map<JobId, Held>();
  /** Their files are there, in that order. */
  readonly #ready = new Set<Held>();
  readonly #running = new Set<Held>();
  readonly #has: Shared;
  #taken: Shared = NOTHING;
  #slowness = 1;
  /** Jobs that have not begun: their files come, or they wait for slots. */
  #waiting = 0;
  bytesIn = 0;
  bytesOut = 0;

  constructor(model: SiteModel, heap: EventHeap, now: () => number, events: SiteEvents) {
    this.model = model;
    this.#heap = heap;
    this.#now = now;
    this.#events = events;
    this.#transfers = model.link === null ? null : new SiteTransfers(heap, now, model.link, events.room);
    const unbounded = Number.POSITIVE_INFINITY;
    const { cores = unbounded, memoryGb = unbounded, gpus = unbounded, nodes = unbounded } = model.capacity ?? {};
    this.#has = { slots: model.slots, cores, memoryGb, gpus, nodes };
  }

  /** Jobs that it holds and has not begun. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Jobs more for which it asks, as far as their files go. */
  get room(): number {
    return this.#transfers?.room ?? Number.POSITIVE_INFINITY;
  }

  get held(): ReadonlyMap<JobId, Ran> {
    return this.#held;
  }

  /** @param job its place in the shift */
  take(id: JobId, epoch: number, job: number, spec: JobSpec): void {
    const now = this.#now();
    const times = this.model.times(job, spec);
    const bytes = spec.inputBytes ?? 0;
    const base = { id, epoch, spec, times, leasedMs: now, stagedMs: now, beganMs: Number.NaN, endedMs: Number.NaN };
    const isBrought = this.#transfers !== null && bytes > 0;
    const wanted: Wanted | null = isBrought
      ? { bytes, setUpMs: times.setUpMs, rateBytesPerMs: times.rateBytesPerMs, gone: false, done: () => this.#staged(held) }
      : null;
    const held: Held = { ...base, state: "coming", wanted, leftMs: times.runMs, sinceMs: now, turn: 0 };
    this.#held.set(id, held);
    this.#waiting += 1;
    if (wanted === null) this.#staged(held);
    else this.#transfers!.want(wanted);
  }

  /** How far it is with a lease, and when its files will be there, as renewals say; undefined: it does not hold it. */
  told(id: JobId, epoch: number): ReturnType<TermsBySite["get"]> {
    const held = this.#held.get(id);
    if (held?.epoch !== epoch) return undefined;
    if (held.state === "running") return RUNS;
    if (held.state === "leaving") return LEAVES;
    if (held.wanted === null || held.state !== "coming") return WAITS;
    const leftMs = this.#transfers!.leftMs(held.wanted);
    return leftMs === null ? COMES : { phase: "staged-in", filesAtMs: this.#now() + leftMs };
  }

  /** Gives back a lease that it has not begun. @returns false: it has begun, or does not hold it */
  giveBack(id: JobId, epoch: number): boolean {
    const held = this.#held.get(id);
    if (held?.epoch !== epoch || held.state === "running" || held.state === "leaving") return false;
    held.turn += 1;
    this.#held.delete(id);
    this.#ready.delete(held);
    this.#waiting -= 1;
    if (held.wanted !== null && held.state === "coming") {
      held.wanted.gone = true;
      this.#transfers!.forget();
    }
    // It may have stood before one that fits.
    this.#admit();
    return true;
  }

  #staged(held: Held): void {
    if (held.wanted !== null) this.bytesIn += held.wanted.bytes;
    held.stagedMs = this.#now();
    held.state = "waiting";
    this.#ready.add(held);
    this.#admit();
  }

  /** The first comes first, also when a later one would fit. */
  #admit(): void {
    for (const held of this.#ready) {
      const need = needOf(held.spec.resources ?? {});
      if (!SHARED.every((what) => need[what] === 0 || this.#taken[what] + need[what] <= this.#has[what])) return;
      this.#ready.delete(held);
      this.#taken = plus(this.#taken, need);
      this.#waiting -= 1;
      held.state = "running";
      held.beganMs = this.#now();
      held.sinceMs = held.beganMs;
      this.#running.add(held);
      this.#expectEnd(held);
    }
  }

  #expectEnd(held: Held): void {
    held.turn += 1;
    const { turn } = held;
    this.#heap.add(this.#now() + held.leftMs * this.#slowness, () => {
      if (held.turn === turn) this.#ended(held);
    });
  }

  #ended(held: Held): void {
    held.endedMs = this.#now();
    held.state = "leaving";
    this.#running.delete(held);
    this.#free(held);
    this.bytesOut += held.times.resultBytes;
    this.#events.ran(held);
    held.turn += 1;
    const { turn } = held;
    this.#heap.add(held.endedMs + held.times.outMs, () => {
      if (held.turn !== turn) return;
      this.#held.delete(held.id);
      this.#events.done(held);
    });
    this.#admit();
  }

  #free(held: Held): void {
    const { slots, cores, memoryGb, gpus, nodes } = needOf(held.spec.resources ?? {});
    this.#taken = plus(this.#taken, { slots: -slots, cores: -cores, memoryGb: -memoryGb, gpus: -gpus, nodes: -nodes });
  }

  /** Runs take so many times as long as usual from now on, those that run too. */
  slow(factor: number): void {
    const now = this.#now();
    for (const held of this.#running) {
      held.leftMs = Math.max(0, held.leftMs - (now - held.sinceMs) / this.#slowness);
      held.sinceMs = now;
    }
    this.#slowness = factor;
    for (const held of this.#running) this.#expectEnd(held);
  }

  /** All that it held is over; what ran has run for nothing. @returns how long slots were taken by runs that were not to end, ms */
  drop(): number {
    const now = this.#now();
    let wastedMs = 0;
    for (const held of this.#held.values()) {
      held.turn += 1;
      if (held.wanted !== null) held.wanted.gone = true;
      if (held.state === "running") wastedMs += (now - held.beganMs) * needOf(held.spec.resources ?? {}).slots;
    }
    this.#held.clear();
    this.#ready.clear();
    this.#running.clear();
    this.#taken = NOTHING;
    this.#waiting = 0;
    this.#transfers?.drop();
    return wastedMs;
  }
}
