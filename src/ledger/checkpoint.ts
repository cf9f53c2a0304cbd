/**
 * The state as records, which a checkpoint writes and a restart reads back; and what has changed since the last one. Which events change what is
 * reduce.ts's.
 */
import type { Downtime } from "../core/downtime.js";
import { XpcsError } from "../core/errors.js";
import type { JobId, SiteName } from "../core/job.js";
import { addJob, dropJobs, type JobRecord, type KeyRecord, type SiteRecord, type State } from "./state.js";

/** Name and value of one record. */
export type StateRecord = readonly [name: string, value: unknown];

const JOB = "job/";
const jobName = (index: number) => `${JOB}${String(index).padStart(12, "0")}`;
const keyName = (key: string) => `key/${key}`;
const siteName = (site: SiteName) => `site/${site}`;
const sourceName = (source: string) => `downtimes/${source}`;
/** The record of how many there are; absent in checkpoints of before it. */
export const COUNTS = "state/counts";
/** The record that is there while records ahead of the next checkpoint are: first of all, it says which they are. */
export const AHEAD = "ahead";

/** Names of entries of the archive. Ids grow, so jobs are in the order of submission. */
export const archivedJob = (id: JobId) => `job/${id}`;
export const archivedKey = (key: string) => `key/${key}`;

/** What changed since the last checkpoint; reduce.ts fills it. */
export interface Dirty {
  /** Jobs from this place in the order of submission on are new. */
  readonly newFrom: number;
  /** Those of them before this place have a record already, ahead of the checkpoint. */
  ahead: number;
  /** Events, but for submissions: a new job is read from its event in the same time as from a record. */
  changes: number;
  readonly jobs: Set<JobId>;
  readonly keys: Set<string>;
  readonly sites: Set<SiteName>;
  /** Of downtimes. */
  readonly sources: Set<string>;
  /** Names of records that are no more. */
  readonly gone: Set<string>;
  /** Names and values of what goes into the archive. */
  readonly archive: Map<string, unknown>;
  /** Names of what leaves the archive. */
  readonly unarchive: Set<string>;
}

/** Nothing has changed, and the next job is at place `newFrom`. */
export function noDirty(newFrom = 0): Dirty {
  const none = { jobs: new Set<JobId>(), keys: new Set<string>(), sites: new Set<SiteName>(), sources: new Set<string>() };
  return { newFrom, ahead: newFrom, changes: 0, ...none, gone: new Set(), archive: new Map(), unarchive: new Set() };
}

/** What a checkpoint writes. */
export interface CheckpointChanges {
  readonly records: readonly StateRecord[];
  readonly gone: readonly string[];
  readonly archive: readonly StateRecord[];
  readonly unarchive: readonly string[];
}

interface Counts {
  /** Place of the next job in the order of submission, and when the one before it was submitted. */
  readonly next: number;
  readonly lastMs: number;
  readonly jobs: number;
  readonly archived: number;
}

function countsOf({ order, jobs, archived }: State): Counts {
  return { next: order.end, lastMs: order.lastMs, jobs: jobs.size, archived };
}

interface Ahead {
  /** Jobs from this place on are not of the last checkpoint. */
  readonly from: number;
}

/** The records of at most `jobsMax` new jobs, to be written ahead of the checkpoint, which need not write them any more then. */
export function recordsAhead(state: State, dirty: Dirty, jobsMax: number): StateRecord[] {
  const end = Math.min(state.order.end, dirty.ahead + jobsMax);
  const mark: Ahead = { from: dirty.newFrom };
  const records = newRecords(state, dirty.ahead, end);
  // What changes after this is written again.
  for (const [, job] of records) dirty.jobs.delete((job as JobRecord).id);
  dirty.ahead = end;
  return [[AHEAD, mark], ...records];
}

/** Of records sorted by name those of the last checkpoint. */
export class OfCheckpoint {
  #end: string | null = null;

