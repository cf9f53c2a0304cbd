/**
 * A site: dials central, takes leases for its free slots, runs them, keeps them renewed, and obeys news.
 * The loop only; one attempt is attempt.ts, the leases are held-leases.ts, the link wire/reconnecting.ts.
 */
import { type Clock, sleep, WOKEN } from "../core/clock.js";
import { isCode, toXpcsError, XpcsError } from "../core/errors.js";
import type { JobId, Lease, SelfTest, SiteCapacity } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { Logger } from "../core/log.js";
import type { WorkSource } from "../core/protocols.js";
import type { SubmitterRule } from "../core/submitters.js";
import type { Roots } from "../files/roots.js";
import type { Connection } from "../wire/connect.js";
import { type Reconnecting, reconnecting } from "../wire/reconnecting.js";
import { type AttemptContext, runAttempt } from "./attempt.js";
import type { CommandApps } from "./command-apps.js";
import { createHeldLeases, type HeldLease, type HeldLeases } from "./held-leases.js";
import type { KernelPool } from "./kernel-pool.js";
import { SHARED_PATHS, type Transfers } from "./locations.js";
import { recoverAttempts, recoverableLeases } from "./recovery.js";
import type { ResultAccess } from "./result-access.js";
import { createRunSlots } from "./run-slots.js";
import { NO_ORDERS, type SiteOrders, takesNothing } from "./site-orders.js";
import { lanes } from "./staging/lanes.js";

export interface SiteOptions {
  readonly name: string;
  /** Random id of this process. */
  readonly instance: string;
  readonly host: string;
  readonly slots: number;
  /** Slots' worth of jobs that are taken beyond the slots, to bring their files while others run; absent: none. */
  readonly prefetch?: number;
  /** So many jobs' files are brought at a time, and no more jobs taken; absent: no bound. */
  readonly transfersMax?: number;
  /** The site that started it as a pilot; absent: none. */
  readonly pilotOf?: string;
  /** What was measured here before there were jobs; absent: nothing. */
  readonly selfTest?: SelfTest;
  /** Until the batch job ends in which it works, s; null: it is in none; absent: nobody knows of one. */
  readonly endsInS?: () => number | null;
  /** That batch job waited so long to begin, s; null or absent: nobody knows. */
  readonly queueWaitS?: number | null;
  /** Threads of a job that names none. */
  readonly threadsPerSlot: number;
  /** Names of its nodes, `capacity.nodes` of them. */
  readonly hosts: readonly string[];
  /** Words before programs on several of them (launch.ts); null: it has one. */
  readonly launcher: readonly string[] | null;
  /** Built-in apps that this machine can run. */
  readonly apps: readonly string[];
  /** Commands that this site allows beside them. */
  readonly commands: CommandApps;
  /** Group and mode of results. */
  readonly access: ResultAccess;
  /** How files get here and back; absent: all by shared path. */
  readonly transfers?: Transfers;
  /** Where jobs may read and write; null: anywhere. */
  readonly roots: Roots | null;
  /** Whose jobs it takes; absent: everybody's. */
  readonly submitters?: SubmitterRule;
  readonly capacity: SiteCapacity;
  /** This site's own folder; it exists. */
  readonly workDir: string;
  /** Opens and authenticates one link to central. */
  readonly dial: () => Promise<Connection<WorkSource>>;
  readonly kernels: KernelPool;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Uniform in [0, 1). */
  readonly rng: () => number;
  /** Called when central first refuses the name, which is tried for `patienceMs` more. */
  readonly onRefused: (reason: string, patienceMs: number) => void;
}

export interface Site {
  /** Resolves after the first successful join. */
  readonly joined: Promise<void>;
  /** Resolves when the site has ended after `stop`. @throws the error that makes going on pointless, e.g. PERMISSION_DENIED */
  readonly ended: Promise<void>;
  /** Takes no more leases, lets running work finish for `graceMs`, gives the rest back, says goodbye. Idempotent. */
  stop(options: { graceMs: number }): Promise<void>;
  /** How long it has had nothing to do, ms; 0 while it has. */
  idleMs(): number;
  /** What it is doing. */
  view(): SiteDoing;
  /** Obeys its admin, from now on until other orders come. */
  obey(orders: SiteOrders): void;
}

export interface SiteDoing {
  /** It has a link to central. */
  readonly connected: boolean;
  readonly jobs: readonly {
    readonly job: JobId;
    readonly epoch: number;
    readonly app: string;
    readonly state: HeldLease["state"];
    /** 0 to 1, or null when nothing is known. */
    readonly progress: number | null;
    /** Why it does not go on at present, or null. */
    readonly reason: string | null;
  }[];
}

/** A predecessor of the same name may look alive to central until its link is given up; after this time another one is. */
const REFUSED_PATIENCE_MS = LIMITS.leaseMs + 3 * LIMITS.heartbeatMs;
/** For goodbyes: central may be away, and then learns it by expiry. */
const GOODBYE_PATIENCE_MS = 2_000;

