/**
 * Keeps as many pilots as the work that waits is worth (pilot-plan.ts): looks at the batch jobs and at central's backlog, submits, withdraws, and
 * says why. All that must outlive this process is in the folders of the batch jobs, so another one goes on where it stopped.
 */
import { type Clock, sleep } from "../core/clock.js";
import { isCode, toXpcsError } from "../core/errors.js";
import type { SiteName } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { Logger } from "../core/log.js";
import type { WorkSource } from "../core/protocols.js";
import type { BatchJobs, BatchStatus } from "./batch-jobs.js";
import type { BatchSettings } from "./batch-settings.js";
import { type BudgetAnswer, type NodeHourBudget, type NodeHours, withinBudget } from "./node-hours.js";
import { type PilotLimits, type PilotPlan, planOrders, planPilots } from "./pilot-plan.js";
import { type ExpectedStart, type PilotShape, shapePilot } from "./pilot-shape.js";
import type { BatchRef } from "./schedulers/define.js";
import { NO_ORDERS, type SiteOrders, takesNothing } from "./site-orders.js";

const PREFIX = "xpcs.";
/** What a scheduler expects is asked for again after this time. */
const EXPECTED_FOR_MS = 60_000;
/** After a pilot that failed before it had joined central; doubled with each further one. */
const PAUSE_MS = 30_000;
const PAUSE_MAX_MS = 10 * 60_000;
const ORDERS_MS = 1_000;
/** A pilot that would have less for its jobs is not started before a downtime, s. */
const ROOM_MIN_S = 60;
/** Ends that say something about the next pilot. */
const FAILURES = new Set(["failed", "refused", "gone", "out-of-memory"]);

/** What one far away has written down is not known while it runs. */
const BEGUN = new Set(["running", "suspended", "ending"]);

type Backlog = Awaited<ReturnType<WorkSource["backlog"]>>;

export interface PilotOptions {
  readonly name: SiteName;
  readonly batch: BatchJobs;
  readonly settings: BatchSettings;
  readonly limits: PilotLimits;
  /** Each of the nodes of a batch job has its own; otherwise one has them all. */
  readonly onEachNode: boolean;
  /** The command line of a pilot, which works as that site. */
  readonly argv: (site: SiteName) => readonly [string, ...string[]];
  /** Walltimes that a pilot may have, the longest, the settings', first, and how long each would wait; null: the scheduler does not tell. */
  readonly expectedStarts: (() => Promise<readonly [ExpectedStart, ...ExpectedStart[]]>) | null;
  /** What a pilot needs of its walltime beside its jobs, s. */
  readonly overheadS: number;
  /** What a batch job of that tag has in its environment beside the rest. */
  readonly env: (tag: string) => Readonly<Record<string, string>>;
  /** Told before the first look, before each submission, and after each look: the tags of the batch jobs that are there, or may be. */
  readonly onTags: (tags: readonly string[]) => void;
  /** Asks central. `pilotsMax`: it may have no more at present, by its limits, its budget and its admin. */
  readonly backlog: (pilots: readonly SiteName[], pilotsMax: number) => Promise<Backlog>;
  /** What its admin has ordered; absent: nothing. */
  readonly orders?: () => SiteOrders;
  /** What its batch jobs may take, and have taken; absent: as much as they like. */
  readonly hours?: { readonly budget: NodeHourBudget; readonly taken: NodeHours };
  readonly clock: Clock;
  readonly logger: Logger;
  /** Uniform in [0, 1). */
  readonly rng: () => number;
  readonly everyMs: number;
}

export interface Pilots {
  /** One look, and what follows from it. @throws UNAVAILABLE central or the scheduler was not reached; nothing was changed */
  step(): Promise<PilotPlan>;
  /** Steps until it is told to stop; then withdraws the pilots that have not begun. Those that run go on until they have nothing to do. */
  run(signal: AbortSignal): Promise<void>;
  /** As of the last look. */
  view(): { why: string | null; list: { site: SiteName; batch: string; phase: string; sentence: string }[] };
}

/** The tag of a batch job: the site that works in it, and a stamp, since names come again and batch jobs do not. */
const tagOf = (site: SiteName, stamp: string): string => `${PREFIX}${site}.${stamp}`;
const siteOf = (tag: string): SiteName => tag.slice(PREFIX.length, tag.lastIndexOf("."));
const stampOf = (tag: string): string => tag.slice(tag.lastIndexOf(".") + 1);

