/**
 * State and store together: `decide` and `record` change the state at once, `commit` makes what was recorded durable. Whoever answers a
 * caller does so after the commit. A commit that fails is the end of this ledger in this process: the state is ahead of the disk.
 */
import { XpcsError } from "../core/errors.js";
import { type Command, decide } from "./decide.js";
import type { LedgerEvent } from "./events.js";
import { reduce } from "./reduce.js";
import { type Dirty, dirtyRecords, emptyState, type JobRecord, noDirty, restoreRecord, type State } from "./state.js";
import type { EventStore, StoreSnapshot } from "./store.js";

/** Events between two checkpoints: a restart replays at most so many, which takes some ms. */
const CHECKPOINT_EVENTS = 2_000;

const placeOf = ({ queued, changed }: JobRecord) => queued ?? changed;

/**
 * The state that the store holds: its checkpoint and the events after it.
 *
 * @throws CORRUPT_DATA, VERSION_MISMATCH
 */
export async function loadState(store: EventStore): Promise<{ state: State; dirty: Dirty }> {
  const state = emptyState();
  const dirty = noDirty();
  for await (const record of store.records()) restoreRecord(state, record);
  // Ready jobs queue by the time at which they became ready, which the order of submission does not tell.
  const queue = [...state.ready].map((id) => state.jobs.get(id)!).sort((a, b) => placeOf(a) - placeOf(b) || a.index - b.index);
  for (const job of queue) state.ready.delete(job.id);
  for (const job of queue) state.ready.add(job.id, job.spec);
  state.sequence = store.checkpointSequence;
  for await (const { event } of store.events(state.sequence)) reduce(state, event, dirty);
  return { state, dirty };
}

export class Ledger {
  readonly state: State;
  readonly #store: EventStore;
  #dirty: Dirty;
  #uncommitted: LedgerEvent[] = [];
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

  /** Makes everything so far durable, in one write. */
  async commit(): Promise<void> {
    const events = this.#uncommitted;
    if (events.length === 0) return;
    this.#uncommitted = [];
    await this.#write(() => this.#store.append(events));
    if (this.state.sequence - this.#store.checkpointSequence >= CHECKPOINT_EVENTS) await this.checkpoint();
  }

  /** Writes what changed since the last checkpoint. Only when nothing is uncommitted. */
  async checkpoint(): Promise<void> {
    const dirty = this.#dirty;
    this.#dirty = noDirty();
    await this.#write(() => this.#store.checkpoint(this.state.sequence, dirtyRecords(this.state, dirty)));
  }

  /** What is durable now. */
  moment(): StoreSnapshot {
    return this.#store.snapshot();
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
    if (!this.#broken) {
      await this.commit();
      await this.checkpoint();
    }
    await this.#store.close();
  }
}
