/**
 * The central actor: one mailbox, the ledger, who is there, and the routing policy. Everything that changes or reads the state is a turn of
 * the mailbox; a turn is answered when its batch is durable. What a peer may do, and with what shape of request, is the sessions' business:
 * client-session.ts and site-session.ts.
 */
import type { Clock, Timer } from "../core/clock.js";
import type { Downtime, DowntimeView } from "../core/downtime.js";
import type { XpcsError } from "../core/errors.js";
import type { Explanation } from "../core/explanation.js";
import type { JobId, JobView, Lease, SiteName, SiteView } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { Logger } from "../core/log.js";
import type { Command } from "../ledger/decide.js";
import { EVENT_TYPES, type LedgerEvent } from "../ledger/events.js";
import type { Ledger } from "../ledger/ledger.js";
import { type JobRecord, runningAttempts, type State } from "../ledger/state.js";
import { DUPLICATE_RULES, type DuplicateRules, type Duplication } from "../router/duplicates.js";
import { needOf, type SiteLoad } from "../router/policy.js";
import type { PolicyOf } from "../router/policy-rules.js";
import { type Asking, askingOf, filesWaitMs } from "./asking.js";
import type { AttemptLogs } from "./attempt-logs.js";
import { ChangeFeed } from "./change-feed.js";
import { CROSS_CHECK_RULES, type CrossCheckRules, checkTerms } from "./cross-checks.js";
import { type Grant, parentsReason, planGrants, waitReason } from "./dispatch.js";
import { allDowntimes, bySite, downtimeView, type FeedNews, firstDowntime, NO_FEEDS } from "./downtimes.js";
import { duplicatesFor } from "./duplicates.js";
import { explanation } from "./explain.js";
import { LeaseTerms } from "./lease-terms.js";
import { LiveStreams } from "./live-streams.js";
import { Mailbox } from "./mailbox.js";
import { Newcomers } from "./newcomers.js";
import { comingPilots } from "./pilot-sites.js";
import { Sites } from "./presence.js";
import { NO_QUOTAS, type QuotaRules, Quotas } from "./quotas.js";
import { Rerouting } from "./rerouting.js";
import { siteLoads } from "./site-loads.js";
import { archivedView, jobView, siteView, viewState } from "./views.js";

export interface CentralOptions {
  readonly ledger: Ledger;
  readonly policyOf: PolicyOf;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly newJobId: (nowMs: number) => JobId;
  readonly logs: AttemptLogs;
  /** Absent: no bounds. */
  readonly quotas?: QuotaRules;
  /** Which running jobs get a second attempt; absent: as in `DUPLICATE_RULES`. */
  readonly duplicates?: DuplicateRules;
  /** Which finished jobs run again elsewhere; absent: those that ask for it. */
  readonly crossChecks?: CrossCheckRules;
  /** Differs from run to run. */
  readonly incarnation: string;
  /** Told of events when they are decided, and of each synced write. */
  readonly observer?: {
    events(events: readonly LedgerEvent[]): void;
    committed(durationMs: number): void;
  };
  /** Why no new work is taken, or null. */
  readonly refusal?: () => XpcsError | null;
  /** Called once when the ledger cannot be written: this central is over. */
  readonly onDead: (error: XpcsError) => void;
}

/** "siteLeft" as the log writes names: "site-left". */
const LOG_NAMES = Object.fromEntries(
  Object.keys(EVENT_TYPES).map((type) => [type, type.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)]),
) as Readonly<Record<LedgerEvent["type"], string>>;

