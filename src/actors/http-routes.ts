/**
 * The HTTP interface as data: each route's place, what it takes, what it answers, and the calls of the client's interface that it makes. So its
 * rules (rights, experiments, idempotency) are those of the links. Serving is http-api.ts, describing openapi.ts.
 */
import { z } from "zod";
import type { Principal } from "../core/access.js";
import type { Clock } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import { isFinal, JOB_STATES, type JobId, type JobView } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import { type ClientApi, type JobQuery, LOG_STREAMS } from "../core/protocols.js";
import {
  canceledShape,
  downtimeShape,
  downtimesShape,
  eventsShape,
  explanationShape,
  idsShape,
  jobShape,
  logShape,
  meShape,
  nothingShape,
  pageShape,
  resultShape,
  retriedShape,
  sitesShape,
} from "./http-shapes.js";
import { changes, experiment, id, newDowntime, spec, time } from "./job-schemas.js";
import { livePartShape } from "./live-shapes.js";
import { parseRequest } from "./requests.js";

/** What of a request a route sees. Each is checked by the route's own schema. */
export interface RouteInput {
  readonly api: ClientApi;
  /** Who asks. */
  readonly principal: Principal;
  readonly clock: Clock;
  readonly params: Readonly<Record<string, string>>;
  /** Every value of each name. */
  readonly query: Readonly<Record<string, readonly string[]>>;
  readonly body: unknown;
  /** The Idempotency-Key. */
  readonly key: string | null;
}

export interface Route {
  readonly method: "get" | "post" | "patch";
  /** With `:id` for the id of a job. */
  readonly path: string;
  readonly name: string;
  readonly summary: string;
  /** Needs the header Idempotency-Key. */
  readonly keyed?: true;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly status: 200 | 201;
  readonly answer: z.ZodType;
  readonly run: (input: RouteInput) => Promise<unknown>;
}

const waitMs = z.coerce.number().min(0).max(LIMITS.longPollMs).default(LIMITS.longPollMs).describe("how long to wait for news, ms");
const listQuery = z.strictObject({
  state: z.array(z.enum(JOB_STATES)).optional(),
  tag: z
    .array(z.string().regex(/^[^=]+=/, "must be KEY=VALUE"))
    .optional()
    .describe("KEY=VALUE"),
  experiment: experiment.optional(),
  app: z.string().optional(),
  site: z.string().optional(),
  owner: z.string().optional(),
  parent: id.optional(),
  submittedAfter: time.optional(),
  submittedBefore: time.optional(),
  archived: z
    .enum(["true", "false"])
    .transform((text) => text === "true")
    .optional()
    .describe("true: jobs of the archive, in place of the others; a page may be short and have others after it"),
  limit: z.coerce.number().int().min(1).max(LIMITS.pageJobsMax).optional(),
  after: id.optional().describe("`next` of the page before"),
});
const waitQuery = z.strictObject({ waitMs });
const eventsQuery = z.strictObject({ cursor: z.string().max(128).optional().describe("of the answer before; none: from now on"), waitMs });
const liveQuery = z.strictObject({
  cursor: z.string().max(64).optional().describe("of the answer before; none: whatever is known"),
  waitMs,
});
const logsQuery = z.strictObject({
  stream: z.enum(LOG_STREAMS).default("stdout"),
  attempt: z.coerce.number().int().min(1).optional().describe("its epoch; none: the latest attempt"),
  offset: z.coerce.number().int().min(0).default(0).describe("`next` of the answer before, bytes"),
  waitMs,
});
const submitBody = z.strictObject({ jobs: z.array(spec).min(1).max(LIMITS.submitJobsMax) });
const probationBody = z.strictObject({ reason: z.string().nullable() }).default({ reason: null });
const retryBody = z
  .strictObject({ children: z.boolean().optional() })
  .describe("children: also those below it that failed or were canceled");

/** "array" for an optional list, and so on. */
function kindOf(schema: unknown): string {
  const { def } = schema as { def: { type: string; innerType?: unknown } };
  return def.innerType === undefined ? def.type : kindOf(def.innerType);
}