interface Running {
  readonly options: SiteOptions;
  readonly link: Reconnecting<WorkSource>;
  readonly leases: HeldLeases;
  readonly context: AttemptContext;
  /** Aborted when no more leases are wanted. */
  readonly stopping: AbortSignal;
  readonly attempts: Set<Promise<void>>;
  /** Central said so. */
  draining: boolean;
  orders: SiteOrders;
  /** When it last had work, or joined, or began. */
  busyMs: number;
  /** Makes the lease loop look again: a slot is free, or draining changed. */
  wake: () => void;
  readonly start: (lease: Lease) => void;
}

/** Join for each new link. A refusal is waited out, since the dead predecessor's link may still be open. */
function greeting(options: SiteOptions, leases: () => HeldLeases, onJoined: (renewMs: number) => void) {
  const { name: site, instance, host, slots, capacity, clock, logger } = options;
  const apps = [...options.apps, ...Object.keys(options.commands)];
  const exclusive = Object.keys(options.commands).filter((name) => options.commands[name]!.exclusive);
  const { prefetch = 0, pilotOf, selfTest, queueWaitS = null } = options;
  let refusedSinceMs: number | null = null;
  let first = true;
  return async (source: WorkSource): Promise<void> => {
    const endsInS = options.endsInS?.() ?? null;
    const held = first ? await recoverableLeases(options.workDir) : leases().refs();
    try {
      const { renewMs, news } = await source.join({
        site,
        instance,
        host,
        slots,
        apps,
        capacity,
        exclusive,
        held,
        ...(prefetch === 0 ? {} : { prefetch }),
        ...(endsInS === null ? {} : { endsInS }),
        ...(queueWaitS === null ? {} : { queueWaitS }),
        ...(pilotOf === undefined ? {} : { pilotOf }),
        ...(selfTest === undefined ? {} : { selfTest }),
      });
      first = false;
      refusedSinceMs = null;
      logger.info("site-joined", { site, slots });
      leases().apply(news);
      onJoined(renewMs);
    } catch (error) {
      if (!isCode(error, "REFUSED")) throw error;
      if (refusedSinceMs === null) options.onRefused(toXpcsError(error).message, REFUSED_PATIENCE_MS);
      refusedSinceMs ??= clock.monotonicMs();
      if (clock.monotonicMs() - refusedSinceMs > REFUSED_PATIENCE_MS) throw error;
      throw new XpcsError("UNAVAILABLE", toXpcsError(error).message);
    }
  };
}

function startAttempt(running: Running, lease: Lease): void {
  const held = running.leases.add(lease);
  // Granted before central knew.
  if (running.orders.halt !== null) held.stop("halted");
  running.options.logger.info("lease-granted", { job: lease.job, epoch: lease.epoch, app: lease.work.app });
  const attempt = runAttempt(running.context, held).finally(() => {
    running.attempts.delete(attempt);
    running.busyMs = running.options.clock.monotonicMs();
  });
  running.attempts.add(attempt);
}

/** What it asks for as things are. */
function wanted({ options, leases, draining, orders }: Running): { slots: number; jobsMax?: number } {
  const { prefetch = 0, transfersMax } = options;
  const slots = draining || takesNothing(orders) !== null ? 0 : Math.max(0, options.slots + prefetch - leases.slots);
  if (transfersMax === undefined) return { slots };
  const jobsMax = Math.max(0, transfersMax - leases.coming);
  return { slots: jobsMax === 0 ? 0 : slots, jobsMax };
}

/** One long poll. Grants that arrive after `stopping` go back at once; those of a poll that was given up are taken all the same. */
async function pollOnce(running: Running, source: WorkSource): Promise<void> {
  const { options, stopping, leases } = running;
  const { name: site, instance } = options;
  const { leases: granted, news } = await source.lease({ site, instance, ...wanted(running), waitMs: LIMITS.longPollMs });
  if (stopping.aborted) {
    const back = granted.map(({ job, epoch }) => ({ job, epoch }));
    if (back.length > 0) await source.giveBack({ site, instance, leases: back, reason: "the site is stopping" });
    return;
  }
  leases.apply(news);
  for (const lease of granted) running.start(lease);
}

/** Keeps one long poll open, for the slots that are free; with none free it is open for news, so that a cancel is heard at once. */
async function takeLeases(running: Running): Promise<void> {
  const { options, link, stopping } = running;
  while (!stopping.aborted) {
    // Central answers the older poll when a newer one comes: a slot that becomes free is offered without waiting.
    const renewed = new AbortController();
    running.wake = () => renewed.abort(WOKEN);
    try {
      await link.call((source) => pollOnce(running, source), { signal: renewed.signal });
    } catch (error) {
      if (renewed.signal.aborted) continue;
      options.logger.warn("lease-failed", { reason: toXpcsError(error).message });
      await sleep(options.clock, LIMITS.renewMs, stopping);
    }
  }
}

/**
 * Lets work finish, gives the rest back, leaves. The lease loop has been told to stop before.
 *
 * @returns whether central has heard the goodbye
 */
