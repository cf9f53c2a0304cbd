/**
 * The SDK: jobs on a central (`connect`), and the correlators in this process (`createCorrelator`,
 * `createStreamCorrelator`).
 * Everything the `xpcs` commands do with central goes through here. examples/ shows its use.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { followLive, type LiveOptions, type LogOptions, readLogs } from "./actors/client-polls.js";
import { tokenHash } from "./actors/token-file.js";
import { makeToken } from "./actors/tokens.js";
import type { Revoked, TokenId, TokenRequest, TokenView } from "./core/access.js";
import type { Clock } from "./core/clock.js";
import type { DowntimeView, FeedView } from "./core/downtime.js";
import { isCode } from "./core/errors.js";
import type { Explanation } from "./core/explanation.js";
import { isFinal, type JobChanges, type JobId, type JobSpec, type JobView, type SiteName, type SiteView } from "./core/job.js";
import { allPages } from "./core/job-pages.js";
import { LIMITS } from "./core/limits.js";
import { type Logger, silentLogger } from "./core/log.js";
import { type BackupPart, CLIENT_API_METHODS, type ClientApi, type JobQuery } from "./core/protocols.js";
import { realClock } from "./core/real-clock.js";
import { inSubmitChunks, namesPlaces, SUBMITS_IN_FLIGHT, withKnownParents } from "./core/submit-chunks.js";
import { beforeExpiry } from "./core/token-expiry.js";
import { VERSION } from "./core/version.js";
import { type Connection, openSession } from "./wire/connect.js";
import { type CallOptions, type Reconnecting, reconnecting } from "./wire/reconnecting.js";
import { trustOf } from "./wire/trust.js";
import { openWebSocket } from "./wire/websocket-client.js";

export type { LiveOptions, LogOptions } from "./actors/client-polls.js";
export type { Revoked, Role, TokenRequest, TokenView } from "./core/access.js";
export type { AnalysisType, CorrOptions, CorrSummary, Format, FurtherMap, Layout, PixelOrder } from "./core/analysis.js";
export type { DowntimeKind, DowntimeView, FacilityState, FeedView } from "./core/downtime.js";
export { ERROR_CODES, type ErrorCode, isCode, XpcsError } from "./core/errors.js";
export type { Explanation, SiteOutlook } from "./core/explanation.js";
export {
  type Attempt,
  type CommandJob,
  type CorrJob,
  DEFAULT_EXPERIMENT,
  type FileRef,
  isCommandJob,
  isFinal,
  type JobChanges,
  type JobId,
  type JobSpec,
  type JobState,
  type JobView,
  type NoopJob,
  type OutputFile,
  type ParentPolicy,
  type Resources,
  type SiteCapacity,
  type SiteView,
  type StreamJob,
  type Work,
} from "./core/job.js";
export type { LiveBin, LiveFit, LiveGoal, LiveSnapshot, StreamEnd } from "./core/live.js";
export type { JobQuery, LogStream } from "./core/protocols.js";
export type { Correlator, CorrelatorOptions, CorrelatorResult, StreamCorrelator, StreamCorrelatorOptions } from "./xpcs/correlators.js";
export { correlateFile, correlateMaps, createCorrelator, createStreamCorrelator } from "./xpcs/native.js";

export interface ConnectOptions {
  /** The token; a function is asked again for each connection, so that a new one needs no restart. */
  readonly token: string | (() => string);
  /** For `wss://`: certificates (PEM) of authorities to trust in place of the system's. */
  readonly ca?: string;
  /** For `wss://`: the one key that central may have, `sha256/...`. */
  readonly pin?: string;
  /** Allow a plain `ws://` off this machine, which shows the token to the network. */
  readonly insecure?: boolean;
  /** Called 12 h and 2 h before the token ends, with the ms that are left. */
  readonly onExpiring?: (leftMs: number) => void;
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
  /** Why a job is, or goes, where it does; once it has its answer, also what really was. @throws NOT_FOUND */
  explain(id: JobId): Promise<Explanation>;
  sites(): Promise<SiteView[]>;
  /** @throws NOT_FOUND one of the ids */
  cancel(ids: readonly JobId[]): Promise<{ canceled: JobId[]; alreadyFinal: JobId[] }>;
  /**
   * Changes what jobs ask for; what runs goes on as it was. All or none.
   * @throws NOT_FOUND · REFUSED a final job takes tags only
   */
  modify(ids: readonly JobId[], changes: JobChanges): Promise<JobId[]>;
  /**
   * Lets failed and canceled jobs begin anew, with `children` also those below them. All or none.
   * @returns those that wait again
   * @throws NOT_FOUND · REFUSED one is finished, or its parent has failed
   */
  retry(ids: readonly JobId[], options?: { readonly children?: boolean }): Promise<JobId[]>;
  /**
   * Waits until all jobs are finished, failed or canceled.
   * @returns the jobs in the order of `ids`
   * @throws NOT_FOUND · CANCELED the signal was aborted
   */
  wait(ids: readonly JobId[], options?: WaitOptions): Promise<JobView[]>;
  /**
   * What an attempt of a job has written, in parts as they come; with `follow` until the attempt ends.
   * @returns the attempt, and where the next part would begin
   * @throws NOT_FOUND · CANCELED the signal was aborted
   */
  logs(id: JobId, options: LogOptions): Promise<{ epoch: number; next: number }>;
  /**
   * Follows a stream that runs as a job: what is known of it, whenever that is new, until the job has ended.
   * @throws NOT_FOUND · CANCELED the signal was aborted
   */
  live(id: JobId, options: LiveOptions): Promise<void>;
  /** Reports every change of any job until `signal` is aborted. */
  follow(options: Required<WaitOptions>): Promise<void>;
  /**
   * Makes a token; it is made here, and central gets its hash alone.
   * @throws PERMISSION_DENIED not an operator of all experiments · INVALID_ARGUMENT
   */
  createToken(request: Omit<TokenRequest, "hash">): Promise<NewToken>;
  /** All tokens, newest first; also those that ended in the last 90 days. */
  tokens(): Promise<TokenView[]>;
  /**
   * Ends a token, and closes what was opened with it; with `descendants` also all that was made with it.
   * @throws NOT_FOUND
   */
  revokeToken(id: TokenId, options?: { readonly descendants?: boolean }): Promise<Revoked>;
  /**
   * The whole ledger as it is now, as the text that `xpcs ledger import` takes; ends after the last byte.
   * @throws PERMISSION_DENIED not an operator of all experiments · NOT_FOUND central was restarted meanwhile: begin again · OVERLOADED
   */
  backup(): AsyncGenerator<Uint8Array>;
  /**
   * All of an experiment as text: jobs, the archived ones too, ledger events, sites. Ends after the last byte.
   * @throws NOT_FOUND it has no jobs, or central was restarted meanwhile: begin again · OVERLOADED
   */
  archiveExperiment(experiment: string): AsyncGenerator<Uint8Array>;
  /**
   * Takes an experiment out of the ledger, with its logs; `jobs` and `sequence` are what the archived file says.
   * @returns how many jobs went
   * @throws REFUSED a job has not ended, or something has changed since · PERMISSION_DENIED not an operator of all experiments
   */
  removeExperiment(archived: { readonly experiment: string; readonly jobs: number; readonly sequence: number }): Promise<number>;
  /** Downtimes of sites that are not over, by when they begin, and the feeds that tell of some. */
  downtimes(): Promise<{ downtimes: DowntimeView[]; feeds: FeedView[] }>;
  /**
   * Says that a site, with its pilots, is not there for a while: nothing is sent to it that would not end before.
   * @throws PERMISSION_DENIED not an operator of all experiments · INVALID_ARGUMENT it is over already
   */
  addDowntime(downtime: NewDowntime): Promise<DowntimeView>;
  /** @throws NOT_FOUND · REFUSED it is the end of a token or of a batch job · PERMISSION_DENIED not an operator of all experiments */
  removeDowntime(id: string): Promise<DowntimeView>;
  /**
   * Puts a site on probation for a reason, or (null) lifts that.
   * @throws NOT_FOUND · PERMISSION_DENIED not an operator of all experiments
   */
  setProbation(site: SiteName, reason: string | null): Promise<void>;
  close(): void;
}