/**
 * The query by its schema: a list where the schema has one, else one value.
 *
 * @throws INVALID_ARGUMENT
 */
function parseQuery<T extends z.ZodObject>(schema: T, name: string, query: RouteInput["query"]): z.output<T> {
  const isList = (field: string) => Object.hasOwn(schema.shape, field) && kindOf(schema.shape[field]) === "array";
  const plain = Object.entries(query).map(([field, values]) => [field, isList(field) || values.length > 1 ? values : values[0]]);
  return parseRequest(schema as unknown as z.ZodType<z.output<T>>, name, Object.fromEntries(plain));
}

function pairsOf(tags: readonly string[]): Record<string, string> {
  return Object.fromEntries(tags.map((tag) => [tag.slice(0, tag.indexOf("=")), tag.slice(tag.indexOf("=") + 1)]));
}

/** The job once it is final, or as it is after `forMs`. */
async function waitFor(api: ClientApi, clock: Clock, job: JobId, forMs: number): Promise<JobView> {
  const endMs = clock.monotonicMs() + forMs;
  let { cursor } = await api.changes({ cursor: null, waitMs: 0 });
  for (;;) {
    const view = await api.job({ id: job });
    const leftMs = endMs - clock.monotonicMs();
    if (isFinal(view.state) || leftMs <= 0) return view;
    ({ cursor } = await api.changes({ cursor, waitMs: leftMs }));
  }
}

async function resultOf(api: ClientApi, job: JobId): Promise<Pick<JobView, "id" | "outputs">> {
  const { id: of, state, outputs, reason } = await api.job({ id: job });
  if (state === "finished") return { id: of, outputs };
  const why = reason === null ? "" : `: ${reason}`;
  throw new XpcsError("REFUSED", `job ${of} has no result; it is ${state}${why}${isFinal(state) ? "" : "; wait for it first"}`);
}

