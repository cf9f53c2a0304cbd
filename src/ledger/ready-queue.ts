/**
 * The ready jobs in the order in which they are offered to sites: higher priority first; of the same priority those with a deadline, the
 * earliest first, then the others as they came. Holds ids only, and knows nothing of sites.
 */
import type { JobId, JobSpec } from "../core/job.js";

/** One that `byDeadline` does not have any more has left. */
interface Due {
  readonly id: JobId;
  readonly dueMs: number;
}

/** Jobs of one priority. */
interface Rank {
  readonly priority: number;
  readonly byDeadline: Map<JobId, Due>;
  /** The earliest first, and of the same deadline as they came; also some that have left. */
  sorted: Due[];
  readonly others: Set<JobId>;
}

/** Place of the first that is due later. */
function placeAfter(sorted: readonly Due[], dueMs: number): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (sorted[middle]!.dueMs <= dueMs) from = middle + 1;
    else to = middle;
  }
  return from;
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
      if (before.priority === priority && before.byDeadline.get(id)?.dueMs === dueMs) return;
      this.delete(id);
    }
    const rank = this.#rank(priority);
    if (dueMs === undefined) rank.others.add(id);
    else {
      const due = { id, dueMs };
      rank.byDeadline.set(id, due);
      rank.sorted.splice(placeAfter(rank.sorted, dueMs), 0, due);
    }
    this.#rankOf.set(id, rank);
  }

  delete(id: JobId): void {
    const rank = this.#rankOf.get(id);
    if (rank === undefined) return;
    this.#rankOf.delete(id);
    const { others, byDeadline } = rank;
    others.delete(id);
    // Those that have left go together, when they are most.
    if (byDeadline.delete(id) && rank.sorted.length > 2 * byDeadline.size) {
      rank.sorted = rank.sorted.filter((due) => byDeadline.get(due.id) === due);
    }
    if (others.size === 0 && byDeadline.size === 0) this.#ranks = this.#ranks.filter((other) => other !== rank);
  }

  #rank(priority: number): Rank {
    const at = this.#ranks.findIndex((rank) => rank.priority <= priority);
    const found = this.#ranks[at];
    if (found?.priority === priority) return found;
    const rank: Rank = { priority, byDeadline: new Map(), sorted: [], others: new Set() };
    this.#ranks.splice(at < 0 ? this.#ranks.length : at, 0, rank);
    return rank;
  }

  *[Symbol.iterator](): Generator<JobId> {
    for (const { byDeadline, sorted, others } of [...this.#ranks]) {
      for (const due of sorted) if (byDeadline.get(due.id) === due) yield due.id;
      yield* others;
    }
  }
}
