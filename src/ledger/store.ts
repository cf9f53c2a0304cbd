/**
 * Where the ledger lives: an append-only sequence of events, and a checkpoint so that a restart need not read all of them. Beside them the archive
 * of jobs that ended long ago, and the base: the state before the first event that is kept whole, from which replaying begins. Events before it are
 * past: they are kept for people, and may be forgotten.
 * What failure does: when `append` rejects, some prefix of nothing or all of the batch may be stored, so its owner must stop and
 * start again from the store. One suite runs over every implementation: test/ledger/store.test.ts.
 */
import type { CheckpointChanges, StateRecord } from "./checkpoint.js";
import type { LedgerEvent } from "./events.js";

export interface StoredEvent {
  /** From 1, without gaps after the base. */
  readonly sequence: number;
  readonly event: LedgerEvent;
}

export const ENTRY_KINDS = ["past", "base", "archive", "event"] as const;
export type EntryKind = (typeof ENTRY_KINDS)[number];

/** One entry of a store, as its text. */
export interface StoredText {
  readonly kind: EntryKind;
  /** The sequence number of an event; the name of a record of the base or of an entry of the archive. */
  readonly name: string;
  /** The value as JSON; of an event `[version, event]`. */
  readonly json: string;
}

/** The store as it was at one moment, while it goes on changing. */
export interface StoreSnapshot {
  readonly base: number;
  /**
   * All of it as text, kind after kind, each sorted: copying a ledger need not take it apart.
   * @throws CORRUPT_DATA naming what is damaged or missing
   */
  entries(kinds?: readonly EntryKind[]): AsyncIterable<StoredText>;
  /** Lets go of it; more than once is harmless. */
  close(): Promise<void>;
}

export interface EventStore {
  /** Adds the events, all or none, and resolves when they are on the disk. One call at a time. */
  append(events: readonly LedgerEvent[]): Promise<void>;
  /**
   * The events after `sequence`, which is not before the base, in order.
   *
   * @throws CORRUPT_DATA naming the event that is damaged or missing; VERSION_MISMATCH
   */
  events(after: number): AsyncIterable<StoredEvent>;
  /** Changes the records and the archive; the records then stand for the first `sequence` events. All or none. */
  checkpoint(sequence: number, changes: CheckpointChanges): Promise<void>;
  /** Writes records ahead of the next checkpoint, without waiting for the disk. They are among the records: `OfCheckpoint` tells them apart. */
  ahead(records: readonly StateRecord[]): Promise<void>;
  /** Sequence number of the last checkpoint; 0 without one. */
  readonly checkpointSequence: number;
  /**
   * The records of the checkpoint, sorted by name, some hundred at a time.
   *
   * @throws CORRUPT_DATA naming the record that is damaged
   */
  records(): AsyncIterable<readonly StateRecord[]>;
  /** An entry of the archive, at once. @throws CORRUPT_DATA */
  archived(name: string): unknown;
  /** The jobs of the archive whose ids are before `before`, newest first. @throws CORRUPT_DATA */
  archivedJobs(before?: string): AsyncIterable<unknown>;
  /** Sequence number that the base stands for; 0 without one. */
  readonly base: number;
  /** The records of the base, in the same way. @throws CORRUPT_DATA */
  baseRecords(): AsyncIterable<readonly StateRecord[]>;
  /** One of them, at once. @throws CORRUPT_DATA */
  baseRecord(name: string): unknown;
  /** Makes the last checkpoint the base; the events up to it are past then. `append` and `checkpoint` go on meanwhile. */
  rebase(): Promise<void>;
  /**
   * Forgets past events, asked of the newest first.
   *
   * @param isOver with `[version, event]` as JSON, and the bytes of those that stay so far
   * @returns how many, and the bytes of those that stay
   */
  forget(isOver: (json: string, bytesSoFar: number) => boolean): Promise<{ forgotten: number; bytes: number }>;
  /** Takes entries over from another ledger, with its base; only into a store that is being made. All or none. */
  restore(base: number, entries: readonly StoredText[]): Promise<void>;
  /** What is durable now, for reading while `append` and `checkpoint` go on. */
  snapshot(): StoreSnapshot;
  close(): Promise<void>;
}
