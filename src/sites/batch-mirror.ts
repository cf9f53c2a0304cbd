/** What batch jobs have left at a facility that shares no folder with the site, brought here, so that it is read as if they had left it here (batch-script.ts). */
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { note } from "./batch-notes.js";
import { batchFiles } from "./batch-script.js";
import type { ApiAccess, Machine } from "./schedulers/define.js";

/** Names in batchFiles; what tells of the end comes last. */
const BROUGHT = ["claimedId", "started", "signaled", "output", "exitCode"] as const;

function orNull(isSpared: boolean, error: unknown): null {
  if (isSpared) return null;
  throw error;
}

/**
 * Brings the files of a job.
 *
 * @param there the job's folder at the facility
 * @param here its folder of this site
 * @throws UNAVAILABLE · DEADLINE_EXCEEDED: some may have come, each whole
 */
export async function bringFiles({ get }: Pick<ApiAccess, "get">, machine: Machine, there: string, here: string): Promise<void> {
  const [from, to] = [batchFiles(there), batchFiles(here)];
  // What it printed may be too much; the rest is a word each.
  const read = (name: (typeof BROUGHT)[number]) => get(from[name], machine).catch((error: unknown) => orNull(name === "output", error));
  const texts = await Promise.all(BROUGHT.map(read));
  for (const [at, name] of BROUGHT.entries()) {
    const text = texts[at];
    if (text === null || text === undefined) continue;
    await mkdir(dirname(to[name]), { recursive: true, mode: 0o700 });
    await note(to[name], text);
  }
}
