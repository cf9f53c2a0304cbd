/**
 * What a site's link may do: take work and report on it. The link is bound to one site and one process of it by `join`; it cannot speak for
 * another. A process whose name was taken by a newer one is refused, so that its work cannot be recorded.
 */
import type { Principal } from "../core/access.js";
import { XpcsError } from "../core/errors.js";
import type { Lease, SiteName } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { LeaseRef, SiteNews, WorkSource } from "../core/protocols.js";
import { canResume, holdsLease } from "../ledger/holds-lease.js";
import { attemptOf, runningAt } from "../ledger/state.js";
import { ALWAYS_OPEN } from "../router/downtime.js";
import type { Central } from "./central.js";
import { followChecks } from "./cross-checks.js";
import { freeSlots, waitingWork } from "./dispatch.js";
import { openings } from "./downtimes.js";
import type { PilotSite, Presence } from "./presence.js";
import { parseRequest, WORK_REQUESTS } from "./requests.js";
import { siteLoads } from "./site-loads.js";

type Request<M extends keyof WorkSource> = Parameters<WorkSource[M]>[0];
interface Process {
  readonly site: SiteName;
  readonly instance: string;
}

export class SiteSession implements WorkSource {
  readonly #central: Central;
  readonly #principal: Principal;
  readonly #tokenEndsMs: number | null;
  #joined: Process | null = null;
  /** The site whose pilots this link has asked for, and what it last said. */
  #pilotSite: { readonly name: SiteName; readonly said: PilotSite } | null = null;

  /** @param tokenEndsMs when the token that the link has shown ends, ms since 1970; null: never */
  constructor(central: Central, principal: Principal, tokenEndsMs: number | null) {
    this.#central = central;
    this.#principal = principal;
    this.#tokenEndsMs = tokenEndsMs;
  }

