/**
 * The sites as policies see them: what is in the ledger, and who is connected. What does not change from turn to turn is kept: the jobs that a site
 * holds until they change, and what all sites have learnt together until one of them learns more.
 */
import type { SiteName } from "../core/job.js";
import { type Learnt, NOTHING_LEARNT, PooledRuns, type SiteLearnt, spreadOf, weightOf } from "../core/learning.js";
import { lineOf } from "../core/link-line.js";
import type { HeldJobs } from "../ledger/held-jobs.js";
import { type JobRecord, type LinkStats, type RunStats, runningAt, type SiteRecord, type State } from "../ledger/state.js";
import type { LinkRate, SiteFacts, SiteLoad } from "../router/policy.js";
import { type HeldJob, loadOf } from "../router/work-ahead.js";
import { openings } from "./downtimes.js";
import type { Sites } from "./presence.js";

/** Spread of a rate that no job's files have shown. */
const TESTED_SPREAD = 0.5;
/** Spread of run times that were kept before they were learnt with one. */
const OLD_SPREAD = 0.5;

/**
 * What jobs have shown; before that, and when it has grown old, what the self-test told.
 *
 * @param shown bytes and their time on the link
 * @param learnt how that time went with what was expected
 */
export function linkRate(
  shown: LinkStats | undefined,
  learnt: Learnt | undefined,
  tested: number | undefined,
  nowMs: number,
): LinkRate | null {
  if (shown === undefined) return tested === undefined ? null : { bytesPerS: tested, tested: true, spread: TESTED_SPREAD };
  const weight = learnt === undefined ? 1 : Math.min(1, weightOf(learnt, nowMs));
  const msPerByte = (weight * shown.ms) / shown.bytes + (tested === undefined ? 0 : ((1 - weight) * 1000) / tested);
  const spread = learnt === undefined ? TESTED_SPREAD : Math.min(1, spreadOf(learnt));
  return { bytesPerS: 1000 / Math.max(msPerByte, Number.MIN_VALUE), tested: false, spread };
}

function learntOf({ learnt, runs, joinedAt }: SiteRecord): SiteLearnt {
  if (learnt !== undefined) return learnt;
  const apps = Object.entries(runs);
  return apps.length === 0
    ? NOTHING_LEARNT
    : { runs: Object.fromEntries(apps.map(([app, stats]) => [app, { "-": oldRuns(stats, joinedAt) }])) };
}

/** From a checkpoint of before run times were learnt. */
function oldRuns({ count, totalMs, results }: RunStats, at: number) {
  const mean = totalMs / count;
  const ms: Learnt = { mean, variance: (OLD_SPREAD * mean) ** 2, count, at };
  return results === undefined
    ? { ms }
    : { ms, resultBytes: { mean: results.bytes / results.count, variance: 0, count: results.count, at } };
}

interface Pooled {
  readonly pool: PooledRuns;
  of: readonly SiteLearnt[];
  together: SiteLearnt;
}

const pools = new WeakMap<State, Map<string, Pooled>>();

/** What `sites` have learnt together; `name` is that of the group, of which one answer is kept. */
export function pooledOf(state: State, name: string, sites: readonly SiteRecord[]): SiteLearnt {
  let kept = pools.get(state);
  if (kept === undefined) {
    kept = new Map();
    pools.set(state, kept);
  }
  const records = sites.map(learntOf);
  const before = kept.get(name);
  if (before === undefined) {
    const pool = new PooledRuns();
    const together = pool.of(records);
    kept.set(name, { pool, of: records, together });
    return together;
  }
  if (before.of.length !== records.length || records.some((one, at) => one !== before.of[at])) {
    before.together = before.pool.of(records);
    before.of = records;
  }
  return before.together;
}

interface Held {
  readonly version: number;
  /** The oldest first. */
  readonly records: readonly JobRecord[];
  /** The same as policies see them. */
  readonly jobs: readonly HeldJob[];
  /** Those of their attempts there. */
  readonly epochs: readonly number[];
  /** Those that were seen to have begun, which they never take back; marked by who has seen it. */
  readonly begun: boolean[];
}

const helds = new WeakMap<HeldJobs, Held>();

/** Since when the site has it: a second attempt begins later than the first. */
function heldJob(job: JobRecord, site: SiteName): HeldJob {
  const { spec, since } = job;
  const startedAt = runningAt(job, site)?.startedAt;
  const sinceMs = startedAt === undefined ? since : Date.parse(startedAt);
  return { app: spec.work.app, resources: spec.resources ?? {}, inputBytes: spec.inputBytes ?? null, sinceMs };
}

const NONE: Held = { version: 0, records: [], jobs: [], epochs: [], begun: [] };

/** The oldest first; of several the one that was submitted first. */
const isAfter = (a: JobRecord, b: JobRecord): boolean => (a.since === b.since ? a.index > b.index : a.since > b.since);

type Lists = { -readonly [List in "records" | "jobs" | "epochs" | "begun"]: Held[List] extends readonly (infer Item)[] ? Item[] : never };

function put(held: Lists, at: number, record: JobRecord, site: SiteName): void {
  held.records.splice(at, 0, record);
  held.jobs.splice(at, 0, heldJob(record, site));
  held.epochs.splice(at, 0, runningAt(record, site)?.epoch ?? 0);
  held.begun.splice(at, 0, false);
}

