/**
 * Brings waiting jobs and asking sites together: builds the policy's view, asks it for each job in the order of the queue, and says which job
 * goes where, and why the others wait. Decides nothing about jobs and grants nothing itself.
 */
import type { JobId, SiteName } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import { isPilotName } from "../core/pilot-names.js";
import { type Submitters, takesFrom } from "../core/submitters.js";
import { refusals } from "../ledger/decide.js";
import { addRuns, type JobRecord, type LinkStats, lastSite, type RunStats, type SiteRecord, type State } from "../ledger/state.js";
import {
  belongs,
  type Choice,
  freeFor,
  type LinkRate,
  NOTHING,
  needOf,
  type Policy,
  plus,
  type RoutedJob,
  type RunMean,
  type RunningJob,
  type Shared,
  type SiteLoad,
  tooLarge,
} from "../router/policy.js";
import { openings } from "./downtimes.js";
import type { Sites } from "./presence.js";

export interface Grant {
  readonly job: JobId;
  readonly site: SiteName;
  readonly why: string;
}

/** A job as a policy sees it. */
export function routed(job: JobRecord, nowMs: number): RoutedJob {
  const avoid = job.attempts.filter(({ outcome }) => outcome === "failed" || outcome === "lost").map(({ site }) => site);
  const { work, site = null, resources = {}, inputBytes = null, experiment } = job.spec;
  const submitter = { owner: job.owner, experiment };
  const waitedMs = Math.max(0, nowMs - job.since);
  const { id, refusedBy = [] } = job;
  const attemptsLeft = job.spec.attemptsMax - job.attemptsCounted;
  return { id, app: work.app, site, submitter, avoid: [...new Set(avoid)], refusedBy, resources, inputBytes, waitedMs, attemptsLeft };
}

/** A site runs the oldest of its leases, as far as its slots go; the others' files are being brought. */
function heldBy(state: State, site: SiteRecord, nowMs: number): { running: RunningJob[]; ahead: Shared[] } {
  const held = [...(state.leased.get(site.name) ?? [])].map((id) => state.jobs.get(id)!).sort((a, b) => a.since - b.since);
  const running: RunningJob[] = [];
  const ahead: Shared[] = [];
  let taken = 0;
  for (const { spec, since } of held) {
    const resources = spec.resources ?? {};
    const need = needOf(resources);
    if (taken + need.slots > site.slots) ahead.push(need);
    else running.push({ app: spec.work.app, elapsedMs: Math.max(0, nowMs - since), resources });
    taken += need.slots;
  }
  return { running, ahead };
}

/** What these sites have run, by app. */
export function runsOf(sites: Iterable<SiteRecord>): ReadonlyMap<string, RunStats> {
  const sums = new Map<string, RunStats>();
  for (const { runs } of sites) for (const [app, stats] of Object.entries(runs)) sums.set(app, addRuns(sums.get(app), stats));
  return sums;
}

/** As a policy has it. */
export function runMean({ count, totalMs, results }: RunStats): RunMean {
  return { count, meanMs: totalMs / count, ...(results === undefined ? {} : { resultBytes: results.bytes / results.count }) };
}

/** What jobs have shown; before that what the self-test told. */
export function linkRate(shown: LinkStats | undefined, tested: number | undefined): LinkRate | null {
  if (shown !== undefined) return { bytesPerS: (1000 * shown.bytes) / shown.ms, tested: false };
  return tested === undefined ? null : { bytesPerS: tested, tested: true };
}

