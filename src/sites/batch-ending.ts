/** How a batch job ended: what its script left, what the scheduler lists and what accounting says, made into one answer. Pure. */

import { endedWith } from "./batch-printed.js";
import { STARTED_TWICE } from "./batch-script.js";
import type { Ending } from "./schedulers/define.js";

export interface Evidence {
  /** From the file that the script writes; null: there is none. */
  readonly exitCode: number | null;
  /** Its cancellation was asked for here. */
  readonly canceled: boolean;
  /** Its script was told to end, when its walltime was over. */
  readonly atLimit: boolean;
  readonly listed: Ending | null;
  readonly accounted: Ending | null;
  /** The scheduler does not know the job, or not how it ended, and has been asked often enough. */
  readonly patienceOver: boolean;
}

const STARTED_AGAIN = "its first run ended without an exit code, and the scheduler started it again, which it refused";
const SIGNALED = 128;

/** "Gone" is no cause: it says only that nobody knows. */
function hasCause(ending: Ending | null): ending is Ending {
  return ending !== null && !["done", "failed", "gone"].includes(ending.outcome);
}

/**
 * The ending, or null while it is not clear yet. The exit code of the script comes first where it is 0; otherwise the scheduler's cause, for
 * which a job that was ended by a signal waits a little, since accounting comes late.
 */
export function conclude({ exitCode, canceled, atLimit, listed, accounted, patienceOver }: Evidence): Ending | null {
  if (exitCode === 0) return endedWith(exitCode);
  const cause = [accounted, listed].find(hasCause);
  if (cause !== undefined) return { ...cause, exitCode: exitCode ?? cause.exitCode };
  // Some accounting does not tell the exit code.
  const told = accounted !== null && (accounted.exitCode !== null || listed === null) ? accounted : (listed ?? accounted);
  // Nothing is heard of it any more, or nothing that could change the answer.
  const over = patienceOver || accounted !== null || told?.outcome === "gone";
  // One that was ended so is "completed" to some; without an exit code it did not come to its end.
  if (canceled && (exitCode !== null || over || told?.outcome === "done"))
    return { outcome: "canceled", exitCode, sentence: "it was canceled from here" };
  if (atLimit && over) return { outcome: "time-limit", exitCode, sentence: "it was told to end when its time limit was reached" };
  if (exitCode !== null && (exitCode <= SIGNALED || over)) {
    const signal = exitCode > SIGNALED ? ` (signal ${exitCode - SIGNALED})` : "";
    return { outcome: "failed", exitCode, sentence: `it ended with exit code ${exitCode}${signal}` };
  }
  if (exitCode !== null) return null;
  if (told?.exitCode === STARTED_TWICE) return { outcome: "failed", exitCode, sentence: STARTED_AGAIN };
  if (told !== null && (over || told.outcome === "done")) return told;
  if (!over) return null;
  return { outcome: "gone", exitCode, sentence: "the scheduler no longer knows it, and it left no exit code" };
}
