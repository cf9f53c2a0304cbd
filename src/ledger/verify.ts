/**
 * Whether a ledger says one thing: its events, all there and undamaged, replayed from the first, give the checkpoint that a restart begins with.
 * Reads; repairs nothing.
 */
import { XpcsError } from "../core/errors.js";
import { readLines } from "./exchange.js";
import { reduce } from "./reduce.js";
import { dirtyRecords, emptyState, noDirty, type StateRecord } from "./state.js";
import type { EventStore } from "./store.js";

export interface LedgerFacts {
  readonly events: number;
  /** Events that the checkpoint stands for. */
  readonly checkpoint: number;
  readonly jobs: number;
  readonly sites: number;
}

/** JSON with sorted keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, field: unknown) =>
    typeof field === "object" && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1)))
      : field,
  );
}

/** Names of what differs. A field that the checkpoint lacks was not kept by the version that wrote it. */
function differingFields(checkpoint: object, replayed: object): string[] {
  const is = replayed as Readonly<Record<string, unknown>>;
  return Object.entries(checkpoint).flatMap(([field, value]) => (canonical(value) === canonical(is[field]) ? [] : [field]));
}

async function compare(store: EventStore, replayed: ReadonlyMap<string, unknown>): Promise<void> {
  const refuse = (what: string): never => {
    throw new XpcsError(
      "CORRUPT_DATA",
      `the replayed events differ from the checkpoint: ${what}; export the ledger and import it to begin from its events`,
    );
  };
  let found = 0;
  for await (const [name, value] of store.records()) {
    found += 1;
    if (!replayed.has(name)) refuse(`no event made ${name}`);
    const fields = differingFields(value as object, replayed.get(name) as object);
    if (fields.length > 0) refuse(`${name}, in ${fields.join(", ")}`);
  }
  if (found !== replayed.size) refuse(`it has ${found} records, the events make ${replayed.size}`);
}

/**
 * Reads the whole ledger and replays it.
 *
 * @throws CORRUPT_DATA naming what is damaged, missing, or differs · VERSION_MISMATCH
 */
export async function verifyLedger(store: EventStore): Promise<LedgerFacts> {
  const state = emptyState();
  const touched = noDirty();
  const recordsNow = (): Map<string, unknown> => new Map<string, unknown>(dirtyRecords(state, touched) as StateRecord[]);
  const checkpoint = store.checkpointSequence;
  if (checkpoint === 0) await compare(store, recordsNow());
  for await (const { sequence, event } of store.events(0)) {
    reduce(state, event, touched);
    if (sequence === checkpoint) await compare(store, recordsNow());
  }
  if (state.sequence < checkpoint)
    throw new XpcsError(
      "CORRUPT_DATA",
      `the ledger ends at event ${state.sequence}, its checkpoint stands for ${checkpoint}: restore a backup`,
    );
  return { events: state.sequence, checkpoint, jobs: state.jobs.size, sites: state.sites.size };
}

/**
 * Reads a whole exported ledger and replays it.
 *
 * @throws CORRUPT_DATA with the line · VERSION_MISMATCH
 */
export async function verifyLines(lines: AsyncIterable<string>): Promise<LedgerFacts> {
  const state = emptyState();
  for await (const event of readLines(lines)) reduce(state, event);
  return { events: state.sequence, checkpoint: 0, jobs: state.jobs.size, sites: state.sites.size };
}
