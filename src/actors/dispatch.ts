/**
 * Brings waiting jobs and asking sites together: builds the policy's view, asks it for each job in the order of the queue, and says which job
 * goes where, and why the others wait. Decides nothing about jobs and grants nothing itself.
 */
import type { JobId, SiteName } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import { isPilotName } from "../core/pilot-names.js";
import type { Promised } from "../core/promise.js";
import { type Submitters, takesFrom } from "../core/submitters.js";
import { refusals } from "../ledger/decide.js";
import { failedAt } from "../ledger/ready-group.js";
import type { ReadyGroup } from "../ledger/ready-queue.js";
import { addRuns, type JobRecord, lastSite, type RunStats, type SiteRecord, type State } from "../ledger/state.js";
import { type Estimate, estimate, estimateOf, Outlook, promiseOf } from "../router/estimates.js";
import {
  type Alike,
  ableAt,
  belongs,
  needOf,
  type Policy,
  type RoutedJob,
  type Shared,
  type SiteLoad,
  tooLarge,
} from "../router/policy.js";
import type { PolicyOf } from "../router/policy-rules.js";
import { withJob, withMany } from "../router/work-ahead.js";
import { askedOfPilots, pilotsOf as earlierPilots, withFeaturesOf } from "./pilot-features.js";

export interface Grant {
  readonly job: JobId;
  readonly site: SiteName;
  readonly why: string;
  /** What is expected of it. */
  readonly promised: Promised;
}

const NONE: readonly never[] = [];

/** The job as policies see it. */
export function routed(job: JobRecord, nowMs: number): RoutedJob {
  const { work, site = null, resources = {}, inputBytes = null, experiment, deadline } = job.spec;
  const submitter = { owner: job.owner, experiment };
  const waitedMs = Math.max(0, nowMs - job.since);
  const { id, refusedBy = NONE } = job;
  const attemptsLeft = job.spec.attemptsMax - job.attemptsCounted;
  const question = { id, app: work.app, site, submitter, avoid: failedAt(job), refusedBy, resources, inputBytes, waitedMs, attemptsLeft };
  return deadline === undefined ? question : { ...question, deadlineMs: Date.parse(deadline) };
}

/** What is expected of a job at the site that gets it, with the best of the others beside it. */
function promised(job: RoutedJob, site: SiteName, loads: readonly SiteLoad[], nowMs: number, alike: Alike): Promised {
  const able = ableAt(job, loads, nowMs, {}, false);
  alike.outlook ??= new Outlook(job, loads, nowMs);
  const { outlook } = alike;
  outlook.look(job, loads, able);
  let [here, next] = [-1, -1];
  for (const at of able) {
    if (loads[at]!.name === site) here = at;
    else if (next < 0 || outlook.ms(at) < outlook.ms(next)) next = at;
  }
  const estimateAt = (at: number): Estimate => estimateOf(job, loads[at]!, outlook, at);
  const best = here < 0 ? estimate(job, loads.find(({ name }) => name === site)!, nowMs) : estimateAt(here);
  return promiseOf(best, next < 0 ? null : estimateAt(next));
}

/** Jobs alike in all that a policy sees. */
interface Kind {
  /** Those that were asked about one after the other and got nothing: the next ones would wait behind them. Infinite: nothing but a new site could help them. */
  waits: number;
  /** So many more are taken to wait for the site for which the last did, without being asked about. */
  passes: number;
  /** That was worked out already. */
  hasPassed: boolean;
  /** What policies have worked out for them in this round. */
  readonly alike: Alike;
}

/** Of a round. */
class Kinds {
  readonly #byName = new Map<string, Kind>();
  /** That of the last policy: mostly a group has one. */
  readonly #ofGroup = new Map<ReadyGroup, { readonly policy: Policy; readonly kind: Kind }>();

  of(group: ReadyGroup, policy: Policy): Kind {
    const last = this.#ofGroup.get(group);
    if (last?.policy === policy) return last.kind;
    const name = `${policy.name} ${group.alike}`;
    const kind = this.#byName.get(name) ?? { waits: 0, passes: 0, hasPassed: false, alike: {} };
    this.#byName.set(name, kind);
    this.#ofGroup.set(group, { policy, kind });
    return kind;
  }
}

/**
 * How many more jobs like this one, which waits for the site at `at`, must wait there until the next of them would rather have a free slot elsewhere; null: that is not so
 * within `most`. One question mostly, and a few more where the answer is a number.
 */
function waitingBefore(
  job: RoutedJob,
  loads: readonly SiteLoad[],
  at: number,
  most: number,
  goes: (loads: readonly SiteLoad[]) => boolean,
  nowMs: number,
): number | null {
  const isEnough = (count: number) => goes(loads.with(at, withMany(loads[at]!, job, count, nowMs)));
  let [few, enough] = [0, most];
  if (!isEnough(enough)) return null;
  while (enough - few > 1) {
    const middle = (few + enough) >>> 1;
    if (isEnough(middle)) enough = middle;
    else few = middle;
  }
  return enough;
}

