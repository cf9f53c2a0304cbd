/**
 * What a peer may ask, checked field by field before any actor sees it. The shapes are those of core/protocols.ts; the compiler
 * compares them. Bounds come from core/limits.ts.
 */
import { z } from "zod";
import { ROLES, type TokenRequest } from "../core/access.js";
import { ERROR_CODES, type ErrorCode, XpcsError } from "../core/errors.js";
import { JOB_STATES } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import { type ClientApi, type Gate, LOG_STREAMS, type WorkSource } from "../core/protocols.js";
import {
  capacity,
  changes,
  count,
  downtimeId,
  experiment,
  id,
  name,
  newDowntime,
  path,
  plainText,
  positive,
  selfTest,
  sha256,
  tags,
  time,
  withoutUndefined,
} from "./job-schemas.js";
import { liveShape } from "./live-shapes.js";
import { specs } from "./similar-jobs.js";

const lease = z.object({ job: id, epoch: positive });
const ids = z.array(id).min(1).max(LIMITS.submitJobsMax);
const leases = z.array(lease).max(LIMITS.heldLeasesMax);
const waitMs = z.number().min(0).max(LIMITS.longPollMs);
const process = { site: name, instance: id };
const progress = z.number().min(0).max(1).nullable();
const code = z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]);
const reason = z
  .string()
  .max(4 * LIMITS.reasonCharsMax)
  .transform((text) => text.slice(0, LIMITS.reasonCharsMax));
const output = z.object({ path, bytes: count, sha256 });
const secret = z.string().max(256);
const tokenRequest: z.ZodType<TokenRequest> = z
  .strictObject({
    hash: sha256,
    role: z.enum(ROLES),
    person: plainText(64).min(1),
    experiment: experiment.optional(),
    site: name.optional(),
    validS: z.number().min(1).max(LIMITS.tokenValidMaxS).nullable(),
    join: z.boolean().optional(),
  })
  .transform((token) => withoutUndefined(token));
const summary = z.record(
  z.string().max(LIMITS.tagCharsMax),
  z.union([z.string().max(LIMITS.reasonCharsMax), z.number(), z.boolean(), z.null()]),
);
const stream = z.enum(LOG_STREAMS);
const empty = z.strictObject({});

type Requests<I> = { readonly [K in keyof I]: I[K] extends (request: infer R) => unknown ? z.ZodType<R> : never };

export const GATE_REQUESTS: Requests<Gate> = {
  // Not strict: what a newer peer adds must not hide which version it has.
  authenticate: z.object({ token: secret, version: z.string().max(64), party: z.enum(["client", "site"]) }),
  exchangeCode: z.object({ code: secret, hash: sha256, version: z.string().max(64) }),
};

export const CLIENT_REQUESTS: Requests<ClientApi> = {
  submit: z.strictObject({
    key: z.string().regex(/^[ -~]{1,128}$/, "must be 1 to 128 printable ASCII characters"),
    jobs: specs,
  }),
  jobs: z
    .strictObject({
      states: z.array(z.enum(JOB_STATES)).max(JOB_STATES.length).optional(),
      tags: tags.optional(),
      experiment: experiment.optional(),
      app: name.optional(),
      site: name.optional(),
      owner: plainText(LIMITS.tagCharsMax).optional(),
      parent: id.optional(),
      submittedAfter: time.optional(),
      submittedBefore: time.optional(),
      ids: z.array(id).max(LIMITS.submitJobsMax).optional(),
      archived: z.boolean().optional(),
      limit: positive.max(LIMITS.pageJobsMax).optional(),
      after: id.optional(),
    })
    .transform((query) => withoutUndefined(query)),
  job: z.strictObject({ id }),
  explain: z.strictObject({ id }),
  sites: empty,
  cancel: z.strictObject({ ids }),
  modify: z.strictObject({ ids, changes }),
  retry: z.strictObject({ ids, children: z.boolean().optional() }).transform((request) => withoutUndefined(request)),
  changes: z.strictObject({ cursor: z.string().max(128).nullable(), waitMs }),
  live: z.strictObject({ id, cursor: z.string().max(64).nullable(), waitMs }),
  logs: z.strictObject({ id, epoch: positive.optional(), stream, offset: count, waitMs }).transform((request) => withoutUndefined(request)),
  addToken: tokenRequest,
  tokens: empty,
  revokeToken: z.strictObject({ id, descendants: z.boolean().optional() }).transform((request) => withoutUndefined(request)),
  backup: z.strictObject({ id: id.nullable(), part: count }),
  archiveExperiment: z.strictObject({ experiment, id: id.nullable(), part: count }),
  removeExperiment: z.strictObject({ experiment, jobs: positive, sequence: positive }),
  downtimes: empty,
  addDowntime: newDowntime.extend({ id: downtimeId }),
  removeDowntime: z.strictObject({ id: downtimeId }),
  setProbation: z.strictObject({ site: name, reason: plainText(LIMITS.tagCharsMax).min(1).nullable() }),
};

