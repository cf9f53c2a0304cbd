/** What the router expected of a job when it gave it to a site: kept with the lease, so that what really happened can be held against it. */
import type { SiteName } from "./job.js";

/** The stages of an answer, in their order. Files come while a job waits for an allocation and for its turn. */
export const STAGES = ["stageIn", "allocation", "ahead", "run", "stageOut"] as const;
export type StageName = (typeof STAGES)[number];

/** From the grant to the answer. */
export interface Promised {
  readonly ms: number;
  /** Standard deviation. */
  readonly sdMs: number;
  /** Those that take any time. */
  readonly stagesMs: Readonly<Partial<Record<StageName, number>>>;
  /** The next best site; absent: there was none. */
  readonly next?: { readonly site: SiteName; readonly ms: number };
}
