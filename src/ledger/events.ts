/**
 * What can happen, as data in the past tense. The ledger of these events is the truth; everything else follows from it.
 * A type keeps its meaning for ever: a changed meaning is a new version and a step in upcast.ts.
 * `at` is wall-clock time in ms since 1970 UTC, for people; order comes from the sequence number alone.
 */
import type { Downtime } from "../core/downtime.js";
import type { ErrorCode } from "../core/errors.js";
import type { CheckRun, JobChanges, JobId, JobSpec, OutputFile, SelfTest, SiteCapacity, SiteName } from "../core/job.js";
import type { Promised } from "../core/promise.js";

/** Version of the events that this program writes. */
export const EVENT_VERSION = 5;

export type Summary = Readonly<Record<string, string | number | boolean | null>>;

/**
 * Jobs were accepted: those of one request, as far as one experiment has them one after the other, so that an experiment can be taken out of the
 * ledger with its events. Requests of several experiments are several events with one `key` and `digest`, written together.
 */
export interface Submitted {
  readonly type: "submitted";
  readonly at: number;
  readonly jobs: readonly JobId[];
  /** Of each of them. */
  readonly specs: readonly JobSpec[];
  readonly key: string;
  /** Of the whole request: tells a repeat from another request under the same key. */
  readonly digest: string;
  /** Places in `jobs` of those that wait for their parents. */
  readonly awaits?: readonly number[];
}

/** All parents of a job ended as it wants them to. */
export interface Released {
  readonly type: "released";
  readonly at: number;
  readonly job: JobId;
}

/** A job that no site held failed: a parent failed, or its deadline passed. */
export interface Failed {
  readonly type: "failed";
  readonly at: number;
  readonly job: JobId;
  readonly reason: string;
}

/** Its owner changed what a job asks for. */
export interface Modified {
  readonly type: "modified";
  readonly at: number;
  readonly job: JobId;
  readonly changes: JobChanges;
}

/** Its owner had a failed or canceled job tried again, with all its attempts. */
export interface Retried {
  readonly type: "retried";
  readonly at: number;
  readonly job: JobId;
  readonly awaits?: true;
}

/** A site got the right to run an attempt; `epoch` is one more than the last. With `duplicate` another attempt of the job runs, and goes on. */
export interface Leased {
  readonly type: "leased";
  readonly at: number;
  readonly job: JobId;
  readonly epoch: number;
  readonly site: SiteName;
  readonly instance: string;
  readonly why: string;
  /** What the router expects of it; absent: nothing, or an event from before version 5. */
  readonly promised?: Promised;
  readonly duplicate?: true;
}

/** A lease that had expired, and was not granted again, went on: its site was cut off, not dead. */
export interface Resumed {
  readonly type: "resumed";
  readonly at: number;
  readonly job: JobId;
  readonly epoch: number;
}

/** An attempt ended without a result. `next` is what was decided: later rules must not change the past. `other`: another attempt of the job goes on. */
export interface AttemptEnded {
  readonly type: "attemptEnded";
  readonly at: number;
  readonly job: JobId;
  readonly epoch: number;
  readonly outcome: "failed" | "lost" | "returned" | "canceled";
  readonly code: ErrorCode | null;
  readonly reason: string;
  readonly next: "retry" | "fail" | "cancel" | "other";
  /** With `retry`: not before this time. */
  readonly notBefore: number;
  /** It had not begun and was recalled, because its job was better off elsewhere. */
  readonly moved?: true;
  /** It had most of the time of a site that had to end, and was not done. */
  readonly outlasted?: true;
}

/** The one recorded completion of a job; with it ends what else of it runs. */
export interface Completed {
  readonly type: "completed";
  readonly at: number;
  readonly job: JobId;
  readonly epoch: number;
  readonly outputs: readonly OutputFile[];
  readonly summary: Summary;
  /** Duration of the run by the site's own clock, ms. */
  readonly runMs: number;
}

