/** Jobs that never end: without a time limit they are given to any site, and go back each time its batch job ends before they do. Pure. */
import type { Attempt } from "../core/job.js";
import type { JobRecord, State } from "./state.js";

/** So often a site may end before the job does. */
const OUTLASTED_MAX = 3;
/** An attempt that had this share of the time for which its site was there had its chance; one that began later had not. */
const SHARE = 0.5;

/** Whether a job that had begun and is given back has outlasted its site: it had most of the time of one that ends, and does not say how long it takes. */
export function isOutlasting(state: State, { spec }: JobRecord, { site: name, startedAt }: Attempt, nowMs: number): boolean {
  const site = state.sites.get(name);
  if (site?.endsAt === undefined || spec.resources?.walltimeS !== undefined) return false;
  return nowMs - Date.parse(startedAt) >= SHARE * (site.endsAt - site.joinedAt);
}

/** Why a job that has outlasted its site is not tried again; null: it is. */
export function outlasted({ outlasted: before = 0 }: JobRecord, { site, startedAt }: Attempt, nowMs: number): string | null {
  const times = before + 1;
  if (times < OUTLASTED_MAX) return null;
  return (
    `${times} times it was not done when its site had to end, the last at ${site}, after ${Math.round((nowMs - Date.parse(startedAt)) / 1_000)} s: ` +
    "submit it again with --walltime S, so that it goes only where there is so much time, or give the pilots a longer walltime"
  );
}
