/**
 * The ledger in memory, with the one property of a disk that matters: what was not synced may be lost. For tests and simulation.
 * `sync` stands for the disk: an append resolves when it does. `crash` gives the store as the next process would find it.
 */
import type { StateRecord } from "./checkpoint.js";
import { eventOf } from "./event-text.js";
import { EVENT_VERSION, type LedgerEvent } from "./events.js";
import { ENTRY_KINDS, type EntryKind, type EventStore, type StoredText } from "./store.js";

/** What one synced write holds, as text, so that no object is shared with the writer. */
interface Disk {
  /** By sequence number. */
  readonly events: Map<number, string>;
  readonly records: Map<string, string>;
  readonly archive: Map<string, string>;
  baseRecords: Map<string, string>;
  base: number;
  last: number;
  checkpoint: number;
}

export interface MemoryStore extends EventStore {
  /** The same disk after a crash: unsynced writes are gone, but for the first `keep` of them. */
  crash(keep: number): MemoryStore;
}

const sorted = (records: ReadonlyMap<string, string>) => [...records].sort(([a], [b]) => (a < b ? -1 : 1));

async function* parsed(records: ReadonlyMap<string, string>): AsyncGenerator<StateRecord[]> {
  yield sorted(records).map(([name, json]) => [name, JSON.parse(json) as unknown]);
}

function entriesOf({ events, base, baseRecords, archive }: Disk): Readonly<Record<EntryKind, readonly StoredText[]>> {
  const numbered = [...events].sort(([a], [b]) => a - b).map(([sequence, json]) => ({ sequence, name: String(sequence), json }));
  const named = (kind: EntryKind, records: ReadonlyMap<string, string>) => sorted(records).map(([name, json]) => ({ kind, name, json }));
  return {
    past: numbered.filter(({ sequence }) => sequence <= base).map(({ name, json }) => ({ kind: "past", name, json })),
    base: named("base", baseRecords),
    archive: named("archive", archive),
    event: numbered.filter(({ sequence }) => sequence > base).map(({ name, json }) => ({ kind: "event", name, json })),
  };
}

function over(disk: Disk, sync: () => Promise<void>): MemoryStore {
  let tail: ((disk: Disk) => void)[] = [];
  let dead = false;
  const write = async (run: (disk: Disk) => void) => {
    if (dead) throw new Error("this store has crashed");
    tail.push(run);
    await sync();
    if (dead) throw new Error("this store has crashed");
    for (const pending of tail) pending(disk);
    tail = [];
  };
  return {
    append: (events: readonly LedgerEvent[]) => {
      const lines = events.map((event) => JSON.stringify([EVENT_VERSION, event]));
      return write((target) => {
        for (const line of lines) target.events.set(++target.last, line);
      });
    },
    async *events(after) {
      for (let sequence = after + 1; sequence <= disk.last; sequence += 1) yield { sequence, event: eventOf(disk.events.get(sequence)!) };
    },
    checkpoint: (at, { records, gone, archive, unarchive }) => {
      const texts = [records, archive].map((list) => list.map(([name, value]) => [name, JSON.stringify(value)] as const));
      return write((target) => {
        for (const name of gone) target.records.delete(name);
        for (const name of unarchive) target.archive.delete(name);
        for (const [name, value] of texts[0]!) target.records.set(name, value);
        for (const [name, value] of texts[1]!) target.archive.set(name, value);
        target.checkpoint = at;
      });
    },
    ahead: async (records) => {
      if (dead) throw new Error("this store has crashed");
      const texts = records.map(([name, value]) => [name, JSON.stringify(value)] as const);
      tail.push((target) => {
        for (const [name, json] of texts) target.records.set(name, json);
      });
    },
    get checkpointSequence() {
      return disk.checkpoint;
    },
    records: () => parsed(disk.records),
    archived(name) {
      const json = disk.archive.get(name);
      return json === undefined ? undefined : (JSON.parse(json) as unknown);
    },
    async *archivedJobs(before) {
      for (const [name, json] of sorted(disk.archive).reverse()) {
        if (name.startsWith("job/") && (before === undefined || name < `job/${before}`)) yield JSON.parse(json) as unknown;
      }
    },
    get base() {
      return disk.base;
    },
    baseRecords: () => parsed(disk.baseRecords),
    baseRecord(name) {
      const json = disk.baseRecords.get(name);
      return json === undefined ? undefined : (JSON.parse(json) as unknown);
    },
    rebase: () =>
      write((target) => {
        target.base = target.checkpoint;
        target.baseRecords = new Map(target.records);
      }),
    async forget(isOver) {
      const kept = { forgotten: 0, bytes: 0 };
      await write((target) => {
        for (const { name, json } of [...entriesOf(target).past].reverse()) {
          if (!isOver(json, kept.bytes)) kept.bytes += json.length;
          else if (target.events.delete(Number(name))) kept.forgotten += 1;
        }
      });
      return kept;
    },
    restore: (base, entries) =>
      write((target) => {
        for (const { kind, name, json } of entries) {
          if (kind === "archive") target.archive.set(name, json);
          else if (kind === "base") {
            target.baseRecords.set(name, json);
            target.records.set(name, json);
          } else target.events.set(Number(name), json);
          if (kind === "event" || kind === "past") target.last = Math.max(target.last, Number(name));
        }
        target.base = base;
        target.checkpoint = base;
        target.last = Math.max(target.last, base);
      }),
    snapshot() {
      const moment = entriesOf(disk);
      return {
        base: disk.base,
        async *entries(kinds = ENTRY_KINDS) {
          for (const kind of kinds) yield* moment[kind];
        },
        async close() {},
      };
    },
    async close() {},
    crash(keep) {
      dead = true;
      for (const pending of tail.slice(0, keep)) pending(disk);
      return over(disk, sync);
    },
  };
}

/** An empty store. `sync` resolves when the disk has the bytes; without one it does at once. */
export function memoryStore(sync: () => Promise<void> = async () => {}): MemoryStore {
  const empty = { events: new Map(), records: new Map(), archive: new Map(), baseRecords: new Map() };
  return over({ ...empty, base: 0, last: 0, checkpoint: 0 }, sync);
}
