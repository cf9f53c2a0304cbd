/**
 * How far the holder of a token sees: the jobs of its experiment. Of others it learns no more than of jobs that never were. Every method of the
 * client's interface that names a job gets it from here.
 */
import type { Principal } from "../core/access.js";
import { XpcsError } from "../core/errors.js";
import { experimentOf, type JobId, type JobSpec } from "../core/job.js";
import type { JobQuery } from "../core/protocols.js";
import type { JobRecord } from "../ledger/state.js";
import type { Central } from "./central.js";

const unknownJob = (id: JobId) => new XpcsError("NOT_FOUND", `there is no job ${id}`);

export class Horizon {
  readonly #central: Central;
  readonly #experiment: string | null;

  constructor(central: Central, { experiment }: Principal) {
    this.#central = central;
    this.#experiment = experiment;
  }

  sees(job: JobRecord): boolean {
    return this.#experiment === null || experimentOf(job.spec) === this.#experiment;
  }

  /** Within a turn: a live job. @throws NOT_FOUND · REFUSED it is in the archive */
  job(id: JobId): JobRecord {
    const job = this.any(id);
    if (this.#central.state.jobs.has(id)) return job;
    throw new XpcsError("REFUSED", `job ${id} is in the archive: it can be read, and changes no more`);
  }

  /** Within a turn: a job, live or archived. @throws NOT_FOUND */
  any(id: JobId): JobRecord {
    const job = this.#central.state.jobs.get(id) ?? this.#central.ledger.archivedJob(id);
    if (job === undefined || !this.sees(job)) throw unknownJob(id);
    return job;
  }

  /** The query, within the horizon. */
  query(query: JobQuery): JobQuery {
    if (this.#experiment === null) return query;
    if (query.experiment !== undefined && query.experiment !== this.#experiment) return { ...query, ids: [] };
    return { ...query, experiment: this.#experiment };
  }

  /** The jobs of a submission, which belong to the token's experiment. @throws PERMISSION_DENIED */
  submission(jobs: readonly JobSpec[]): readonly JobSpec[] {
    const experiment = this.#experiment;
    if (experiment === null) return jobs;
    const foreign = jobs.find((spec) => spec.experiment !== undefined && spec.experiment !== experiment);
    if (foreign !== undefined)
      throw new XpcsError("PERMISSION_DENIED", `this token is for experiment ${experiment}, not for ${foreign.experiment}`);
    return jobs.map((spec) => ({ ...spec, experiment }));
  }

  /** Within a turn: a parent tells its children how it fared, so it must be within the horizon. @throws NOT_FOUND */
  checkParents({ parents = [] }: JobSpec): void {
    if (this.#experiment === null) return;
    for (const parent of parents) if (!parent.startsWith("#")) this.any(parent);
  }

  /** Keys of different experiments have nothing to do with each other, and tell nothing of each other. */
  key(key: string): string {
    return this.#experiment === null ? key : `${this.#experiment} ${key}`;
  }
}
