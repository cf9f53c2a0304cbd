/**
 * Whether a ledger says one thing: its events, all there and undamaged, replayed from the first, give the checkpoint that a restart begins with.
 * Reads; repairs nothing.
 */
import { canonicalJson } from "../core/canonical-json.js";
import { XpcsError } from "../core/errors.js";
import { allRecords, COUNTS, type Dirty, noDirty, OfCheckpoint, Restoring } from "./checkpoint.js";
import { eventOf } from "./event-text.js";
import { importLines } from "./exchange.js";
import { memoryStore } from "./memory-store.js";
import { reduce } from "./reduce.js";
import { emptyState, type State } from "./state.js";
import type { EventStore } from "./store.js";

export interface LedgerFacts {
  readonly events: number;
  /** Events that the checkpoint stands for. */
  readonly checkpoint: number;
  readonly jobs: number;
  /** Jobs in the archive. */
  readonly archived: number;
  readonly sites: number;
}

/** What records of earlier versions have, and nobody keeps any more: of a job the event that gave it its place among the ready ones. */
const FORMER: ReadonlySet<string> = new Set(["queued"]);

/** Names of what differs. A field that the checkpoint lacks was not kept by the version that wrote it. */
export function differingFields(checkpoint: object, replayed: object): string[] {
  const is = replayed as Readonly<Record<string, unknown>>;
  const isSame = (field: string, value: unknown) => is[field] !== undefined && canonicalJson(value) === canonicalJson(is[field]);
  return Object.entries(checkpoint).flatMap(([field, value]) => (FORMER.has(field) || isSame(field, value) ? [] : [field]));
}

const refuse = (what: string): never => {
  throw new XpcsError(
    "CORRUPT_DATA",
    `the replayed events differ from the checkpoint: ${what}; export the ledger and import it to begin from its events`,
  );
};

async function compare(store: EventStore, state: State, { archive, unarchive }: Dirty): Promise<void> {
  const replayed = allRecords(state);
  const ofCheckpoint = new OfCheckpoint();
  let found = 0;
  for await (const records of store.records()) {
    for (const record of records) {
      if (!ofCheckpoint.has(record)) continue;
      const [name, value] = record;
      found += 1;
      if (!replayed.has(name)) refuse(`no event made ${name}`);
      const fields = differingFields(value as object, replayed.get(name) as object);
      if (fields.length > 0) refuse(`${name}, in ${fields.join(", ")}`);
      replayed.delete(name);
    }
  }
  // A count that earlier versions did not keep.
  replayed.delete(COUNTS);
  if (replayed.size > 0) refuse(`it has ${found} records, the events make ${found + replayed.size}`);
  for (const [name, value] of archive) {
    const stored = store.archived(name);
    if (stored === undefined) refuse(`${name} is not in the archive`);
    const fields = differingFields(stored as object, value as object);
    if (fields.length > 0) refuse(`${name} of the archive, in ${fields.join(", ")}`);
  }
  for (const name of unarchive)
    if (!archive.has(name) && store.archived(name) !== undefined) refuse(`${name} was removed from the archive`);
}

/** How many jobs there are; reads the whole archive. */
async function countArchive(store: EventStore): Promise<number> {
  let jobs = 0;
  for await (const _ of store.archivedJobs()) jobs += 1;
  return jobs;
}

/**
 * Reads the whole ledger and replays it from its base.
 *
 * @throws CORRUPT_DATA naming what is damaged, missing, or differs · VERSION_MISMATCH
 */
export async function verifyLedger(store: EventStore): Promise<LedgerFacts> {
  const state = emptyState();
  const touched = noDirty();
  const moment = store.snapshot();
  let past = 0;
  for await (const { json } of moment.entries(["past"])) {
    eventOf(json);
    past += 1;
  }
  await moment.close();
  const restoring = new Restoring(state);
  for await (const records of store.baseRecords()) for (const record of records) restoring.add(record);
  restoring.end();
  state.sequence = store.base;
  const checkpoint = store.checkpointSequence;
  if (checkpoint === store.base) await compare(store, state, touched);
  for await (const { sequence, event } of store.events(store.base)) {
    reduce(state, event, touched);
    if (sequence === checkpoint) await compare(store, state, touched);
  }
  if (state.sequence < checkpoint)
    throw new XpcsError(
      "CORRUPT_DATA",
      `the ledger ends at event ${state.sequence}, its checkpoint stands for ${checkpoint}: restore a backup`,
    );
  const archived = await countArchive(store);
  // An imported archive may hold already what the events after its base put there.
  if (archived < state.archived) refuse(`the archive has ${archived} jobs of ${state.archived}`);
  return { ...factsOf(state), events: past + state.sequence - store.base, checkpoint };
}

function factsOf(state: State): Omit<LedgerFacts, "events" | "checkpoint"> {
  return { jobs: state.jobs.size, archived: state.archived, sites: state.sites.size };
}

/**
 * Reads a whole exported ledger and replays it.
 *
 * @throws CORRUPT_DATA with the line · VERSION_MISMATCH
 */
export async function verifyLines(lines: AsyncIterable<string>): Promise<LedgerFacts> {
  const store = memoryStore();
  await importLines(lines, store);
  return verifyLedger(store);
}
