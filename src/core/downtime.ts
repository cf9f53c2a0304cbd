/** Times when a site is not there, as people and feeds of facilities say: one record for all. No behaviour. */
import type { SiteName } from "./job.js";

/** planned: announced before · unplanned: noticed · reservation: others have the machine. */
export const DOWNTIME_KINDS = ["planned", "unplanned", "reservation"] as const;
export type DowntimeKind = (typeof DOWNTIME_KINDS)[number];

/** The source of what people say. */
export const BY_HAND = "hand";
/** What central knows by itself: the end of the token with which a site is connected, and that of the batch job in which it works. */
export const OWN_SOURCES = ["token", "allocation"] as const;

/** As central keeps it in its ledger. Times in ms since 1970 UTC. */
export interface Downtime {
  readonly id: string;
  /** Holds for its pilots too. */
  readonly site: SiteName;
  readonly fromMs: number;
  /** Null: nobody knows. */
  readonly toMs: number | null;
  readonly kind: DowntimeKind;
  /** `hand`, or the name of a feed. */
  readonly source: string;
  /** When the source first said so. */
  readonly fetchedMs: number;
  readonly text: string;
  /** It works, but not as usual: shown, and no reason against sending jobs. */
  readonly degraded?: true;
  /** Who entered it by hand. */
  readonly by?: string;
  /** Who had it removed: it counts no more, also when the source says it again. */
  readonly removedBy?: string;
}

/** A downtime as `xpcs site downtime --json` prints it (docs/cli.md pins this shape). Times are ISO 8601 UTC. */
export interface DowntimeView {
  readonly id: string;
  readonly site: SiteName;
  readonly from: string;
  readonly to: string | null;
  readonly kind: DowntimeKind;
  /** `hand`, `token`, `allocation`, or the name of a feed. */
  readonly source: string;
  /** When the source last said so. */
  readonly fetchedAt: string;
  readonly text: string;
  readonly state: "in-force" | "to-come" | "degraded" | "removed";
  /** Who entered it, or had it removed. */
  readonly by: string | null;
}

/** What a facility says of one of its machines. Unknown: it says nothing, or has not been heard of for too long. */
export const FACILITY_STATES = ["up", "degraded", "down", "unknown"] as const;
export type FacilityState = (typeof FACILITY_STATES)[number];

/** A feed as people see it. Times are ISO 8601 UTC. */
export interface FeedView {
  readonly name: string;
  readonly kind: string;
  /** Stale: its last good answer is too old to believe; waiting: there was none since central started. */
  readonly state: "fresh" | "stale" | "waiting";
  /** Of the last good answer since central started; null: there was none. */
  readonly heardAt: string | null;
  /** What went wrong at the last try; null: nothing. */
  readonly reason: string | null;
  readonly sites: readonly {
    readonly site: SiteName;
    readonly resource: string;
    readonly now: FacilityState;
    /** Unknown: no schedule is published, so nothing can be said of the future. */
    readonly schedule: "known" | "unknown";
  }[];
}