/** Somebody canceled a job that a site holds; the site is told, and the job is final when the site answers or is lost. */
export interface CancelRequested {
  readonly type: "cancelRequested";
  readonly at: number;
  readonly job: JobId;
}

/** A job that no site held was canceled. */
export interface Canceled {
  readonly type: "canceled";
  readonly at: number;
  readonly job: JobId;
}

/** The results of two or three runs of a job, at sites of their own, were compared. */
export interface CrossChecked {
  readonly type: "crossChecked";
  readonly at: number;
  /** The job whose result was published. */
  readonly job: JobId;
  /** The job whose end made the comparison. */
  readonly check: JobId;
  readonly runs: readonly CheckRun[];
  readonly agreed: boolean;
  /** The site whose run differs from two others that agree. */
  readonly wrong: SiteName | null;
  readonly reason: string;
}

/** Jobs that had ended left the live state for the archive, with all below them. */
export interface Archived {
  readonly type: "archived";
  readonly at: number;
  readonly jobs: readonly JobId[];
}

/** Jobs of an experiment were taken out of the ledger, out of the archive too; somebody keeps them in a file. */
export interface Removed {
  readonly type: "removed";
  readonly at: number;
  readonly experiment: string;
  readonly jobs: readonly JobId[];
  /** The idempotency keys that they came with. */
  readonly keys: readonly string[];
}

/** A site's process said hello, or said it again with other slots or apps. */
export interface SiteJoined {
  readonly type: "siteJoined";
  readonly at: number;
  readonly site: SiteName;
  readonly instance: string;
  readonly host: string;
  readonly slots: number;
  readonly apps: readonly string[];
  readonly capacity?: SiteCapacity;
  readonly selfTest?: SelfTest;
  /** When the batch job ends in which it works, ms since 1970; absent: it is in none. */
  readonly endsAt?: number;
  /** That batch job waited so long to begin, s; absent: nobody knows. */
  readonly queueWaitS?: number;
}

/** A site's process said goodbye. */
export interface SiteLeft {
  readonly type: "siteLeft";
  readonly at: number;
  readonly site: SiteName;
}

/** What a source says of downtimes now, all of it, in place of what it said before. */
export interface DowntimesSet {
  readonly type: "downtimesSet";
  readonly at: number;
  readonly source: string;
  readonly downtimes: readonly Downtime[];
}

/** A site is on probation: other sites finished what had failed there, or somebody says so. */
export interface ProbationBegan {
  readonly type: "probationBegan";
  readonly at: number;
  readonly site: SiteName;
  readonly reason: string;
}

/** A site is trusted again: it finished a job, or somebody says so. */
export interface ProbationEnded {
  readonly type: "probationEnded";
  readonly at: number;
  readonly site: SiteName;
  readonly reason: string;
}

/** What follows from an order carries the person whose token the order came with; what central does by itself, and old events, do not. */
export type LedgerEvent = (
  | Submitted
  | Released
  | Failed
  | Modified
  | Retried
  | Leased
  | Resumed
  | AttemptEnded
  | Completed
  | CrossChecked
  | CancelRequested
  | Canceled
  | Archived
  | Removed
  | SiteJoined
  | SiteLeft
  | DowntimesSet
  | ProbationBegan
  | ProbationEnded
) & { readonly by?: string };

export type EventType = LedgerEvent["type"];

/** All types, exhaustive by its own type: what is not here cannot be read back. */
export const EVENT_TYPES: Readonly<Record<EventType, true>> = {
  submitted: true,
  released: true,
  failed: true,
  modified: true,
  retried: true,
  leased: true,
  resumed: true,
  attemptEnded: true,
  completed: true,
  crossChecked: true,
  cancelRequested: true,
  canceled: true,
  archived: true,
  removed: true,
  siteJoined: true,
  siteLeft: true,
  downtimesSet: true,
  probationBegan: true,
  probationEnded: true,
};