async function goodbye(
  { options, link, leases, attempts, context, wake }: Running,
  abandon: AbortController,
  graceMs: number,
): Promise<boolean> {
  const { name: site, instance, clock } = options;
  wake();
  context.slots.close();
  const grace = new AbortController();
  const finished = () => Promise.all(attempts);
  await Promise.race([finished(), sleep(clock, graceMs, grace.signal)]);
  for (const held of leases.all()) held.stop("returned");
  // Kernels stop within kernelStopMs; what central does not hear then, it learns by expiry.
  await Promise.race([finished(), sleep(clock, LIMITS.kernelStopMs + GOODBYE_PATIENCE_MS, grace.signal)]);
  grace.abort();
  const leave = () => link.call((source) => source.leave({ site, instance }), { patienceMs: GOODBYE_PATIENCE_MS });
  const left =
    link.up &&
    (await leave().then(
      () => true,
      () => false,
    ));
  abandon.abort();
  link.close();
  await finished();
  return left;
}

/** Starts a site; it runs until `stop`, or until central refuses it for good. */
export function runSite(options: SiteOptions): Site {
  const { name: site, instance, clock, logger, kernels } = options;
  const stopping = new AbortController();
  const abandon = new AbortController();
  let renewing: Promise<void> | null = null;
  let markJoined: () => void = () => {};
  const joined = new Promise<void>((resolve) => {
    markJoined = resolve;
  });
  const leases = createHeldLeases({
    site,
    instance,
    link: { call: (run, callOptions) => link.call(run, callOptions) },
    clock,
    logger,
    onDrain(drain) {
      if (running.draining === drain) return;
      logger.info(drain ? "drain-on" : "drain-off", { site });
      running.draining = drain;
      running.wake();
    },
    draining: () => takesNothing(running.orders),
    onFree: () => running.wake(),
    onArrived: () => {
      if (options.transfersMax !== undefined) running.wake();
    },
  });
  const link: Reconnecting<WorkSource> = reconnecting({
    ...options,
    greet: greeting(
      options,
      () => leases,
      (renewMs) => {
        if (renewing === null) running.busyMs = clock.monotonicMs();
        renewing ??= leases.keepRenewed(renewMs, abandon.signal);
        markJoined();
      },
    ),
  });
  const { workDir, threadsPerSlot, hosts, launcher, commands, access, transfers = SHARED_PATHS, roots, submitters = null } = options;
  const context: AttemptContext = {
    site,
    instance,
    workDir,
    threadsPerSlot,
    coresPerNode: Math.floor(options.capacity.cores / hosts.length),
    launcher,
    commands,
    access,
    transfers,
    bringing: lanes(options.transfersMax ?? Number.POSITIVE_INFINITY),
    slots: createRunSlots({ ...options.capacity, slots: options.slots }, hosts),
    roots,
    submitters,
    link,
    leases,
    kernels,
    clock,
    logger,
    stopping: stopping.signal,
    abandon: abandon.signal,
  };
  const running: Running = {
    options,
    link,
    leases,
    context,
    stopping: stopping.signal,
    attempts: new Set(),
    draining: false,
    orders: NO_ORDERS,
    busyMs: clock.monotonicMs(),
    wake: () => {},
    start: (lease) => startAttempt(running, lease),
  };

  const work = async (): Promise<void> => {
    await Promise.race([joined, link.ended]);
    if (!stopping.signal.aborted)
      await recoverAttempts(context).catch((error) => logger.warn("recovery-failed", { reason: toXpcsError(error).message }));
    await takeLeases(running);
  };
  const working = work();

  let stopped: Promise<void> | null = null;
  const stop = ({ graceMs }: { graceMs: number }): Promise<void> => {
    stopping.abort();
    stopped ??= goodbye(running, abandon, graceMs).then(async (left) => {
      await Promise.all([working, renewing, kernels.close()]);
      // Without a goodbye central takes the leases back when they expire; a site that never joined had none.
      logger.info(left ? "site-left" : "site-stopped", { site });
    });
    return stopped;
  };

  const ended = Promise.race([link.ended, kernels.failed]).then(async (reason) => {
    const byUs = stopped !== null;
    if (!byUs) logger.error("site-gives-up", { code: reason.code, reason: reason.message });
    await stop({ graceMs: 0 });
    if (!byUs) throw reason;
  });
  const idleMs = (): number => (running.attempts.size > 0 ? 0 : clock.monotonicMs() - running.busyMs);
  const view = (): SiteDoing => ({
    connected: link.up,
    jobs: leases
      .all()
      .map(({ lease: { job, epoch, work }, state, progress, reason }) => ({ job, epoch, app: work.app, state, progress, reason })),
  });
  const obey = (orders: SiteOrders): void => {
    const { drain, halt } = orders;
    if (running.orders.drain === drain && running.orders.halt === halt) return;
    running.orders = orders;
    logger.warn("orders-changed", { site, reason: takesNothing(orders) ?? "it takes work again" });
    if (halt !== null) for (const held of leases.all()) held.stop("halted");
    leases.touch();
    running.wake();
  };
  return { joined, ended, stop, idleMs, view, obey };
}