export class Central {
  readonly clock: Clock;
  readonly newJobId: (nowMs: number) => JobId;
  readonly newcomers = new Newcomers(LIMITS.unauthenticatedLinksMax);
  readonly sites: Sites;
  readonly terms: LeaseTerms;
  readonly feed: ChangeFeed;
  readonly logs: AttemptLogs;
  readonly live = new LiveStreams(LIMITS.liveStreamsMax);
  readonly quotas: Quotas;
  readonly rerouting = new Rerouting();
  readonly crossChecks: CrossCheckRules;
  /** What is heard of facilities. */
  feeds: FeedNews = NO_FEEDS;
  /** For reading what is not in the state, and for housekeeping; commands go through `execute`. */
  readonly ledger: Ledger;
  readonly #policyOf: PolicyOf;
  readonly #duplicates: DuplicateRules;
  readonly #logger: Logger;
  readonly #observer: CentralOptions["observer"];
  readonly #mailbox: Mailbox;
  #afterCommit: (() => void)[] = [];
  #reaper: Timer | null = null;
  readonly #refusal: () => XpcsError | null;
  #checkpointWanted = false;
  /** Turns that others than central asked for. */
  #turns = 0;
  /** Nobody has asked for one of late: there is time for what need not be done yet. */
  #isQuiet = false;

