/**
 * The SDK: jobs on a central (`connect`), and the correlators in this process (`createCorrelator`,
 * `createStreamCorrelator`).
 * Everything the `xpcs` commands do with central goes through here. examples/ shows its use.
 */
import { randomUUID } from "node:crypto";
import type { Clock } from "./core/clock.js";
import { isCode, XpcsError } from "./core/errors.js";
import { isFinal, type JobId, type JobSpec, type JobView, type SiteView } from "./core/job.js";
import { LIMITS } from "./core/limits.js";
import { type Logger, silentLogger } from "./core/log.js";
import { CLIENT_API_METHODS, type ClientApi, type JobQuery } from "./core/protocols.js";
import { realClock } from "./core/real-clock.js";
import { VERSION } from "./core/version.js";
import { type Connection, openSession } from "./wire/connect.js";
import { type CallOptions, type Reconnecting, reconnecting } from "./wire/reconnecting.js";
import { openWebSocket } from "./wire/websocket-client.js";

export type { AnalysisType, CorrOptions, CorrSummary, Format, FurtherMap, Layout, PixelOrder } from "./core/analysis.js";
export { ERROR_CODES, type ErrorCode, isCode, XpcsError } from "./core/errors.js";
export {
  type Attempt,
  type CorrJob,
  DEFAULT_EXPERIMENT,
  type FileRef,
  isFinal,
  type JobId,
  type JobSpec,
  type JobState,
  type JobView,
  type NoopJob,
  type OutputFile,
  type SiteView,
  type Work,
} from "./core/job.js";
export type { JobQuery } from "./core/protocols.js";
export {
  type Correlator,
  type CorrelatorOptions,
  type CorrelatorResult,
  correlateFile,
  correlateMaps,
  createCorrelator,
  createStreamCorrelator,
  type StreamCorrelator,
  type StreamCorrelatorOptions,
} from "./xpcs/native.js";

export interface ConnectOptions {
  readonly token: string;
  /** How long a call waits for a central that went away, ms (default 30 s). `wait` and `follow` wait for ever. */
  readonly patienceMs?: number;
  readonly logger?: Logger;
}

export interface SubmitRequest {
  readonly jobs: readonly JobSpec[];
  /** The same key and jobs make the same jobs once, however often they are submitted; default: a random one. */
  readonly key?: string;
}

export interface WaitOptions {
  /** Called with each job when it is first seen and whenever it changes. */
  readonly onChange?: (job: JobView) => void;
  readonly signal?: AbortSignal;
}

/** A connected client. Every call survives a restart of central: it reconnects and repeats what is harmless to repeat. */
export interface XpcsClient {
  /** @throws KEY_CONFLICT · INVALID_ARGUMENT · UNAVAILABLE */
  submit(request: SubmitRequest): Promise<{ jobs: JobId[] }>;
  /** One page, newest first; `next` is the cursor of the following one. */
  jobs(query?: JobQuery): Promise<{ jobs: JobView[]; next: string | null }>;
  /** @throws NOT_FOUND */
  job(id: JobId): Promise<JobView>;
  sites(): Promise<SiteView[]>;
  /** @throws NOT_FOUND one of the ids */
  cancel(ids: readonly JobId[]): Promise<{ canceled: JobId[]; alreadyFinal: JobId[] }>;
  /**
   * Waits until all jobs are finished, failed or canceled.
   * @returns the jobs in the order of `ids`
   * @throws NOT_FOUND · CANCELED the signal was aborted
   */
  wait(ids: readonly JobId[], options?: WaitOptions): Promise<JobView[]>;
  /** Reports every change of any job until `signal` is aborted. */
  follow(options: Required<WaitOptions>): Promise<void>;
  close(): void;
}

/** Jobs of one submit call: keeps a request well under the frame limit, whatever the paths. */
const SUBMIT_CHUNK = 100;

function inChunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size));
}

async function dial(url: string, token: string, clock: Clock): Promise<Connection<ClientApi>> {
  return openSession(await openWebSocket(url, { clock }), CLIENT_API_METHODS, { clock, token, version: VERSION, party: "client" });
}

/**
 * Connects to a central.
 * @param url e.g. `ws://127.0.0.1:7878`
 * @throws UNAVAILABLE nobody answers there · PERMISSION_DENIED · VERSION_MISMATCH · INVALID_ARGUMENT
 */
