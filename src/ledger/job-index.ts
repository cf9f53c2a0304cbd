/**
 * Which jobs have which value of a field, kept as jobs change, so that a listing touches what it shows and little else. Derived from the
 * state and never stored.
 */
import { experimentOf, type JobId, type JobState } from "../core/job.js";
import { JobSet, lastCommon } from "./job-set.js";
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

/** A field and one of its values; a tag is a field of its own, by its key. */
type Term = readonly [field: string, value: string, isTag: boolean];

function termsOfSpec({ spec, owner }: Pick<JobRecord, "spec" | "owner">): Term[] {
  const terms: Term[] = [
    ["experiment", experimentOf(spec), false],
    ["app", spec.work.app, false],
  ];
  if (owner !== undefined) terms.push(["owner", owner, false]);
  for (const key in spec.tags) terms.push([key, spec.tags[key]!, true]);
  return terms;
}

function termsOfPlace(job: JobRecord): Term[] {
  const site = lastSite(job);
  const state: Term = ["state", job.state, false];
  return site === null ? [state] : [state, ["site", site, false]];
}

const has = (terms: readonly Term[], [field, value, isTag]: Term) =>
  terms.some((term) => term[0] === field && term[1] === value && term[2] === isTag);

/** Most values of some fields, such as the number of a scan, are of one job alone: then its place will do. */
type Members = JobSet | number;

export class JobIndex {
  readonly #fields = new Map<string, Map<string, Members>>();
  readonly #tags = new Map<string, Map<string, Members>>();

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
    return setOf(this.#fields.get(field)?.get(value));
  }

  tag(key: string, value: string): JobSet | undefined {
    return setOf(this.#tags.get(key)?.get(value));
  }

  #move(from: readonly Term[] | undefined, to: readonly Term[], index: number): void {
    for (const term of from ?? []) if (!has(to, term)) this.#leave(term, index);
    for (const term of to) this.#enter(term, index);
  }

  #leave([field, value, isTag]: Term, index: number): void {
    const fields = isTag ? this.#tags : this.#fields;
    const sets = fields.get(field);
    const members = sets?.get(value);
    if (members === undefined) return;
    if (typeof members !== "number") members.delete(index);
    if (typeof members === "number" ? members !== index : members.size > 0) return;
    sets!.delete(value);
    if (sets!.size === 0) fields.delete(field);
  }

  #enter([field, value, isTag]: Term, index: number): void {
    const fields = isTag ? this.#tags : this.#fields;
    let sets = fields.get(field);
    if (sets === undefined) {
      sets = new Map();
      fields.set(field, sets);
    }
    const members = sets.get(value);
    if (members === undefined) sets.set(value, index);
    else if (typeof members !== "number") members.add(index);
    else if (members !== index) {
      const set = new JobSet();
      for (const one of [members, index]) set.add(one);
      sets.set(value, set);
    }
  }
}

function setOf(members: Members | undefined): JobSet | undefined {
  if (typeof members !== "number") return members;
  const set = new JobSet();
  set.add(members);
  return set;
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
  mayHave(word: number): boolean {
    return this.#sets.some((set) => set.mayHave(word));
  }
  word(word: number): number {
    let bits = 0;
    for (const set of this.#sets) bits |= set.word(word);
    return bits;
  }
}

/** A union of so few members is walked one by one. */
const WALK_MAX = 1_024;

/**
 * The way from one job to the one before that is in all of `unions`.
 *
 * @param unions the smallest first
 * @returns gives the largest place below its argument, or a number below 0
 */
function stepThrough(unions: readonly Union[]): (limit: number) => number {
  const [driver, ...others] = unions;
  if (driver === undefined) return (limit) => limit - 1;
  if (others.length === 0) return (limit) => driver.before(limit);
  if (driver.size > WALK_MAX) return (limit) => lastCommon(unions, limit);
  return (limit) => {
    let index = driver.before(limit);
    while (index >= 0 && !others.every((set) => set.has(index))) index = driver.before(index);
    return index;
  };
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
  for (const [key, value] of Object.entries(filter.tags ?? {})) need(index.tag(key, value));
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
  const step = stepThrough(unionsOf(state, filter));
  const first = filter.submittedAfter === undefined ? state.order.begin : state.order.firstSince(Date.parse(filter.submittedAfter));
  const end = filter.submittedBefore === undefined ? from : state.order.firstSince(Date.parse(filter.submittedBefore));
  for (let index = step(Math.min(from, end)); index >= first; index = step(index)) {
    const job = state.jobs.get(state.order.at(index) ?? "");
    if (job !== undefined && (filter.states === undefined || filter.states.includes(phaseOf(job)))) yield job;
  }
}
