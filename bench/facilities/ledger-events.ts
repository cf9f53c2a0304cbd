/** The events of a live central's ledger. */
import type { XpcsClient } from "../../src/index.js";
import type { LedgerEvent } from "../../src/ledger/events.js";
import { eventsOf } from "./story.js";

/** As `xpcs ledger backup` writes them. @throws VERSION_MISMATCH · CORRUPT_DATA */
export async function ledgerEvents(client: XpcsClient): Promise<LedgerEvent[]> {
  const pieces: Uint8Array[] = [];
  for await (const part of client.backup()) pieces.push(part);
  return eventsOf(Buffer.concat(pieces).toString("utf8"));
}