  constructor(options: CentralOptions) {
    this.clock = options.clock;
    this.newJobId = options.newJobId;
    this.logs = options.logs;
    this.ledger = options.ledger;
    this.#policyOf = options.policyOf;
    this.#duplicates = options.duplicates ?? DUPLICATE_RULES;
    this.crossChecks = options.crossChecks ?? CROSS_CHECK_RULES;
    this.#logger = options.logger;
    this.#observer = options.observer;
    this.#refusal = options.refusal ?? (() => null);
    this.sites = new Sites(LIMITS.leaseMs);
    this.terms = new LeaseTerms(LIMITS.leaseMs);
    this.feed = new ChangeFeed(this.state, options.incarnation);
    this.quotas = new Quotas(options.quotas ?? NO_QUOTAS, this.state, options.logs, options.clock);
    this.#mailbox = new Mailbox({
      messagesMax: LIMITS.mailboxMax,
      batchMax: LIMITS.groupCommitMax,
      commit: () => this.#commit(),
      settle: () => this.#settle(),
      onDead: options.onDead,
    });
    // Leases from before a restart: each gets one fresh term.
    for (const held of this.state.leased.values())
      for (const id of held)
        for (const { epoch } of runningAttempts(this.state.jobs.get(id)!)) this.terms.grant(id, epoch, this.clock.monotonicMs());
  }

  get state(): State {
    return this.ledger.state;
  }

  /** Runs `turn` alone, and resolves with its result when everything it saw and did is durable. */
  turn<T>(turn: () => T): Promise<T> {
    this.#turns += 1;
    return this.#mailbox.post(turn);
  }

  /**
   * Within a turn: obeys the command.
   *
   * @param by the person whose token it came with; absent for what central does by itself
   * @throws what the ledger's rules refuse
   */
  execute(command: Command, by?: string): readonly LedgerEvent[] {
    const events = this.ledger.execute(command, this.clock.nowMs(), by);
    this.#observer?.events(events);
    for (const event of events) {
      this.quotas.follow(event);
      if ("job" in event) this.#jobChanged(event);
      else if (event.type === "submitted") for (const job of event.jobs) this.feed.changed(job);
      this.#logger[event.type === "crossChecked" && !event.agreed ? "warn" : "info"](LOG_NAMES[event.type], {
        ...("job" in event ? { job: event.job } : {}),
        ...(event.type === "submitted" ? { job: event.jobs[0], jobs: event.jobs.length } : {}),
        ...("site" in event ? { site: event.site } : {}),
        ...("wrong" in event && event.wrong !== null ? { site: event.wrong } : {}),
        ...("source" in event ? { source: event.source, downtimes: event.downtimes.length } : {}),
        ...("reason" in event ? { reason: event.reason } : {}),
        ...(event.by === undefined ? {} : { by: event.by }),
      });
    }
    return events;
  }

  #jobChanged(event: Extract<LedgerEvent, { job: JobId }>): void {
    this.feed.changed(event.job);
    if (event.type === "leased" || event.type === "resumed") this.terms.grant(event.job, event.epoch, this.clock.monotonicMs());
    else
      this.terms.keep(
        event.job,
        runningAttempts(this.state.jobs.get(event.job)!).map(({ epoch }) => epoch),
      );
  }

  /** @throws OVERLOADED nothing new is taken now */
  checkRoom(): void {
    const refusal = this.#refusal();
    if (refusal !== null) throw refusal;
  }

  /** Within a turn: the ledger writes a checkpoint with it. */
  wantCheckpoint(): void {
    this.#checkpointWanted = true;
  }

  /** Within a turn: runs `run` when the turn is durable. */
  afterCommit(run: () => void): void {
    this.#afterCommit.push(run);
  }

  async #commit(): Promise<void> {
    this.#dispatch();
    const after = this.#afterCommit;
    this.#afterCommit = [];
    const wantsCheckpoint = this.#checkpointWanted;
    this.#checkpointWanted = false;
    if (this.ledger.hasUncommitted || wantsCheckpoint) {
      const startMs = this.clock.monotonicMs();
      await this.ledger.commit(wantsCheckpoint);
      this.#observer?.committed(this.clock.monotonicMs() - startMs);
    }
    for (const run of after) run();
    this.feed.wake();
  }

  /** Gives ready jobs to the sites that ask for work. */
  #dispatch(): void {
    if (this.state.ready.size === 0) return;
    const { slots, ahead, jobsMax } = this.#asking();
    if (slots.size === 0) return;
    const now = this.clock.nowMs();
    this.#give("grant", planGrants(this.state, this.#loads(), this.#policyOf, slots, now, ahead, jobsMax));
  }

  /** Makes leases, and answers the sites that ask with them. */
  #give(type: "grant" | "duplicate", grants: readonly (Duplication & Partial<Grant>)[]): void {
    const leases = new Map<SiteName, Lease[]>();
    for (const { job, site, why, promised } of grants) {
      this.execute({ type, job, site, why, ...(promised === undefined ? {} : { promised }) });
      const record = this.state.jobs.get(job)!;
      const { epoch, spec, owner } = record;
      leases.set(site, [
        ...(leases.get(site) ?? []),
        {
          ...{ job, epoch, work: spec.work, leaseMs: LIMITS.leaseMs },
          ...(spec.experiment && { experiment: spec.experiment }),
          ...(owner !== undefined && { owner }),
          ...(spec.resources && { resources: spec.resources }),
          ...(spec.inputBytes !== undefined && { inputBytes: spec.inputBytes }),
          ...checkTerms(record, this.crossChecks),
        },
      ]);
    }
    for (const [site, granted] of leases) {
      const waiter = this.sites.get(site)?.waiter;
      waiter?.claim();
      if (waiter) this.afterCommit(() => waiter.answer(granted));
    }
  }

  /** Slots of a site that no lease takes, fewer than none where it brings files ahead: what it asked for may be more, when it asks before the report of a job that has just ended. */
  #freeSlots(site: SiteName): number {
    let free = this.state.sites.get(site)?.slots ?? 0;
    for (const id of this.state.leased.get(site) ?? []) free -= needOf(this.state.jobs.get(id)?.spec.resources ?? {}).slots;
    return free;
  }

  #loads() {
    const { clock, state, sites, terms } = this;
    const [nowMs, monotonicMs] = [clock.nowMs(), clock.monotonicMs()];
    const waitMs = (site: Pick<SiteLoad, "name" | "links">) => filesWaitMs(state, sites, terms, site, nowMs, monotonicMs);
    return [...siteLoads(state, sites, nowMs, monotonicMs, waitMs), ...comingPilots(state, sites, nowMs, monotonicMs)].sort((a, b) =>
      a.name < b.name ? -1 : 1,
    );
  }

  #waitsFor(job: JobRecord, loads: () => SiteLoad[]): string {
    if (job.state === "awaiting-parents") return parentsReason(job, this.state);
    return waitReason(job, loads(), this.#policyOf, this.clock.nowMs(), (site) => this.sites.pilotSites.get(site)?.says ?? null);
  }

  /** Within a turn: why the job is, or goes, where it does. */
  explain(job: JobRecord): Explanation {
    const loads = this.#loads();
    const waits = () => this.#waitsFor(job, () => loads);
    return explanation(job, viewState(job, this.terms.furthest(job.id)), loads, this.#policyOf, waits, this.clock.nowMs());
  }

  /** Within a turn: how to show jobs as of now. */
  viewer(): (job: JobRecord) => JobView {
    let loads: SiteLoad[] | null = null;
    const waitsFor = (job: JobRecord) =>
      this.#waitsFor(job, () => {
        loads ??= this.#loads();
        return loads;
      });
    return (job) => (this.state.jobs.has(job.id) ? jobView(job, this.terms.furthest(job.id), waitsFor) : archivedView(job));
  }

  /** Within a turn: all downtimes that are not over, by when they begin. */
  downtimeViews(): DowntimeView[] {
    return this.#downtimeViews(allDowntimes(this.state, this.sites, this.clock.nowMs()));
  }

  #downtimeViews(downtimes: readonly Downtime[]): DowntimeView[] {
    return downtimes.map((downtime) => downtimeView(downtime, this.clock.nowMs(), this.feeds.heardMs(downtime.source)));
  }

  /** Within a turn: all sites, sorted by name. */
  siteViews(): SiteView[] {
    const mono = this.clock.monotonicMs();
    const downtimesOf = bySite(allDowntimes(this.state, this.sites, this.clock.nowMs()));
    const views = [...this.state.sites.values()].map((site) => {
      const { seenAt = null, draining = null, pilotOf = null } = this.sites.get(site.name) ?? {};
      return siteView(site, {
        up: this.sites.isUp(site.name, mono),
        running: this.state.leased.get(site.name)?.size ?? 0,
        seenAt,
        draining,
        downtime: firstDowntime(this.#downtimeViews(downtimesOf(site.name, pilotOf))),
        facility: this.feeds.facility(pilotOf ?? site.name),
      });
    });
    return views.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Starts looking for expired leases and due retries, and for time in which nobody asks for anything. */
  start(): void {
    const turns = this.#turns;
    this.#reaper = this.clock.after(LIMITS.reapMs, () => {
      // These reject only when the mailbox is dead or full; the first is told by onDead, the second passes.
      this.#mailbox.post(() => this.#reap()).catch(() => {});
      if (this.#turns === turns) this.#writeAhead(turns).catch(() => {});
      this.start();
    });
  }

  /** Lets the ledger prepare its next checkpoint, until somebody asks for something. */
  async #writeAhead(turns: number): Promise<void> {
    if (this.#isQuiet) return;
    while (this.ledger.newJobs > 0 && this.#turns === turns) {
      this.#isQuiet = true;
      await this.#mailbox.post(() => {});
    }
  }

  #settle(): Promise<void> {
    const isQuiet = this.#isQuiet;
    this.#isQuiet = false;
    return this.ledger.settle(isQuiet);
  }

  #reap(): void {
    const monotonicMs = this.clock.monotonicMs();
    for (const lease of this.terms.expired(monotonicMs)) this.execute({ type: "expire", lease });
    const nowMs = this.clock.nowMs();
    for (const [job, dueMs] of [...this.state.due]) if (dueMs <= nowMs) this.execute({ type: "overdue", job });
    if (this.rerouting.isDue(monotonicMs)) this.#reroute(nowMs, monotonicMs);
  }

  /** Recalls jobs that are better off elsewhere, and runs others a second time. */
  #reroute(nowMs: number, monotonicMs: number): void {
    const { state, terms } = this;
    if (state.leased.size === 0) return;
    const situation = { state, terms, loads: this.#loads(), ...this.#asking(), policyOf: this.#policyOf, nowMs, monotonicMs };
    const { news, idle } = this.rerouting.look(situation);
    for (const site of news) this.afterCommit(() => this.sites.get(site)?.waiter?.answer([]));
    this.#give("duplicate", duplicatesFor({ ...situation, idle }, this.sites, this.#duplicates));
  }

  /** What sites ask for; after a dispatch, what it has left and nothing that waits could have. */
  #asking(): Asking {
    return askingOf(this.sites, (site) => this.#freeSlots(site));
  }

  /** Stops the reaper, waits for the turns that wait, and closes the ledger. */
  async stop(): Promise<void> {
    this.#reaper?.cancel();
    this.feed.stop();
    await this.#mailbox.idle();
    await this.ledger.close();
  }
}