/** The sites that have not said goodbye, sorted by name, as a policy sees them. */
export function siteLoads(state: State, sites: Sites, nowMs: number, monotonicMs: number): SiteLoad[] {
  const loads: SiteLoad[] = [];
  const openingFor = openings(state, sites, nowMs);
  for (const site of state.sites.values()) {
    if (!site.present) continue;
    const { running, ahead } = heldBy(state, site, nowMs);
    const runs = Object.fromEntries(Object.entries(site.runs).map(([app, stats]) => [app, runMean(stats)]));
    const { name, slots, capacity = null, apps, granted, selfTest } = site;
    const links = { in: linkRate(site.links?.in, selfTest?.inBytesPerS), out: linkRate(site.links?.out, selfTest?.outBytesPerS) };
    const { draining = null, pilotOf = null } = sites.get(name) ?? {};
    const common = {
      name,
      up: sites.isUp(name, monotonicMs),
      pilotOf,
      draining,
      ...openingFor(name, pilotOf),
      slots,
      capacity,
      apps,
      granted,
      runs,
      links,
    };
    const eventsPerCoreS = selfTest?.eventsPerCoreS ?? null;
    const { probation } = site;
    const tried = probation === undefined ? {} : { probation: { reason: probation.reason, triedInMs: probation.probeAt - nowMs } };
    loads.push({ ...common, ...tried, running, queued: ahead.length, reserved: ahead.reduce(plus, NOTHING), eventsPerCoreS });
  }
  return loads.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What happens when this job takes a slot, or a place in the queue, of `site`. */
function withJob(loads: readonly SiteLoad[], site: SiteName, job: RoutedJob, choice: Choice): SiteLoad[] {
  return loads.map((load) => {
    if (load.name !== site) return load;
    const { app, resources } = job;
    if (choice.action === "wait") return { ...load, queued: load.queued + 1, reserved: plus(load.reserved, needOf(resources)) };
    return { ...load, running: [...load.running, { app, elapsedMs: 0, resources }], granted: load.granted + 1 };
  });
}

/**
 * The grants to make now.
 *
 * @param asked slots that each site asks for at present
 * @param ahead how many of those it would take for jobs whose files it brings while others run
 */
export function planGrants(
  state: State,
  initial: readonly SiteLoad[],
  policy: Policy,
  asked: ReadonlyMap<SiteName, number>,
  nowMs: number,
  ahead: ReadonlyMap<SiteName, number> = new Map(),
): Grant[] {
  const grants: Grant[] = [];
  const left = new Map([...asked].filter(([, slots]) => slots > 0));
  const aheadLeft = new Map(ahead);
  let loads = [...initial];
  let looked = 0;
  const isRuled = initial.some(({ submitters = null }) => submitters !== null);
  // Jobs alike in what a policy sees need not be asked about again when nothing but a new site could help them.
  const hopeless = new Set<string>();
  // Where a site will close it is their length that counts, of which their size tells.
  const isTried = initial.some(({ probation }) => probation !== undefined);
  const closes = initial.some(({ opening }) => opening !== undefined && opening.leftMs !== null);
  for (const id of state.ready) {
    if (left.size === 0 || looked >= LIMITS.dispatchScanMax) break;
    const record = state.jobs.get(id)!;
    if (record.notBefore > nowMs) continue;
    const job = routed(record, nowMs);
    const owned = isRuled ? JSON.stringify(job.submitter) : "";
    const size = closes ? (job.inputBytes ?? "") : "";
    const last = isTried && job.attemptsLeft === 1 ? "last" : "";
    const kind = `${owned} ${size} ${last} ${job.app} ${job.site ?? ""} ${job.avoid.join(" ")} ${job.refusedBy.join(" ")} ${JSON.stringify(job.resources)}`;
    if (hopeless.has(kind)) continue;
    looked += 1;
    const choice = policy.choose(job, loads, nowMs);
    const need = needOf(job.resources).slots;
    const early =
      choice.site === null || choice.action === "run" ? 0 : Math.min(aheadLeft.get(choice.site) ?? 0, left.get(choice.site) ?? 0);
    if (choice.action === "wait" && choice.site !== null && early >= need) {
      grants.push({ job: id, site: choice.site, why: `its files are brought while it waits: ${choice.reason}` });
      loads = withJob(loads, choice.site, job, choice);
      aheadLeft.set(choice.site, aheadLeft.get(choice.site)! - need);
      left.set(choice.site, left.get(choice.site)! - need);
      continue;
    }
    // Also a job pinned to a full site: the others of its kind wait as it does, and must not hide the jobs behind them.
    if (choice.site === null || (choice.action === "wait" && job.site !== null)) {
      hopeless.add(kind);
      continue;
    }
    loads = withJob(loads, choice.site, job, choice);
    const slots = left.get(choice.site);
    if (choice.action !== "run" || slots === undefined || slots < need) continue;
    grants.push({ job: id, site: choice.site, why: choice.why });
    if (slots === need) left.delete(choice.site);
    else left.set(choice.site, slots - need);
  }
  return grants;
}

/** A job without a time limit is taken to need no more than so many times what its app took on the average. */
const LONGEST_MEANS = 3;

/** Mean run time of each app over all sites, s. */
function meansOf(state: State): ReadonlyMap<string, number> {
  return new Map([...runsOf(state.sites.values())].map(([app, { count, totalMs }]) => [app, totalMs / count / 1000]));
}

/** What waits that a site could run. Null: of one job at least nobody knows how long it takes. */
export interface WaitingWork {
  readonly slots: number;
  readonly slotS: number | null;
  readonly longestS: number | null;
}

/** A site that may not be there. */
export interface SiteLike extends Pick<SiteLoad, "apps" | "slots" | "capacity"> {
  /** The site whose pilot it would be. */
  readonly pilotsOf: SiteName;
  /** Whose jobs it takes; absent: everybody's. */
  readonly submitters?: Submitters;
  /** Until it closes, s: what takes longer does not count; null or absent: it does not. */
  readonly leftS?: number | null;
}

/** The work of waiting jobs which a site like this could run. Looks at the first `dispatchScanMax` jobs only. */
export function waitingWork(state: State, like: SiteLike, nowMs: number): WaitingWork {
  const { pilotsOf, submitters = null, leftS } = like;
  const means = meansOf(state);
  let [slots, slotS, longestS] = [0, 0, 0];
  let looked = 0;
  for (const id of state.ready) {
    looked += 1;
    if (looked > LIMITS.dispatchScanMax) break;
    const { notBefore, spec, owner, refusedBy = [] } = state.jobs.get(id)!;
    const { work, site = null, resources = {}, experiment } = spec;
    if (
      notBefore > nowMs ||
      (site !== null && site !== pilotsOf) ||
      !like.apps.includes(work.app) ||
      tooLarge(resources, { name: "", ...like }) !== null
    )
      continue;
    // What one of its pilots has refused, by a rule of theirs, the next one refuses too.
    if (refusedBy.some((name) => isPilotName(pilotsOf, name)) || !takesFrom(submitters, { owner, experiment })) continue;
    const own = slotsFor(needOf(resources), like);
    const meanS = means.get(work.app) ?? Number.NaN;
    const { walltimeS = Number.NaN } = resources;
    if ((Number.isNaN(walltimeS) ? meanS : walltimeS) > (leftS ?? Number.POSITIVE_INFINITY)) continue;
    slots += own;
    slotS += own * (Number.isNaN(meanS) ? walltimeS : Math.min(meanS, Number.isNaN(walltimeS) ? meanS : walltimeS));
    longestS = Math.max(longestS, Number.isNaN(walltimeS) ? LONGEST_MEANS * meanS : walltimeS);
  }
  const known = (value: number): number | null => (Number.isNaN(value) ? null : value);
  return { slots, slotS: known(slotS), longestS: known(longestS) };
}

/** Slots' worth of a site like this that a job takes: one that has half of the nodes has half of the slots. */
function slotsFor({ slots, nodes }: Shared, like: Pick<SiteLoad, "slots" | "capacity">): number {
  const shareOfNodes = like.capacity === null ? 0 : nodes / like.capacity.nodes;
  return Math.max(slots, Math.ceil(shareOfNodes * like.slots));
}

/** Slots that are free there, as `slotsFor` counts them. */
export function freeSlots(load: SiteLoad): number {
  const free = freeFor(load);
  const ofNodes = load.capacity === null ? load.slots : (load.slots * free.nodes) / load.capacity.nodes;
  return Math.max(0, Math.min(free.slots, Math.floor(ofNodes)));
}

/** How many ids of parents a reason names. */
const PARENTS_NAMED = 3;

/** What a job that awaits parents waits for. */
export function parentsReason(job: JobRecord, state: State): string {
  const parents = job.spec.parents ?? [];
  const open = parents.filter((id) => state.jobs.get(id)?.finishedAt === null);
  const named = `${open.slice(0, PARENTS_NAMED).join(", ")}${open.length > PARENTS_NAMED ? ", ..." : ""}`;
  return `waits for ${open.length} of ${parents.length} parent${parents.length === 1 ? "" : "s"}: ${named}`;
}

/**
 * Why a ready job is not running, in one phrase.
 *
 * @param keeperSays what a site that starts pilots has said of them, or null
 */
export function waitReason(
  job: JobRecord,
  loads: readonly SiteLoad[],
  policy: Policy,
  nowMs: number,
  keeperSays: (site: SiteName) => string | null,
): string {
  if (job.notBefore > nowMs) {
    const attempt = `attempt ${job.attemptsCounted + 1} of ${job.spec.attemptsMax}`;
    return `${attempt} is at ${new Date(job.notBefore).toISOString()}; the last at ${lastSite(job)}: ${job.reason}`;
  }
  const { site: pinned } = job.spec;
  const says = pinned === undefined || loads.some((load) => load.up && belongs(pinned, load)) ? null : keeperSays(pinned);
  if (says !== null) return `site ${pinned} has no pilot at work: ${says}`;
  const choice = policy.choose(routed(job, nowMs), loads, nowMs);
  const waits =
    choice.action === "wait" ? choice.reason : `its turn: site ${choice.site} has a free slot and takes it with its next request`;
  const refused = refusals(job);
  return refused === "" ? waits : `${waits}; refused by ${refused}`;
}
