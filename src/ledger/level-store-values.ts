/** Keys and values of the ledger in LevelDB: a value is a CRC-32 and JSON, so that a damaged entry is named and can be read with any tool. */
import { crc32 } from "node:zlib";
import type { Level } from "level";
import { XpcsError } from "../core/errors.js";

/** Version of the layout of keys and values; 2 has the archive, the base, and the record of counts; 3 has records ahead of the checkpoint. */
export const LAYOUT_VERSION = 3;

export type Db = Level<string, string>;
export type Snapshot = ReturnType<Db["snapshot"]>;

/** Sorts as the number does. */
export const sequenceName = (sequence: number) => String(sequence).padStart(16, "0");

/** A value with its checksum; with `isJson` it is JSON already. */
export function seal(value: unknown, isJson = false): string {
  const json = isJson ? (value as string) : JSON.stringify(value);
  return `${crc32(json).toString(16).padStart(8, "0")} ${json}`;
}

/** The JSON of a value. @throws CORRUPT_DATA naming what `what` answers */
function unsealText(sealed: string, what: () => string, dir: string): string {
  const json = sealed.slice(9);
  if (crc32(json) !== Number.parseInt(sealed.slice(0, 8), 16)) {
    throw new XpcsError("CORRUPT_DATA", `${what()} in ${dir} is damaged (its checksum differs): restore the ledger from a backup`);
  }
  return json;
}

/** @throws CORRUPT_DATA naming `what` */
export function unseal(sealed: string, what: string, dir: string): unknown {
  return JSON.parse(unsealText(sealed, () => what, dir)) as unknown;
}

interface Meta {
  readonly layout: number;
  /** Events that the checkpoint stands for. */
  readonly checkpoint: number;
}

/** @throws CORRUPT_DATA · VERSION_MISMATCH */
export async function readMeta(db: Db, dir: string, snapshot?: Snapshot): Promise<{ checkpoint: number; base: number }> {
  const options = snapshot === undefined ? {} : { snapshot };
  const [layout, base] = (await db.getMany(["meta/layout", "meta/base"], options)) as (string | undefined)[];
  const meta = (layout === undefined ? { layout: LAYOUT_VERSION, checkpoint: 0 } : unseal(layout, "the head of the ledger", dir)) as Meta;
  if (meta.layout > LAYOUT_VERSION) {
    throw new XpcsError("VERSION_MISMATCH", `the ledger ${dir} was written by a newer version (layout ${meta.layout}): upgrade central`);
  }
  const begins = base === undefined ? { base: 0 } : (unseal(base, "the base of the ledger", dir) as { base: number });
  return { checkpoint: meta.checkpoint, base: begins.base };
}

export interface Range {
  /** Ends with a slash. */
  readonly prefix: string;
  /** Bounds of the rest of the key. */
  readonly after?: string;
  readonly upTo?: string;
  readonly before?: string;
  readonly reverse?: boolean;
  readonly snapshot?: Snapshot | undefined;
}

/** Bytes that LevelDB hands over at once: a walk over many entries takes fewer turns of the event loop. */
const READ_AHEAD = 256 * 1024;

interface Entry {
  readonly name: string;
  readonly json: string;
}

/** The entries of a range, undamaged, as many at a time as LevelDB hands over. @throws CORRUPT_DATA naming the entry */
export async function* readBatches(db: Db, dir: string, range: Range): AsyncGenerator<Entry[]> {
  const { prefix, after = "", upTo, before, reverse = false, snapshot } = range;
  const end = upTo !== undefined ? { lte: prefix + upTo } : { lt: before === undefined ? `${prefix.slice(0, -1)}0` : prefix + before };
  const iterator = db.iterator({
    ...{ gt: prefix + after, ...end, reverse, highWaterMarkBytes: READ_AHEAD },
    ...(snapshot === undefined ? {} : { snapshot }),
  });
  try {
    // The next entries are read while these are looked at.
    let next = iterator.nextv(1_000);
    for (let entries = await next; entries.length > 0; entries = await next) {
      next = iterator.nextv(1_000);
      next.catch(() => {});
      yield entries.map(([key, sealed]) => {
        const name = key.slice(prefix.length);
        return { name, json: unsealText(sealed, () => whatOf(prefix, name), dir) };
      });
    }
  } finally {
    await iterator.close();
  }
}

/** The entries of a range, one by one. @throws CORRUPT_DATA naming the entry */
export async function* readRange(db: Db, dir: string, range: Range): AsyncGenerator<Entry> {
  for await (const entries of readBatches(db, dir, range)) yield* entries;
}

function whatOf(prefix: string, name: string): string {
  if (prefix === "event/") return `ledger event ${Number(name)}`;
  return prefix === "record/" ? `checkpoint record ${name}` : `${prefix.slice(0, -1)} ${name}`;
}
