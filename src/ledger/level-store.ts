/**
 * The ledger in LevelDB: `event/<sequence>`, `record/<name>`, `meta/<name>`. Values are a CRC-32 and JSON, so that a damaged entry is
 * named and can be read with any tool. LevelDB's own lock keeps a second central out. Every write is synced.
 */
import { crc32 } from "node:zlib";
import { Level } from "level";
import { XpcsError } from "../core/errors.js";
import { EVENT_VERSION, type LedgerEvent } from "./events.js";
import type { StateRecord } from "./state.js";
import type { EventStore, StoredEvent, StoredText } from "./store.js";
import { upcast } from "./upcast.js";

/** Version of the layout of keys and values. */
const LAYOUT_VERSION = 1;

interface Meta {
  readonly layout: number;
  /** Events that the checkpoint stands for. */
  readonly checkpoint: number;
}

const eventKey = (sequence: number) => `event/${String(sequence).padStart(16, "0")}`;

function seal(value: unknown): string {
  const json = JSON.stringify(value);
  return `${crc32(json).toString(16).padStart(8, "0")} ${json}`;
}

/** The JSON of a value. @throws CORRUPT_DATA naming `what` */
function unsealText(sealed: string, what: string, dir: string): string {
  const json = sealed.slice(9);
  if (crc32(json) !== Number.parseInt(sealed.slice(0, 8), 16)) {
    throw new XpcsError("CORRUPT_DATA", `${what} in ${dir} is damaged (its checksum differs): restore the ledger from a backup`);
  }
  return json;
}

/** @throws CORRUPT_DATA naming `what` */
function unseal(sealed: string, what: string, dir: string): unknown {
  return JSON.parse(unsealText(sealed, what, dir)) as unknown;
}

function openError(error: unknown, dir: string): XpcsError {
  const cause = (error as { cause?: { code?: string; message?: string } }).cause;
  if (cause?.code === "LEVEL_LOCKED") {
    return new XpcsError("REFUSED", `the ledger ${dir} is in use by another central: stop that one first, or choose another --data folder`);
  }
  const why = cause?.message ?? (error instanceof Error ? error.message : String(error));
  return new XpcsError(cause?.code === "LEVEL_CORRUPTION" ? "CORRUPT_DATA" : "IO_FAILED", `cannot open the ledger ${dir}: ${why}`);
}

type Db = Level<string, string>;

/** Entries that LevelDB hands over at once: a walk over all of them takes fewer turns of the event loop. */
const READ_AHEAD = { highWaterMarkBytes: 256 * 1024 };

async function readMeta(db: Db, dir: string): Promise<Meta> {
  const sealed = (await db.get("meta/layout")) as string | undefined;
  if (sealed === undefined) return { layout: LAYOUT_VERSION, checkpoint: 0 };
  const meta = unseal(sealed, "the head of the ledger", dir) as Meta;
  if (meta.layout > LAYOUT_VERSION) {
    throw new XpcsError("VERSION_MISMATCH", `the ledger ${dir} was written by a newer version (layout ${meta.layout}): upgrade central`);
  }
  return meta;
}

async function lastSequence(db: Db): Promise<number> {
  for await (const key of db.keys({ gt: "event/", lt: "event0", reverse: true, limit: 1 })) return Number(key.slice("event/".length));
  return 0;
}

type Snapshot = ReturnType<Db["snapshot"]>;

/** The events after `after` as text, undamaged and without gaps. */
async function* readTexts(db: Db, dir: string, after: number, snapshot?: Snapshot): AsyncGenerator<StoredText> {
  let expected = after + 1;
  const range = { gt: eventKey(after), lt: "event0", ...READ_AHEAD, ...(snapshot === undefined ? {} : { snapshot }) };
  for await (const [key, value] of db.iterator(range)) {
    const sequence = Number(key.slice("event/".length));
    if (sequence !== expected) {
      throw new XpcsError("CORRUPT_DATA", `ledger event ${expected} in ${dir} is missing: restore the ledger from a backup`);
    }
    yield { sequence, json: unsealText(value, `ledger event ${sequence}`, dir) };
    expected += 1;
  }
}

async function* readEvents(db: Db, dir: string, after: number): AsyncGenerator<StoredEvent> {
  for await (const { sequence, json } of readTexts(db, dir, after)) {
    const [version, event] = JSON.parse(json) as [number, unknown];
    yield { sequence, event: upcast(version, event) };
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
  let meta: Meta;
  let sequence: number;
  try {
    meta = await readMeta(db, dir);
    sequence = Math.max(await lastSequence(db), meta.checkpoint);
  } catch (error) {
    await db.close();
    throw error;
  }
  const write = async (entries: readonly (readonly [string, unknown])[]) => {
    // Not the batch of an array, which copies and looks at each entry for twice the time.
    const batch = db.batch();
    for (const [key, value] of entries) batch.put(key, seal(value));
    try {
      // Without sync an acknowledged event could be lost with the power.
      await batch.write({ sync: true });
    } catch (error) {
      throw new XpcsError("IO_FAILED", `cannot write the ledger ${dir}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  return {
    async append(events: readonly LedgerEvent[]) {
      await write(events.map((event, index) => [eventKey(sequence + 1 + index), [EVENT_VERSION, event]]));
      sequence += events.length;
    },
    events: (after) => readEvents(db, dir, after),
    async checkpoint(at, records) {
      const next: Meta = { layout: LAYOUT_VERSION, checkpoint: at };
      await write([...records.map(([name, value]) => [`record/${name}`, value] as const), ["meta/layout", next]]);
      meta = next;
    },
    get checkpointSequence() {
      return meta.checkpoint;
    },
    async *records(): AsyncGenerator<StateRecord> {
      for await (const [key, value] of db.iterator({ gt: "record/", lt: "record0" })) {
        const name = key.slice("record/".length);
        yield [name, unseal(value, `checkpoint record ${name}`, dir)];
      }
    },
    snapshot() {
      const moment = db.snapshot();
      return { entries: () => readTexts(db, dir, 0, moment), close: () => moment.close() };
    },
    close: () => db.close(),
  };
}
