/** What an operator's link may do: submit, look, cancel. Checks each request, then turns it into turns of central. */
import { createHash } from "node:crypto";
import type { Principal } from "../core/access.js";
import { canonicalJson } from "../core/canonical-json.js";
import { XpcsError } from "../core/errors.js";
import type { JobId, JobSpec, JobView } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { ClientApi, JobQuery } from "../core/protocols.js";
import { cancelOutcome, keyConflict } from "../ledger/decide.js";
import { findJobs } from "../ledger/job-index.js";
import { type JobRecord, runningAttempts } from "../ledger/state.js";
import { archivedPage } from "./archived-jobs.js";
import type { Central } from "./central.js";
import { Horizon } from "./horizon.js";
import { readLive } from "./read-live.js";
import { readLog } from "./read-log.js";
import { CLIENT_REQUESTS, parseRequest } from "./requests.js";
import { viewState } from "./views.js";

/** Of what the jobs are: a file that has grown since does not make another request of it. */
function digestOf(jobs: readonly JobSpec[]): string {
  const bare = jobs.map((job) => {
    if (job.inputBytes === undefined) return job;
    const { inputBytes: _size, ...rest } = job;
    return rest;
  });
  return createHash("sha256").update(canonicalJson(bare)).digest("hex");
}

/**
 * Collects views until the page is full, by number and by bytes; `looked` says how many of the records it has dealt with, `more` that there
 * are others.
 *
 * @param sees records that are passed over
 */
function page(
  records: Iterable<JobRecord | null>,
  sees: (job: JobRecord) => boolean,
  view: (job: JobRecord) => JobView,
  jobsMax: number,
): { views: JobView[]; looked: number; more: boolean } {
  const views: JobView[] = [];
  let bytes = 0;
  let looked = 0;
  for (const record of records) {
    if (record !== null && sees(record)) {
      const next = view(record);
      bytes += JSON.stringify(next).length;
      if (views.length > 0 && (views.length >= jobsMax || bytes > LIMITS.pageBytesMax)) return { views, looked, more: true };
      views.push(next);
    }
    looked += 1;
  }
  return { views, looked, more: false };
}

/** The jobs that match, newest first, from the one after the cursor. */
function matching({ state, terms }: Central, horizon: Horizon, { after, ...filter }: Omit<JobQuery, "limit">): Iterable<JobRecord> {
  const from = after === undefined ? state.order.end : horizon.any(after).index;
  return findJobs(state, filter, from, (job) => viewState(job, terms.furthest(job.id)));
}

