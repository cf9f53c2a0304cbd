/**
 * The remote interfaces, and all that actors and sites share. Rules: every method is async, takes one plain-data
 * argument and returns plain data; no callbacks, no class instances. Under that rule `Comlink.Remote<I>` is
 * assignable to `I`, so a caller never knows where the actor lives.
 * Mutating methods say what makes a repeat harmless, because UNAVAILABLE and DEADLINE_EXCEEDED leave the outcome unknown.
 */
import type { Party, Revoked, Role, TokenId, TokenRequest, TokenView } from "./access.js";
import type { CorrProgress, CorrRequest, CorrSummary } from "./analysis.js";
import type { DowntimeView, FeedView } from "./downtime.js";
import type { ErrorCode } from "./errors.js";
import type { Explanation } from "./explanation.js";
import type {
  JobChanges,
  JobId,
  JobSpec,
  JobState,
  JobView,
  Lease,
  OutputFile,
  SelfTest,
  SiteCapacity,
  SiteName,
  SiteView,
} from "./job.js";
import type { LiveSnapshot, StreamRequest } from "./live.js";
import type { Submitters } from "./submitters.js";

/** What can be called over a link: every method takes one plain argument and answers later. */
export type Actor<I> = { readonly [K in keyof I]: (request: never) => Promise<unknown> };

/** The method names of an interface as data: a missing or surplus one is a compile error. Only these can be called over a link. */
export type MethodTable<I> = Readonly<Record<keyof I & string, true>>;

/** What a link offers before it is authenticated. Success of `authenticate` switches the link to the party's interface. */
export interface Gate {
  /** `party` is what the caller wants to be; a token of another kind is PERMISSION_DENIED. */
  authenticate(request: { token: string; version: string; party: Party }): Promise<{
    version: string;
    person: string;
    role: Role;
    experiment: string | null;
    site: SiteName | null;
    /** Until the token ends; null: never. A duration, because clocks differ. */
    expiresInMs: number | null;
  }>;
  /**
   * Exchanges a join code for the token that the site has made for itself, of which central gets the SHA-256. The code is used up.
   * Idempotent by the hash. PERMISSION_DENIED: the code is unknown, expired or used.
   */
  exchangeCode(request: { code: string; hash: string; version: string }): Promise<{ token: TokenView }>;
}

export const GATE_METHODS: MethodTable<Gate> = { authenticate: true, exchangeCode: true };

/** The two output streams of a command. */
export const LOG_STREAMS = ["stdout", "stderr"] as const;
export type LogStream = (typeof LOG_STREAMS)[number];

/** A part of an attempt's output. */
export interface LogPart {
  readonly epoch: number;
  readonly text: string;
  /** Where the next part begins, bytes. */
  readonly next: number;
  /** The attempt has ended and this is all. */
  readonly ended: boolean;
}

/** What is known of a stream, and where to go on. */
export interface LivePart {
  readonly cursor: string | null;
  /** Of the attempt that told; 0: none has. */
  readonly epoch: number;
  /** Null: nothing newer than the cursor, or nothing at all. */
  readonly live: LiveSnapshot | null;
  /** The job has ended: nothing follows. */
  readonly ended: boolean;
}

/** A part of a backup: bytes of UTF-8, cut anywhere. */
export interface BackupPart {
  readonly id: string;
  readonly data: Uint8Array;
  readonly last: boolean;
}

export interface JobQuery {
  readonly states?: readonly JobState[];
  readonly tags?: Readonly<Record<string, string>>;
  readonly experiment?: string;
  readonly app?: string;
  /** Site of the latest attempt. */
  readonly site?: SiteName;
  /** The person who submitted them. */
  readonly owner?: string;
  readonly parent?: JobId;
  /** ISO 8601, UTC; the first is inclusive, the second not. */
  readonly submittedAfter?: string;
  readonly submittedBefore?: string;
  readonly ids?: readonly JobId[];
  /** Jobs of the archive, in place of the others. A page may be short, or empty, and have others after it. */
  readonly archived?: boolean;
  readonly limit?: number;
  /** Cursor of the previous page. */
  readonly after?: string;
}

