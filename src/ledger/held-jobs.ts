/** The jobs that a site holds, with a number that grows whenever they, or what they ask for, change: so that a view of them can be kept until then. */
import type { JobId } from "../core/job.js";

/** Changes that are remembered at least. */
const CHANGES = 64;

export class HeldJobs implements Iterable<JobId> {
  readonly #ids = new Set<JobId>();
  #version = 0;
  /** Jobs of the last changes, the newest last. */
  #changed: JobId[] = [];

  get size(): number {
    return this.#ids.size;
  }

  get version(): number {
    return this.#version;
  }

  has(id: JobId): boolean {
    return this.#ids.has(id);
  }

  /** One that is there already has changed. */
  add(id: JobId): void {
    this.#ids.add(id);
    this.#change(id);
  }

  delete(id: JobId): void {
    if (this.#ids.delete(id)) this.#change(id);
  }

  /** Jobs that came, went or changed since that version, some of them more than once; null: it is too old to tell. */
  changedSince(version: number): readonly JobId[] | null {
    const from = this.#changed.length - (this.#version - version);
    return from < 0 ? null : this.#changed.slice(from);
  }

  #change(id: JobId): void {
    this.#version += 1;
    this.#changed.push(id);
    if (this.#changed.length >= 2 * CHANGES) this.#changed = this.#changed.slice(CHANGES);
  }

  [Symbol.iterator](): Iterator<JobId> {
    return this.#ids[Symbol.iterator]();
  }
}
