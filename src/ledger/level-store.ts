/**
 * The ledger in LevelDB: `event/<sequence>`, `record/<name>`, `archive/<name>`, `base/<sequence>/<name>`, `meta/<name>`. Values are a CRC-32 and JSON
 * (level-store-values.ts). LevelDB's own lock keeps a second central out. What must last is synced.
 */
import { Level } from "level";
import { XpcsError } from "../core/errors.js";
import type { StateRecord } from "./checkpoint.js";
import { eventOf } from "./event-text.js";
import { EVENT_VERSION, type LedgerEvent } from "./events.js";
import {
  type Db,
  LAYOUT_VERSION,
  readBatches,
  readMeta,
  readRange,
  type Snapshot,
  seal,
  sequenceName,
  unseal,
} from "./level-store-values.js";
import { ENTRY_KINDS, type EntryKind, type EventStore, type StoredEvent, type StoredText } from "./store.js";

const eventKey = (sequence: number) => `event/${sequenceName(sequence)}`;
const basePrefix = (base: number) => `base/${sequenceName(base)}/`;

function openError(error: unknown, dir: string): XpcsError {
  const cause = (error as { cause?: { code?: string; message?: string } }).cause;
  if (cause?.code === "LEVEL_LOCKED") {
    return new XpcsError("REFUSED", `the ledger ${dir} is in use by another central: stop that one first, or choose another --data folder`);
  }
  const why = cause?.message ?? (error instanceof Error ? error.message : String(error));
  return new XpcsError(cause?.code === "LEVEL_CORRUPTION" ? "CORRUPT_DATA" : "IO_FAILED", `cannot open the ledger ${dir}: ${why}`);
}

async function lastSequence(db: Db): Promise<number> {
  for await (const key of db.keys({ gt: "event/", lt: "event0", reverse: true, limit: 1 })) return Number(key.slice("event/".length));
  return 0;
}

/** The events after `after` as text, undamaged and without gaps. */
async function* readEvents(db: Db, dir: string, after: number, snapshot?: Snapshot): AsyncGenerator<{ sequence: number; json: string }> {
  let sequence = after;
  for await (const { name, json } of readRange(db, dir, { prefix: "event/", after: sequenceName(after), snapshot })) {
    sequence += 1;
    if (Number(name) !== sequence) {
      throw new XpcsError("CORRUPT_DATA", `ledger event ${sequence} in ${dir} is missing: restore the ledger from a backup`);
    }
    yield { sequence, json };
  }
}

async function* readRecords(db: Db, dir: string, prefix: string): AsyncGenerator<StateRecord[]> {
  for await (const entries of readBatches(db, dir, { prefix })) {
    // One text for all: a restart reads a record for each job.
    const values = JSON.parse(`[${entries.map(({ json }) => json).join(",")}]`) as unknown[];
    yield values.map((value, at) => [entries[at]!.name, value]);
  }
}

/** Entries of one kind, as they were at `snapshot`. */
async function* readKind(db: Db, dir: string, kind: EntryKind, base: number, snapshot: Snapshot): AsyncGenerator<StoredText> {
  if (kind === "event") {
    for await (const { sequence, json } of readEvents(db, dir, base, snapshot)) yield { kind, name: String(sequence), json };
    return;
  }
  const ranges = {
    past: { prefix: "event/", upTo: sequenceName(base), snapshot },
    base: { prefix: basePrefix(base), snapshot },
    archive: { prefix: "archive/", snapshot },
  };
  for await (const { name, json } of readRange(db, dir, ranges[kind])) {
    yield { kind, name: kind === "past" ? String(Number(name)) : name, json };
  }
}

/** Entries that are written at once where a write need not be alone. */
const BATCH = 500;

type Write = { readonly put: string; readonly sealed: string } | { readonly del: string };
const put = (key: string, value: unknown): Write => ({ put: key, sealed: seal(value) });

class LevelStore implements EventStore {
  readonly #db: Db;
  readonly #dir: string;
  #sequence: number;
  #checkpoint: number;
  #base: number;

  constructor(db: Db, dir: string, at: { sequence: number; checkpoint: number; base: number }) {
    this.#db = db;
    this.#dir = dir;
    this.#sequence = at.sequence;
    this.#checkpoint = at.checkpoint;
    this.#base = at.base;
  }

