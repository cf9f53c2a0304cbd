/**
 * How much one experiment or one person may have: jobs that have not ended, and bytes of logs. Counted here from what happens, and for logs also
 * from what is on the disk, because old ones are deleted; never in the ledger. Nothing is counted for which there is no bound.
 */
import type { Clock } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import { experimentOf, type JobId, type JobSpec } from "../core/job.js";
import type { LedgerEvent } from "../ledger/events.js";
import type { JobRecord, State } from "../ledger/state.js";
import type { AttemptLogs } from "./attempt-logs.js";

export interface Quota {
  readonly liveJobs?: number | undefined;
  readonly logBytes?: number | undefined;
}

/** The `quotas` of the settings (docs/settings.md): for each, and for single ones, which come first. */
export interface QuotaRules {
  readonly experiment: Quota;
  readonly person: Quota;
  readonly experiments: Readonly<Record<string, Quota>>;
  readonly persons: Readonly<Record<string, Quota>>;
}

export const NO_QUOTAS: QuotaRules = { experiment: {}, person: {}, experiments: {}, persons: {} };

/** Who uses something: "experiment 2026-3/smith", "person alice". */
type Holder = { readonly kind: "experiment" | "person"; readonly name: string };

/** Logs are measured again after this time: what was deleted meanwhile is free again. */
const MEASURE_MS = 600_000;

const keyOf = ({ kind, name }: Holder) => `${kind} ${name}`;

function holders(experiment: string, person: string | undefined): Holder[] {
  return [{ kind: "experiment", name: experiment }, ...(person === undefined ? [] : [{ kind: "person" as const, name: person }])];
}

const holdersOf = ({ spec, owner }: JobRecord) => holders(experimentOf(spec), owner);
const isLive = (job: JobRecord) => job.finishedAt === null;

class Counts {
  readonly #counts = new Map<string, number>();

  get(holder: Holder): number {
    return this.#counts.get(keyOf(holder)) ?? 0;
  }

  add(of: readonly Holder[], amount: number): void {
    for (const holder of of) {
      const count = this.get(holder) + amount;
      if (count === 0) this.#counts.delete(keyOf(holder));
      else this.#counts.set(keyOf(holder), count);
    }
  }
}

export class Quotas {
  readonly #rules: QuotaRules;
  readonly #state: State;
  readonly #logs: AttemptLogs;
  readonly #clock: Clock;
  readonly #live = new Set<JobId>();
  readonly #liveCounts = new Counts();
  readonly #bounded: Readonly<Record<keyof Quota, boolean>>;
  #logCounts = new Counts();
  #measured: Promise<void> | null = null;
  #measuredMs = 0;

  constructor(rules: QuotaRules, state: State, logs: AttemptLogs, clock: Clock) {
    this.#rules = rules;
    this.#state = state;
    this.#logs = logs;
    this.#clock = clock;
    const all = [rules.experiment, rules.person, ...Object.values(rules.experiments), ...Object.values(rules.persons)];
    const has = (what: keyof Quota) => all.some((quota) => quota[what] !== undefined);
    this.#bounded = { liveJobs: has("liveJobs"), logBytes: has("logBytes") };
    if (this.#bounded.liveJobs) for (const id of state.jobs.keys()) this.#look(id);
  }

  #bound({ kind, name }: Holder, what: keyof Quota): number {
    const single = kind === "experiment" ? this.#rules.experiments : this.#rules.persons;
    const own = Object.hasOwn(single, name) ? single[name]?.[what] : undefined;
    return own ?? this.#rules[kind][what] ?? Number.POSITIVE_INFINITY;
  }

  #look(id: JobId): void {
    const job = this.#state.jobs.get(id);
    if (job === undefined || isLive(job) === this.#live.has(id)) return;
    if (isLive(job)) this.#live.add(id);
    else this.#live.delete(id);
    this.#liveCounts.add(holdersOf(job), isLive(job) ? 1 : -1);
  }

  /** After the event was applied to the state. */
  follow(event: LedgerEvent): void {
    if (!this.#bounded.liveJobs) return;
    if ("job" in event) this.#look(event.job);
    else if (event.type === "submitted") for (const job of event.jobs) this.#look(job);
  }

  /**
   * Before new jobs become live.
   *
   * @throws REFUSED
   */
  checkNew(specs: readonly JobSpec[], person: string): void {
    if (this.#bounded.liveJobs) this.#checkLive(specs.map((spec) => holders(experimentOf(spec), person)));
  }

  /** Before jobs begin anew; those that have not ended stay as they are. What begins anew below them is not counted before. @throws REFUSED */
  checkRetried(jobs: readonly JobRecord[]): void {
    if (this.#bounded.liveJobs) this.#checkLive(jobs.filter((job) => !isLive(job)).map(holdersOf));
  }

  #checkLive(jobs: readonly (readonly Holder[])[]): void {
    const wanted = new Counts();
    const all = new Map<string, Holder>();
    for (const of of jobs) {
      wanted.add(of, 1);
      for (const holder of of) all.set(keyOf(holder), holder);
    }
    for (const holder of all.values()) {
      const [has, more, most] = [this.#liveCounts.get(holder), wanted.get(holder), this.#bound(holder, "liveJobs")];
      if (has + more <= most) continue;
      const what = `${keyOf(holder)} has ${has} jobs that have not ended, and may have ${most}`;
      throw new XpcsError("REFUSED", `${what}: ${more} more do not fit; wait until some have ended, or ask who runs central for more`);
    }
  }

  /** Bytes that may be added to the logs of a job, and whose bound that is; null without one. Measures logs when it must, beside the caller. */
  logRoom(id: JobId): { readonly bytes: number; readonly of: string } | null {
    const job = this.#state.jobs.get(id);
    if (!this.#bounded.logBytes || job === undefined) return null;
    this.#measureIfDue();
    const rooms = holdersOf(job).map((holder) => ({
      bytes: this.#bound(holder, "logBytes") - this.#logCounts.get(holder),
      of: keyOf(holder),
    }));
    const least = rooms.reduce((a, b) => (b.bytes < a.bytes ? b : a));
    return least.bytes === Number.POSITIVE_INFINITY ? null : least;
  }

  logGrew(id: JobId, bytes: number): void {
    const job = this.#state.jobs.get(id);
    if (!this.#bounded.logBytes || job === undefined) return;
    this.#logCounts.add(holdersOf(job), bytes);
  }

  /** Resolves when the logs that are on the disk have been counted. */
  async measured(): Promise<void> {
    if (!this.#bounded.logBytes) return;
    this.#measureIfDue();
    await this.#measured;
  }

  #measureIfDue(): void {
    if (this.#measured !== null && this.#clock.monotonicMs() - this.#measuredMs < MEASURE_MS) return;
    this.#measuredMs = this.#clock.monotonicMs();
    this.#measured = this.#measure();
  }

  /** What comes meanwhile may be missed until the next time. */
  async #measure(): Promise<void> {
    const counts = new Counts();
    for (const id of await this.#logs.jobs()) {
      const job = this.#state.jobs.get(id);
      if (job !== undefined) counts.add(holdersOf(job), (await this.#logs.measure(id)).bytes);
    }
    this.#logCounts = counts;
  }
}
