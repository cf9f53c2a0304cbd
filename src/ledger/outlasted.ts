/** Jobs that never end: without a time limit they are given to any site, and go back each time its batch job ends before they do. Pure. */
import type { Attempt } from "../core/job.js";
import type { JobRecord, State } from "./state.js";

/** So often a site may end before the job does. */
const OUTLASTED_MAX = 3;
/** An attempt that had this share of the time for which its site was there had its chance; one that began later had not. */
const SHARE = 0.5;

/** Why a job that is given back is not tried again: it has had most of the time of several sites that end, this one included; null: it has not, or says how long it takes. */
export function outlasted(state: State, job: JobRecord, { site: name, startedAt }: Attempt, nowMs: number): string | null {
  const site = state.sites.get(name);
  if (site?.endsAt === undefined || job.spec.resources?.walltimeS !== undefined) return null;
  const enoughMs = SHARE * (site.endsAt - site.joinedAt);
  const before = job.attempts.flatMap((one) =>
    one.outcome === "returned" && one.finishedAt !== undefined ? [Date.parse(one.finishedAt) - Date.parse(one.startedAt)] : [],
  );
  const held = [...before, nowMs - Date.parse(startedAt)];
  const enough = held.filter((ms) => ms >= enoughMs);
  if (held.at(-1)! < enoughMs || enough.length < OUTLASTED_MAX) return null;
  return (
    `${enough.length} times it was not done when its site had to end, the last at ${name}, after ${Math.round(Math.max(...enough) / 1_000)} s at most: ` +
    "submit it again with --walltime S, so that it goes only where there is so much time, or give the pilots a longer walltime"
  );
}