  /** All or none. Without sync an acknowledged event could be lost with the power. */
  async #write(writes: readonly Write[], sync = true): Promise<void> {
    // Not the batch of an array, which copies and looks at each entry for twice the time.
    const batch = this.#db.batch();
    for (const write of writes) {
      if ("put" in write) batch.put(write.put, write.sealed);
      else batch.del(write.del);
    }
    try {
      await batch.write({ sync });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new XpcsError("IO_FAILED", `cannot write the ledger ${this.#dir}: ${why}`);
    }
  }

  async append(events: readonly LedgerEvent[]): Promise<void> {
    await this.#write(events.map((event, index) => put(eventKey(this.#sequence + 1 + index), [EVENT_VERSION, event])));
    this.#sequence += events.length;
  }

  async *events(after: number): AsyncGenerator<StoredEvent> {
    for await (const { sequence, json } of readEvents(this.#db, this.#dir, after)) yield { sequence, event: eventOf(json) };
  }

  async checkpoint(at: number, { records, gone, archive, unarchive }: Parameters<EventStore["checkpoint"]>[1]): Promise<void> {
    // What leaves comes first: a key may leave and come again between two checkpoints.
    await this.#write([
      ...gone.map((name) => ({ del: `record/${name}` })),
      ...unarchive.map((name) => ({ del: `archive/${name}` })),
      ...records.map(([name, value]) => put(`record/${name}`, value)),
      ...archive.map(([name, value]) => put(`archive/${name}`, value)),
      put("meta/layout", { layout: LAYOUT_VERSION, checkpoint: at }),
    ]);
    this.#checkpoint = at;
  }

  ahead(records: readonly StateRecord[]): Promise<void> {
    return this.#write(
      records.map(([name, value]) => put(`record/${name}`, value)),
      false,
    );
  }

  get checkpointSequence(): number {
    return this.#checkpoint;
  }

  records(): AsyncGenerator<StateRecord[]> {
    return readRecords(this.#db, this.#dir, "record/");
  }

  archived(name: string): unknown {
    const sealed = this.#db.getSync(`archive/${name}`) as string | undefined;
    return sealed === undefined ? undefined : unseal(sealed, `archived ${name}`, this.#dir);
  }

  async *archivedJobs(before?: string): AsyncGenerator<unknown> {
    const range = { prefix: "archive/job/", reverse: true, ...(before === undefined ? {} : { before }) };
    for await (const { json } of readRange(this.#db, this.#dir, range)) yield JSON.parse(json) as unknown;
  }

  get base(): number {
    return this.#base;
  }

  baseRecords(): AsyncGenerator<StateRecord[]> {
    return readRecords(this.#db, this.#dir, basePrefix(this.#base));
  }

  baseRecord(name: string): unknown {
    const sealed = this.#db.getSync(basePrefix(this.#base) + name) as string | undefined;
    return sealed === undefined ? undefined : unseal(sealed, `base ${name}`, this.#dir);
  }

  async rebase(): Promise<void> {
    const moment = this.#db.snapshot();
    let base = 0;
    try {
      // A checkpoint may be on its way to the disk: what counts is the one that this moment has.
      base = (await readMeta(this.#db, this.#dir, moment)).checkpoint;
      if (base === this.#base) return;
      let batch: Write[] = [];
      // Checksums are copied with their text.
      for await (const { name, json } of readRange(this.#db, this.#dir, { prefix: "record/", snapshot: moment })) {
        batch.push({ put: basePrefix(base) + name, sealed: seal(json, true) });
        if (batch.length < BATCH) continue;
        await this.#write(batch, false);
        batch = [];
      }
      // The synced write comes last, and what was written before it is in the same log.
      await this.#write([...batch, put("meta/base", { base })]);
    } finally {
      await moment.close();
    }
    this.#base = base;
    await this.#db.clear({ gt: "base/", lt: basePrefix(base) });
  }

  async forget(isOver: Parameters<EventStore["forget"]>[0]): ReturnType<EventStore["forget"]> {
    let forgotten = 0;
    let bytes = 0;
    let batch: Write[] = [];
    const range = { prefix: "event/", upTo: sequenceName(this.#base), reverse: true };
    for await (const { name, json } of readRange(this.#db, this.#dir, range)) {
      if (isOver(json, bytes)) {
        forgotten += 1;
        batch.push({ del: `event/${name}` });
      } else bytes += json.length;
      if (batch.length < BATCH) continue;
      await this.#write(batch, false);
      batch = [];
    }
    if (batch.length > 0) await this.#write(batch);
    return { forgotten, bytes };
  }

  async restore(base: number, entries: readonly StoredText[]): Promise<void> {
    const writes = entries.flatMap(({ kind, name, json }): Write[] => {
      const sealed = seal(json, true);
      if (kind === "archive") return [{ put: `archive/${name}`, sealed }];
      if (kind === "base") return [basePrefix(base), "record/"].map((prefix) => ({ put: prefix + name, sealed }));
      this.#sequence = Math.max(this.#sequence, Number(name));
      return [{ put: eventKey(Number(name)), sealed }];
    });
    const head = base === 0 ? [] : [put("meta/base", { base }), put("meta/layout", { layout: LAYOUT_VERSION, checkpoint: base })];
    await this.#write([...writes, ...head]);
    this.#base = base;
    this.#checkpoint = base;
    this.#sequence = Math.max(this.#sequence, base);
  }

  snapshot(): ReturnType<EventStore["snapshot"]> {
    const [db, dir, base] = [this.#db, this.#dir, this.#base];
    const moment = db.snapshot();
    return {
      base,
      async *entries(kinds = ENTRY_KINDS) {
        for (const kind of kinds) yield* readKind(db, dir, kind, base, moment);
      },
      close: () => moment.close(),
    };
  }

  close(): Promise<void> {
    return this.#db.close();
  }
}

/**
 * Opens the ledger in `dir`, or makes it.
 *
 * @throws REFUSED another process has it open; CORRUPT_DATA; VERSION_MISMATCH; IO_FAILED
 */
export async function openLevelStore(dir: string): Promise<EventStore> {
  const db: Db = new Level<string, string>(dir, { keyEncoding: "utf8", valueEncoding: "utf8" });
  try {
    await db.open();
  } catch (error) {
    throw openError(error, dir);
  }
  try {
    const meta = await readMeta(db, dir);
    const sequence = Math.max(await lastSequence(db), meta.checkpoint);
    return new LevelStore(db, dir, { ...meta, sequence });
  } catch (error) {
    await db.close();
    throw error;
  }
}
