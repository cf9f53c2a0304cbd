/**
 * The ready jobs in the order in which they are offered to sites: higher priority first; of the same priority those with a deadline, the
 * earliest first, then the others as they came. Holds ids only, and knows nothing of sites.
 */
import type { JobId, JobSpec } from "../core/job.js";

/** Jobs of one priority. */
interface Rank {
  readonly priority: number;
  readonly byDeadline: Map<JobId, number>;
  readonly others: Set<JobId>;
}

export class ReadyQueue implements Iterable<JobId> {
  /** Highest priority first. */
  #ranks: Rank[] = [];
  readonly #rankOf = new Map<JobId, Rank>();

  get size(): number {
    return this.#rankOf.size;
  }

  has(id: JobId): boolean {
    return this.#rankOf.has(id);
  }

  /** Puts a job behind those like it; one that is there, with the same priority and deadline, keeps its place. */
  add(id: JobId, { priority = 0, deadline }: Pick<JobSpec, "priority" | "deadline">): void {
    const dueMs = deadline === undefined ? undefined : Date.parse(deadline);
    const before = this.#rankOf.get(id);
    if (before !== undefined) {
      if (before.priority === priority && before.byDeadline.get(id) === dueMs) return;
      this.delete(id);
    }
    const rank = this.#rank(priority);
    if (dueMs === undefined) rank.others.add(id);
    else rank.byDeadline.set(id, dueMs);
    this.#rankOf.set(id, rank);
  }

  delete(id: JobId): void {
    const rank = this.#rankOf.get(id);
    if (rank === undefined) return;
    this.#rankOf.delete(id);
    rank.others.delete(id);
    rank.byDeadline.delete(id);
    if (rank.others.size === 0 && rank.byDeadline.size === 0) this.#ranks = this.#ranks.filter((other) => other !== rank);
  }

  #rank(priority: number): Rank {
    const at = this.#ranks.findIndex((rank) => rank.priority <= priority);
    const found = this.#ranks[at];
    if (found?.priority === priority) return found;
    const rank: Rank = { priority, byDeadline: new Map(), others: new Set() };
    this.#ranks.splice(at < 0 ? this.#ranks.length : at, 0, rank);
    return rank;
  }

  *[Symbol.iterator](): Generator<JobId> {
    for (const { byDeadline, others } of [...this.#ranks]) {
      for (const [id] of [...byDeadline].sort(([, a], [, b]) => a - b)) yield id;
      yield* others;
    }
  }
}
