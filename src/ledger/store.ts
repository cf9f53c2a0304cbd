/**
 * Where the ledger lives: an append-only sequence of events, and a checkpoint so that a restart need not read all of them.
 * What failure does: when `append` rejects, some prefix of nothing or all of the batch may be stored, so its owner must stop and
 * start again from the store. One suite runs over every implementation: test/ledger/store.test.ts.
 */
import type { LedgerEvent } from "./events.js";
import type { StateRecord } from "./state.js";

export interface StoredEvent {
  /** From 1, without gaps. */
  readonly sequence: number;
  readonly event: LedgerEvent;
}

/** One entry of a store, as its text. */
export interface StoredText {
  readonly sequence: number;
  /** `[version, event]` as JSON. */
  readonly json: string;
}

/** The store as it was at one moment, while it goes on changing. */
export interface StoreSnapshot {
  /** The events, in order, as text: copying a ledger need not take it apart. @throws CORRUPT_DATA naming what is damaged or missing */
  entries(): AsyncIterable<StoredText>;
  /** Lets go of it; more than once is harmless. */
  close(): Promise<void>;
}

export interface EventStore {
  /** Adds the events, all or none, and resolves when they are on the disk. One call at a time. */
  append(events: readonly LedgerEvent[]): Promise<void>;
  /**
   * The events after `sequence`, in order.
   *
   * @throws CORRUPT_DATA naming the event that is damaged or missing; VERSION_MISMATCH
   */
  events(after: number): AsyncIterable<StoredEvent>;
  /** Writes records over those of the last checkpoint, which then stands for the first `sequence` events. All or none. */
  checkpoint(sequence: number, records: readonly StateRecord[]): Promise<void>;
  /** Sequence number of the last checkpoint; 0 without one. */
  readonly checkpointSequence: number;
  /**
   * The records of the checkpoint, sorted by name.
   *
   * @throws CORRUPT_DATA naming the record that is damaged
   */
  records(): AsyncIterable<StateRecord>;
  /** What is durable now, for reading while `append` and `checkpoint` go on. */
  snapshot(): StoreSnapshot;
  close(): Promise<void>;
}
