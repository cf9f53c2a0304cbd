/**
 * Central and its sites on virtual time: the rules (`decide`), the state (`reduce`), the view of the sites and the choices (`planGrants` with a policy) are the
 * real ones; links, store and clock are replaced by calls and a heap of events. One run of one shift with one policy.
 */
import { type Asking, askingOf, filesWaitMs } from "../actors/asking.js";
import { planGrants } from "../actors/dispatch.js";
import type { TermsBySite } from "../actors/lease-terms.js";
import { Sites } from "../actors/presence.js";
import { Rerouting } from "../actors/rerouting.js";
import { siteLoads } from "../actors/site-loads.js";
import { XpcsError } from "../core/errors.js";
import type { JobId, JobSpec, OutputFile, SiteName } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import { type Command, decide } from "../ledger/decide.js";
import type { LedgerEvent } from "../ledger/events.js";
import { reduce } from "../ledger/reduce.js";
import { emptyState, lastSite, type State } from "../ledger/state.js";
import { needOf, type Policy, type SiteLoad } from "../router/policy.js";
import { always, type PolicyOf } from "../router/policy-rules.js";
import { EventHeap } from "./event-heap.js";
import { type Arrival, replayId, type Shift, type SiteModel } from "./shift.js";
import { type Ran, SiteActor } from "./site-actor.js";
import { noTally, siteTally, type Tally } from "./tally.js";

/** Who submits may bind jobs to sites, as an agent outside does: one that asks how things are and then pins what it submits. */
export interface Client {
  /** @param firstJob place in the shift of the first of `specs` */
  bind(specs: readonly JobSpec[], firstJob: number, world: World): readonly JobSpec[];
}

export interface RunOptions {
  readonly policy: Policy;
  readonly client?: Client;
  /** Central looks at what has changed once in so many ms: a commit and the way to a site take some. */
  readonly dispatchMs?: number;
  /** Called once, before the shift begins. */
  readonly prepare?: (world: World) => void;
  /** Told of each attempt whose result is there. */
  readonly onDone?: (ran: Ran, site: SiteName, world: World) => void;
}

const DISPATCH_MS = 100;
/** Ended jobs that leave the state at a time, as central's do for its archive. */
const ARCHIVED_TOGETHER = 1_000;
/** When nothing but jobs that no site takes is left for so long, the run is over. */
const PATIENCE_MS = 3_600_000;
const SHA256 = "0".repeat(64);
const REPLAYED = "replay";

const rounded = (ms: number): number => Math.round(ms) / 1_000;

export class World {
  readonly state: State = emptyState();
  readonly tally: Tally = noTally();
  readonly #sites = new Sites(LIMITS.leaseMs);
  readonly #heap = new EventHeap();
  readonly #actors = new Map<SiteName, SiteActor>();
  /** Slots that leases take, by site. */
  readonly #leasedSlots = new Map<SiteName, number>();
  readonly #rerouting = new Rerouting();
  /** What renewals would tell. */
  readonly #terms: TermsBySite = { get: (id, epoch, site) => this.#actors.get(site)?.told(id, epoch) };
  readonly #options: RunOptions;
  readonly #policyOf: PolicyOf;
  readonly #startMs: number;
  readonly #arrivals: Iterator<Arrival>;
  #nowMs = 0;
  #willDispatch = false;
  #willBeat = false;
  #willReroute = false;
  #grantedMs = 0;
  #ended = 0;
  #underWay = 0;
  #countedMs = 0;
  #joins = 0;
  #requests = 0;

  constructor(shift: Shift, options: RunOptions) {
    this.#options = options;
    this.#policyOf = always(options.policy);
    this.#startMs = shift.startMs;
    this.#arrivals = shift.arrivals();
    for (const model of shift.sites) this.addSite(model);
    this.#nextArrival();
    options.prepare?.(this);
  }

  /** ms since the beginning of the shift. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Of a site that is or was there. */
  actor(site: SiteName): SiteActor | undefined {
    return this.#actors.get(site);
  }

  /** Runs `run` at a time of the shift, or now where that has passed. */
  at(ms: number, run: () => void): void {
    this.#heap.add(Math.max(ms, this.#nowMs), run);
  }

