/** What is known of running streams: of each job the latest that its site told, in memory alone. Decides nothing. */
import type { JobId } from "../core/job.js";
import type { LiveSnapshot } from "../core/live.js";
import type { LeaseRef } from "../core/protocols.js";

export interface LatestLive {
  readonly epoch: number;
  readonly live: LiveSnapshot;
}

export class LiveStreams {
  readonly #streamsMax: number;
  /** The one that was told of last is the last. */
  readonly #latest = new Map<JobId, LatestLive>();
  readonly #waiting = new Map<JobId, Set<() => void>>();

  /** @param streamsMax of more, those that were told of longest ago are forgotten */
  constructor(streamsMax: number) {
    this.#streamsMax = streamsMax;
  }

  /** An older attempt, or an older snapshot of the same, changes nothing. */
  tell({ job, epoch }: LeaseRef, live: LiveSnapshot): void {
    const known = this.#latest.get(job);
    if (known !== undefined && (known.epoch > epoch || (known.epoch === epoch && known.live.cursor >= live.cursor))) return;
    this.#latest.delete(job);
    this.#latest.set(job, { epoch, live });
    for (const oldest of this.#latest.keys()) {
      if (this.#latest.size <= this.#streamsMax) break;
      this.#latest.delete(oldest);
    }
    for (const run of this.#waiting.get(job) ?? []) run();
  }

  latest(job: JobId): LatestLive | null {
    return this.#latest.get(job) ?? null;
  }

  /** Calls `run` whenever there is more of a job. @returns what ends that */
  onTold(job: JobId, run: () => void): () => void {
    const waiting = this.#waiting.get(job) ?? new Set();
    this.#waiting.set(job, waiting.add(run));
    return () => {
      waiting.delete(run);
      if (waiting.size === 0) this.#waiting.delete(job);
    };
  }
}
