/**
 * Vocabulary of jobs: specification, states, leases, and the view that clients see.
 * No behaviour: the rules live in ledger/decide.ts.
 */
import type { CorrOptions } from "./analysis.js";
import type { DowntimeView, FacilityState } from "./downtime.js";
import type { ErrorCode } from "./errors.js";
import type { StreamFiles } from "./live.js";
import type { Promised } from "./promise.js";

export type JobId = string;
export type SiteName = string;

export const JOB_STATES = ["awaiting-parents", "ready", "staged-in", "running", "staged-out", "finished", "failed", "canceled"] as const;
export type JobState = (typeof JOB_STATES)[number];

export const FINAL_STATES: readonly JobState[] = ["finished", "failed", "canceled"];

/** True for a state that a job never leaves. */
export function isFinal(state: JobState): boolean {
  return FINAL_STATES.includes(state);
}

/** A file as central knows it: a path on a file system that its declared sites share (later: other schemes). */
export interface FileRef {
  readonly path: string;
}

/** The monitor of the frames: a text file, or a dataset of an HDF5 file. */
export interface MonitorRef extends FileRef {
  readonly dataset?: string;
}

/** A correlation: the input and its q-map or job file, and the options of `xpcs corr`. */
export interface CorrJob {
  readonly app: "xpcs.corr";
  readonly input?: FileRef;
  readonly qmap?: FileRef;
  readonly job?: FileRef;
  readonly metadata?: FileRef;
  readonly monitor?: MonitorRef;
  /** What belongs to the input and is found from it: the other modules of a Rigaku 3M, the data files of an HDF5 master. */
  readonly parts?: readonly FileRef[];
  /** Result file. */
  readonly out: FileRef;
  readonly overwrite: boolean;
  readonly options: CorrOptions;
}

/** A stream that is correlated while it runs (docs/streaming.md). */
export interface StreamJob {
  readonly app: "xpcs.stream";
  /** A URL that the site dials, or a path that it sees. */
  readonly source: string;
  readonly qmap: FileRef;
  readonly metadata?: FileRef;
  /** Result file. */
  readonly out: FileRef;
  readonly overwrite: boolean;
  readonly options: CorrOptions;
  /** As in StreamRequest. */
  readonly everyMs: number;
  readonly until?: string;
  readonly framesMax?: number;
  readonly patienceMs: number;
  readonly files?: StreamFiles;
}

/** Does nothing for `durationMs`: measures the runtime itself and tests it. */
export interface NoopJob {
  readonly app: "xpcs.noop";
  readonly durationMs: number;
}

/** Value of a command's parameter; the site reads it as the type that its settings declare. */
export type ParameterValue = string | number | boolean;

/** A command that sites allow by name in their settings (docs/apps.md); the job fills in its parameters and never a command line. */
export interface CommandJob {
  /** Name in the settings of a site; not one of the built-in `xpcs.*`. */
  readonly app: string;
  readonly parameters: Readonly<Record<string, ParameterValue>>;
  /** Files that it reads, by the name of their parameter. */
  readonly inputs: Readonly<Record<string, FileRef>>;
  /** Files that it makes. */
  readonly outputs: Readonly<Record<string, FileRef>>;
  readonly overwrite: boolean;
}

export type Work = CorrJob | StreamJob | NoopJob | CommandJob;

/** Names that begin so are the built-in apps. */
export const BUILT_IN_PREFIX = "xpcs.";

/** True for a command; the rest are built-in apps. */
export function isCommandJob(work: Work): work is CommandJob {
  return "parameters" in work;
}

/** The experiment of a job that names none. */
export const DEFAULT_EXPERIMENT = "local/default";