/** The first of NAME-1, NAME-2, ... that is free: central keeps what it has learned of a name, and is to know few. */
function freeName(name: SiteName, taken: ReadonlySet<SiteName>): SiteName {
  for (let number = 1; ; number += 1) if (!taken.has(`${name}-${number}`)) return `${name}-${number}`;
}

/** A plan with what is expected of the scheduler. @param fixed another is submitted in any case */
function shaped(plan: PilotPlan, shape: PilotShape | null, fixed: boolean): PilotPlan {
  if (shape === null || shape.why === null) return plan;
  if (!shape.skip) return { ...plan, why: `${plan.why}, ${shape.why}` };
  return fixed ? plan : { ...plan, submit: 0, why: `${plan.why}, but not yet: ${shape.why}` };
}

/** What a pilot that ends before the site closes has for its jobs, s; 0: it is not worth a start. */
function roomS(closesInS: number, overheadS: number): number {
  const left = closesInS - overheadS;
  return left < ROOM_MIN_S ? 0 : left;
}

/** The pilots of a site. */
export function createPilots(options: PilotOptions): Pilots {
  const { name, batch, settings, limits, onEachNode, expectedStarts, overheadS, argv, env, onTags, backlog } = options;
  const { orders = () => NO_ORDERS, hours, clock, logger, rng, everyMs } = options;
  const sitesOf = (site: SiteName): SiteName[] =>
    onEachNode ? Array.from({ length: settings.nodes }, (_, at) => `${site}.${at + 1}`) : [site];
  const mine = (tag: string): boolean => tag.startsWith(`${PREFIX}${name}-`);
  /** Tags of pilots that have joined central: what ends them later says nothing about the next one. */
  const worked = new Set<string>();
  /** Pilots whose batch jobs have ended. One may go on for a while, as on a node that its scheduler has lost, and central refuses another of its name. */
  const ended = new Set<SiteName>();
  let failures = 0;
  let pausedUntilMs = Number.NEGATIVE_INFINITY;
  let lastFailure = "";
  let said = "";
  /** Of batch jobs that are there, or may be. */
  let tags: readonly string[] = [];

  function tellTags(now: readonly string[]): void {
    tags = now;
    onTags(now);
  }
  let seen: readonly BatchStatus[] = [];

  /** @param counts otherwise it is the same failure again */
  function failed(reason: string, counts = true): void {
    if (counts) failures += 1;
    lastFailure = reason;
    pausedUntilMs = clock.monotonicMs() + Math.min(PAUSE_MAX_MS, PAUSE_MS * 2 ** Math.max(0, failures - 1));
  }

  /** Of pilots that begin in the same millisecond too, and in the order of time. */
  function newStamp(): string {
    const chance = Math.floor(rng() * 36 ** 3);
    return `${clock.nowMs().toString(36)}${chance.toString(36).padStart(3, "0")}`;
  }

  let starts: { readonly found: readonly [ExpectedStart, ...ExpectedStart[]]; readonly atMs: number } | null = null;

  /** As a scheduler that was asked a little while ago expects it; null where it does not tell. */
  async function expected(): Promise<readonly [ExpectedStart, ...ExpectedStart[]] | null> {
    if (expectedStarts === null) return null;
    const nowMs = clock.monotonicMs();
    if (starts !== null && nowMs - starts.atMs < EXPECTED_FOR_MS) return starts.found;
    try {
      starts = { found: await expectedStarts(), atMs: nowMs };
      return starts.found;
    } catch (error) {
      // A pilot of the settings' time is right all the same.
      logger.warn("pilots-start-unknown", { site: name, reason: toXpcsError(error).message });
      return null;
    }
  }

  async function submit(tag: string, walltimeS = settings.walltimeS): Promise<boolean> {
    const site = siteOf(tag);
    const again = tags.includes(tag);
    tellTags([...tags, tag]);
    try {
      const { ref, attached } = await batch.submit({
        tag,
        argv: argv(site),
        // By which the pilot says how long it has waited for its nodes.
        env: { ...env(tag), XPCS_BATCH_SUBMITTED_S: String(Math.floor(clock.nowMs() / 1_000)) },
        settings: { ...settings, walltimeS },
        onEachNode,
      });
      logger.info("pilot-submitted", { site, batch: ref.id, attached });
      return true;
    } catch (error) {
      const { code, message } = toXpcsError(error);
      failed(message, !(again && code === "UNAVAILABLE"));
      logger.warn("pilot-refused", { site, code, reason: message });
      // Otherwise it may be there: the next step looks for it.
      if (code === "REFUSED" || code === "NOT_FOUND") await batch.forget({ tag });
      return false;
    }
  }

  /** Before anything of it is forgotten. */
  async function account({ ref: { tag }, startedMs, endedMs }: BatchStatus): Promise<void> {
    if (hours === undefined || startedMs === null) return;
    const latestMs = Math.min(clock.nowMs(), startedMs + settings.walltimeS * 1_000);
    await hours.taken.add({ tag, nodes: settings.nodes, startedMs, endedMs: Math.max(startedMs, endedMs ?? latestMs) });
  }

  function budgetNow(statuses: readonly BatchStatus[]): BudgetAnswer | null {
    if (hours === undefined) return null;
    const { nodes, walltimeS } = settings;
    const nowMs = clock.nowMs();
    const runningSinceMs = statuses.filter(begun).map(({ startedMs }) => startedMs ?? nowMs);
    return withinBudget(hours.budget, { ended: hours.taken.ended(), runningSinceMs, nodes, walltimeS }, nowMs);
  }

  async function settle(status: BatchStatus): Promise<void> {
    const { ref, ending } = status;
    await account(status);
    const { outcome, exitCode, sentence } = ending!;
    const details = { site: siteOf(ref.tag), batch: ref.id, outcome, exitCode, reason: sentence };
    const hasWorked = worked.delete(ref.tag);
    ended.add(siteOf(ref.tag));
    if (!FAILURES.has(outcome)) {
      if (outcome === "done") failures = 0;
      logger.info("pilot-ended", details);
      return batch.forget(ref);
    }
    if (!hasWorked) failed(sentence);
    logger.warn("pilot-ended", { ...details, folder: await batch.setAside(ref) });
  }

  async function withdraw(refs: readonly BatchRef[], tags: readonly string[]): Promise<void> {
    for (const ref of refs.filter(({ tag }) => tags.includes(tag))) {
      await batch.cancel(ref);
      logger.info("pilot-withdrawn", { site: siteOf(ref.tag), batch: ref.id });
    }
  }

  async function look(): Promise<BatchStatus[]> {
    const refs = (await batch.known()).filter(({ tag }) => mine(tag)).sort((a, b) => (stampOf(a.tag) < stampOf(b.tag) ? -1 : 1));
    const unsettled = (await batch.unsettled()).filter(mine);
    // The scheduler may be away for a while; then what is known of them are their folders.
    tellTags([...refs.map(({ tag }) => tag), ...unsettled]);
    const statuses = await batch.poll(refs);
    for (const status of statuses) if (status.ending !== null) await settle(status);
    seen = statuses.filter(({ ending }) => ending === null);
    tellTags([...seen.map(({ ref }) => ref.tag), ...unsettled]);
    return [...seen];
  }

  const begun = ({ phase, startedMs }: BatchStatus): boolean => startedMs !== null || BEGUN.has(phase);

  async function step(): Promise<PilotPlan> {
    for (const tag of (await batch.unsettled()).filter(mine)) await submit(tag);
    const statuses = await look();
    const ordered = planOrders(
      orders(),
      statuses.map((status) => ({ tag: status.ref.tag, begun: begun(status) })),
    );
    if (ordered !== null) {
      await withdraw(
        statuses.map(({ ref }) => ref),
        ordered.withdraw,
      );
      // For those whose jobs wait; nothing hangs on it.
      await backlog([], 0).catch(() => {});
      return ordered;
    }
    const sites = statuses.map(({ ref }) => siteOf(ref.tag));
    const budget = budgetNow(statuses);
    const mayQueue = budget?.queuedMax ?? limits.pilotsMax;
    const {
      waitingSlots,
      waitingSlotS = null,
      waitingLongestS = null,
      closesInS = Number.POSITIVE_INFINITY,
      closes = "",
      pilots: joined,
    } = await backlog(
      [...new Set([...sites, ...ended])].flatMap(sitesOf).slice(0, LIMITS.pilotsMax),
      Math.min(limits.pilotsMax, statuses.filter(begun).length + mayQueue),
    );
    const free = new Map(joined.map(({ site, freeSlots }) => [site, freeSlots]));
    const freeIn = (site: SiteName): number | null => {
      const slots = sitesOf(site).flatMap((each) => free.get(each) ?? []);
      return slots.length === 0 ? null : slots.reduce((sum, own) => sum + own, 0);
    };
    for (const { ref } of statuses) if (freeIn(siteOf(ref.tag)) !== null) worked.add(ref.tag);
    if (sites.some((site) => freeIn(site) !== null)) failures = 0;
    for (const site of ended) if (freeIn(site) === null) ended.delete(site);
    const pausedS = Math.ceil((pausedUntilMs - clock.monotonicMs()) / 1000);
    const pilotsSeen = statuses.map((status) => {
      const { tag } = status.ref;
      return { tag, begun: begun(status), freeSlots: freeIn(siteOf(tag)) };
    });
    const first = planPilots(
      {
        waitingSlots,
        pilots: pilotsSeen,
        budget,
        pausedFor:
          roomS(closesInS, overheadS) === 0
            ? closes
            : pausedS > 0
              ? `the last one failed (${lastFailure}): the next is tried in ${pausedS} s`
              : null,
      },
      limits,
    );
    const slotsBegun = pilotsSeen.filter((pilot) => pilot.begun).length * limits.slotsPerPilot;
    // Pilots that are kept whatever waits are not weighed.
    const expects = first.submit > 0 && waitingSlots > 0 ? await expected() : null;
    const shape: PilotShape | null =
      expects === null ? null : shapePilot(expects, { longestS: waitingLongestS, slotS: waitingSlotS, slotsBegun, overheadS });
    const walltimeS = Math.min(shape?.walltimeS ?? settings.walltimeS, Math.floor(closesInS / 60) * 60);
    const wanted = shaped(first, shape, pilotsSeen.length < limits.pilotsMin);
    const cut = wanted.submit > 0 && walltimeS < (shape?.walltimeS ?? settings.walltimeS) ? `, of ${walltimeS} s, since ${closes}` : "";
    const plan = { ...wanted, why: `${wanted.why}${cut}` };
    await withdraw(
      statuses.map(({ ref }) => ref),
      plan.withdraw,
    );
    const taken = new Set([...sites, ...ended]);
    for (let count = 0; count < plan.submit; count += 1) {
      const site = freeName(name, taken);
      taken.add(site);
      if (!(await submit(tagOf(site, newStamp()), walltimeS))) break;
    }
    return plan;
  }

  async function stepSafely(): Promise<void> {
    try {
      const { why } = await step();
      if (why !== said) logger.info("pilots-planned", { site: name, reason: why });
      said = why;
    } catch (error) {
      if (isCode(error, "PERMISSION_DENIED")) throw error;
      logger.warn("pilots-not-planned", { site: name, reason: toXpcsError(error).message });
    }
  }

  /** Until the next look, which is at once when there are other orders. */
  async function rest(signal: AbortSignal): Promise<void> {
    const before = takesNothing(orders());
    const endMs = clock.monotonicMs() + everyMs;
    for (let leftMs = everyMs; leftMs > 0 && !signal.aborted; leftMs = endMs - clock.monotonicMs()) {
      await sleep(clock, Math.min(ORDERS_MS, leftMs), signal);
      if (takesNothing(orders()) !== before) return;
    }
  }

  return {
    step,
    view: () => ({
      why: said === "" ? null : said,
      list: seen.map(({ ref, phase, sentence }) => ({ site: siteOf(ref.tag), batch: ref.id, phase, sentence })),
    }),
    async run(signal) {
      while (!signal.aborted) {
        await stepSafely();
        await rest(signal);
      }
      const queued = (await look()).filter((status) => !begun(status)).map(({ ref }) => ref);
      await withdraw(
        queued,
        queued.map(({ tag }) => tag),
      );
    },
  };
}
