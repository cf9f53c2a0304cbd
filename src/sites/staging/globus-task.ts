/**
 * One task of Globus Transfer, from its submission to its end. It is submitted under an id that was asked for before, so that a submission whose answer was lost makes no
 * second task. What it waits for is told at once; it is canceled when nothing moves for too long, and when its attempt is stopped.
 */
import { type Clock, sleep } from "../../core/clock.js";
import { type ErrorCode, XpcsError } from "../../core/errors.js";
import type { GlobusClient, GlobusTask } from "./globus-client.js";
import type { Patience } from "./patience.js";

export interface TaskOptions {
  readonly client: GlobusClient;
  readonly clock: Clock;
  readonly patience: Patience;
  /** Canceled after so long without a byte, ms. */
  readonly giveUpMs: number;
  /** What people see as the reason why it does not go on, or null. */
  readonly report: (reason: string | null) => void;
  readonly signal: AbortSignal;
  /** Told how many bytes it has moved so far; absent: nobody asks. */
  readonly moved?: (bytes: number) => void;
  /** What it is, for messages. */
  readonly what: string;
}

const FIRST_LOOK_MS = 100;
/** So that a failure shows within 5 s. */
const LONGEST_LOOK_MS = 4_000;

const CODES: Readonly<Record<string, ErrorCode>> = {
  ...{ FILE_NOT_FOUND: "NOT_FOUND", NO_SUCH_FILE: "NOT_FOUND", PERMISSION_DENIED: "PERMISSION_DENIED" },
  ...{ VERIFY_CHECKSUM: "CHECKSUM_MISMATCH", CHECKSUM_MISMATCH: "CHECKSUM_MISMATCH", EXTERNAL_CHECKSUM: "CHECKSUM_MISMATCH" },
};

/** Words of a task that makes no trouble. */
const FINE = new Set(["", "OK", "Queued"]);

function endOf({ fatal_error: fatal, canceled_by_admin_message: admin }: GlobusTask, what: string, fault: string | null): XpcsError {
  const { code = "", description = "" } = fatal ?? {};
  const why = [code, description, admin, fault].filter((word) => word !== null && word !== undefined && word !== "").join("; ");
  const mismatch = /CHECKSUM/i.test(`${code} ${fault ?? ""}`) ? "CHECKSUM_MISMATCH" : "IO_FAILED";
  return new XpcsError(CODES[code] ?? mismatch, `${what}: Globus gave the task up: ${why || "it says no reason"}`);
}

/** Why a task that goes on does not move, in words; null: it does. */
function troubleOf(task: GlobusTask, fault: string | null): string | null {
  const nice = task.nice_status ?? "";
  if (task.is_paused === true) return `its Globus task ${task.task_id} is paused by whoever runs a collection`;
  if (task.status === "INACTIVE")
    return `its Globus task ${task.task_id} is suspended: credentials have ended, and a person must renew them`;
  if (FINE.has(nice)) return null;
  const short = task.nice_status_short_description ?? "";
  return `its Globus task ${task.task_id} meets ${nice}${short === "" || short === nice ? "" : `, ${short}`}${fault === null ? "" : `: ${fault}`}`;
}

function movedBy({ bytes_transferred: bytes = 0, bytes_checksummed: checked = 0, files_transferred: files }: GlobusTask): string {
  return `${bytes} ${checked} ${files ?? 0}`;
}

async function watch(options: TaskOptions, id: string): Promise<void> {
  const { client, clock, patience, giveUpMs, report, signal, what } = options;
  let progress = "";
  let progressMs = clock.monotonicMs();
  let told: string | null = null;
  let waitMs = FIRST_LOOK_MS;
  let faults = 0;
  let fault: string | null = null;
  for (;;) {
    const task = await patience.again(() => client.task(id, signal));
    if ((task.faults ?? 0) > faults || task.status === "FAILED") {
      faults = task.faults ?? 0;
      fault = await client.lastFault(id, signal).catch(() => null);
    }
    if (task.status === "SUCCEEDED") return report(null);
    if (task.status === "FAILED") throw endOf(task, what, fault);
    if (movedBy(task) !== progress) {
      progress = movedBy(task);
      options.moved?.(task.bytes_transferred ?? 0);
      progressMs = clock.monotonicMs();
    }
    const reason = troubleOf(task, fault);
    if (reason !== told) report(reason === null ? null : `the transfer waits: ${reason}`);
    told = reason;
    const idleMs = clock.monotonicMs() - progressMs;
    if (idleMs >= giveUpMs)
      throw new XpcsError(
        "UNAVAILABLE",
        `${what}: no byte moved for ${Math.round(idleMs / 1_000)} s: ${reason ?? `its Globus task ${id} waits`}`,
      );
    await sleep(clock, Math.min(waitMs, giveUpMs - idleMs), signal);
    if (signal.aborted) throw new XpcsError("CANCELED", "the transfer was stopped");
    waitMs = Math.min(2 * waitMs, LONGEST_LOOK_MS);
  }
}

/**
 * Does a task. @param submit with the submission's id; may be called again @returns the task's id
 * @throws NOT_FOUND · PERMISSION_DENIED · CHECKSUM_MISMATCH · IO_FAILED · UNAVAILABLE nothing moved for too long · CANCELED
 */
export async function runTask(options: TaskOptions, submit: (submission: string) => Promise<string>): Promise<string> {
  const { client, patience, signal } = options;
  const submission = await patience.again(() => client.submissionId(signal));
  const id = await patience.again(() => submit(submission));
  try {
    await watch(options, id);
  } catch (error) {
    // It would go on without us. Of one that has ended the service says so.
    await client.cancel(id, new AbortController().signal).catch(() => {});
    throw error;
  }
  return id;
}