/**
 * The grants to make now.
 *
 * @param asked slots that each site asks for at present
 * @param ahead how many of those it would take for jobs whose files it brings while others run
 * @param jobsMax jobs that each site takes at most; absent: as many as fit
 */
export function planGrants(
  state: State,
  initial: readonly SiteLoad[],
  policyOf: PolicyOf,
  asked: ReadonlyMap<SiteName, number>,
  nowMs: number,
  ahead: ReadonlyMap<SiteName, number> = new Map(),
  jobsMax: ReadonlyMap<SiteName, number> = new Map(),
): Grant[] {
  const grants: Grant[] = [];
  const jobsLeft = new Map(jobsMax);
  const left = new Map([...asked].filter(([site, slots]) => slots > 0 && jobsLeft.get(site) !== 0));
  const aheadLeft = new Map(ahead);
  const loads = [...initial];
  const place = new Map(loads.map(({ name }, at) => [name, at]));
  let looked = 0;
  const kinds = new Kinds();
  const walk = state.ready.walk();
  for (let id = walk.next(); id !== null; id = walk.next()) {
    if (left.size === 0 || looked >= LIMITS.dispatchScanMax) break;
    const record = state.jobs.get(id)!;
    if (record.notBefore > nowMs) continue;
    const policy = policyOf(record.spec);
    const kind = kinds.of(walk.group, policy);
    if (kind.passes > 0) {
      kind.passes -= 1;
      continue;
    }
    if (kind.waits >= LIMITS.dispatchWaitsMax) {
      if (policyOf.byTags !== true) walk.skipGroup();
      continue;
    }
    looked += 1;
    const job = routed(record, nowMs);
    const { action, site, why } = policy.choose(job, loads, nowMs, kind.alike);
    const need = needOf(job.resources).slots;
    // Also a job pinned to a full site: the others of its kind wait as it does, and must not hide the jobs behind them.
    const early = action === "wait" && site !== null && need <= Math.min(aheadLeft.get(site) ?? 0, left.get(site) ?? 0);
    if (site === null || (action === "wait" && job.site !== null && !early)) {
      kind.waits = Number.POSITIVE_INFINITY;
      continue;
    }
    const slots = left.get(site) ?? 0;
    kind.waits += 1;
    if (early || (action === "run" && slots >= need)) {
      const reason = early ? `its files are brought while it waits: ${why()}` : why();
      grants.push({ job: id, site, why: reason, promised: promised(job, site, loads, nowMs, kind.alike) });
      if (early) aheadLeft.set(site, aheadLeft.get(site)! - need);
      const jobs = (jobsLeft.get(site) ?? Number.POSITIVE_INFINITY) - 1;
      jobsLeft.set(site, jobs);
      if (slots === need || jobs <= 0) left.delete(site);
      else left.set(site, slots - need);
      kind.waits = 0;
    }
    const at = place.get(site)!;
    loads[at] = withJob(loads[at]!, job, action, nowMs, kind.alike.outlook?.known[at]);
    if (kind.waits !== LIMITS.dispatchWaitsMax || kind.hasPassed) continue;
    kind.hasPassed = true;
    const goes = (then: readonly SiteLoad[]): boolean => {
      const next = policy.choose(job, then, nowMs, kind.alike);
      return next.action === "run" && need <= (left.get(next.site) ?? 0);
    };
    const before = waitingBefore(job, loads, at, Math.min(LIMITS.dispatchScanMax, state.ready.size), goes, nowMs);
    if (before === null) continue;
    loads[at] = withMany(loads[at]!, job, before, nowMs);
    kind.passes = before;
    kind.waits -= 1;
  }
  return grants;
}

/** What these sites have run, by app. */
function runsOf(sites: Iterable<SiteRecord>): ReadonlyMap<string, RunStats> {
  const sums = new Map<string, RunStats>();
  for (const { runs } of sites) for (const [app, stats] of Object.entries(runs)) sums.set(app, addRuns(sums.get(app), stats));
  return sums;
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
  const [latest] = earlierPilots(state.sites, pilotsOf);
  const site = { name: "", ...like, capacity: like.capacity === null ? null : withFeaturesOf(like.capacity, latest) };
  const means = meansOf(state);
  let [slots, slotS, longestS] = [0, 0, 0];
  let looked = 0;
  for (const id of state.ready) {
    looked += 1;
    if (looked > LIMITS.dispatchScanMax) break;
    const { notBefore, spec, owner, refusedBy = [] } = state.jobs.get(id)!;
    const { work, site: pinned = null, resources = {}, experiment } = spec;
    if (
      notBefore > nowMs ||
      (pinned !== null && pinned !== pilotsOf) ||
      !like.apps.includes(work.app) ||
      tooLarge(askedOfPilots(resources, latest), site) !== null
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
  const { free } = load;
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
  policyOf: PolicyOf,
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
  const { action, site, why } = policyOf(job.spec).choose(routed(job, nowMs), loads, nowMs);
  const waits = action === "wait" ? why() : `its turn: site ${site} has a free slot and takes it with its next request`;
  const refused = refusals(job);
  return refused === "" ? waits : `${waits}; refused by ${refused}`;
}
