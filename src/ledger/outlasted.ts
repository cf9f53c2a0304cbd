/** Jobs that never end: without a time limit they are given to any site, and go back each time its batch job ends before they do. Pure. */
import type { Attempt } from "../core/job.js";
import type { AttemptEnded } from "./events.js";
import type { JobRecord, State } from "./state.js";

/** So often a site may end before the job does. */
const OUTLASTED_MAX = 3;
/** An attempt that had this share of the time for which its site was there had its chance; one that began later had not. */
const SHARE = 0.5;

/** It had most of the time of a site that ends, and does not say how long it takes. */
function isOutlasting(state: State, { spec }: JobRecord, { site: name, startedAt }: Attempt, nowMs: number): boolean {
  const site = state.sites.get(name);
  if (site?.endsAt === undefined || spec.resources?.walltimeS !== undefined) return false;
  return nowMs - Date.parse(startedAt) >= SHARE * (site.endsAt - site.joinedAt);
}

type Next = Pick<AttemptEnded, "next" | "notBefore"> & Partial<Pick<AttemptEnded, "reason" | "outlasted">>;

/** What becomes of a job that is given back after it had begun: it is tried again, until it has outlasted too many sites. */
export function afterReturn(state: State, job: JobRecord, attempt: Attempt, nowMs: number): Next {
  if (!isOutlasting(state, job, attempt, nowMs)) return { next: "retry", notBefore: nowMs };
  const times = (job.outlasted ?? 0) + 1;
  if (times < OUTLASTED_MAX) return { next: "retry", notBefore: nowMs, outlasted: true };
  const { site, startedAt } = attempt;
  const reason =
    `${times} times it was not done when its site had to end, the last at ${site}, after ${Math.round((nowMs - Date.parse(startedAt)) / 1_000)} s: ` +
    "submit it again with --walltime S, so that it goes only where there is so much time, or give the pilots a longer walltime";
  return { next: "fail", notBefore: 0, reason };
}
