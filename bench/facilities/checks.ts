/** What must hold after a run: every job finished once, its result is on disk as recorded, and appeared there once. */
import { readdirSync } from "node:fs";
import { basename } from "node:path";
import type { JobId } from "../../src/core/job.js";
import type { LedgerEvent } from "../../src/ledger/events.js";
import { digestOf } from "../../test/chaos/files-seen.js";
import { Broken, checkConverged, checkEvents, checkOutputs } from "../../test/sim/promises.js";

export interface Seen {
  readonly events: readonly LedgerEvent[];
  readonly ids: readonly JobId[];
  /** Where the results are. */
  readonly results: string;
  /** How often each name appeared there. */
  readonly names: ReadonlyMap<string, number>;
  /** From the end of what went wrong until now, s. */
  readonly patienceS: number;
}

/** P2 to P5 over the ledger and the files. @returns what does not hold */
export async function checkAll({ events, ids, results, names, patienceS }: Seen): Promise<string[]> {
  const broken: string[] = [];
  const check = async (run: () => unknown): Promise<void> => {
    try {
      await run();
    } catch (error) {
      broken.push(error instanceof Broken ? error.message : `defect: ${(error as Error).stack ?? String(error)}`);
    }
  };
  await check(async () => {
    const each = async function* (): AsyncGenerator<{ event: LedgerEvent }> {
      for (const event of events) yield { event };
    };
    const { state } = await checkEvents(each(), new Set());
    await check(() => checkConverged(state, patienceS));
    await check(() => checkOutputs(state, digestOf));
    for (const id of ids) {
      const job = state.jobs.get(id);
      const [output] = job?.outputs ?? [];
      const times = names.get(basename(output?.path ?? ""));
      if (job?.state !== "finished") broken.push(`job ${id} is ${job?.state ?? "not there"}: ${job?.reason ?? ""}`);
      else if (times !== 1) broken.push(`P5: ${output?.path} of job ${id} appeared ${times ?? 0} times`);
    }
  });
  const hidden = readdirSync(results).filter((name) => name.startsWith("."));
  if (hidden.length > 0) broken.push(`P5: left beside the results: ${hidden.slice(0, 5).join(" ")}`);
  return broken;
}