/** Not strict: a site of the next minor version may tell more than this central understands, and works all the same. */
export const WORK_REQUESTS: Requests<WorkSource> = {
  join: z
    .object({
      ...process,
      host: plainText(LIMITS.tagCharsMax),
      slots: positive.max(LIMITS.siteSlotsMax),
      apps: z.array(name).max(64),
      capacity: capacity.optional(),
      prefetch: count.max(LIMITS.siteSlotsMax).optional(),
      pilotOf: name.optional(),
      selfTest: selfTest.optional(),
      endsInS: count.optional(),
      queueWaitS: z.number().min(0).max(LIMITS.resourceMax).optional(),
      exclusive: z.array(name).max(64).optional(),
      held: leases,
    })
    .transform((request) => withoutUndefined(request)),
  lease: z
    .object({ ...process, slots: count.max(LIMITS.siteSlotsMax), jobsMax: count.max(LIMITS.siteSlotsMax).optional(), waitMs })
    .transform((request) => withoutUndefined(request)),
  renew: z
    .object({
      ...process,
      held: z
        .array(
          z
            .object({
              job: id,
              epoch: positive,
              state: z.enum(["staged-in", "running", "staged-out"]),
              progress,
              reason: reason.optional(),
              filesInMs: count.max(LIMITS.filesInMsMax).optional(),
            })
            .transform((held) => withoutUndefined(held)),
        )
        .max(LIMITS.heldLeasesMax),
      draining: reason.optional(),
    })
    .transform((request) => withoutUndefined(request)),
  complete: z.object({
    ...process,
    lease,
    outputs: z.array(output).max(64),
    summary,
    startedAtMs: z.number(),
    finishedAtMs: z.number(),
  }),
  fail: z.object({ ...process, lease, code, reason }),
  giveBack: z.object({ ...process, leases, reason }),
  pushLog: z.object({
    ...process,
    lease,
    stream,
    offset: count,
    data: z.instanceof(Uint8Array).refine((data) => data.length <= LIMITS.logChunkBytes, `has more than ${LIMITS.logChunkBytes} bytes`),
  }),
  pushLive: z.object({ ...process, lease, live: liveShape }),
  backlog: z
    .object({
      site: name,
      pilots: z.array(name).max(LIMITS.pilotsMax),
      slots: positive.max(LIMITS.siteSlotsMax),
      apps: z.array(name).max(64),
      capacity,
      submitters: z
        .object({ persons: z.array(plainText(LIMITS.tagCharsMax)).max(1_000), experiments: z.array(z.string().max(200)).max(1_000) })
        .optional(),
      says: reason.optional(),
      pilotsMax: count.max(LIMITS.pilotsMax).optional(),
      selfTest: selfTest.optional(),
    })
    .transform((request) => withoutUndefined(request)),
  leave: z.object(process),
};

/**
 * `request` as the schema's type.
 *
 * @throws INVALID_ARGUMENT naming the first field that is wrong
 */
export function parseRequest<T>(schema: z.ZodType<T>, method: string, request: unknown): T {
  const parsed = schema.safeParse(request);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? "the request" : issue.path.join(".");
  throw new XpcsError("INVALID_ARGUMENT", `${method}: ${where}: ${issue?.message ?? "not valid"}`);
}
