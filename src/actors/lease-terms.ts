/**
 * When each lease runs out, and how far its attempt is. Kept in memory, on the monotonic clock: a renewal is a promise about the near future,
 * not history. After a restart every open lease gets one full fresh term, so that a restart of central never ends healthy work.
 */
import type { JobId, SiteName } from "../core/job.js";

export type Phase = "staged-in" | "running" | "staged-out";

export interface Term {
  readonly epoch: number;
  readonly deadlineMs: number;
  readonly phase: Phase;
  /** 0 to 1, or null. */
  readonly progress: number | null;
  /** Why it does not go on at present, as its site says. */
  readonly reason?: string;
  /** When its files will be there, as its site expects; absent: not known. */
  readonly filesAtMs?: number;
}

/** What a site tells of an attempt with a renewal. */
export interface TermNews {
  readonly state: Phase;
  readonly progress: number | null;
  readonly reason?: string;
  /** 0: its files are there. */
  readonly filesInMs?: number;
}

/** What sites have told of their leases: how far each is, and when its files will be there. */
export interface TermsBySite {
  get(job: JobId, epoch: number, site: SiteName): Pick<Term, "phase" | "filesAtMs"> | undefined;
}

const PHASES: readonly Phase[] = ["staged-in", "running", "staged-out"];

/** The term that is further. */
function further(a: Term, b: Term): Term {
  const byPhase = PHASES.indexOf(a.phase) - PHASES.indexOf(b.phase);
  return byPhase > 0 || (byPhase === 0 && (a.progress ?? 0) >= (b.progress ?? 0)) ? a : b;
}

export class LeaseTerms {
  readonly #termMs: number;
  /** By job those of its attempts that run: one, or two. */
  readonly #terms = new Map<JobId, readonly Term[]>();

  constructor(termMs: number) {
    this.#termMs = termMs;
  }

  #set(job: JobId, term: Term): Term | undefined {
    const terms = this.#terms.get(job) ?? [];
    const before = terms.find(({ epoch }) => epoch === term.epoch);
    this.#terms.set(job, [...terms.filter((other) => other !== before), term]);
    return before;
  }

  grant(job: JobId, epoch: number, monotonicMs: number): void {
    this.#set(job, { epoch, deadlineMs: monotonicMs + this.#termMs, phase: "staged-in", progress: null });
  }

  /** Starts a new term, of which only what is told now is known; true when what people see of it has changed. An attempt does not go back: a report that comes late is of the past. */
  renew(job: JobId, epoch: number, { state, progress, reason, filesInMs }: TermNews, monotonicMs: number): boolean {
    const past = this.get(job, epoch)?.phase ?? state;
    const phase = PHASES.indexOf(past) > PHASES.indexOf(state) ? past : state;
    const term = {
      ...{ epoch, deadlineMs: monotonicMs + this.#termMs, phase, progress },
      ...(reason === undefined ? {} : { reason }),
      ...(filesInMs === undefined ? {} : { filesAtMs: monotonicMs + filesInMs }),
    };
    const before = this.#set(job, term);
    return before?.phase !== phase || before.progress !== progress || before.reason !== reason;
  }

  /** Forgets those of a job that are not of `epochs`. */
  keep(job: JobId, epochs: readonly number[]): void {
    const kept = (this.#terms.get(job) ?? []).filter(({ epoch }) => epochs.includes(epoch));
    if (kept.length === 0) this.#terms.delete(job);
    else this.#terms.set(job, kept);
  }

  drop(job: JobId): void {
    this.#terms.delete(job);
  }

  get(job: JobId, epoch: number): Term | undefined {
    return this.#terms.get(job)?.find((term) => term.epoch === epoch);
  }

  /** Of the attempt that is further. */
  furthest(job: JobId): Term | undefined {
    const terms = this.#terms.get(job);
    return terms === undefined || terms.length === 0 ? undefined : terms.reduce(further);
  }

  expired(monotonicMs: number): { job: JobId; epoch: number }[] {
    const expired: { job: JobId; epoch: number }[] = [];
    for (const [job, terms] of this.#terms)
      for (const { epoch, deadlineMs } of terms) if (deadlineMs <= monotonicMs) expired.push({ job, epoch });
    return expired;
  }
}
