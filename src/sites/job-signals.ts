/**
 * Signals that a batch system or a supervisor sends to all processes of a job, though one of them leads it: who is led must not end by them, and what they
 * did end was no failure of the work.
 */
import { constants } from "node:os";
import { isCode, type XpcsError } from "../core/errors.js";

/** Announce the end in some schedulers; the job's script hands them on as SIGTERM (batch-script.ts). */
const WARNINGS = ["SIGUSR1", "SIGUSR2", "SIGXCPU"] as const;
const ENDS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
const FROM_OUTSIDE: ReadonlySet<string> = new Set([...WARNINGS, ...ENDS, "SIGKILL"]);
/** A shell's exit code for a command that was ended by a signal. */
const SIGNALED = 128;

/** This process does not end by the warnings, which a shell cannot keep from it: Node begins with the default for every signal. */
export function ignoreWarnings(): void {
  for (const name of WARNINGS) process.on(name, () => {});
}

/** Nor by any that can be ignored: its parent hears them too, and ends it. */
export function leaveSignalsToParent(): void {
  ignoreWarnings();
  for (const name of ENDS) process.on(name, () => {});
}

/** The signal that a process ended by, as its shell tells it too; null: none. */
export function signalOf(code: number | null, signal: string | null): string | null {
  if (signal !== null || code === null || code <= SIGNALED) return signal;
  return Object.entries(constants.signals).find(([, number]) => number === code - SIGNALED)?.[0] ?? null;
}

/** The work, or what it runs in, was ended by a signal that may have been meant for all of the site. */
export function endedFromOutside(error: XpcsError): boolean {
  return (isCode(error, "NATIVE_CRASHED") || isCode(error, "COMMAND_FAILED")) && FROM_OUTSIDE.has(String(error.details.signal));
}
