/** The rules of `modify` and `retry`: what an owner may change of a job that central has. Pure, like decide.ts. */
import { XpcsError } from "../core/errors.js";
import type { JobChanges, JobId } from "../core/job.js";
import type { LedgerEvent } from "./events.js";
import { Family } from "./family.js";
import { changedSpec } from "./reduce.js";
import type { JobRecord, State } from "./state.js";

export interface Modify {
  readonly type: "modify";
  readonly ids: readonly JobId[];
  readonly changes: JobChanges;
}

export interface Retry {
  readonly type: "retry";
  readonly ids: readonly JobId[];
  /** Also the jobs that failed or were canceled below them. */
  readonly children: boolean;
}

const isFinal = ({ state }: JobRecord) => state === "finished" || state === "failed" || state === "canceled";

/** True when nothing would be different. */
function isAsIs(job: JobRecord, changes: JobChanges): boolean {
  const after = changedSpec(job.spec, changes);
  return Object.keys(changes).every((key) => {
    const [before, now] = [job.spec, after].map((spec) => spec[key as keyof JobChanges]);
    return JSON.stringify(before) === JSON.stringify(now);
  });
}

/** Changes take effect for what has not begun: a running attempt goes on as it was. */
export function modify(state: State, { ids, changes }: Modify, now: number): readonly LedgerEvent[] | XpcsError {
  const events: LedgerEvent[] = [];
  for (const id of new Set(ids)) {
    const job = state.jobs.get(id);
    if (job === undefined) return new XpcsError("NOT_FOUND", `there is no job ${id}`);
    const besides = Object.keys(changes).filter((key) => key !== "tags");
    if (isFinal(job) && besides.length > 0)
      return new XpcsError("REFUSED", `job ${id} is ${job.state}: only its tags can change, not ${besides.join(", ")}`);
    if (changes.attemptsMax !== undefined && changes.attemptsMax <= job.attemptsCounted)
      return new XpcsError("REFUSED", `job ${id} has had ${job.attemptsCounted} attempts already: allow more than that`);
    if (!isAsIs(job, changes)) events.push({ type: "modified", at: now, job: id, changes });
  }
  return events;
}

/** `ids` with all below them that failed or were canceled, parents before children. */
function familyOf(state: State, { ids, children }: Retry): readonly JobId[] {
  const found = new Set(ids);
  if (children) {
    for (const id of found) {
      for (const child of state.children.get(id) ?? []) {
        const below = state.jobs.get(child)?.state;
        if (below === "failed" || below === "canceled") found.add(child);
      }
    }
  }
  // A parent was always submitted before its children.
  return [...found].sort((a, b) => (state.jobs.get(a)?.index ?? 0) - (state.jobs.get(b)?.index ?? 0));
}

/** A failed or canceled job begins anew, with all its attempts; one that waits or runs already is left alone. */
export function retry(state: State, command: Retry, now: number): readonly LedgerEvent[] | XpcsError {
  const events: LedgerEvent[] = [];
  const family = new Family(state);
  for (const id of familyOf(state, command)) {
    const job = state.jobs.get(id);
    if (job === undefined) return new XpcsError("NOT_FOUND", `there is no job ${id}`);
    if (job.state === "finished") return new XpcsError("REFUSED", `job ${id} is finished: submit it again, with --overwrite, to repeat it`);
    if (job.state !== "failed" && job.state !== "canceled") continue;
    const verdict = family.verdict(job.spec);
    if (verdict.kind === "fail") return new XpcsError("REFUSED", `job ${id} cannot run: ${verdict.reason}; retry that one too`);
    const due = job.spec.deadline === undefined ? Number.POSITIVE_INFINITY : Date.parse(job.spec.deadline);
    if (due <= now) return new XpcsError("REFUSED", `the deadline of job ${id} has passed: submit it again with a later one`);
    family.enter(id, job.spec);
    const retried: LedgerEvent = { type: "retried", at: now, job: id };
    events.push(verdict.kind === "waits" ? { ...retried, awaits: true } : retried);
  }
  return events;
}