export interface NewDowntime {
  readonly site: SiteName;
  /** ISO 8601 UTC; default: now. */
  readonly from?: string;
  /** Absent: nobody knows until when. */
  readonly to?: string;
  /** Why, for others to read. */
  readonly text?: string;
}

export interface NewToken {
  /** In clear text, this once. */
  readonly token: string;
  readonly view: TokenView;
  /** Of a join code: SHA-256 of the script that brings this program to the new site (docs/bundle.md); null where central serves none. */
  readonly installer: string | null;
}

async function dial(url: string, options: ConnectOptions, clock: Clock): Promise<Connection<ClientApi>> {
  const { token, insecure = false, onExpiring = () => {} } = options;
  const link = await openWebSocket(url, { clock, trust: trustOf(options), insecure, proxy: "environment" });
  const shown = typeof token === "string" ? token : token();
  const session = await openSession<ClientApi>(link, CLIENT_API_METHODS, { clock, token: shown, version: VERSION, party: "client" });
  const warning = beforeExpiry(clock, session.welcome.expiresInMs, onExpiring);
  void session.closed.then(() => warning.cancel());
  return session;
}

/**
 * Connects to a central, through the proxy that `https_proxy` and `no_proxy` name.
 * @param url e.g. `ws://127.0.0.1:7878`
 * @throws UNAVAILABLE nobody answers there · PERMISSION_DENIED the token, or who answers · VERSION_MISMATCH · INVALID_ARGUMENT · REFUSED plain off
 *   loopback
 */