  /** Jobs that are submitted and have not ended. */
  get underWay(): number {
    return this.#underWay;
  }

  /** More is to come. */
  get arriving(): boolean {
    return this.#isArriving;
  }
  #isArriving = true;

  /** Everything, to the end. */
  run(): Tally {
    while (this.#heap.size > 0) {
      this.#nowMs = this.#heap.nextMs;
      this.#heap.take()();
    }
    this.#count(0);
    return this.tally;
  }

  /** A site comes, is there as its model says, and goes. */
  addSite(model: SiteModel): void {
    const now = () => this.#nowMs;
    const { name } = model;
    const actor = new SiteActor(model, this.#heap, now, {
      ran: (ran) => {
        siteTally(this.tally, name).busyMs += (ran.endedMs - ran.beganMs) * needOf(ran.spec.resources ?? {}).slots;
      },
      done: (ran) => this.#done(ran, name),
      room: () => this.#wantDispatch(),
    });
    this.#actors.set(name, actor);
    siteTally(this.tally, name);
    for (const { fromMs, untilMs, leaves } of model.presence) {
      this.at(fromMs, () => this.join(name));
      if (untilMs !== Number.POSITIVE_INFINITY) this.at(untilMs, () => (leaves ? this.depart(name) : this.silence(name)));
    }
    for (const { fromMs, factor } of model.slower) this.at(fromMs, () => actor.slow(factor));
  }

  /** A process of the site says hello. */
  join(site: SiteName): void {
    const { slots, prefetch, apps, capacity, selfTest } = this.#actors.get(site)!.model;
    this.#joins += 1;
    const instance = `${REPLAYED}-${this.#joins}`;
    const told = { ...(capacity === undefined ? {} : { capacity }), ...(selfTest === undefined ? {} : { selfTest }) };
    this.#execute({ type: "join", site, instance, host: REPLAYED, slots, apps, ...told, held: [] });
    const presence = this.#sites.take(site, instance, this.#nowMs, this.#wallMs);
    presence.links = 1;
    presence.prefetch = prefetch;
    // It asks for work as long as it is there.
    const actor = this.#actors.get(site)!;
    presence.waiter = {
      slots: slots + prefetch,
      get jobsMax() {
        return actor.room;
      },
      answer: () => {},
      claim: () => {},
    };
    this.#wantDispatch();
  }

  /** It says goodbye, and gives back what it holds. */
  depart(site: SiteName): void {
    this.#drop(site);
    this.#execute({ type: "leave", site });
    this.#sites.remove(site);
    this.#wantDispatch();
  }

  /** It is cut off or dead: nothing is heard of it, and its leases run out. */
  silence(site: SiteName): void {
    const presence = this.#sites.get(site);
    if (presence === undefined) return;
    presence.waiter = null;
    presence.seenMs = this.#nowMs;
    const leases = this.#drop(site);
    this.at(this.#nowMs + LIMITS.leaseMs, () => {
      for (const lease of leases) if (this.state.jobs.has(lease.job)) this.#execute({ type: "expire", lease });
      this.#wantDispatch();
    });
  }

  #drop(site: SiteName): { job: JobId; epoch: number }[] {
    const actor = this.#actors.get(site)!;
    const leases = [...actor.held.values()].map(({ id, epoch }) => ({ job: id, epoch }));
    const lostMs = actor.drop();
    const tally = siteTally(this.tally, site);
    tally.busyMs += lostMs;
    tally.lostMs += lostMs;
    return leases;
  }

  get #wallMs(): number {
    return this.#startMs + Math.floor(this.#nowMs);
  }

  #nextArrival(): void {
    const next = this.#arrivals.next();
    this.#isArriving = next.done !== true;
    if (next.done === true) return;
    const { atMs, specs } = next.value;
    this.at(atMs, () => {
      this.#submit(specs);
      this.#nextArrival();
    });
  }

  #submit(given: readonly JobSpec[]): void {
    const first = this.state.order.end;
    const specs = this.#options.client?.bind(given, first, this) ?? given;
    this.#requests += 1;
    const jobs = specs.map((spec, at) => ({ id: replayId(first + at), spec }));
    this.#execute({ type: "submit", key: `${REPLAYED}-${this.#requests}`, digest: "", jobs });
    if (Number.isNaN(this.tally.firstMs)) this.tally.firstMs = this.#nowMs;
    this.tally.submitted += jobs.length;
    this.#count(jobs.length);
    for (const { id, spec } of jobs) {
      if (spec.deadline === undefined) continue;
      this.tally.due += 1;
      this.at(Date.parse(spec.deadline) - this.#startMs + 1, () => this.#execute({ type: "overdue", job: id }));
    }
    this.#wantDispatch();
  }

  /** As central's: looks from time to time, as long as jobs wait at sites, whether they are better off elsewhere. */
  #wantReroute(): void {
    if (this.#willReroute) return;
    this.#willReroute = true;
    this.at(this.#nowMs + LIMITS.rerouteMs, () => {
      this.#willReroute = false;
      if (![...this.#actors.values()].some(({ waiting }) => waiting > 0)) return;
      this.#reroute();
      this.#wantReroute();
    });
  }

  #reroute(): void {
    const { state } = this;
    const [terms, policyOf] = [this.#terms, this.#policyOf];
    const situation = { state, terms, loads: this.#loads(), ...this.#asking(), policyOf, nowMs: this.#wallMs, monotonicMs: this.#nowMs };
    for (const site of this.#rerouting.look(situation).news)
      for (const lease of this.#rerouting.recalled(site, this.#nowMs)) {
        if (!this.#actors.get(site)!.giveBack(lease.job, lease.epoch)) continue;
        const reason = `recalled: ${this.#rerouting.why(lease)}`;
        this.#execute({ type: "giveBack", site, leases: [lease], reason, moved: true });
        this.#wantDispatch();
      }
  }

  #asking(): Asking {
    return askingOf(this.#sites, (site) => this.#freeSlots(site));
  }

  #loads(): SiteLoad[] {
    const [now, wall] = [this.#nowMs, this.#wallMs];
    return siteLoads(this.state, this.#sites, wall, now, (site) => filesWaitMs(this.state, this.#sites, this.#terms, site, wall, now));
  }

  #freeSlots(site: SiteName): number {
    return (this.state.sites.get(site)?.slots ?? 0) - (this.#leasedSlots.get(site) ?? 0);
  }

  #done(ran: Ran, site: SiteName): void {
    const { id, epoch, spec, times } = ran;
    const bytes = spec.inputBytes ?? 0;
    const cameIn = this.#actors.get(site)!.model.link !== null && bytes > 0;
    const outputs: OutputFile[] = times.resultBytes > 0 ? [{ path: REPLAYED, bytes: times.resultBytes, sha256: SHA256 }] : [];
    const summary = {
      slotWaitS: rounded(ran.beganMs - ran.stagedMs),
      ...(cameIn ? { stageInBytes: bytes, stageInS: rounded(ran.stagedMs - ran.leasedMs) } : {}),
      ...(times.outMs > 0 && times.resultBytes > 0 ? { stageOutBytes: times.resultBytes, stageOutS: rounded(times.outMs) } : {}),
    };
    const runMs = Math.round(ran.endedMs - ran.beganMs);
    this.#execute({ type: "complete", site, lease: { job: id, epoch }, outputs, summary, runMs });
    this.#options.onDone?.(ran, site, this);
    this.#wantDispatch();
  }

  #execute(command: Command): void {
    const decision = decide(this.state, command, this.#wallMs);
    if (decision instanceof XpcsError) throw decision;
    for (const event of decision) {
      this.#before(event);
      reduce(this.state, event);
      this.#after(event);
    }
  }

  /** What the state says of the job before the event. */
  #before(event: LedgerEvent): void {
    if (event.type !== "completed" && event.type !== "attemptEnded") return;
    const job = this.state.jobs.get(event.job)!;
    if (job.state === "leased") this.#takeSlots(lastSite(job)!, -needOf(job.spec.resources ?? {}).slots);
  }

  #takeSlots(site: SiteName, slots: number): void {
    this.#leasedSlots.set(site, (this.#leasedSlots.get(site) ?? 0) + slots);
  }

  #after(event: LedgerEvent): void {
    if (event.type === "leased") this.#takeSlots(event.site, needOf(this.state.jobs.get(event.job)!.spec.resources ?? {}).slots);
    if (event.type === "attemptEnded" && event.outcome === "lost") this.tally.lost += 1;
    if (event.type === "attemptEnded" && event.next === "retry") this.at(event.notBefore - this.#startMs, () => this.#wantDispatch());
    if (!("job" in event)) return;
    const job = this.state.jobs.get(event.job)!;
    if (job.finishedAt === null) return;
    this.#count(-1);
    const dueMs = job.spec.deadline === undefined ? Number.POSITIVE_INFINITY : Date.parse(job.spec.deadline);
    if (job.state !== "finished") {
      this.tally[job.state === "failed" ? "failed" : "canceled"] += 1;
      if (dueMs <= this.#wallMs) this.tally.late += 1;
    } else this.#answered(event.job, dueMs);
    this.#ended += 1;
    if (this.#ended >= ARCHIVED_TOGETHER) this.at(this.#nowMs, () => this.#archive());
  }

  #answered(id: JobId, dueMs: number): void {
    const job = this.state.jobs.get(id)!;
    const { tally } = this;
    tally.finished += 1;
    tally.lastMs = this.#nowMs;
    tally.answersMs.add(this.#nowMs - (job.submittedAt - this.#startMs));
    tally.atMs.add(this.#nowMs);
    if (dueMs < this.#wallMs) tally.late += 1;
    const site = siteTally(tally, lastSite(job)!);
    site.jobs += 1;
    site.lastMs = this.#nowMs;
  }

  #archive(): void {
    if (this.#ended < ARCHIVED_TOGETHER) return;
    this.#ended = 0;
    this.#execute({ type: "archive", endedBefore: this.#wallMs + 1, jobsMax: ARCHIVED_TOGETHER });
  }

  #count(change: number): void {
    this.tally.underWayMs += this.#underWay * (this.#nowMs - this.#countedMs);
    this.#countedMs = this.#nowMs;
    this.#underWay += change;
  }

  #wantDispatch(): void {
    if (this.#willDispatch) return;
    this.#willDispatch = true;
    this.at(this.#nowMs + (this.#options.dispatchMs ?? DISPATCH_MS), () => {
      this.#willDispatch = false;
      this.#dispatch();
      this.#keepLooking();
    });
  }

  /** Central looks again after a while though nothing was told: estimates change as time passes. */
  #keepLooking(): void {
    if (this.#willBeat || this.state.ready.size === 0) return;
    if (this.#heap.size === 0 && this.#nowMs - this.#grantedMs > PATIENCE_MS) return;
    this.#willBeat = true;
    this.at(this.#nowMs + LIMITS.reapMs, () => {
      this.#willBeat = false;
      this.#dispatch();
      this.#keepLooking();
    });
  }

  /** As central's dispatch. */
  #dispatch(): void {
    if (this.state.ready.size === 0) return;
    const { slots, ahead, jobsMax } = this.#asking();
    if (slots.size === 0) return;
    for (const grant of planGrants(this.state, this.#loads(), this.#policyOf, slots, this.#wallMs, ahead, jobsMax)) {
      const { job, site } = grant;
      this.#execute({ type: "grant", ...grant });
      this.#grantedMs = this.#nowMs;
      const { epoch, index, spec } = this.state.jobs.get(job)!;
      this.#actors.get(site)!.take(job, epoch, index, spec);
      this.#wantReroute();
    }
  }
}

/** Runs a shift to its end. */
export function runShift(shift: Shift, options: RunOptions): { readonly tally: Tally; readonly world: World } {
  const world = new World(shift, options);
  const tally = world.run();
  for (const [name, site] of tally.sites) {
    const actor = world.actor(name)!;
    Object.assign(site, { bytesIn: actor.bytesIn, bytesOut: actor.bytesOut });
  }
  return { tally, world };
}
