/**
 * Which sites are there: connected, and heard of lately. In memory; what a site is (slots, apps, history) is in the ledger.
 * Also holds each site's long poll for leases.
 */
import type { Lease, SiteName } from "../core/job.js";

/** A site's request for leases that waits for an answer. */
export interface Waiter {
  /** Leases that it takes at most. */
  readonly slots: number;
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
  /** Why it takes no work at present, in the words of its admin; null: it does. */
  draining: string | null;
  seenMs: number;
  seenAt: number;
  waiter: Waiter | null;
  /** Cancels that the waiter need not be woken for again, as `job epoch`. */
  readonly told: Set<string>;
}

/** They look once in an hour at least (`pilots.everyS`). */
const KEEPER_TERM_MS = 2 * 3_600_000;

export class Sites {
  readonly #termMs: number;
  readonly #sites = new Map<SiteName, Presence>();
  /** What sites that start pilots, and need not be there themselves, have said of them, and when. */
  readonly #keepers = new Map<SiteName, { readonly says: string; readonly atMs: number }>();

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
      ...{ instance, links: 0, prefetch: 0, pilotOf: null, draining: null, seenMs: monotonicMs, seenAt: nowMs, waiter: null },
      told: new Set(),
    };
    this.#sites.set(site, presence);
    return presence;
  }

  remove(site: SiteName): void {
    this.#sites.get(site)?.waiter?.answer([]);
    this.#sites.delete(site);
  }

  /** A site that starts pilots says why it has as many as it has. */
  keeps(site: SiteName, says: string, monotonicMs: number): void {
    this.#keepers.set(site, { says, atMs: monotonicMs });
  }

  /** What it said of late; null: nothing. */
  keeperSays(site: SiteName, monotonicMs: number): string | null {
    const keeper = this.#keepers.get(site);
    if (keeper === undefined) return null;
    if (monotonicMs - keeper.atMs < KEEPER_TERM_MS) return keeper.says;
    this.#keepers.delete(site);
    return null;
  }

  /** Connected, and heard of within a term or waiting for our answer: then the link's own heartbeat vouches for it. */
  isUp(site: SiteName, monotonicMs: number): boolean {
    const presence = this.#sites.get(site);
    return presence !== undefined && presence.links > 0 && (presence.waiter !== null || monotonicMs - presence.seenMs < this.#termMs);
  }
}
