/**
 * A ledger as lines of text, one for each event, that any tool reads and any later version imports: a head, `[version, event]` lines, and a
 * tail that tells how many there were and their digest, so that a file that was cut or changed is not taken for a whole one.
 */
import { createHash } from "node:crypto";
import { XpcsError } from "../core/errors.js";
import type { LedgerEvent } from "./events.js";
import type { EventStore, StoreSnapshot } from "./store.js";
import { upcast } from "./upcast.js";

const FORMAT = 1;
const HEAD = JSON.stringify({ xpcsLedger: FORMAT });
interface Tail {
  readonly events?: unknown;
  readonly sha256?: unknown;
}

/** Events of one synced write. */
const BATCH = 1_000;

/** The lines of the ledger as it was at `moment`, without their ends. @throws CORRUPT_DATA */
export async function* exportLines(moment: StoreSnapshot): AsyncGenerator<string> {
  const digest = createHash("sha256");
  let events = 0;
  yield HEAD;
  for await (const { json } of moment.entries()) {
    digest.update(`${json}\n`);
    events += 1;
    yield json;
  }
  yield JSON.stringify({ events, sha256: digest.digest("hex") });
}

const bad = (line: number, what: string): XpcsError => new XpcsError("CORRUPT_DATA", `line ${line} of the exported ledger ${what}`);

function parsed(text: string, line: number): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw bad(line, "is no JSON: the file is damaged or was cut");
  }
}

/**
 * The events of exported lines, each as soon as it is read: what they are worth is known at the end.
 *
 * @throws CORRUPT_DATA with the line · VERSION_MISMATCH
 */
export async function* readLines(lines: AsyncIterable<string>): AsyncGenerator<LedgerEvent> {
  const digest = createHash("sha256");
  let events = 0;
  let line = 0;
  let tail: Tail | null = null;
  for await (const text of lines) {
    line += 1;
    if (tail !== null) throw bad(line, "comes after the end");
    const value = parsed(text, line);
    if (line === 1) {
      const format = (value as { xpcsLedger?: unknown } | null)?.xpcsLedger;
      if (format !== FORMAT) throw bad(line, `is not the head of an exported ledger of format ${FORMAT}`);
    } else if (Array.isArray(value)) {
      const [version, event] = value as [unknown, unknown];
      if (typeof version !== "number") throw bad(line, "is no event");
      digest.update(`${text}\n`);
      events += 1;
      yield upcast(version, event);
    } else {
      tail = (value ?? {}) as Tail;
    }
  }
  if (tail === null) throw bad(line + 1, "is missing: the file was cut");
  if (tail.events !== events || tail.sha256 !== digest.digest("hex"))
    throw bad(line, "does not fit the events before it: the file was changed");
}

/**
 * Appends the events of exported lines to an empty store.
 *
 * @throws CORRUPT_DATA with the line; what was read before it is in the store then · VERSION_MISMATCH
 */
export async function importLines(lines: AsyncIterable<string>, store: EventStore): Promise<void> {
  let batch: LedgerEvent[] = [];
  for await (const event of readLines(lines)) {
    if (batch.push(event) < BATCH) continue;
    await store.append(batch);
    batch = [];
  }
  if (batch.length > 0) await store.append(batch);
}
