/**
 * The leases that this site holds: renews them all in one call, tells each attempt its news, and answers the one
 * question on which publishing depends: is this lease still ours? Runs nothing itself.
 */
import { type Clock, sleep, WOKEN } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import type { Lease } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { Logger } from "../core/log.js";
import type { LeaseRef, SiteNews, WorkSource } from "../core/protocols.js";
import type { Reconnecting } from "../wire/reconnecting.js";
import { type Arrival, createArrival } from "./arrival.js";

/** Why an attempt must stop. */
export type StopReason = "lost" | "canceled" | "returned" | "walltime" | "unrenewed" | "halted" | "recalled";

export interface HeldLease {
  readonly lease: Lease;
  state: "staged-in" | "running" | "staged-out";
  /** 0 to 1, or null when nothing is known. */
  progress: number | null;
  /** Why it does not go on at present, or null. */
  reason: string | null;
  /** Of its files. */
  readonly arrival: Arrival;
  readonly signal: AbortSignal;
  readonly stopReason: StopReason | null;
  /** The first reason counts. */
  stop(reason: StopReason): void;
}

export interface HeldLeases {
  /** Slots that they take: none, once only the report is left. */
  readonly slots: number;
  /** Those whose files are not all here. */
  readonly coming: number;
  /** When the latest renewal that central has answered was sent, monotonic ms: leases last from then on at least. */
  readonly confirmedMs: number;
  refs(): LeaseRef[];
  all(): readonly HeldLease[];
  add(lease: Lease): HeldLease;
  /** Its work has ended: the slot is free, and the lease lasts until central has the report. */
  release(held: HeldLease): void;
  remove(held: HeldLease): void;
  apply(news: SiteNews): void;
  /** Reports a changed state soon instead of with the next renewal. */
  touch(): void;
  /**
   * Resolves when central, asked from now on, has said that the lease is current. Waits while central is away.
   * @throws STALE_LEASE it was granted again · CANCELED the job was canceled or the site is stopping
   */
  confirm(held: HeldLease): Promise<void>;
  /** Renews every `renewMs` until `signal` is aborted; also with nothing held: it is the site's sign of life. */
  keepRenewed(renewMs: number, signal: AbortSignal): Promise<void>;
}

export interface HeldLeasesOptions {
  readonly site: string;
  readonly instance: string;
  readonly link: Pick<Reconnecting<WorkSource>, "call">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onDrain: (drain: boolean) => void;
  /** Why the site takes no more work; null: it does. */
  readonly draining: () => string | null;
  /** A slot has become free. */
  readonly onFree: () => void;
  /** The files of a lease are here. */
  readonly onArrived: () => void;
}

/** Changes are reported at once, but no more often than so; those within this time go together. */
const TOUCH_MS = 100;

type Told = Parameters<WorkSource["renew"]>[0]["held"][number];

function createHeld(lease: Lease, arrival: Arrival): HeldLease {
  const controller = new AbortController();
  let stopReason: StopReason | null = null;
  return {
    lease,
    state: "staged-in",
    progress: null,
    reason: null,
    arrival,
    signal: controller.signal,
    get stopReason() {
      return stopReason;
    },
    stop(reason) {
      stopReason ??= reason;
      controller.abort();
    },
  };
}

/** The end of an attempt that took longer than its job allows. */
export function walltimeError({ job, epoch, resources }: Lease): XpcsError {
  return new XpcsError(
    "WALLTIME_EXCEEDED",
    `attempt ${epoch} of ${job} took longer than the ${resources?.walltimeS} s that the job allows`,
  );
}

function stopError(held: HeldLease): XpcsError {
  const { job, epoch } = held.lease;
  if (held.stopReason === "lost") return new XpcsError("STALE_LEASE", `${job} was granted again after attempt ${epoch}`);
  if (held.stopReason === "walltime") return walltimeError(held.lease);
  const why = {
    canceled: `${job} was canceled`,
    halted: "all work of the site was stopped by hand",
    recalled: `${job} was recalled before it began`,
  } as Readonly<Record<string, string>>;
  return new XpcsError("CANCELED", why[held.stopReason ?? ""] ?? "the site is stopping");
}