export const ROUTES: readonly Route[] = [
  {
    ...{ method: "post", path: "/v1/jobs", name: "submit", summary: "Submit jobs. The same key and jobs make the same jobs once." },
    ...{ keyed: true, body: submitBody, status: 201, answer: idsShape },
    run: ({ api, body, key }) => api.submit({ ...(body as z.output<typeof submitBody>), key: key! }),
  },
  {
    ...{ method: "get", path: "/v1/jobs", name: "list", summary: "List jobs, newest first; all conditions must hold." },
    ...{ query: listQuery, status: 200, answer: pageShape },
    run: ({ api, query }) => {
      const { state: states, tag, ...rest } = parseQuery(listQuery, "list", query);
      const given = { states, tags: tag && pairsOf(tag), ...rest };
      return api.jobs(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as JobQuery);
    },
  },
  {
    ...{ method: "get", path: "/v1/jobs/:id", name: "job", summary: "One job.", status: 200, answer: jobShape },
    run: ({ api, params }) => api.job({ id: params.id! }),
  },
  {
    ...{ method: "get", path: "/v1/jobs/:id/explain", name: "explain", summary: "Why it is, or goes, where it does, and how it went." },
    ...{ status: 200, answer: explanationShape },
    run: ({ api, params }) => api.explain({ id: params.id! }),
  },
  {
    ...{ method: "patch", path: "/v1/jobs/:id", name: "modify", summary: "Change what a job asks for, before it runs.", body: changes },
    ...{ status: 200, answer: jobShape },
    run: async ({ api, params, body }) => {
      await api.modify({ ids: [params.id!], changes: body as z.output<typeof changes> });
      return api.job({ id: params.id! });
    },
  },
  {
    ...{ method: "get", path: "/v1/jobs/:id/wait", name: "wait", summary: "The job once it has ended, or as it is after waitMs." },
    ...{ query: waitQuery, status: 200, answer: jobShape },
    run: ({ api, clock, params, query }) => waitFor(api, clock, params.id!, parseQuery(waitQuery, "wait", query).waitMs),
  },
  {
    ...{
      method: "get",
      path: "/v1/jobs/:id/result",
      name: "result",
      summary: "The published files of a finished job, with their digests.",
    },
    ...{ status: 200, answer: resultShape },
    run: ({ api, params }) => resultOf(api, params.id!),
  },
  {
    ...{
      method: "get",
      path: "/v1/jobs/:id/live",
      name: "live",
      summary:
        "What is known of a stream that runs: at once if it is newer than the cursor, else when there is more, or when the job ends.",
    },
    ...{ query: liveQuery, status: 200, answer: livePartShape },
    run: ({ api, params, query }) => {
      const { cursor = null, waitMs: forMs } = parseQuery(liveQuery, "live", query);
      return api.live({ id: params.id!, cursor, waitMs: forMs });
    },
  },
  {
    ...{
      method: "get",
      path: "/v1/jobs/:id/logs",
      name: "logs",
      summary: "What an attempt has written from offset on: at once if there is any, else when there is, or when the attempt ends.",
    },
    ...{ query: logsQuery, status: 200, answer: logShape },
    run: async ({ api, params, query }) => {
      const { attempt, ...rest } = parseQuery(logsQuery, "logs", query);
      const { epoch, ...part } = await api.logs({ id: params.id!, ...rest, ...(attempt === undefined ? {} : { epoch: attempt }) });
      return { attempt: epoch, ...part };
    },
  },
  {
    ...{
      method: "post",
      path: "/v1/jobs/:id/cancel",
      name: "cancel",
      summary: "Cancel a job, also a running one.",
      status: 200,
      answer: canceledShape,
    },
    run: ({ api, params }) => api.cancel({ ids: [params.id!] }),
  },
  {
    ...{
      method: "post",
      path: "/v1/jobs/:id/retry",
      name: "retry",
      summary: "Let a failed or canceled job begin anew.",
      body: retryBody.default({}),
    },
    ...{ status: 200, answer: retriedShape },
    run: ({ api, params, body }) => api.retry({ ids: [params.id!], children: (body as z.output<typeof retryBody>).children === true }),
  },
  {
    ...{
      method: "get",
      path: "/v1/events",
      name: "events",
      summary: "Jobs that changed since the cursor: at once if there are any, else when there are.",
    },
    ...{ query: eventsQuery, status: 200, answer: eventsShape },
    run: ({ api, query }) => {
      const { cursor = null, waitMs: forMs } = parseQuery(eventsQuery, "events", query);
      return api.changes({ cursor, waitMs: forMs });
    },
  },
  {
    ...{ method: "get", path: "/v1/me", name: "me", summary: "Whose token this is, and what it may do.", status: 200, answer: meShape },
    run: async ({ principal: { person, role, experiment: only } }) => ({ person, role, experiment: only }),
  },
  {
    ...{ method: "get", path: "/v1/sites", name: "sites", summary: "The sites and what they are doing.", status: 200, answer: sitesShape },
    run: ({ api }) => api.sites({}),
  },
  {
    ...{ method: "get", path: "/v1/downtimes", name: "downtimes", summary: "When sites are not there, and the feeds that tell." },
    ...{ status: 200, answer: downtimesShape },
    run: ({ api }) => api.downtimes({}),
  },
  {
    ...{ method: "post", path: "/v1/downtimes", name: "addDowntime", summary: "Say when a site is not there. The key is its id." },
    ...{ keyed: true, body: newDowntime, status: 201, answer: downtimeShape },
    run: ({ api, body, key }) => api.addDowntime({ ...(body as z.output<typeof newDowntime>), id: key! }),
  },
  {
    ...{ method: "post", path: "/v1/downtimes/:id/remove", name: "removeDowntime", summary: "Remove a downtime, also one of a feed." },
    ...{ status: 200, answer: downtimeShape },
    run: ({ api, params }) => api.removeDowntime({ id: params.id! }),
  },
  {
    ...{ method: "post", path: "/v1/sites/:id/probation", name: "probation", summary: "Put a site on probation, or lift that (null)." },
    ...{ body: probationBody, status: 200, answer: nothingShape },
    run: ({ api, params, body }) => api.setProbation({ ...(body as z.output<typeof probationBody>), site: params.id! }),
  },
];