  /** Whether the record belongs to it, or is ahead of it. */
  has([name, value]: StateRecord): boolean {
    if (name === AHEAD) this.#end = jobName((value as Ahead).from);
    return name !== AHEAD && (this.#end === null || !name.startsWith(JOB) || name < this.#end);
  }
}

function newRecords({ order, jobs }: State, from: number, end: number): StateRecord[] {
  const records: StateRecord[] = [];
  for (let place = from; place < end; place += 1) {
    const job = jobs.get(order.at(place) ?? "");
    if (job !== undefined) records.push([jobName(place), job]);
  }
  return records;
}

/** The place of the next job when the record of counts was written; 0 without one. */
export function endOf(counts: unknown): number {
  return (counts as Counts | undefined)?.next ?? 0;
}

/** What is to be written of everything in `dirty`, over the last checkpoint. */
export function checkpointChanges(state: State, dirty: Dirty): CheckpointChanges {
  const records: StateRecord[] = [[COUNTS, countsOf(state)], ...newRecords(state, dirty.ahead, state.order.end)];
  for (const id of dirty.jobs) {
    const job = state.jobs.get(id);
    if (job !== undefined && job.index < dirty.ahead) records.push([jobName(job.index), job]);
  }
  for (const key of dirty.keys) {
    const known = state.keys.get(key);
    if (known !== undefined) records.push([keyName(key), known]);
  }
  for (const name of dirty.sites) records.push([siteName(name), state.sites.get(name)]);
  const gone = [AHEAD, ...dirty.gone];
  for (const source of dirty.sources) {
    const said = state.downtimes.get(source);
    if (said === undefined) gone.push(sourceName(source));
    else records.push([sourceName(source), said]);
  }
  return { records, gone, archive: [...dirty.archive], unarchive: [...dirty.unarchive] };
}

/** All records of the state, by name. */
export function allRecords(state: State): Map<string, unknown> {
  const records = new Map<string, unknown>();
  if (state.sequence > 0) records.set(COUNTS, countsOf(state));
  for (const job of state.jobs.values()) records.set(jobName(job.index), job);
  for (const [key, known] of state.keys) records.set(keyName(key), known);
  for (const [name, site] of state.sites) records.set(siteName(name), site);
  for (const [source, said] of state.downtimes) records.set(sourceName(source), said);
  return records;
}

/**
 * Takes jobs that have ended out of the state, and the keys of which no job is left: into the archive or, with `forget`, away.
 *
 * @param forget the keys that shall not be known any more; others that become free go into the archive
 */
export function retireJobs(state: State, jobs: readonly JobRecord[], dirty: Dirty | undefined, forget?: ReadonlySet<string>): void {
  dropJobs(state, jobs);
  for (const job of jobs) {
    dirty?.jobs.delete(job.id);
    dirty?.gone.add(jobName(job.index));
    if (forget === undefined) dirty?.archive.set(archivedJob(job.id), job);
  }
  for (const key of new Set(jobs.map((job) => job.key ?? ""))) {
    const known = state.keys.get(key);
    if (known === undefined || known.jobs.some((id) => state.jobs.has(id))) continue;
    state.keys.delete(key);
    dirty?.keys.delete(key);
    dirty?.gone.add(keyName(key));
    if (!forget?.has(key)) dirty?.archive.set(archivedKey(key), known);
  }
}

const lacks = (what: string) => new XpcsError("CORRUPT_DATA", `the ledger's checkpoint lacks ${what}: restore a backup`);

/**
 * Puts the records of a checkpoint back into an empty state. They come sorted by name, so jobs come in the order of submission.
 *
 * @throws CORRUPT_DATA a job is missing or a record is of no known kind
 */
export class Restoring {
  readonly #state: State;
  readonly #checkpoint = new OfCheckpoint();
  #counts: Counts | null = null;

  constructor(state: State) {
    this.#state = state;
  }

  add(record: StateRecord): void {
    if (!this.#checkpoint.has(record)) return;
    const [name, value] = record;
    const kind = name.slice(0, name.indexOf("/"));
    if (kind === "job") this.#job(value as JobRecord);
    else if (kind === "key") this.#key(name.slice(keyName("").length), value as KeyRecord);
    else if (kind === "site") this.#state.sites.set((value as SiteRecord).name, value as SiteRecord);
    else if (kind === "downtimes") this.#state.downtimes.set(name.slice(sourceName("").length), value as readonly Downtime[]);
    else if (name === COUNTS) this.#counts = value as Counts;
    else {
      throw new XpcsError("CORRUPT_DATA", `the ledger's checkpoint has an unknown record "${name}": restore a backup, or upgrade central`);
    }
  }

  #job(job: JobRecord): void {
    const { order } = this.#state;
    if (job.index < order.end) throw lacks("the order of its jobs");
    order.skipTo(job.index, order.lastMs);
    addJob(this.#state, job);
  }

  #key(key: string, known: KeyRecord): void {
    this.#state.keys.set(key, known);
    for (const id of known.jobs) {
      const job = this.#state.jobs.get(id);
      // Records of before this field have none; the others get the one copy of the string.
      if (job !== undefined) (job as { key?: string }).key = key;
    }
  }

  /** After the last record. */
  end(): void {
    const { jobs, order } = this.#state;
    const { size } = jobs;
    const counts = this.#counts ?? { next: size, lastMs: 0, jobs: size, archived: 0 };
    if (size !== counts.jobs || order.end > counts.next) throw lacks(`jobs: it has ${size} of ${Math.max(counts.jobs, order.end)}`);
    order.skipTo(counts.next, counts.lastMs);
    this.#state.archived = counts.archived;
  }
}