/** Into its place, from the end: mostly it is the newest. */
function enter(held: Lists, record: JobRecord, site: SiteName): void {
  let at = held.records.length;
  while (at > 0 && isAfter(held.records[at - 1]!, record)) at -= 1;
  put(held, at, record, site);
}

/** The jobs that a site holds. Of those that have not changed since the last time, what they were then. */
export function heldAt(state: State, site: SiteName): Held {
  const ids = state.leased.get(site);
  if (ids === undefined) return NONE;
  const kept = helds.get(ids);
  if (kept?.version === ids.version) return kept;
  const changed = kept === undefined ? null : ids.changedSince(kept.version);
  const lists: Lists = { records: [], jobs: [], epochs: [], begun: [] };
  if (kept === undefined || changed === null) {
    const records = [...ids].map((id) => state.jobs.get(id)!);
    for (const record of records.sort((a, b) => (isAfter(a, b) ? 1 : -1))) put(lists, lists.records.length, record, site);
  } else {
    for (const list of ["records", "jobs", "epochs", "begun"] as const) lists[list] = kept[list].slice() as never;
    for (const id of changed) {
      const before = lists.records.findIndex((record) => record.id === id);
      if (before >= 0) for (const list of [lists.records, lists.jobs, lists.epochs, lists.begun]) list.splice(before, 1);
      const record = ids.has(id) ? state.jobs.get(id)! : null;
      if (record !== null) enter(lists, record, site);
    }
  }
  const held = { version: ids.version, ...lists };
  helds.set(ids, held);
  return held;
}

type Links = SiteFacts["links"];

interface KeptLinks {
  readonly of: SiteRecord;
  readonly own: SiteLearnt;
  readonly as: Links;
}

const keptLinks = new WeakMap<State, Map<SiteName, KeptLinks>>();

const isFull = (learnt: Learnt | undefined, nowMs: number): boolean => learnt === undefined || weightOf(learnt, nowMs) >= 1;

/** The same object as long as nothing is learnt of its links and nothing of what was has faded. */
function linksOf(state: State, site: SiteRecord, own: SiteLearnt, nowMs: number): Links {
  let kept = keptLinks.get(state);
  if (kept === undefined) {
    kept = new Map();
    keptLinks.set(state, kept);
  }
  const { name, links, selfTest, inLine } = site;
  const before = kept.get(name);
  const isLasting = isFull(own.in, nowMs) && isFull(own.out, nowMs);
  const isSame = before !== undefined && before.own === own && before.of.links === links;
  if (isLasting && isSame && before.of.selfTest === selfTest && before.of.inLine === inLine) return before.as;
  const into = linkRate(links?.in, own.in, selfTest?.inBytesPerS, nowMs);
  const line = lineOf(inLine);
  const as = {
    in: into === null || line === null ? into : { ...into, line },
    out: linkRate(links?.out, own.out, selfTest?.outBytesPerS, nowMs),
  };
  if (isLasting) kept.set(name, { of: site, own, as });
  else kept.delete(name);
  return as;
}

/**
 * The sites that have not said goodbye, sorted by name, as a policy sees them.
 *
 * @param filesWaitMs until a site can bring files of another job, ms; 0: it can now
 */
export function siteLoads(
  state: State,
  sites: Sites,
  nowMs: number,
  monotonicMs: number,
  filesWaitMs: (site: Pick<SiteFacts, "name" | "links">) => number = () => 0,
): SiteLoad[] {
  const loads: SiteLoad[] = [];
  const openingFor = openings(state, sites, nowMs);
  const present = [...state.sites.values()].filter((site) => site.present);
  const common = pooledOf(state, "", [...state.sites.values()]);
  const groups = new Map<SiteName, SiteRecord[]>();
  for (const site of present) {
    const pilotOf = sites.get(site.name)?.pilotOf ?? null;
    if (pilotOf === null) continue;
    const group = groups.get(pilotOf);
    if (group === undefined) groups.set(pilotOf, [site]);
    else group.push(site);
  }
  for (const site of present) {
    const { name, slots, capacity = null, apps, granted, selfTest } = site;
    const { draining = null, pilotOf = null } = sites.get(name) ?? {};
    const own = learntOf(site);
    const learnt = pilotOf === null ? own : pooledOf(state, pilotOf, groups.get(pilotOf)!);
    const links = linksOf(state, site, own, nowMs);
    const { opening } = openingFor(name, pilotOf);
    const tried = site.probation && { reason: site.probation.reason, triedInMs: site.probation.probeAt - nowMs };
    const eventsPerCoreS = selfTest?.eventsPerCoreS ?? null;
    const up = sites.isUp(name, monotonicMs);
    const facts: SiteFacts = {
      name,
      up,
      pilotOf,
      draining,
      opening,
      probation: tried,
      slots,
      capacity,
      apps,
      granted,
      learnt,
      common,
      links,
      filesWaitMs: filesWaitMs({ name, links }),
      eventsPerCoreS,
    };
    loads.push(loadOf(facts, heldAt(state, name).jobs, nowMs));
  }
  return loads.sort((a, b) => (a.name < b.name ? -1 : 1));
}
