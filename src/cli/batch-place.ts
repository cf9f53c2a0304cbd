/** What the script of a batch job tells the site that works in it: when it ends, which nodes it has, and how programs get onto them. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { XpcsError } from "../core/errors.js";

export interface BatchPlace {
  /** End of the batch job, s since 1970; null: it is in none. */
  readonly endsS: number | null;
  /** From its submission to the start of this process, s; null: nobody has said when that was. */
  readonly queueWaitS: number | null;
  /** Of its nodes those that this site has for its jobs. */
  readonly hosts: readonly string[];
  /** Words before the program of a job on several of them (launch.ts); null: this site has one node. */
  readonly launcher: readonly string[] | null;
  /** Which of the pilots of its batch job, from 1; null: the only one. */
  readonly pilot: number | null;
}

function numberIn(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,12}$/.test(text) ? Number(text) : null;
}

function wordsIn(text: string): readonly string[] {
  const value: unknown = JSON.parse(text);
  if (Array.isArray(value) && value.every((word) => typeof word === "string")) return value;
  throw new XpcsError("INVALID_ARGUMENT", "XPCS_BATCH_LAUNCHER is no list of words");
}

/**
 * Where this process runs, as far as the script of a batch job says so.
 * @param startedS of this process, s since 1970
 */
export function batchPlace(environment: Readonly<Record<string, string | undefined>>, startedS: number): BatchPlace {
  const { XPCS_BATCH_ENDS_S, XPCS_BATCH_SUBMITTED_S, XPCS_BATCH_NODES, XPCS_BATCH_LAUNCHER, XPCS_PILOT } = environment;
  const submittedS = numberIn(XPCS_BATCH_SUBMITTED_S);
  const own = {
    endsS: numberIn(XPCS_BATCH_ENDS_S),
    // Clocks of nodes may be behind.
    queueWaitS: submittedS === null ? null : Math.max(0, Math.round(startedS - submittedS)),
    pilot: numberIn(XPCS_PILOT),
  };
  if (own.pilot !== null || XPCS_BATCH_NODES === undefined || XPCS_BATCH_LAUNCHER === undefined)
    return { ...own, hosts: [hostname()], launcher: null };
  const hosts = readFileSync(XPCS_BATCH_NODES, "utf8").trim().split("\n");
  return { ...own, hosts, launcher: wordsIn(XPCS_BATCH_LAUNCHER) };
}