/** For people and scripts: submit, look, cancel. */
export interface ClientApi {
  /** Idempotent by `key`: the same key and specs answer with the same ids; other specs are KEY_CONFLICT. */
  submit(request: { key: string; jobs: readonly JobSpec[] }): Promise<{ jobs: JobId[] }>;
  /** Newest first. */
  jobs(query: JobQuery): Promise<{ jobs: JobView[]; next: string | null }>;
  job(request: { id: JobId }): Promise<JobView>;
  /** Why a job is, or goes, where it does; once it has its answer, also what really was. @throws NOT_FOUND */
  explain(request: { id: JobId }): Promise<Explanation>;
  sites(request: Record<string, never>): Promise<{ sites: SiteView[] }>;
  /** Idempotent: canceling twice answers the same; a final job stays as it is. */
  cancel(request: { ids: readonly JobId[] }): Promise<{ canceled: JobId[]; alreadyFinal: JobId[] }>;
  /**
   * Changes what jobs ask for; what runs goes on as it was. All or none. Idempotent: the same changes again change nothing.
   * @throws NOT_FOUND · REFUSED a final job takes tags only
   */
  modify(request: { ids: readonly JobId[]; changes: JobChanges }): Promise<{ modified: JobId[] }>;
  /**
   * Failed and canceled jobs begin anew with all their attempts; others are left alone, so a repeat is harmless. All or none.
   * `children`: also the jobs below them that failed or were canceled.
   * @throws NOT_FOUND · REFUSED a job is finished, its parent has failed, or its deadline has passed
   */
  retry(request: { ids: readonly JobId[]; children?: boolean }): Promise<{ retried: JobId[] }>;
  /**
   * Long poll: jobs that changed after `cursor`, at once if there are any, else when there are or after `waitMs`.
   * The cursor `null` answers with the present cursor and no jobs.
   */
  changes(request: { cursor: string | null; waitMs: number }): Promise<{ cursor: string; jobs: JobView[] }>;
  /**
   * Long poll: what is known of a stream that runs, its latest attempt's, at once if that is not what `cursor` (null: nothing) says, else when there is
   * more, when the job ends, or after `waitMs`. Kept in memory only: after a restart of central null until the site tells again.
   * @throws NOT_FOUND
   */
  live(request: { id: JobId; cursor: string | null; waitMs: number }): Promise<LivePart>;
  /**
   * Long poll: what an attempt (default: the latest) has written from byte `offset` on, at once if there is any, else when there is, when the
   * attempt ends, or after `waitMs`.
   * @throws NOT_FOUND the job, or an attempt of it
   */
  logs(request: { id: JobId; epoch?: number; stream: LogStream; offset: number; waitMs: number }): Promise<LogPart>;
  /** Idempotent by the token's hash. `installer`: SHA-256 of the script that brings this program to a new site (docs/bundle.md), where central serves one. */
  addToken(request: TokenRequest): Promise<{ token: TokenView; installer?: string }>;
  /** All tokens, newest first; also those that ended lately. */
  tokens(request: Record<string, never>): Promise<{ tokens: TokenView[] }>;
  /** Ends a token, with `descendants` also those made with it; closes the links that were opened with them. Idempotent. */
  revokeToken(request: { id: TokenId; descendants?: boolean }): Promise<Revoked>;
  /**
   * The whole ledger as text (docs/operations.md), as it is when part 0 is asked for. The parts come one after the other, under the id that
   * part 0 has answered with; the last part may be asked for again.
   * @throws NOT_FOUND central has no such backup: it was finished, left alone for too long, or central was restarted · OVERLOADED
   */
  backup(request: { id: string | null; part: number }): Promise<BackupPart>;
  /** All jobs of an experiment, the archived ones too, with their ledger events, in parts as of `backup`. @throws NOT_FOUND it has no jobs */
  archiveExperiment(request: { experiment: string; id: string | null; part: number }): Promise<BackupPart>;
  /**
   * Takes an experiment out of the ledger, with its logs: `jobs` and `sequence` are what the file says that `archiveExperiment` made. Idempotent.
   * @throws REFUSED a job has not ended, or something has changed since
   */
  removeExperiment(request: { experiment: string; jobs: number; sequence: number }): Promise<{ removed: number }>;
  /** Downtimes of sites that are not over, by when they begin, and the feeds that tell of some. */
  downtimes(request: Record<string, never>): Promise<{ downtimes: DowntimeView[]; feeds: FeedView[] }>;
  /**
   * Says when a site, and its pilots, are not there; ISO 8601, UTC, `to` null: nobody knows. Idempotent by `id`, which is the caller's.
   * @throws INVALID_ARGUMENT it is over already · KEY_CONFLICT there is another of that id · OVERLOADED there are too many
   */
  addDowntime(request: { id: string; site: SiteName; from: string; to: string | null; text: string }): Promise<{ downtime: DowntimeView }>;
  /**
   * Removes a downtime: one that a feed has said counts no more, also when it is said again. Idempotent.
   * @throws NOT_FOUND · REFUSED nobody has said it: it is the end of a token or of a batch job
   */
  removeDowntime(request: { id: string }): Promise<{ downtime: DowntimeView }>;
  /**
   * Puts a site on probation for a reason, so that it gets one job at a time with growing pauses until it finishes one; or (null) lifts that. Idempotent.
   * @throws NOT_FOUND
   */
  setProbation(request: { site: SiteName; reason: string | null }): Promise<Record<string, never>>;
}

