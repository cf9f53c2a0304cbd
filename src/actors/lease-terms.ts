/**
 * When each lease runs out, and how far its attempt is. Kept in memory, on the monotonic clock: a renewal is a promise about the near future,
 * not history. After a restart every open lease gets one full fresh term, so that a restart of central never ends healthy work.
 */
import type { JobId } from "../core/job.js";

export type Phase = "staged-in" | "running" | "staged-out";

export interface Term {
  readonly epoch: number;
  readonly deadlineMs: number;
  readonly phase: Phase;
  /** 0 to 1, or null. */
  readonly progress: number | null;
  /** Why it does not go on at present, as its site says. */
  readonly reason?: string;
}

export class LeaseTerms {
  readonly #termMs: number;
  readonly #terms = new Map<JobId, Term>();

  constructor(termMs: number) {
    this.#termMs = termMs;
  }

  grant(job: JobId, epoch: number, monotonicMs: number): void {
    this.#terms.set(job, { epoch, deadlineMs: monotonicMs + this.#termMs, phase: "staged-in", progress: null });
  }

  /** Starts a new term; true when what people see of it has changed. */
  renew(job: JobId, epoch: number, phase: Phase, progress: number | null, monotonicMs: number, reason?: string): boolean {
    const before = this.#terms.get(job);
    this.#terms.set(job, { epoch, deadlineMs: monotonicMs + this.#termMs, phase, progress, ...(reason === undefined ? {} : { reason }) });
    return before?.phase !== phase || before.progress !== progress || before.reason !== reason;
  }

  drop(job: JobId): void {
    this.#terms.delete(job);
  }

  get(job: JobId): Term | undefined {
    return this.#terms.get(job);
  }

  expired(monotonicMs: number): { job: JobId; epoch: number }[] {
    const expired: { job: JobId; epoch: number }[] = [];
    for (const [job, { epoch, deadlineMs }] of this.#terms) {
      if (deadlineMs <= monotonicMs) expired.push({ job, epoch });
    }
    return expired;
  }
}
