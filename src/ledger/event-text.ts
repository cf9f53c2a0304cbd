/** An event as the text that stores and files hold: `[version, event]` in JSON. Most readers of many need one field of each, not all of it. */
import type { JobId } from "../core/job.js";
import type { LedgerEvent } from "./events.js";
import { upcast } from "./upcast.js";

/** The event. @throws VERSION_MISMATCH written by a newer program; CORRUPT_DATA no event */
export function eventOf(json: string): LedgerEvent {
  const [version, event] = JSON.parse(json) as [number, unknown];
  return upcast(version, event);
}

/**
 * The job that the event is about, the first of a submission; undefined: it is about none, or about many. All jobs of a submission are of one
 * experiment, and leave the ledger together.
 */
export function jobOf(json: string): JobId | undefined {
  return /"job":"([^"\\]+)"|"type":"submitted","at":[\d.]+,"jobs":\["([^"\\]+)"/.exec(json)?.slice(1).find(Boolean);
}

/** When it was, ms since 1970. */
export function atOf(json: string): number {
  return Number(/"at":(\d+)/.exec(json)?.[1] ?? 0);
}
