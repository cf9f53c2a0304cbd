/** What an operator's link may do: submit, look, cancel. Checks each request, then turns it into turns of central. */
import { createHash } from "node:crypto";
import type { Principal } from "../core/access.js";
import { XpcsError } from "../core/errors.js";
import { experimentOf, type JobId, type JobSpec, type JobView } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { ClientApi, JobQuery } from "../core/protocols.js";
import { cancelOutcome } from "../ledger/decide.js";
import type { JobRecord } from "../ledger/state.js";
import type { Central } from "./central.js";
import { Horizon } from "./horizon.js";
import { CLIENT_REQUESTS, parseRequest } from "./requests.js";
import { viewState } from "./views.js";

/** JSON with sorted keys, so that the same request has the same digest whoever wrote it. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, field: unknown) =>
    typeof field === "object" && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1)))
      : field,
  );
}

const digestOf = (jobs: readonly JobSpec[]) => createHash("sha256").update(canonical(jobs)).digest("hex");

/**
 * Collects views until the page is full, by number and by bytes; `looked` says how many of the records it has dealt with.
 *
 * @param sees records that are passed over
 */
function page(
  records: Iterable<JobRecord>,
  sees: (job: JobRecord) => boolean,
  view: (job: JobRecord) => JobView,
  jobsMax: number,
): { views: JobView[]; looked: number } {
  const views: JobView[] = [];
  let bytes = 0;
  let looked = 0;
  for (const record of records) {
    if (sees(record)) {
      const next = view(record);
      bytes += JSON.stringify(next).length;
      if (views.length > 0 && (views.length >= jobsMax || bytes > LIMITS.pageBytesMax)) break;
      views.push(next);
    }
    looked += 1;
  }
  return { views, looked };
}

/** The jobs that match, newest first, from the one after the cursor. */
function* matching(central: Central, horizon: Horizon, query: JobQuery): Generator<JobRecord> {
  const { order, jobs } = central.state;
  const from = query.after === undefined ? order.length : horizon.job(query.after).index;
  const ids = query.ids === undefined ? null : new Set(query.ids);
  const tags = Object.entries(query.tags ?? {});
  for (let index = from - 1; index >= 0; index -= 1) {
    const job = jobs.get(order[index]!)!;
    if (ids !== null && !ids.has(job.id)) continue;
    if (query.experiment !== undefined && experimentOf(job.spec) !== query.experiment) continue;
    if (query.states !== undefined && !query.states.includes(viewState(job, central.terms.get(job.id)))) continue;
    if (tags.every(([key, value]) => job.spec.tags[key] === value)) yield job;
  }
}

/** Tells the sites whose leases were canceled, if they wait for news. */
function tellSites(central: Central, ids: readonly JobId[]): void {
  for (const id of ids) {
    const job = central.state.jobs.get(id);
    const site = job?.state === "leased" ? job.attempts.at(-1)?.site : undefined;
    const presence = site === undefined ? undefined : central.sites.get(site);
    if (job === undefined || presence === undefined || presence.told.has(`${id} ${job.epoch}`)) continue;
    central.afterCommit(() => presence.waiter?.answer([]));
  }
}

/** The jobs' part of the client's interface of `central`, in the name of `principal`. */
export function clientSession(central: Central, principal: Principal): Omit<ClientApi, "addToken" | "tokens" | "revokeToken"> {
  const by = principal.person;
  const horizon = new Horizon(central, principal);
  const everything = () => true;
  const parse = <M extends keyof ClientApi>(method: M, request: unknown) => parseRequest(CLIENT_REQUESTS[method], method, request);
  return {
    async submit(request) {
      const parsed = parse("submit", request) as Parameters<ClientApi["submit"]>[0];
      const key = horizon.key(parsed.key);
      const jobs = horizon.submission(parsed.jobs);
      const digest = digestOf(jobs);
      return central.turn(() => {
        const now = central.clock.nowMs();
        central.execute({ type: "submit", key, digest, jobs: jobs.map((spec) => ({ id: central.newJobId(now), spec })) }, by);
        return { jobs: [...(central.state.keys.get(key)?.jobs ?? [])] };
      });
    },
    async jobs(request) {
      const query = horizon.query(parse("jobs", request) as JobQuery);
      return central.turn(() => {
        const limit = query.limit ?? LIMITS.pageJobsMax;
        const { views } = page(matching(central, horizon, query), everything, central.viewer(), limit);
        const last = views.at(-1);
        const more = last !== undefined && !matching(central, horizon, { ...query, after: last.id }).next().done;
        return { jobs: views, next: more ? last.id : null };
      });
    },
    async job(request) {
      const { id } = parse("job", request) as { id: JobId };
      return central.turn(() => central.viewer()(horizon.job(id)));
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
    async changes(request) {
      const { waitMs, ...from } = parse("changes", request) as { cursor: string | null; waitMs: number };
      let { cursor } = from;
      const endMs = central.clock.monotonicMs() + waitMs;
      const look = () =>
        central.turn(() => {
          if (cursor === null) return { answer: { cursor: central.feed.now(), jobs: [] as JobView[] } };
          const changes = central.feed.since(cursor);
          const records = changes.jobs.map((id) => central.state.jobs.get(id)!);
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
