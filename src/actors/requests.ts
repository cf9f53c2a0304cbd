/**
 * What a peer may ask, checked field by field before any actor sees it. The shapes are those of core/protocols.ts; the compiler
 * compares them. Bounds come from core/limits.ts.
 */
import { isAbsolute } from "node:path";
import { z } from "zod";
import { ROLES, type TokenRequest } from "../core/access.js";
import {
  ANALYSIS_TYPES,
  AVERAGINGS,
  COMPRESSIONS,
  type CorrOptions,
  ERROR_CONVENTIONS,
  FORMATS,
  LAYOUTS,
  NORMALIZATIONS,
  PIXEL_ORDERS,
  SMOOTHING_FILTERS,
  SMOOTHINGS,
} from "../core/analysis.js";
import { ERROR_CODES, type ErrorCode, XpcsError } from "../core/errors.js";
import { EXPERIMENT_PATTERN, JOB_STATES, type JobSpec, type Work } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { ClientApi, Gate, WorkSource } from "../core/protocols.js";

const CONTROL_CHARACTERS = /\p{Cc}/u;
const plainText = (max: number) =>
  z
    .string()
    .max(max)
    .refine((text) => !CONTROL_CHARACTERS.test(text), "has control characters");
const name = z
  .string()
  .max(64)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "is no name: letters, digits, and . _ - after the first");
const id = z.string().min(1).max(64);
const path = plainText(LIMITS.pathCharsMax).refine(isAbsolute, "must be an absolute path");
const file = z.strictObject({ path });
const count = z.int().min(0);
const positive = z.int().min(1);
const tags = z
  .record(plainText(LIMITS.tagCharsMax).min(1), plainText(LIMITS.tagCharsMax))
  .refine((record) => Object.keys(record).length <= LIMITS.tagsMax, `has more than ${LIMITS.tagsMax} tags`);

/** What zod calls optional may be present and undefined; ours is absent, or has a value. */
function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

const corrOptions = z.strictObject({
  type: z.enum(ANALYSIS_TYPES).optional(),
  begin: positive.optional(),
  end: positive.optional(),
  stride: positive.optional(),
  average: positive.optional(),
  dpl: positive.optional(),
  threads: positive.max(LIMITS.threadsMax).optional(),
  g2out: z.boolean().optional(),
  layout: z.enum(LAYOUTS).optional(),
  exchange: plainText(LIMITS.tagCharsMax).optional(),
  entry: plainText(LIMITS.tagCharsMax).optional(),
  compat: z.literal("xpcs-eigen").optional(),
  errors: z.enum(ERROR_CONVENTIONS).optional(),
  averaging: z.enum(AVERAGINGS).optional(),
  partials: positive.optional(),
  format: z.enum(FORMATS).optional(),
  unsigned: z.boolean().optional(),
  pixelOrder: z.enum(PIXEL_ORDERS).optional(),
  firstFrame: count.optional(),
  frameTimeS: z.number().positive().optional(),
  qBins: z.array(positive).min(1).max(LIMITS.qBinsMax).optional(),
  smoothing: z.enum(SMOOTHINGS).optional(),
  smoothingFilter: z.enum(SMOOTHING_FILTERS).optional(),
  window: positive.optional(),
  compression: z.enum(COMPRESSIONS).optional(),
  memoryGb: z.number().positive().optional(),
  badFrames: plainText(LIMITS.badFramesCharsMax).optional(),
  normalize: z.enum(NORMALIZATIONS).optional(),
} satisfies Record<keyof CorrOptions, z.ZodType>);

const corrJob = z
  .strictObject({
    app: z.literal("xpcs.corr"),
    input: file.optional(),
    qmap: file.optional(),
    job: file.optional(),
    metadata: file.optional(),
    out: file,
    overwrite: z.boolean(),
    options: corrOptions.transform((options) => withoutUndefined(options)),
  })
  .refine(({ qmap, job }) => qmap !== undefined || job !== undefined, "needs a q-map (qmap) or a job file (job)")
  .refine(({ input, job }) => input !== undefined || job !== undefined, "needs an input, or a job file that names one")
  .transform((job) => withoutUndefined(job));

const noopJob = z.strictObject({ app: z.literal("xpcs.noop"), durationMs: z.number().min(0).max(86_400_000) });
const work: z.ZodType<Work> = z.discriminatedUnion("app", [corrJob, noopJob]) as z.ZodType<Work>;

const experiment = z.string().regex(EXPERIMENT_PATTERN, "is no experiment: CYCLE/NAME, such as 2026-3/smith");

const spec: z.ZodType<JobSpec> = z
  .strictObject({ work, experiment: experiment.optional(), tags, attemptsMax: positive.max(LIMITS.attemptsMaxMax), site: name.optional() })
  .transform((job) => withoutUndefined(job)) as z.ZodType<JobSpec>;

const lease = z.object({ job: id, epoch: positive });
const leases = z.array(lease).max(LIMITS.heldLeasesMax);
const waitMs = z.number().min(0).max(LIMITS.longPollMs);
const process = { site: name, instance: id };
const progress = z.number().min(0).max(1).nullable();
const code = z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]);
const reason = z
  .string()
  .max(4 * LIMITS.reasonCharsMax)
  .transform((text) => text.slice(0, LIMITS.reasonCharsMax));
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "is no SHA-256 in hex");
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
    jobs: z.array(spec).min(1).max(LIMITS.submitJobsMax),
  }),
  jobs: z
    .strictObject({
      states: z.array(z.enum(JOB_STATES)).max(JOB_STATES.length).optional(),
      tags: tags.optional(),
      experiment: experiment.optional(),
      ids: z.array(id).max(LIMITS.submitJobsMax).optional(),
      limit: positive.max(LIMITS.pageJobsMax).optional(),
      after: id.optional(),
    })
    .transform((query) => withoutUndefined(query)),
  job: z.strictObject({ id }),
  sites: empty,
  cancel: z.strictObject({ ids: z.array(id).min(1).max(LIMITS.submitJobsMax) }),
  changes: z.strictObject({ cursor: z.string().max(128).nullable(), waitMs }),
  addToken: tokenRequest,
  tokens: empty,
  revokeToken: z.strictObject({ id }),
};

/** Not strict: a site of the next minor version may tell more than this central understands, and works all the same. */
export const WORK_REQUESTS: Requests<WorkSource> = {
  join: z.object({
    ...process,
    host: plainText(LIMITS.tagCharsMax),
    slots: positive.max(LIMITS.siteSlotsMax),
    apps: z.array(name).max(64),
    held: leases,
  }),
  lease: z.object({ ...process, slots: count.max(LIMITS.siteSlotsMax), waitMs }),
  renew: z.object({
    ...process,
    held: z
      .array(z.object({ job: id, epoch: positive, state: z.enum(["staged-in", "running", "staged-out"]), progress }))
      .max(LIMITS.heldLeasesMax),
  }),
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