export async function connect(url: string, options: ConnectOptions): Promise<XpcsClient> {
  const clock = realClock;
  // The first dial is made here, so that a wrong address fails at once instead of being tried for ever.
  let first: Connection<ClientApi> | null = await dial(url, options.token, clock);
  const link = reconnecting<ClientApi>({
    dial: async () => {
      const ready = first ?? (await dial(url, options.token, clock));
      first = null;
      return ready;
    },
    clock,
    logger: options.logger ?? silentLogger,
    rng: Math.random,
  });
  return clientOver(link, options.patienceMs ?? 30_000);
}

function clientOver(link: Reconnecting<ClientApi>, patienceMs: number): XpcsClient {
  const call = <T>(run: (api: ClientApi) => Promise<T>) => link.call(run, { patienceMs });

  const client: XpcsClient = {
    async submit({ jobs, key = randomUUID() }) {
      const chunks = inChunks(jobs, SUBMIT_CHUNK);
      const ids: JobId[] = [];
      for (const [at, chunk] of chunks.entries()) {
        const chunkKey = chunks.length === 1 ? key : `${key}.${at}`;
        ids.push(...(await call((api) => api.submit({ key: chunkKey, jobs: chunk }))).jobs);
      }
      return { jobs: ids };
    },
    jobs: (query = {}) => call((api) => api.jobs(query)),
    job: (id) => call((api) => api.job({ id })),
    sites: async () => (await call((api) => api.sites({}))).sites,
    cancel: (ids) => call((api) => api.cancel({ ids })),
    wait: (ids, waitOptions = {}) => waitForJobs(link, ids, waitOptions),
    follow: ({ onChange, signal }) => followChanges(link, { signal }, async () => {}, onChange),
    close: () => link.close(),
  };
  return client;
}

/**
 * Reports changes until `onChange` answers true or the signal is aborted.
 * `restart` runs once a cursor is set: from then on no change is missed.
 */
async function followChanges(
  link: Reconnecting<ClientApi>,
  options: CallOptions,
  restart: () => Promise<unknown>,
  onChange: (job: JobView) => unknown,
): Promise<void> {
  let cursor: string | null = null;
  for (;;) {
    try {
      if (cursor === null) {
        cursor = (await link.call((api) => api.changes({ cursor: null, waitMs: 0 }), options)).cursor;
        if ((await restart()) === true) return;
      }
      const since: string = cursor;
      const changed = await link.call((api) => api.changes({ cursor: since, waitMs: LIMITS.longPollMs }), options);
      cursor = changed.cursor;
      for (const job of changed.jobs) if (onChange(job) === true) return;
    } catch (error) {
      // A cursor that central no longer knows: begin again.
      if (cursor === null || !isCode(error, "INVALID_ARGUMENT")) throw error;
      cursor = null;
    }
  }
}

async function waitForJobs(link: Reconnecting<ClientApi>, ids: readonly JobId[], options: WaitOptions): Promise<JobView[]> {
  const callOptions: CallOptions = options.signal ? { signal: options.signal } : {};
  const wanted = new Set(ids);
  const seen = new Map<JobId, JobView>();
  const note = (job: JobView): boolean => {
    if (!wanted.has(job.id)) return false;
    if (JSON.stringify(seen.get(job.id)) !== JSON.stringify(job)) {
      seen.set(job.id, job);
      options.onChange?.(job);
    }
    return seen.size === wanted.size && [...seen.values()].every(({ state }) => isFinal(state));
  };
  const look = async (): Promise<boolean> => {
    let done = wanted.size === 0;
    for (const chunk of inChunks([...wanted], LIMITS.pageJobsMax)) {
      const { jobs } = await link.call((api) => api.jobs({ ids: chunk, limit: chunk.length }), callOptions);
      const missing = chunk.find((id) => !jobs.some((job) => job.id === id));
      if (missing !== undefined) throw new XpcsError("NOT_FOUND", `there is no job ${missing}`);
      for (const job of jobs) done = note(job);
    }
    return done;
  };
  await followChanges(link, callOptions, look, note);
  return ids.map((id) => seen.get(id)!);
}
