/**
 * Which jobs have which value of a field, kept as jobs change, so that a listing touches what it shows and little else. Derived from the
 * state and never stored.
 */
import { experimentOf, type JobId, type JobState } from "../core/job.js";
import { JobSet } from "./job-set.js";
import { type JobRecord, lastSite, type RecordState, type State } from "./state.js";

/** What a listing may ask for; all that is given must hold. */
export interface JobFilter {
  readonly ids?: readonly JobId[];
  readonly states?: readonly JobState[];
  readonly tags?: Readonly<Record<string, string>>;
  readonly experiment?: string;
  readonly app?: string;
  /** Of the latest attempt. */
  readonly site?: string;
  readonly owner?: string;
  readonly parent?: string;
  /** Bounds of the time of submission, ISO 8601; the first is inclusive, the second not. */
  readonly submittedAfter?: string;
  readonly submittedBefore?: string;
}

const term = (field: string, value: string) => `${field} ${value}`;

function termsOfSpec({ spec, owner }: Pick<JobRecord, "spec" | "owner">): string[] {
  const tags = Object.entries(spec.tags).map(([key, value]) => term("tag", JSON.stringify([key, value])));
  const fixed = [term("experiment", experimentOf(spec)), term("app", spec.work.app)];
  return [...fixed, ...(owner === undefined ? [] : [term("owner", owner)]), ...tags];
}

function termsOfPlace(job: JobRecord): string[] {
  const site = lastSite(job);
  return [term("state", job.state), ...(site === null ? [] : [term("site", site)])];
}

export class JobIndex {
  readonly #sets = new Map<string, JobSet>();

  /** Follows a job from what it was, or from nothing, to what it is. */
  update(before: JobRecord | undefined, after: JobRecord): void {
    if (before?.spec !== after.spec) this.#move(before && termsOfSpec(before), termsOfSpec(after), after.index);
    if (before === undefined || before.state !== after.state || lastSite(before) !== lastSite(after))
      this.#move(before && termsOfPlace(before), termsOfPlace(after), after.index);
  }

  remove(job: JobRecord): void {
    this.#move([...termsOfSpec(job), ...termsOfPlace(job)], [], job.index);
  }

  get(field: string, value: string): JobSet | undefined {
    return this.#sets.get(term(field, value));
  }

  #move(from: readonly string[] = [], to: readonly string[], index: number): void {
    for (const name of from) {
      if (to.includes(name)) continue;
      const set = this.#sets.get(name);
      set?.delete(index);
      if (set?.size === 0) this.#sets.delete(name);
    }
    for (const name of to) {
      let set = this.#sets.get(name);
      if (set === undefined) {
        set = new JobSet();
        this.#sets.set(name, set);
      }
      set.add(index);
    }
  }
}

/** Jobs in any of some sets. */
class Union {
  readonly #sets: readonly JobSet[];
  readonly size: number;

  constructor(sets: readonly (JobSet | undefined)[]) {
    this.#sets = sets.filter((set) => set !== undefined);
    this.size = this.#sets.reduce((sum, set) => sum + set.size, 0);
  }
  has(index: number): boolean {
    return this.#sets.some((set) => set.has(index));
  }
  before(limit: number): number {
    return this.#sets.reduce((last, set) => Math.max(last, set.before(limit)), -1);
  }
}

/** What people see as staged-in, running and staged-out is one state in the ledger. */
function recordState(state: JobState): RecordState {
  return state === "staged-in" || state === "running" || state === "staged-out" ? "leased" : state;
}

function unionsOf({ index, children, jobs }: State, filter: JobFilter): Union[] {
  const unions: Union[] = [];
  const need = (...sets: (JobSet | undefined)[]) => unions.push(new Union(sets));
  for (const field of ["experiment", "app", "site", "owner"] as const) {
    const value = filter[field];
    if (value !== undefined) need(index.get(field, value));
  }
  for (const pair of Object.entries(filter.tags ?? {})) need(index.get("tag", JSON.stringify(pair)));
  if (filter.states !== undefined) need(...[...new Set(filter.states.map(recordState))].map((state) => index.get("state", state)));
  for (const named of [filter.ids, filter.parent === undefined ? undefined : (children.get(filter.parent) ?? [])]) {
    if (named === undefined) continue;
    const set = new JobSet();
    for (const id of named) {
      const job = jobs.get(id);
      if (job !== undefined) set.add(job.index);
    }
    need(set);
  }
  return unions.sort((a, b) => a.size - b.size);
}

/**
 * The jobs that match, newest first, from the one before place `from` in the order of submission.
 *
 * @param phaseOf the state of a job as people see it
 */
export function* findJobs(state: State, filter: JobFilter, from: number, phaseOf: (job: JobRecord) => JobState): Generator<JobRecord> {
  const [driver, ...others] = unionsOf(state, filter);
  const first = filter.submittedAfter === undefined ? 0 : state.order.firstSince(Date.parse(filter.submittedAfter));
  const end = filter.submittedBefore === undefined ? from : state.order.firstSince(Date.parse(filter.submittedBefore));
  const step = (limit: number) => (driver === undefined ? limit - 1 : driver.before(limit));
  for (let index = step(Math.min(from, end)); index >= first; index = step(index)) {
    if (!others.every((set) => set.has(index))) continue;
    const job = state.jobs.get(state.order.at(index) ?? "");
    if (job !== undefined && (filter.states === undefined || filter.states.includes(phaseOf(job)))) yield job;
  }
}
