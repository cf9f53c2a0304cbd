/**
 * Which sites are there: connected, and heard of lately. In memory; what a site is (slots, apps, history) is in the ledger.
 * Also holds each site's long poll for leases.
 */
import type { Lease, SelfTest, SiteCapacity, SiteName } from "../core/job.js";
import type { SubmitterRule } from "../core/submitters.js";

/** A site's request for leases that waits for an answer. */
export interface Waiter {
  /** Leases that it takes at most. */
  readonly slots: number;
  /** Jobs that it takes at most; absent: as many as fit these slots. */
  readonly jobsMax?: number | undefined;
  /** Answers it; with leases only when all of the state is durable. */
  readonly answer: (leases: Lease[]) => void;
  /** Takes it out of the way of its timer and of newer polls, for an answer that must first become durable. */
  readonly claim: () => void;
}

export interface Presence {
  readonly instance: string;
  /** Links on which this process is connected at present: none while it reconnects. */
  links: number;
  /** Slots' worth of jobs that it takes beyond its slots. */
  prefetch: number;
  /** The site that started it as a pilot, or null. */
  pilotOf: SiteName | null;
  /** Of its commands, those of which two attempts must not run at once; null: it is of a version that did not say. */
  exclusive: readonly string[] | null;
  /** Why it takes no work at present, in the words of its admin; null: it does. */
  draining: string | null;
  /** When the token of its link ends, ms since 1970; null: never. */
  tokenEndsMs: number | null;
  seenMs: number;
  seenAt: number;
  waiter: Waiter | null;
  /** Cancels that the waiter need not be woken for again, as `job epoch`. */
  readonly told: Set<string>;
}

/** A site whose pilots do its work: what it said when it last asked for the backlog. */
export interface PilotSite {
  readonly slotsEach: number;
  readonly apps: readonly string[];
  readonly capacity: SiteCapacity;
  /** Those that have not ended. */
  readonly pilots: readonly SiteName[];
  /** It has no more than this at a time. */
  readonly pilotsMax: number;
  readonly selfTest: SelfTest | null;
  /** Whose jobs its pilots take. */
  readonly submitters: SubmitterRule;
  /** When the token of its link ends, ms since 1970; null: never. */
  readonly tokenEndsMs: number | null;
  /** When it said this. */
  readonly saidMs: number;
  /** Why it has as many pilots as it has; null: it did not say. */
  readonly says: string | null;
}

export class Sites {
  readonly #termMs: number;
  readonly #sites = new Map<SiteName, Presence>();
  /** Sites with pilots that are connected. */
  readonly pilotSites = new Map<SiteName, PilotSite>();

  /** @param termMs a site that was not heard of for so long is silent */
  constructor(termMs: number) {
    this.#termMs = termMs;
  }

  get(site: SiteName): Presence | undefined {
    return this.#sites.get(site);
  }

  entries(): IterableIterator<[SiteName, Presence]> {
    return this.#sites.entries();
  }

  /** A process that joined takes the name; what another process of that name waited for is answered with nothing. */
  take(site: SiteName, instance: string, monotonicMs: number, nowMs: number): Presence {
    const before = this.#sites.get(site);
    if (before?.instance === instance) {
      before.seenMs = monotonicMs;
      before.seenAt = nowMs;
      before.told.clear();
      return before;
    }
    before?.waiter?.answer([]);
    const presence: Presence = {
      ...{
        instance,
        links: 0,
        prefetch: 0,
        pilotOf: null,
        exclusive: null,
        draining: null,
        tokenEndsMs: null,
        seenMs: monotonicMs,
        seenAt: nowMs,
        waiter: null,
      },
      told: new Set(),
    };
    this.#sites.set(site, presence);
    return presence;
  }

  remove(site: SiteName): void {
    this.#sites.get(site)?.waiter?.answer([]);
    this.#sites.delete(site);
  }

  /** Connected, and heard of within a term or waiting for our answer: then the link's own heartbeat vouches for it. */
  isUp(site: SiteName, monotonicMs: number): boolean {
    const presence = this.#sites.get(site);
    return presence !== undefined && presence.links > 0 && (presence.waiter !== null || monotonicMs - presence.seenMs < this.#termMs);
  }
}
