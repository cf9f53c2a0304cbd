/**
 * State and store together: `decide` and `record` change the state at once, `commit` makes what was recorded durable. Whoever answers a
 * caller does so after the commit. A commit that fails is the end of this ledger in this process: the state is ahead of the disk.
 */
import { XpcsError } from "../core/errors.js";
import type { JobId } from "../core/job.js";
import { archivedJob, archivedKey, COUNTS, checkpointChanges, type Dirty, endOf, noDirty, Restoring, recordsAhead } from "./checkpoint.js";
import { type Command, decide } from "./decide.js";
import type { LedgerEvent } from "./events.js";
import { reduce } from "./reduce.js";
import { emptyState, type JobRecord, type KeyRecord, type State } from "./state.js";
import type { EventStore, StoreSnapshot } from "./store.js";

/** Changes of jobs and sites between two checkpoints: a restart replays about so many, which takes some ms. */
const CHECKPOINT_CHANGES = 2_000;
/** Records that are written at once: some ms of work, between which other work has its turn. */
const RECORDS = 500;

/**
 * The state that the store holds: its checkpoint and the events after it.
 *
 * @throws CORRUPT_DATA, VERSION_MISMATCH
 */
export async function loadState(store: EventStore): Promise<{ state: State; dirty: Dirty }> {
  const state = emptyState();
  const restoring = new Restoring(state);
  for await (const records of store.records()) for (const record of records) restoring.add(record);
  restoring.end();
  const dirty = noDirty(state.order.end);
  state.sequence = store.checkpointSequence;
  for await (const { event } of store.events(state.sequence)) reduce(state, event, dirty);
  return { state, dirty };
}

export class Ledger {
  readonly state: State;
  readonly #store: EventStore;
  #dirty: Dirty;
  #uncommitted: LedgerEvent[] = [];
  /** Events were written since `settle`. */
  #hasGrown = false;
  /** A write failed: the state may be ahead of the disk, so nothing of it may be written any more. */
  #broken = false;

  constructor(store: EventStore, loaded: { state: State; dirty: Dirty }) {
    this.#store = store;
    this.state = loaded.state;
    this.#dirty = loaded.dirty;
  }

  /**
   * Decides, and applies the events to the state. They are durable after the next `commit`.
   *
   * @param by the person who ordered it; the events carry the name
   * @throws what `decide` refuses
   */
  execute(command: Command, now: number, by?: string): readonly LedgerEvent[] {
    const decision = decide(this.state, command, now);
    if (decision instanceof XpcsError) throw decision;
    const events = by === undefined ? decision : decision.map((event) => ({ ...event, by }));
    for (const event of events) reduce(this.state, event, this.#dirty);
    this.#uncommitted.push(...events);
    return events;
  }

  get hasUncommitted(): boolean {
    return this.#uncommitted.length > 0;
  }

  /**
   * Makes everything so far durable, in one write; what leaves for the archive, or the ledger, in a second one, a checkpoint.
   *
   * @param wantsCheckpoint writes one in any case
   */
  async commit(wantsCheckpoint = false): Promise<void> {
    const events = this.#uncommitted;
    this.#uncommitted = [];
    this.#hasGrown = events.length > 0;
    if (events.length > 0) await this.#write(() => this.#store.append(events));
    const { archive, unarchive } = this.#dirty;
    if (wantsCheckpoint || archive.size > 0 || unarchive.size > 0) await this.#checkpoint();
  }

  /** New jobs whose records the next checkpoint has to write. */
  get newJobs(): number {
    return this.state.order.end - this.#dirty.ahead;
  }

  /**
   * What need not be done before anybody is answered, a few ms at a time: a checkpoint when there are many changes, and records ahead of it. Only when
   * nothing is uncommitted.
   *
   * @param isQuiet records are written also where none need be soon
   */
  async settle(isQuiet: boolean): Promise<void> {
    const isDue = this.#dirty.changes >= CHECKPOINT_CHANGES;
    // Who only reads need not wait for it.
    const hasGrown = this.#hasGrown;
    this.#hasGrown = false;
    if (!isQuiet && !(isDue && hasGrown)) return;
    if (this.newJobs > 0) await this.#writeAhead();
    if (isDue && this.newJobs <= RECORDS) await this.#checkpoint();
  }

  async #writeAhead(): Promise<void> {
    await this.#write(() => this.#store.ahead(recordsAhead(this.state, this.#dirty, RECORDS)));
  }

  /** Writes what changed since the last checkpoint. Only when nothing is uncommitted. */
  async #checkpoint(): Promise<void> {
    while (this.newJobs > RECORDS) await this.#writeAhead();
    const dirty = this.#dirty;
    this.#dirty = noDirty(this.state.order.end);
    await this.#write(() => this.#store.checkpoint(this.state.sequence, checkpointChanges(this.state, dirty)));
  }

  /** Between two commits: a job of the archive. @throws CORRUPT_DATA */
  archivedJob(id: JobId): JobRecord | undefined {
    return this.#archived(archivedJob(id)) as JobRecord | undefined;
  }

  /** Between two commits: a key whose jobs are in the archive. @throws CORRUPT_DATA */
  archivedKey(key: string): KeyRecord | undefined {
    return this.#archived(archivedKey(key)) as KeyRecord | undefined;
  }

  #archived(name: string): unknown {
    const { archive, unarchive } = this.#dirty;
    // On its way there, or away from there, within this group of turns.
    if (archive.has(name) || unarchive.has(name)) return archive.get(name);
    return this.state.archived === 0 ? undefined : this.#store.archived(name);
  }

  /** The jobs of the archive, newest first, from the one before `before`. @throws CORRUPT_DATA */
  archivedJobs(before?: JobId): AsyncIterable<JobRecord> {
    return this.#store.archivedJobs(before) as AsyncIterable<JobRecord>;
  }

  /** What is durable now. */
  moment(): StoreSnapshot {
    return this.#store.snapshot();
  }

  /** Events since the base, and jobs that they submitted: an event may have a thousand. */
  get sizeSinceBase(): number {
    return this.state.sequence - this.#store.base + this.state.order.end - endOf(this.#store.baseRecord(COUNTS));
  }

  /** When the first event since the base was, ms since 1970; null: there is none. */
  async firstEventMs(): Promise<number | null> {
    for await (const { event } of this.#store.events(this.#store.base)) return event.at;
    return null;
  }

  /** Makes what is durable now the beginning of the ledger: the events so far are past then. Turns and commits go on meanwhile. */
  async rebase(): Promise<void> {
    await this.#store.rebase();
  }

  /** Forgets past events (`EventStore.forget`). */
  forget(isOver: Parameters<EventStore["forget"]>[0]): ReturnType<EventStore["forget"]> {
    return this.#store.forget(isOver);
  }

  async #write(run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#broken = true;
      throw error;
    }
  }

  async close(): Promise<void> {
    // A restart reads many new jobs from their events as fast as from records, and stopping should not take longer than that.
    if (!this.#broken) await this.commit(this.newJobs <= RECORDS);
    await this.#store.close();
  }
}