export const CLIENT_API_METHODS: MethodTable<ClientApi> = {
  submit: true,
  jobs: true,
  job: true,
  explain: true,
  sites: true,
  cancel: true,
  modify: true,
  retry: true,
  changes: true,
  live: true,
  logs: true,
  addToken: true,
  tokens: true,
  revokeToken: true,
  backup: true,
  archiveExperiment: true,
  removeExperiment: true,
  downtimes: true,
  addDowntime: true,
  removeDowntime: true,
  setProbation: true,
};

export interface LeaseRef {
  readonly job: JobId;
  readonly epoch: number;
}

/** News for a site; rides in every reply. */
export interface SiteNews {
  /** Leases that are no longer this site's: stop and discard. */
  readonly lost: readonly LeaseRef[];
  /** Leases whose job was canceled: stop, then report `failed` with CANCELED. */
  readonly cancel: readonly LeaseRef[];
  /** Leases whose jobs are better off elsewhere: those whose work has not begun are given back, the others go on. Absent: none. */
  readonly recall?: readonly LeaseRef[];
  readonly drain: boolean;
}

/** The work source that central is for sites (and, later, a site for its pilots). */
export interface WorkSource {
  /**
   * Idempotent. A second live process under one name is REFUSED. `instance` is a random id of the site's process. `held`: every lease whose
   * end central has not acknowledged yet, also from before a restart of the site; leases that are not named come back to the queue.
   */
  join(request: {
    site: SiteName;
    instance: string;
    host: string;
    slots: number;
    apps: readonly string[];
    capacity?: SiteCapacity;
    /** Slots' worth of jobs that it takes beyond its slots, to bring their files while others run; absent: none. */
    prefetch?: number;
    /** The site that started this one as a pilot: what is pinned to that one may run here. */
    pilotOf?: SiteName;
    /** What was measured before it had jobs. */
    selfTest?: SelfTest;
    /** Until the batch job ends in which it works, s; absent: it is in none. */
    endsInS?: number;
    /** That batch job waited so long to begin, s; absent: nobody knows. */
    queueWaitS?: number;
    /** Those of its commands of which two attempts must not run at once; absent: it is of a version that did not say. */
    exclusive?: readonly string[];
    held: readonly LeaseRef[];
  }): Promise<{ leaseMs: number; renewMs: number; news: SiteNews }>;
  /**
   * Long poll for at most `slots` leases, and never more than the site has slots free in the ledger: a site may ask before the report of a job whose
   * slot is free already. Answers at once with news. Unanswered grants come back by expiry. `jobsMax`: no more jobs than this, however few slots they need; absent: no bound.
   */
  lease(request: {
    site: SiteName;
    instance: string;
    slots: number;
    jobsMax?: number;
    waitMs: number;
  }): Promise<{ leases: Lease[]; news: SiteNews }>;
  /** Extends every held lease; progress 0 to 1 by job. */
  renew(request: {
    site: SiteName;
    instance: string;
    held: readonly (LeaseRef & {
      state: "staged-in" | "running" | "staged-out";
      progress: number | null;
      /** Why it does not go on at present. */
      reason?: string;
      /** Until its files are expected to be there, whole ms; 0: they are; absent: not known, or the site is of a version that did not say. */
      filesInMs?: number;
    })[];
    /** Why the site takes no more work, in the words of its admin; absent: it does. */
    draining?: string;
  }): Promise<{ news: SiteNews }>;
  /** Idempotent by (job, epoch). STALE_LEASE when the lease is not the latest: discard the output. */
  complete(request: {
    site: SiteName;
    instance: string;
    lease: LeaseRef;
    outputs: readonly OutputFile[];
    summary: Readonly<Record<string, string | number | boolean | null>>;
    startedAtMs: number;
    finishedAtMs: number;
  }): Promise<{ news: SiteNews }>;
  /** Idempotent by (job, epoch). */
  fail(request: { site: SiteName; instance: string; lease: LeaseRef; code: ErrorCode; reason: string }): Promise<{ news: SiteNews }>;
  /** Gives an unstarted or stopped lease back; does not count as an attempt of the job. */
  giveBack(request: { site: SiteName; instance: string; leases: readonly LeaseRef[]; reason: string }): Promise<{ news: SiteNews }>;
  /**
   * Adds to the output of an attempt that the site has or had. Idempotent: what does not begin where central's copy ends is left out.
   * @returns where central's copy ends
   */
  pushLog(request: {
    site: SiteName;
    instance: string;
    lease: LeaseRef;
    stream: LogStream;
    offset: number;
    data: Uint8Array;
  }): Promise<{ size: number }>;
  /** What is known of a stream that the site runs; only the latest counts, so a repeat is harmless. */
  pushLive(request: { site: SiteName; instance: string; lease: LeaseRef; live: LiveSnapshot }): Promise<Record<string, never>>;
  /**
   * For a site that starts pilots, sites of their own on batch nodes: what waits that a pilot with these apps, slots and capacity could run, in slots, and which of
   * its pilots are there, with how many slots free. Needs no join, and changes nothing.
   */
  backlog(request: {
    site: SiteName;
    pilots: readonly SiteName[];
    slots: number;
    apps: readonly string[];
    capacity: SiteCapacity;
    /** Whose jobs its pilots take; absent: everybody's. */
    submitters?: Submitters;
    /** Why it has as many pilots as it has, for those whose jobs wait for one. */
    says?: string;
    /** It has no more pilots than this at a time; absent: not told. */
    pilotsMax?: number;
    /** Its own self-test, for as long as none of its pilots has told one. */
    selfTest?: SelfTest;
  }): Promise<{
    waitingSlots: number;
    /** What waits, in seconds of one slot as its apps took so far or may take; null: nobody knows; absent: central is of a version that did not say. */
    waitingSlotS?: number | null;
    /** The longest that one of them may take, s, or is likely to. */
    waitingLongestS?: number | null;
    /** Until a downtime of the site, s, 0 in one, and which; absent: none is known. A pilot should end before. */
    closesInS?: number;
    closes?: string;
    pilots: { site: SiteName; freeSlots: number }[];
  }>;
  /** A clean goodbye; the site holds nothing any more. */
  leave(request: { site: SiteName; instance: string }): Promise<Record<string, never>>;
}

