/**
 * Events and records of older versions as those of today. Each version gets one step; the steps run one after the other, and
 * test/ledger/golden-v1.jsonl keeps what version 1 wrote.
 */
import { XpcsError } from "../core/errors.js";
import { EVENT_TYPES, EVENT_VERSION, type LedgerEvent } from "./events.js";

type Step = (event: Record<string, unknown>) => Record<string, unknown>;

/** `STEPS[n]` turns version n into version n + 1. */
const STEPS: Readonly<Record<number, Step>> = {
  // Version 2 adds types and fields that may be absent: what version 1 wrote means the same in it.
  1: (event) => event,
  // Version 3 adds types.
  2: (event) => event,
  // Version 4 has all jobs of a request in one event.
  3: (event) => {
    if (event?.type !== "submitted") return event;
    const { job, spec, awaits, ...rest } = event;
    return { ...rest, jobs: [job], specs: [spec], ...(awaits === true ? { awaits: [0] } : {}) };
  },
  // Version 5 adds types and fields that may be absent.
  4: (event) => event,
};

/**
 * One stored event as an event of today.
 *
 * @throws VERSION_MISMATCH written by a newer program; CORRUPT_DATA no event
 */
export function upcast(version: number, stored: unknown): LedgerEvent {
  if (version > EVENT_VERSION) {
    throw new XpcsError(
      "VERSION_MISMATCH",
      `the ledger was written by a newer version (event version ${version}, this program reads ${EVENT_VERSION}): upgrade central`,
    );
  }
  let event = stored as Record<string, unknown>;
  for (let from = version; from < EVENT_VERSION; from += 1) {
    const step = STEPS[from];
    if (step === undefined) throw new XpcsError("CORRUPT_DATA", `ledger events of version ${from} never existed`);
    event = step(event);
  }
  if (typeof event !== "object" || event === null || typeof event.type !== "string" || !Object.hasOwn(EVENT_TYPES, event.type)) {
    throw new XpcsError("CORRUPT_DATA", "this ledger entry is no event");
  }
  return event as unknown as LedgerEvent;
}
