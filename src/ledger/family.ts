/**
 * Parents and children, as rules: when a job may run, and what the end of a job means for those that wait for it. Pure, like decide.ts:
 * sees the state and what the same decision has added to it.
 */
import { XpcsError } from "../core/errors.js";
import { experimentOf, type JobId, type JobSpec } from "../core/job.js";
import type { Failed, LedgerEvent } from "./events.js";
import type { RecordState, State } from "./state.js";

/** What the parents of a job say about it. */
export type Verdict = { readonly kind: "ready" | "waits" } | { readonly kind: "fail"; readonly reason: string };

type Member = { readonly spec: JobSpec; readonly state: RecordState };

/** The end that `event` brings to its job, or null. */
function endOf(event: LedgerEvent): RecordState | null {
  if (event.type === "completed") return "finished";
  if (event.type === "failed" || event.type === "canceled") return event.type;
  if (event.type !== "attemptEnded" || event.next === "retry" || event.next === "other") return null;
  return event.next === "fail" ? "failed" : "canceled";
}

/** The state, and over it what the decision in the making has changed. */
export class Family {
  readonly #state: State;
  readonly #changed = new Map<JobId, Member>();

  constructor(state: State) {
    this.#state = state;
  }

  get(id: JobId): Member | undefined {
    return this.#changed.get(id) ?? this.#state.jobs.get(id);
  }

  /** Enters a job that is being submitted or tried again. */
  enter(id: JobId, spec: JobSpec): void {
    this.#changed.set(id, { spec, state: "ready" });
  }

  end(id: JobId, state: RecordState): void {
    const member = this.get(id);
    if (member !== undefined) this.#changed.set(id, { spec: member.spec, state });
  }

  /** The refusal of a job whose parent is not there; one of another experiment is as good as not there. */
  stranger(spec: JobSpec): XpcsError | null {
    for (const id of spec.parents ?? []) {
      const parent = this.get(id);
      if (parent === undefined || experimentOf(parent.spec) !== experimentOf(spec))
        return new XpcsError("NOT_FOUND", `there is no job ${id} in experiment ${experimentOf(spec)} that could be a parent`);
    }
    return null;
  }

  verdict(spec: JobSpec): Verdict {
    let waits = false;
    for (const id of spec.parents ?? []) {
      const state = this.get(id)?.state ?? "finished";
      if (state === "finished") continue;
      const ended = state === "failed" || state === "canceled";
      if (ended && spec.onParentFailure !== "run")
        return { kind: "fail", reason: `its parent ${id} ${state === "failed" ? "failed" : "was canceled"}` };
      waits ||= !ended;
    }
    return { kind: waits ? "waits" : "ready" };
  }

  /** Ends a job for its parents' sake. */
  failed(id: JobId, reason: string, now: number): Failed {
    this.end(id, "failed");
    return { type: "failed", at: now, job: id, reason };
  }
}

/** `events`, and what they mean for the jobs that wait for theirs, and for those that wait for these. */
export function withChildren(state: State, events: readonly LedgerEvent[], now: number): readonly LedgerEvent[] {
  const ended = events.filter((event) => "job" in event && endOf(event) !== null) as readonly Extract<LedgerEvent, { job: JobId }>[];
  if (!ended.some(({ job }) => state.children.has(job))) return events;
  const family = new Family(state);
  const released = new Set<JobId>();
  for (const event of ended) family.end(event.job, endOf(event)!);
  const all = [...events];
  const queue = ended.map(({ job }) => job);
  for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
    for (const child of state.children.get(id) ?? []) {
      const member = family.get(child);
      if (member?.state !== "awaiting-parents" || released.has(child)) continue;
      const verdict = family.verdict(member.spec);
      if (verdict.kind === "ready") {
        released.add(child);
        all.push({ type: "released", at: now, job: child });
      } else if (verdict.kind === "fail") {
        all.push(family.failed(child, verdict.reason, now));
        queue.push(child);
      }
    }
  }
  return all;
}