export async function connect(url: string, options: ConnectOptions): Promise<XpcsClient> {
  const clock = realClock;
  // The first dial is made here, so that a wrong address fails at once instead of being tried for ever.
  let first: Connection<ClientApi> | null = await dial(url, options, clock);
  const link = reconnecting<ClientApi>({
    dial: async () => {
      const ready = first ?? (await dial(url, options, clock));
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
      const chunks = inSubmitChunks(jobs);
      const ids: JobId[] = [];
      const going: Promise<{ jobs: JobId[] }>[] = [];
      for (const [at, chunk] of chunks.entries()) {
        // A parent by its place may be in any call before.
        const inFlightMax = chunk.some(namesPlaces) ? 0 : SUBMITS_IN_FLIGHT - 1;
        while (going.length > inFlightMax) ids.push(...(await going.shift()!).jobs);
        const chunkKey = chunks.length === 1 ? key : `${key}.${at}`;
        const specs = chunk.map((spec) => withKnownParents(spec, ids));
        const answer = call((api) => api.submit({ key: chunkKey, jobs: specs }));
        // Whoever waits for it hears of a failure; the others of the same submission may fail unheard.
        answer.catch(() => {});
        going.push(answer);
      }
      for (const answer of going) ids.push(...(await answer).jobs);
      return { jobs: ids };
    },
    jobs: (query = {}) => call((api) => api.jobs(query)),
    job: (id) => call((api) => api.job({ id })),
    explain: (id) => call((api) => api.explain({ id })),
    sites: async () => (await call((api) => api.sites({}))).sites,
    cancel: (ids) => call((api) => api.cancel({ ids })),
    modify: async (ids, changes) => (await call((api) => api.modify({ ids, changes }))).modified,
    retry: async (ids, { children = false } = {}) => (await call((api) => api.retry({ ids, children }))).retried,
    wait: (ids, waitOptions = {}) => waitForJobs(link, ids, waitOptions),
    logs: (id, options) => readLogs(link, id, options),
    live: (id, options) => followLive(link, id, options),
    follow: ({ onChange, signal }) => followChanges(link, { signal }, async () => {}, onChange),
    async createToken(request) {
      const token = makeToken(request.join ? "join" : request.role, randomBytes);
      const { token: view, installer = null } = await call((api) => api.addToken({ ...request, hash: tokenHash(token) }));
      return { token, view, installer };
    },
    tokens: async () => (await call((api) => api.tokens({}))).tokens,
    revokeToken: (id, { descendants = false } = {}) => call((api) => api.revokeToken({ id, ...(descendants ? { descendants } : {}) })),
    backup: () => inParts((of) => call((api) => api.backup(of))),
    archiveExperiment: (experiment) => inParts((of) => call((api) => api.archiveExperiment({ experiment, ...of }))),
    removeExperiment: async (archived) => (await call((api) => api.removeExperiment(archived))).removed,
    downtimes: () => call((api) => api.downtimes({})),
    async addDowntime({ site, from = new Date(realClock.nowMs()).toISOString(), to = null, text = "" }) {
      const id = `d${randomBytes(5).toString("hex")}`;
      return (await call((api) => api.addDowntime({ id, site, from, to, text }))).downtime;
    },
    setProbation: async (site, reason) => void (await call((api) => api.setProbation({ site, reason }))),
    removeDowntime: async (id) => (await call((api) => api.removeDowntime({ id }))).downtime,
    close: () => link.close(),
  };
  return client;
}

function inChunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size));
}

/** The parts of a backup, one after the other. */
async function* inParts(ask: (of: { id: string | null; part: number }) => Promise<BackupPart>): AsyncGenerator<Uint8Array> {
  let id: string | null = null;
  for (let part = 0, last = false; !last; part += 1) {
    const answer: BackupPart = await ask({ id, part });
    ({ id, last } = answer);
    yield answer.data;
  }
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
      const missing = new Set(chunk);
      // What is not in the live listing is in the archive, or there is no such job.
      for (const archived of [false, true]) {
        if (missing.size === 0) continue;
        const query = { ids: [...missing], ...(archived ? { archived } : {}) };
        for (const job of await allPages((page) => link.call((api) => api.jobs(page), callOptions), query)) {
          missing.delete(job.id);
          done = note(job);
        }
      }
      for (const id of missing) done = note(await link.call((api) => api.job({ id }), callOptions));
    }
    return done;
  };
  await followChanges(link, callOptions, look, note);
  return ids.map((id) => seen.get(id)!);
}