/** Starts with none held; the renewing begins with `keepRenewed`. */
export function createHeldLeases(options: HeldLeasesOptions): HeldLeases {
  const { site, instance, link, clock, logger } = options;
  const leases = new Map<string, HeldLease>();
  const released = new Set<HeldLease>();
  const key = ({ job, epoch }: LeaseRef): string => `${job}.${epoch}`;
  let life: AbortSignal = new AbortController().signal;
  let confirmedMs = Number.NEGATIVE_INFINITY;
  /** When the latest renewal was sent, answered or not. */
  let lastSentMs = Number.NEGATIVE_INFINITY;
  let current: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  let touched = new AbortController();
  const touch = (): void => {
    touched.abort(WOKEN);
    touched = new AbortController();
  };

  const apply = ({ lost, cancel, recall = [], drain }: SiteNews): void => {
    for (const [refs, reason] of [
      [lost, "lost"],
      [cancel, "canceled"],
      [recall, "recalled"],
    ] as const) {
      for (const ref of refs) {
        const held = leases.get(key(ref));
        if (held === undefined || held.stopReason !== null) continue;
        // What has begun is not recalled: its work would be lost.
        if (reason === "recalled" && (held.state !== "staged-in" || released.has(held))) continue;
        logger.info("lease-stopped", { job: ref.job, epoch: ref.epoch, reason });
        held.stop(reason);
      }
    }
    options.onDrain(drain);
  };
  const told = ({ lease: { job, epoch }, state, progress, reason, arrival }: HeldLease): Told => {
    const filesInMs = arrival.tell();
    return {
      ...{ job, epoch, state, progress },
      ...(reason === null ? {} : { reason: reason.slice(0, LIMITS.reasonCharsMax) }),
      ...(filesInMs === undefined ? {} : { filesInMs }),
    };
  };
  const renew = async (): Promise<void> => {
    let sentMs = 0;
    const { news } = await link.call(
      // Built when it is sent: after an outage the news is about what is held then.
      (source) => {
        sentMs = clock.monotonicMs();
        lastSentMs = sentMs;
        const draining = options.draining();
        return source.renew({
          site,
          instance,
          ...(draining === null ? {} : { draining: draining.slice(0, LIMITS.reasonCharsMax) }),
          held: [...leases.values()].map(told),
        });
      },
      { signal: life },
    );
    confirmedMs = sentMs;
    apply(news);
  };
  /** A renewal that is sent after this call; those who ask meanwhile share it. */
  const renewFresh = (): Promise<void> => {
    if (current === null) {
      current = renew().finally(() => {
        current = null;
      });
      return current;
    }
    next ??= current
      .catch(() => {})
      .then(() => {
        next = null;
        return renewFresh();
      });
    return next;
  };

  return {
    get slots() {
      let slots = 0;
      for (const held of leases.values()) if (!released.has(held)) slots += held.lease.resources?.slots ?? 1;
      return slots;
    },
    get coming() {
      return [...leases.values()].filter((held) => !held.arrival.isDone && !released.has(held)).length;
    },
    get confirmedMs() {
      return confirmedMs;
    },
    refs: () => [...leases.values()].map(({ lease: { job, epoch } }) => ({ job, epoch })),
    all: () => [...leases.values()],
    add(lease) {
      const { inputBytes } = lease;
      const onDone = options.onArrived;
      const held = createHeld(lease, createArrival({ inputBytes, nowMs: () => clock.monotonicMs(), onNews: touch, onDone }));
      leases.set(key(lease), held);
      return held;
    },
    release(held) {
      if (released.has(held)) return;
      released.add(held);
      options.onFree();
    },
    remove(held) {
      leases.delete(key(held.lease));
      if (!released.delete(held)) options.onFree();
    },
    apply,
    touch,
    async confirm(held) {
      let stopped: () => void = () => {};
      const aborted = new Promise<void>((resolve) => {
        stopped = resolve;
        held.signal.addEventListener("abort", stopped);
      });
      try {
        if (!held.signal.aborted) await Promise.race([renewFresh(), aborted]);
      } finally {
        held.signal.removeEventListener("abort", stopped);
      }
      if (held.signal.aborted) throw stopError(held);
    },
    async keepRenewed(renewMs, signal) {
      life = signal;
      signal.addEventListener("abort", () => touched.abort(), { once: true });
      let early = touched.signal;
      while (!signal.aborted) {
        await sleep(clock, renewMs, early);
        const waitMs = lastSentMs + TOUCH_MS - clock.monotonicMs();
        if (early.aborted && waitMs > 0) await sleep(clock, waitMs, signal);
        if (signal.aborted) return;
        // What changes while this one is under way is told with another one soon.
        early = touched.signal;
        await renewFresh().catch((error: unknown) => {
          if (!signal.aborted) logger.warn("renew-failed", { reason: (error as Error).message });
        });
      }
    },
  };
}