/** `CYCLE/NAME`, as at the beamline: `2026-3/smith`. */
export const EXPERIMENT_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\/[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** What an attempt takes of its site. Absent: one slot, and nothing else is counted. */
export interface Resources {
  readonly slots?: number;
  /** Also the threads of a built-in kernel. */
  readonly cores?: number;
  /** GB of 10^9 bytes. */
  readonly memoryGb?: number;
  readonly gpus?: number;
  readonly nodes?: number;
  /** An attempt that takes longer is stopped, and counts as failed, s. */
  readonly walltimeS?: number;
  /** What the site must have: `avx512f`, `boost_corr>=0.3` (core/features.ts). */
  readonly features?: readonly string[];
}

/** What a site has in all; a job that asks for more never goes there. */
export interface SiteCapacity {
  readonly cores: number;
  readonly memoryGb: number;
  readonly gpus: number;
  readonly nodes: number;
  /** Longest attempt, s; null: no limit. */
  readonly walltimeS: number | null;
  /** Instructions of its processors, programs with versions: `avx512f`, `boost_corr=0.3.1`. Absent: nothing is known of them. */
  readonly features?: readonly string[];
}

/** What a site's self-test measured (docs/self-test.md): first estimates, until real jobs tell. Absent: not measured. */
export interface SelfTest {
  /** When, ISO 8601 UTC. */
  readonly at: string;
  /** Photon events that a core correlates, 1/s. */
  readonly eventsPerCoreS?: number;
  /** Wait of a small batch job in the queue, s. */
  readonly queueWaitS?: number;
  /** Link from central to the site, and back, bytes/s. */
  readonly inBytesPerS?: number;
  readonly outBytesPerS?: number;
}

/** What becomes of a job when a parent fails or is canceled: it fails too, or runs all the same. */
export const PARENT_POLICIES = ["fail", "run"] as const;
export type ParentPolicy = (typeof PARENT_POLICIES)[number];

export interface JobSpec {
  readonly work: Work;
  /** The experiment that it belongs to; absent: `DEFAULT_EXPERIMENT`. */
  readonly experiment?: string;
  /** Jobs of the same experiment that must end first; in a request, `#n` is the n-th job of the same request, from 0, and comes before. */
  readonly parents?: readonly JobId[];
  /** Absent: `fail`. */
  readonly onParentFailure?: ParentPolicy;
  /** Higher comes first; absent: 0. Of the same priority those with the earlier deadline, then those that have waited longer. */
  readonly priority?: number;
  /** When its answer is wanted; a job that no site has begun by then fails. ISO 8601, UTC. */
  readonly deadline?: string;
  /** Before the second attempt after a failure, ms; doubles with each. */
  readonly retryDelayMs?: number;
  readonly resources?: Resources;
  readonly tags: Readonly<Record<string, string>>;
  /** Attempts before the job fails for good. */
  readonly attemptsMax: number;
  /** Pin to one site. */
  readonly site?: SiteName;
  /** Name of the policy that chooses its site; absent: central's. */
  readonly policy?: string;
  /** Size of all files that it reads, as the submitter sees them; absent: not known. For estimates alone: it does not make another job. */
  readonly inputBytes?: number;
  /** Run it again at another site, and compare the results; absent: as central's settings draw it. */
  readonly crossCheck?: boolean;
  /** It runs a finished job again, to compare the results; central alone makes such jobs. */
  readonly checkOf?: CheckOf;
}

export interface CheckOf {
  readonly job: JobId;
  /** Sites that have run it before. */
  readonly sites: readonly SiteName[];
}

/** One of the runs of a job whose results were compared. */
export interface CheckRun {
  readonly site: SiteName;
  readonly host: string;
  /** Of what in the results depends on data and settings alone. */
  readonly sha256: string;
}

/** What came of comparing the runs of a job. */
export interface CrossCheckResult {
  /** Bit for bit. */
  readonly agreed: boolean;
  /** Whose result differs from two that agree; null: nobody's, or it is not known whose. */
  readonly wrong: SiteName | null;
  readonly reason: string;
  /** The first is the one whose result was published. */
  readonly runs: readonly CheckRun[];
}

/** Of the runs of a site that were compared with others. */
export interface SiteChecks {
  readonly agreed: number;
  /** Two runs differed, and this was one of them. */
  readonly differed: number;
  /** Two others agreed, and this one differed. */
  readonly wrong: number;
}

/** What `modify` may change; null takes a field away. A final job takes tags only. */
export interface JobChanges {
  readonly tags?: Readonly<Record<string, string>>;
  readonly priority?: number;
  readonly deadline?: string | null;
  readonly attemptsMax?: number;
  readonly retryDelayMs?: number;
  readonly onParentFailure?: ParentPolicy;
  readonly resources?: Resources;
  readonly site?: SiteName | null;
}

/** The experiment that a job belongs to. */
export function experimentOf(spec: JobSpec): string {
  return spec.experiment ?? DEFAULT_EXPERIMENT;
}

export interface OutputFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface Attempt {
  readonly site: SiteName;
  readonly epoch: number;
  readonly startedAt: string;
  readonly finishedAt?: string;
  readonly outcome: "running" | "finished" | "failed" | "lost" | "returned" | "canceled";
  /** It began beside another attempt of the job, in case it answers sooner. */
  readonly duplicate?: true;
  readonly code?: ErrorCode;
  readonly reason?: string;
  /** What the router expected of it, for `explain`; absent: nothing, a ledger from before this field, or a view for clients. */
  readonly promised?: Promised;
}

/** The right to run one attempt. `epoch` is its fencing number. */
export interface Lease {
  readonly job: JobId;
  readonly epoch: number;
  readonly work: Work;
  /** Absent: `DEFAULT_EXPERIMENT`, or central is of a version that did not say. */
  readonly experiment?: string;
  /** Who submitted it; absent: nobody knows, or central is of a version that did not say. */
  readonly owner?: string;
  readonly resources?: Resources;
  /** Of all its files, as its submitter says; absent: not known, or central is of a version that did not say. */
  readonly inputBytes?: number;
  /** Tell a digest of what in the results depends on data and settings alone (`contentSha256` of the summary). */
  readonly digest?: true;
  /** The results are for that digest alone: publish nothing. */
  readonly check?: true;
  readonly leaseMs: number;
}

/** A job as `xpcs jobs --json` prints it (docs/cli.md pins this shape). Times are ISO 8601 UTC. */
export interface JobView {
  readonly id: JobId;
  /** The app, e.g. `xpcs.corr`. */
  readonly app: string;
  /** Who submitted it; null in ledgers from before tokens had names. */
  readonly owner: string | null;
  /** multitau, twotime, both, or the app's last name. */
  readonly type: string;
  readonly state: JobState;
  /** Why it is in this state: what it waits for, or what failed; null when there is nothing to say. */
  readonly reason: string | null;
  /** Since when it is in this state. */
  readonly since: string;
  readonly site: SiteName | null;
  /** Why this site. */
  readonly why: string | null;
  readonly epoch: number;
  readonly attempts: readonly Attempt[];
  readonly inputs: readonly string[];
  readonly outputs: readonly OutputFile[];
  readonly experiment: string;
  readonly parents: readonly JobId[];
  readonly onParentFailure: ParentPolicy;
  readonly priority: number;
  readonly deadline: string | null;
  readonly resources: Resources;
  readonly attemptsMax: number;
  readonly tags: Readonly<Record<string, string>>;
  /** 0 to 1, or null when nothing is known. */
  readonly progress: number | null;
  readonly submittedAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  /** In the archive: it can be read, and does not change any more. */
  readonly archived: boolean;
  /** Absent: its result was not compared with another run's. */
  readonly crossCheck?: CrossCheckResult;
}

export interface SiteView {
  readonly name: SiteName;
  /** Down: a downtime is in force, whether it is connected or not. Probation: it failed what others finished, and gets one job at a time. */
  readonly state: "up" | "silent" | "draining" | "probation" | "down" | "gone";
  /** Why it takes no work, or will take none; null: nobody said. */
  readonly reason: string | null;
  /** The downtime that is in force, or the next one; null: none is known. */
  readonly downtime: DowntimeView | null;
  /** Null: it is on none. Times are ISO 8601 UTC. */
  readonly probation: { readonly since: string; readonly reason: string; readonly failures: number; readonly triedAt: string } | null;
  /** What the feeds of its facility say of it now; null: none watches it. */
  readonly facility: FacilityState | null;
  readonly slots: number;
  /** Null: it did not say. */
  readonly capacity: SiteCapacity | null;
  readonly apps: readonly string[];
  readonly running: number;
  readonly host: string;
  readonly lastSeenAt: string;
  readonly finishedJobs: number;
  /** Measured mean run time of its finished jobs, s; null before the first. */
  readonly meanRunS: number | null;
  /** Measured rates at which files came to it and its results left, bytes/s; null before the first large enough. */
  readonly stageInBytesPerS: number | null;
  readonly stageOutBytesPerS: number | null;
  /** Time from grant to answer of its jobs of late, over what was promised; null before the first. */
  readonly answerOverPromise: number | null;
  /** Null: it told none. */
  readonly selfTest: SelfTest | null;
  /** Absent: none of its runs was compared with another site's. */
  readonly crossChecks?: SiteChecks;
}
