/**
 * The jobs in the order of their submission, and when that was. A place is never used again: where a job has left for the archive there is a gap,
 * and gaps at the beginning, where the old jobs are, take no memory.
 */
import type { JobId } from "../core/job.js";
import { lowerBound } from "./job-set.js";

/** Gaps at the beginning are given up when there are so many, and most of the list is gaps. */
const GAPS = 4_096;

export class JobOrder implements Iterable<JobId> {
  /** Place of the first entry. */
  #from = 0;
  #ids: (JobId | null)[] = [];
  /** ms since 1970; they never decrease. */
  #times: number[] = [];
  /** Gaps at the beginning. */
  #gaps = 0;
  #lastMs = 0;

  /** No job is at a place before this. */
  get begin(): number {
    return this.#from + this.#gaps;
  }

  /** The place after the last one. */
  get end(): number {
    return this.#from + this.#ids.length;
  }

  /** When the last job was submitted; 0 before the first. */
  get lastMs(): number {
    return this.#lastMs;
  }

  at(place: number): JobId | undefined {
    return this.#ids[place - this.#from] ?? undefined;
  }

  add(id: JobId, submittedAtMs: number): void {
    this.#ids.push(id);
    this.#times.push(submittedAtMs);
    this.#lastMs = submittedAtMs;
  }

  /** Leaves places out until `end` is `place`: those of jobs that are in the archive, of which the last was submitted at `ms`. */
  skipTo(place: number, ms: number): void {
    this.#lastMs = Math.max(this.#lastMs, ms);
    if (this.#ids.length === 0) this.#from = Math.max(place, this.#from);
    while (this.end < place) {
      this.#ids.push(null);
      this.#times.push(ms);
    }
  }

  remove(place: number): void {
    this.#ids[place - this.#from] = null;
    while (this.#gaps < this.#ids.length && this.#ids[this.#gaps] === null) this.#gaps += 1;
    if (this.#gaps < GAPS || 2 * this.#gaps < this.#ids.length) return;
    this.#ids = this.#ids.slice(this.#gaps);
    this.#times = this.#times.slice(this.#gaps);
    this.#from += this.#gaps;
    this.#gaps = 0;
  }

  /** The first place of a job that was submitted at `ms` or later. */
  firstSince(ms: number): number {
    return this.#from + lowerBound(this.#times, ms);
  }

  *[Symbol.iterator](): Generator<JobId> {
    for (const id of this.#ids) if (id !== null) yield id;
  }
}
