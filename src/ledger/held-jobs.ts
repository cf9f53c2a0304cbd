/** The jobs that a site holds, with a number that grows whenever they, or what they ask for, change: so that a view of them can be kept until then. */
import type { JobId } from "../core/job.js";

export class HeldJobs implements Iterable<JobId> {
  readonly #ids = new Set<JobId>();
  #version = 0;

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
    this.#version += 1;
  }

  delete(id: JobId): void {
    if (this.#ids.delete(id)) this.#version += 1;
  }

  [Symbol.iterator](): Iterator<JobId> {
    return this.#ids[Symbol.iterator]();
  }
}
