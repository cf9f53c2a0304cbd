/**
 * A ledger as lines of text, one for each event, that any tool reads and any later version imports: a head, `[version, event]` lines, and a
 * tail that tells how many lines there were and their digest, so that a file that was cut or changed is not taken for a whole one. A ledger with a
 * base or an archive has them between head and events, as `[kind, name, value]`.
 */
import { createHash } from "node:crypto";
import type { LedgerEvent } from "./events.js";
import { badLine, badTail, sealedLines } from "./sealed-lines.js";
import { ENTRY_KINDS, type EntryKind, type EventStore, type StoredText, type StoreSnapshot } from "./store.js";
import { upcast } from "./upcast.js";

/** Format 1 has events from the first on, and nothing else. */
const FORMAT = 2;

interface Head {
  readonly xpcsLedger?: unknown;
  /** Absent: 0. */
  readonly base?: unknown;
}

/** Entries of one synced write. */
const BATCH = 1_000;

/** The lines of the ledger as it was at `moment`, without their ends. @throws CORRUPT_DATA */
export async function* exportLines(moment: StoreSnapshot): AsyncGenerator<string> {
  const digest = createHash("sha256");
  let events = 0;
  yield JSON.stringify({ xpcsLedger: FORMAT, base: moment.base });
  for await (const { kind, name, json } of moment.entries()) {
    const line = kind === "event" ? json : `[${JSON.stringify(kind)},${JSON.stringify(name)},${json}]`;
    digest.update(`${line}\n`);
    events += 1;
    yield line;
  }
  yield JSON.stringify({ events, sha256: digest.digest("hex") });
}

const FILE = "exported ledger";
const bad = (line: number, what: string) => badLine(FILE, line, what);

function baseOf(head: unknown, line: number): number {
  const { xpcsLedger: format, base = 0 } = (head ?? {}) as Head;
  if ((format !== 1 && format !== FORMAT) || typeof base !== "number")
    throw bad(line, `is not the head of an exported ledger of format 1 to ${FORMAT}`);
  return base;
}

/** The entry that a line is; `next` is the sequence number of the next event. */
function entryOf(value: readonly unknown[], text: string, next: number, line: number): StoredText {
  const [kind, name, content] = value;
  if (typeof kind === "number") {
    upcast(kind, name);
    return { kind: "event", name: String(next), json: text };
  }
  if (!ENTRY_KINDS.includes(kind as EntryKind) || kind === "event" || typeof name !== "string") throw bad(line, "is no event");
  if (kind === "past") upcast((content as [number])[0], (content as unknown[])[1]);
  return { kind: kind as EntryKind, name, json: JSON.stringify(content) };
}

/**
 * Takes the entries of exported lines over into an empty store.
 *
 * @throws CORRUPT_DATA with the line; what was read before it is in the store then · VERSION_MISMATCH
 */
export async function importLines(lines: AsyncIterable<string>, store: EventStore): Promise<void> {
  let [entries, base, next] = [0, 0, 0];
  let batch: StoredText[] = [];
  for await (const { line, text, value } of sealedLines(lines, FILE)) {
    if (line === 1) {
      base = baseOf(value, line);
      next = base + 1;
    } else if (Array.isArray(value)) {
      const entry = entryOf(value, text, next, line);
      if (entry.kind === "event") next += 1;
      entries += 1;
      if (batch.push(entry) < BATCH) continue;
      await store.restore(base, batch);
      batch = [];
    } else if ((value as { events?: unknown }).events !== entries) throw badTail(FILE, line);
  }
  await store.restore(base, batch);
}

/**
 * The events of exported lines, in order, those before the base too.
 *
 * @throws CORRUPT_DATA with the line · VERSION_MISMATCH
 */
export async function* exportedEvents(lines: AsyncIterable<string>): AsyncGenerator<LedgerEvent> {
  let entries = 0;
  for await (const { line, value } of sealedLines(lines, FILE)) {
    if (line === 1) baseOf(value, line);
    else if (Array.isArray(value)) {
      entries += 1;
      const [kind, name, content] = value as [unknown, unknown, unknown];
      if (typeof kind === "number") yield upcast(kind, name);
      else if (kind === "past") yield upcast((content as [number])[0], (content as unknown[])[1]);
    } else if ((value as { events?: unknown }).events !== entries) throw badTail(FILE, line);
  }
}