/** The specification of the job at place `at` of a request, with the ids of the parents that it names by their place. */
function withParents(spec: JobSpec, at: number, ids: readonly JobId[]): JobSpec {
  if (spec.parents === undefined) return spec;
  const parents = spec.parents.map((parent) => {
    if (!parent.startsWith("#")) return parent;
    const place = Number(parent.slice(1));
    if (!/^#\d+$/.test(parent) || place >= at)
      throw new XpcsError("INVALID_ARGUMENT", `submit: jobs.${at}.parents: "${parent}" is no earlier job of this request`);
    return ids[place]!;
  });
  return { ...spec, parents };
}

/** Tells the sites whose leases were canceled, if they wait for news. */
function tellSites(central: Central, ids: readonly JobId[]): void {
  for (const id of ids) {
    const job = central.state.jobs.get(id);
    for (const { site, epoch } of job === undefined ? [] : runningAttempts(job)) {
      const presence = central.sites.get(site);
      if (presence === undefined || presence.told.has(`${id} ${epoch}`)) continue;
      central.afterCommit(() => presence.waiter?.answer([]));
    }
  }
}

/** What has files of its own: token-admin.ts, ledger-admin.ts and downtime-admin.ts. */
type AdminMethods =
  | ("addToken" | "tokens" | "revokeToken" | "backup" | "archiveExperiment" | "removeExperiment")
  | ("downtimes" | "addDowntime" | "removeDowntime" | "setProbation");
export type JobsApi = Omit<ClientApi, AdminMethods>;

/** The jobs' part of the client's interface of `central`, in the name of `principal`. */
export function clientSession(central: Central, principal: Principal): JobsApi {
  const by = principal.person;
  const horizon = new Horizon(central, principal);
  const everything = () => true;
  const parse = <M extends keyof ClientApi>(method: M, request: unknown) => parseRequest(CLIENT_REQUESTS[method], method, request);
  return {
    async submit(request) {
      const parsed = parse("submit", request) as Parameters<ClientApi["submit"]>[0];
      const key = horizon.key(parsed.key);
      const jobs = horizon.submission(parsed.jobs);
      central.checkRoom();
      const digest = digestOf(jobs);
      return central.turn(() => {
        const kept = central.state.keys.has(key) ? undefined : central.ledger.archivedKey(key);
        if (kept !== undefined && kept.digest !== digest) throw keyConflict(key);
        if (kept !== undefined) return { jobs: [...kept.jobs] };
        const now = central.clock.nowMs();
        const ids = jobs.map(() => central.newJobId(now));
        for (const spec of jobs) horizon.checkParents(spec);
        if (!central.state.keys.has(key)) central.quotas.checkNew(jobs, by);
        const named = jobs.map((spec, at) => ({ id: ids[at]!, spec: withParents(spec, at, ids) }));
        central.execute({ type: "submit", key, digest, jobs: named }, by);
        return { jobs: [...(central.state.keys.get(key)?.jobs ?? [])] };
      });
    },
    async jobs(request) {
      const { archived, ...query } = horizon.query(parse("jobs", request) as JobQuery);
      if (archived === true) return archivedPage(central, query);
      return central.turn(() => {
        const limit = query.limit ?? LIMITS.pageJobsMax;
        const { limit: _, ...filter } = query;
        const { views, more } = page(matching(central, horizon, filter), everything, central.viewer(), limit);
        return { jobs: views, next: more ? views.at(-1)!.id : null };
      });
    },
    async job(request) {
      const { id } = parse("job", request) as { id: JobId };
      return central.turn(() => central.viewer()(horizon.any(id)));
    },
    async explain(request) {
      const { id } = parse("explain", request) as { id: JobId };
      return central.turn(() => central.explain(horizon.any(id)));
    },
    async sites(request) {
      parse("sites", request);
      return central.turn(() => ({ sites: central.siteViews() }));
    },
    async cancel(request) {
      const { ids } = parse("cancel", request) as { ids: JobId[] };
      return central.turn(() => {
        for (const id of ids) horizon.job(id);
        central.execute({ type: "cancel", ids }, by);
        tellSites(central, ids);
        return cancelOutcome(central.state, ids);
      });
    },
    async modify(request) {
      const { ids, changes } = parse("modify", request) as Parameters<ClientApi["modify"]>[0];
      return central.turn(() => {
        for (const id of ids) horizon.job(id);
        central.execute({ type: "modify", ids, changes }, by);
        return { modified: [...new Set(ids)] };
      });
    },
    async retry(request) {
      const { ids, children = false } = parse("retry", request) as Parameters<ClientApi["retry"]>[0];
      central.checkRoom();
      return central.turn(() => {
        central.quotas.checkRetried([...new Set(ids)].map((id) => horizon.job(id)));
        const events = central.execute({ type: "retry", ids, children }, by);
        return { retried: events.flatMap((event) => (event.type === "retried" ? [event.job] : [])) };
      });
    },
    async live(request) {
      return readLive(central, horizon, parse("live", request) as Parameters<ClientApi["live"]>[0]);
    },
    async logs(request) {
      return readLog(central, horizon, parse("logs", request) as Parameters<ClientApi["logs"]>[0]);
    },
    async changes(request) {
      const { waitMs, ...from } = parse("changes", request) as { cursor: string | null; waitMs: number };
      let { cursor } = from;
      const endMs = central.clock.monotonicMs() + waitMs;
      const look = () =>
        central.turn(() => {
          if (cursor === null) return { answer: { cursor: central.feed.now(), jobs: [] as JobView[] } };
          const changes = central.feed.since(cursor);
          // Of a job that was taken out of the ledger meanwhile there is nothing to tell.
          const records = changes.jobs.map((id) => central.state.jobs.get(id) ?? central.ledger.archivedJob(id) ?? null);
          const { views, looked } = page(records, (job) => horizon.sees(job), central.viewer(), LIMITS.pageJobsMax);
          const leftMs = endMs - central.clock.monotonicMs();
          if (views.length > 0 || leftMs <= 0) return { answer: { cursor: changes.cursorAfter(looked), jobs: views } };
          // What was passed over need not be looked at again.
          cursor = changes.cursorAfter(looked);
          if (central.feed.stopped) throw new XpcsError("UNAVAILABLE", "central is stopping");
          // Waiting begins within the turn: what the next turn of the same batch changes must wake it.
          return { answer: null, changed: central.feed.wait(central.clock, leftMs) };
        });
      for (;;) {
        const { answer, changed } = await look();
        if (answer !== null) return answer;
        await changed;
      }
    },
  };
}