  #parse<M extends keyof WorkSource>(method: M, request: unknown): Request<M> {
    return parseRequest(WORK_REQUESTS[method], method, request) as Request<M>;
  }

  /** Within a turn: the caller's presence; this is also a sign of life. @throws REFUSED */
  #present({ site, instance }: Process): Presence {
    if (this.#joined?.site !== site || this.#joined.instance !== instance) {
      throw new XpcsError("REFUSED", `this link has not joined as site ${site}: join first`);
    }
    const presence = this.#central.sites.get(site);
    if (presence?.instance !== instance) {
      throw new XpcsError("REFUSED", `another process has joined as site ${site}: stop this one, or give it another name`);
    }
    presence.seenMs = this.#central.clock.monotonicMs();
    presence.seenAt = this.#central.clock.nowMs();
    return presence;
  }

  /** Within a turn: what the site must hear. */
  #news(site: SiteName, lost: readonly LeaseRef[] = []): SiteNews {
    const cancel: LeaseRef[] = [];
    const told = this.#central.sites.get(site)?.told;
    told?.clear();
    for (const id of this.#central.state.leased.get(site) ?? []) {
      const job = this.#central.state.jobs.get(id);
      if (job?.cancelRequested !== true) continue;
      const { epoch } = runningAt(job, site)!;
      cancel.push({ job: id, epoch });
      told?.add(`${id} ${epoch}`);
    }
    const recall = this.#central.rerouting.recalled(site, this.#central.clock.monotonicMs());
    return { lost, cancel, ...(recall.length === 0 ? {} : { recall }), drain: false };
  }

  /** Within a turn: keeps the leases that are the site's, and tells which are not. */
  #keep(site: SiteName, held: readonly LeaseRef[], keep: (lease: LeaseRef) => void): LeaseRef[] {
    const lost: LeaseRef[] = [];
    for (const lease of held) {
      const job = this.#central.state.jobs.get(lease.job);
      if (job !== undefined && canResume(job, site, lease)) this.#central.execute({ type: "resume", lease: { ...lease }, site });
      const now = this.#central.state.jobs.get(lease.job);
      if (now !== undefined && holdsLease(now, site, lease)) keep(lease);
      else lost.push({ job: lease.job, epoch: lease.epoch });
    }
    return lost;
  }

  async join(request: Request<"join">): ReturnType<WorkSource["join"]> {
    const join = this.#parse("join", request);
    const { site, instance } = join;
    const { person, site: only } = this.#principal;
    if (only !== null && only !== site) throw new XpcsError("PERMISSION_DENIED", `this token is for site ${only}, not for ${site}`);
    return this.#central.turn(() => {
      if (this.#joined !== null && (this.#joined.site !== site || this.#joined.instance !== instance)) {
        throw new XpcsError("REFUSED", `this link has joined as site ${this.#joined.site} already`);
      }
      const other = this.#central.sites.get(site);
      if (other !== undefined && other.instance !== instance && other.links > 0) {
        throw new XpcsError("REFUSED", `a site named ${site} is connected already: give this one another name, or stop that one`);
      }
      const { prefetch = 0, pilotOf = null, exclusive = null, ...command } = join;
      this.#central.execute({ type: "join", ...command }, person);
      const { clock } = this.#central;
      const presence = this.#central.sites.take(site, instance, clock.monotonicMs(), clock.nowMs());
      presence.prefetch = prefetch;
      presence.pilotOf = pilotOf;
      presence.tokenEndsMs = this.#tokenEndsMs;
      presence.exclusive = exclusive;
      if (this.#joined === null) presence.links += 1;
      this.#joined = { site, instance };
      const lost = this.#keep(site, join.held, ({ job, epoch }) => {
        const { phase: state = "staged-in", progress = null } = this.#central.terms.get(job, epoch) ?? {};
        this.#central.terms.renew(job, epoch, { state, progress }, clock.monotonicMs());
      });
      return { leaseMs: LIMITS.leaseMs, renewMs: LIMITS.renewMs, news: this.#news(site, lost) };
    });
  }

  async lease(request: Request<"lease">): ReturnType<WorkSource["lease"]> {
    const poll = this.#parse("lease", request);
    const { site } = poll;
    // Wrapped, so that the turn does not end with the poll.
    const { promise } = await this.#central.turn(() => ({ promise: this.#poll(this.#present(poll), poll) }));
    const { leases, news } = await promise;
    return news === null ? this.#central.turn(() => ({ leases, news: this.#news(site) })) : { leases, news };
  }

  /**
   * Within a turn: waits for leases, news, or `waitMs`. A newer poll of the same site answers the older one with nothing.
   *
   * @returns news null: a turn must tell them, because what is not durable yet must not be told
   */
  #poll(presence: Presence, { site, slots, jobsMax, waitMs }: Request<"lease">): Promise<{ leases: Lease[]; news: SiteNews | null }> {
    presence.waiter?.answer([]);
    return new Promise((resolve) => {
      const claim = () => {
        timer.cancel();
        if (presence.waiter === waiter) presence.waiter = null;
      };
      const answer = (leases: Lease[]) => {
        claim();
        resolve({ leases, news: leases.length === 0 ? null : this.#news(site) });
      };
      const timer = this.#central.clock.after(waitMs, () => answer([]));
      const waiter = { slots, jobsMax, answer, claim };
      presence.waiter = waiter;
      const isNew = (id: string) => {
        const job = this.#central.state.jobs.get(id);
        return job?.cancelRequested === true && !presence.told.has(`${id} ${runningAt(job, site)?.epoch}`);
      };
      if ([...(this.#central.state.leased.get(site) ?? [])].some(isNew)) this.#central.afterCommit(() => answer([]));
    });
  }

  async renew(request: Request<"renew">): ReturnType<WorkSource["renew"]> {
    const { site, instance, held, draining = null } = this.#parse("renew", request);
    return this.#central.turn(() => {
      this.#present({ site, instance }).draining = draining;
      const { terms, clock, feed } = this.#central;
      const told = new Map(held.map((lease) => [lease.job, lease]));
      // It has its result, and waits for our word to make it visible: no other attempt may from now on.
      for (const { job, epoch, state } of held)
        if (state === "staged-out") this.#central.execute({ type: "claim", lease: { job, epoch }, site });
      const lost = this.#keep(site, held, ({ job, epoch }) => {
        if (terms.renew(job, epoch, told.get(job)!, clock.monotonicMs())) feed.changed(job);
      });
      return { news: this.#news(site, lost) };
    });
  }

  async complete(request: Request<"complete">): ReturnType<WorkSource["complete"]> {
    const { site, instance, lease, outputs, summary, startedAtMs, finishedAtMs } = this.#parse("complete", request);
    const runMs = Math.max(0, finishedAtMs - startedAtMs);
    return this.#central.turn(() => {
      this.#present({ site, instance });
      const events = this.#central.execute({ type: "complete", site, lease, outputs, summary, runMs }, this.#principal.person);
      if (events.length > 0) followChecks(this.#central, lease.job, this.#central.crossChecks);
      return { news: this.#news(site) };
    });
  }

  async fail(request: Request<"fail">): ReturnType<WorkSource["fail"]> {
    const { site, instance, lease, code, reason } = this.#parse("fail", request);
    return this.#central.turn(() => {
      this.#present({ site, instance });
      this.#central.execute({ type: "fail", site, lease, code, reason }, this.#principal.person);
      return { news: this.#news(site) };
    });
  }

  async giveBack(request: Request<"giveBack">): ReturnType<WorkSource["giveBack"]> {
    const { site, instance, leases, reason } = this.#parse("giveBack", request);
    return this.#central.turn(() => {
      this.#present({ site, instance });
      const { person } = this.#principal;
      const { rerouting, terms } = this.#central;
      const why = (lease: LeaseRef) => rerouting.why(lease);
      const own = leases.filter((lease) => why(lease) === null);
      const begun = own.filter(({ job, epoch }) => (terms.get(job, epoch)?.phase ?? "staged-in") !== "staged-in");
      this.#central.execute({ type: "giveBack", site, leases: own, reason, begun }, person);
      for (const lease of leases.filter((each) => why(each) !== null))
        this.#central.execute({ type: "giveBack", site, leases: [lease], reason: `recalled: ${why(lease)}`, moved: true }, person);
      return { news: this.#news(site) };
    });
  }

  async pushLog(request: Request<"pushLog">): ReturnType<WorkSource["pushLog"]> {
    const { site, instance, lease, stream, offset, data } = this.#parse("pushLog", request);
    const { logs, state, quotas } = this.#central;
    await this.#central.turn(() => {
      this.#present({ site, instance });
      // Also after the attempt has ended, or was counted as lost: what it wrote is its own.
      const attempt = state.jobs.get(lease.job)?.attempts.find(({ epoch }) => epoch === lease.epoch);
      if (attempt?.site !== site) throw new XpcsError("STALE_LEASE", `site ${site} has no attempt ${lease.epoch} of job ${lease.job}`);
    });
    await quotas.measured();
    const { size, added } = await logs.append(lease, stream, offset, data, quotas.logRoom(lease.job));
    quotas.logGrew(lease.job, added);
    return { size };
  }

  async pushLive(request: Request<"pushLive">): ReturnType<WorkSource["pushLive"]> {
    const { site, instance, lease, live } = this.#parse("pushLive", request);
    return this.#central.turn(() => {
      this.#present({ site, instance });
      const job = this.#central.state.jobs.get(lease.job);
      if (job === undefined || attemptOf(job, lease.epoch)?.site !== site)
        throw new XpcsError("STALE_LEASE", `site ${site} has no attempt ${lease.epoch} of job ${lease.job}`);
      this.#central.live.tell(lease, live);
      return {};
    });
  }

  async backlog(request: Request<"backlog">): ReturnType<WorkSource["backlog"]> {
    const { site, pilots, pilotsMax = pilots.length, selfTest = null, says = null, ...like } = this.#parse("backlog", request);
    const { site: only } = this.#principal;
    if (only !== null)
      throw new XpcsError("PERMISSION_DENIED", `this token is for site ${only} alone: a site with pilots needs one for any site`);
    return this.#central.turn(() => {
      const { state, sites, clock } = this.#central;
      const { slots: slotsEach, apps, capacity } = like;
      this.#pilotSite = {
        name: site,
        said: {
          ...{ slotsEach, apps, capacity, pilots, pilotsMax, selfTest, says, submitters: like.submitters ?? null },
          ...{ tokenEndsMs: this.#tokenEndsMs, saidMs: clock.nowMs() },
        },
      };
      sites.pilotSites.set(site, this.#pilotSite.said);
      const asked = new Set(pilots);
      const there = siteLoads(state, sites, clock.nowMs(), clock.monotonicMs()).filter(({ name, up }) => up && asked.has(name));
      const { opening = ALWAYS_OPEN } = openings(state, sites, clock.nowMs())(site, null);
      const leftS = opening.leftMs === null ? null : opening.leftMs / 1000;
      const { slots, slotS, longestS } = waitingWork(state, { ...like, pilotsOf: site, leftS }, clock.nowMs());
      const closes = opening.closed ?? opening.next;
      return {
        ...(leftS === null || closes === null
          ? {}
          : { closesInS: leftS, closes: `site ${site} ${closes}`.slice(0, LIMITS.reasonCharsMax) }),
        waitingSlots: slots,
        waitingSlotS: slotS,
        waitingLongestS: longestS,
        pilots: there.map((load) => ({ site: load.name, freeSlots: freeSlots(load) })),
      };
    });
  }

  async leave(request: Request<"leave">): ReturnType<WorkSource["leave"]> {
    const { site, instance } = this.#parse("leave", request);
    return this.#central.turn(() => {
      this.#present({ site, instance });
      this.#central.execute({ type: "leave", site }, this.#principal.person);
      this.#central.sites.remove(site);
      this.#joined = null;
      return {};
    });
  }

  /** The link has closed. Leases stay until they expire: the site may only be reconnecting. */
  closed(): void {
    const { pilotSites } = this.#central.sites;
    if (this.#pilotSite !== null && pilotSites.get(this.#pilotSite.name) === this.#pilotSite.said) pilotSites.delete(this.#pilotSite.name);
    const joined = this.#joined;
    this.#joined = null;
    if (joined === null) return;
    const presence = this.#central.sites.get(joined.site);
    if (presence?.instance !== joined.instance) return;
    presence.links -= 1;
    if (presence.links === 0) presence.waiter?.answer([]);
  }
}
