/** The rules of leaving: which jobs go into the archive, and when an experiment may be taken out of the ledger. Pure, like decide.ts. */
import { XpcsError } from "../core/errors.js";
import { experimentOf, type JobId } from "../core/job.js";
import type { LedgerEvent } from "./events.js";
import type { JobRecord, State } from "./state.js";

export interface Archive {
  readonly type: "archive";
  /** Jobs that ended before this time, ms since 1970. */
  readonly endedBefore: number;
  /** About so many; families stay together. */
  readonly jobsMax: number;
}

export interface Remove {
  readonly type: "remove";
  readonly experiment: string;
  /** Its jobs in the archive; the live ones are in the state. */
  readonly archived: readonly JobId[];
  /** Keys in the archive that no other job came with. */
  readonly archivedKeys: readonly string[];
  /** What the file says that somebody keeps: how many jobs, and the last event that is in it. */
  readonly jobs: number;
  readonly sequence: number;
}

/** The job and all below it, if every one of them ended before `endedBefore`; else null. */
function endedFamily(state: State, id: JobId, endedBefore: number): Set<JobId> | null {
  const family = new Set([id]);
  for (const member of family) {
    const job = state.jobs.get(member);
    if (job === undefined) continue;
    if (job.finishedAt === null || job.finishedAt >= endedBefore) return null;
    for (const child of state.children.get(member) ?? []) family.add(child);
  }
  return family;
}

/** A job leaves with all below it: whether a child may run again is asked of its parents. */
export function archive(state: State, { endedBefore, jobsMax }: Archive, now: number): readonly LedgerEvent[] {
  const chosen = new Set<JobId>();
  for (const id of state.order) {
    if (chosen.size >= jobsMax || state.jobs.get(id)!.submittedAt >= endedBefore) break;
    if (chosen.has(id)) continue;
    for (const member of endedFamily(state, id, endedBefore) ?? []) chosen.add(member);
  }
  return chosen.size === 0 ? [] : [{ type: "archived", at: now, jobs: [...chosen] }];
}

/** The live jobs of an experiment. */
export function liveJobsOf(state: State, experiment: string): JobRecord[] {
  const found: JobRecord[] = [];
  const set = state.index.get("experiment", experiment);
  for (let place = set?.before(state.order.end) ?? -1; place >= 0; place = set!.before(place)) {
    const job = state.jobs.get(state.order.at(place) ?? "");
    if (job !== undefined && experimentOf(job.spec) === experiment) found.push(job);
  }
  return found.reverse();
}

/** An experiment leaves when all its jobs have ended, and the file that somebody keeps has them as they are. */
export function remove(state: State, command: Remove, now: number): readonly LedgerEvent[] | XpcsError {
  const { experiment, archived, archivedKeys, jobs, sequence } = command;
  const live = liveJobsOf(state, experiment);
  if (live.length + archived.length === 0) return [];
  const open = live.find(({ finishedAt }) => finishedAt === null);
  if (open !== undefined)
    return new XpcsError("REFUSED", `job ${open.id} of ${experiment} is ${open.state}: wait for it, or cancel it, then archive again`);
  const changed = live.find((job) => job.changed > sequence);
  if (changed !== undefined)
    return new XpcsError("REFUSED", `job ${changed.id} of ${experiment} has changed since the file was written: archive again`);
  if (live.length + archived.length !== jobs)
    return new XpcsError("REFUSED", `${experiment} has ${live.length + archived.length} jobs and the file ${jobs}: archive again`);
  const ids = [...archived, ...live.map(({ id }) => id)];
  const all = new Set(ids);
  const liveKeys = [...new Set(live.map(({ key = "" }) => key))].filter((key) => state.keys.get(key)?.jobs.every((id) => all.has(id)));
  return [{ type: "removed", at: now, experiment, jobs: ids, keys: [...archivedKeys, ...liveKeys] }];
}