export const WORK_SOURCE_METHODS: MethodTable<WorkSource> = {
  join: true,
  lease: true,
  renew: true,
  complete: true,
  fail: true,
  giveBack: true,
  pushLog: true,
  pushLive: true,
  backlog: true,
  leave: true,
};

/** The command lines of one attempt, with every parameter filled in. */
export interface CommandRun {
  readonly app: "command";
  /** One after the other. */
  readonly before: readonly (readonly string[])[];
  readonly argv: readonly string[];
  /** After `argv`, also when that failed; they see its exit code in XPCS_EXIT_CODE. */
  readonly after: readonly (readonly string[])[];
  readonly cwd: string;
  /** On top of the site's own environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Files that take its output. */
  readonly logs: Readonly<Record<LogStream, string>>;
  /** Holds the id of the process group while there is one. */
  readonly pidFile: string;
  /** Killed when the site falls silent. */
  readonly exclusive: boolean;
}

/** One child process that runs one piece of work at a time: native, or a command. */
export interface KernelHost {
  run(request: {
    /** `roots`: what the input refers to must lie in one of these folders. */
    work:
      | { app: "xpcs.corr"; request: CorrRequest; roots?: readonly string[] }
      | { app: "xpcs.stream"; stream: StreamRequest; roots?: readonly string[] }
      | { app: "xpcs.noop"; durationMs: number }
      | CommandRun;
  }): Promise<{ summary: CorrSummary | null }>;
  /** Long poll for progress of the running work; also the sign of life. */
  progress(request: { waitMs: number }): Promise<{ progress: CorrProgress | null }>;
  /** Idempotent. The running `run` rejects with CANCELED. */
  cancel(request: Record<string, never>): Promise<Record<string, never>>;
  /** Idempotent. A running stream ends as if its source had, and writes its result; other work goes on. */
  finish(request: Record<string, never>): Promise<Record<string, never>>;
}

export const KERNEL_HOST_METHODS: MethodTable<KernelHost> = { run: true, progress: true, cancel: true, finish: true };
