/** Why a job is, or goes, where it does: what `explain` answers (docs/cli.md pins this shape). No behaviour. */
import type { JobId, JobState, SiteName } from "./job.js";
import type { StageName } from "./promise.js";

/** Of each stage, ms; 0 where it takes no time. */
export type StagesMs = Readonly<Record<StageName, number>>;

/** What the router expects of a site, for a job that would be given to it now. */
export interface SiteOutlook {
  readonly site: SiteName;
  /** Why it cannot have the job; null: it can. */
  readonly unable: string | null;
  /** From now to the answer, and the standard deviation, ms; null where it cannot have the job. */
  readonly ms: number | null;
  readonly sdMs: number | null;
  readonly stagesMs: StagesMs;
  /** What the run time goes by: runs of the app there, the site's self-test, other sites, or nothing. */
  readonly runBy: string | null;
  /** Runs behind it. */
  readonly runs: number;
}

export interface Explanation {
  readonly job: JobId;
  readonly state: JobState;
  /** Of the policy that chooses its site. */
  readonly policy: string;
  /** The site that has it, or for which it waits; null: none can have it. */
  readonly site: SiteName | null;
  /** The choice in one sentence. */
  readonly why: string;
  /** All sites as they are now; empty for a job that waits for none any more. */
  readonly sites: readonly SiteOutlook[];
  /** What was expected when it was given to its site; null: it was not, or nothing was. */
  readonly promised: {
    readonly ms: number;
    readonly sdMs: number;
    readonly stagesMs: StagesMs;
    /** The next best site; null: there was none. */
    readonly next: { readonly site: SiteName; readonly ms: number } | null;
  } | null;
  /** What really was, from the grant to the answer; null before the answer. */
  readonly happened: {
    readonly ms: number;
    readonly stagesMs: StagesMs;
    /** Over what was promised; null where nothing was. */
    readonly ratio: number | null;
  } | null;
}
