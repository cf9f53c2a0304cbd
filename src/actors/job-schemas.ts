/**
 * The shape of a job as a peer may ask for it, checked field by field: what core/job.ts and core/analysis.ts declare, with the bounds of
 * core/limits.ts. The compiler compares the fields.
 */
import { isAbsolute } from "node:path";
import { z } from "zod";
import {
  ANALYSIS_TYPES,
  AVERAGINGS,
  C2_FORMS,
  COMPATS,
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
import { FEATURE_CHARS_MAX, FEATURE_PATTERN, FEATURES_MAX, NEED_PATTERN } from "../core/features.js";
import {
  BUILT_IN_PREFIX,
  type CommandJob,
  EXPERIMENT_PATTERN,
  type JobChanges,
  type JobSpec,
  PARENT_POLICIES,
  type Resources,
  type SelfTest,
  type SiteCapacity,
  type StreamJob,
  type Work,
} from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import { filesWithoutUse, isCompanionName, type StreamFiles } from "../core/live.js";
import { isDialed, SOURCE_FORMS } from "../core/stream-source.js";
import { POLICIES } from "../router/registry.js";
import { parseUntil } from "../stream/until.js";

export const CONTROL_CHARACTERS = /\p{Cc}/u;
export const plainText = (max: number) =>
  z
    .string()
    .max(max)
    .refine((text) => !CONTROL_CHARACTERS.test(text), "has control characters");
export const name = z
  .string()
  .max(64)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "is no name: letters, digits, and . _ - after the first");
/** Name of a command's parameter: what `{name}` in its template can be. */
const parameterName = z.string().regex(/^[a-z][A-Za-z0-9_]{0,63}$/, "is no name of a parameter");
export const id = z.string().min(1).max(64);
export const downtimeId = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, "is no id of a downtime");
export const path = plainText(LIMITS.pathCharsMax)
  .refine(isAbsolute, "must be an absolute path")
  .refine((text) => !text.split("/").some((part) => part === ".." || part === "."), "has . or .. in it: write it without");
const file = z.strictObject({ path });
export const count = z.int().min(0);
export const positive = z.int().min(1);
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "is no SHA-256 in hex");
export const tags = z
  .record(plainText(LIMITS.tagCharsMax).min(1), plainText(LIMITS.tagCharsMax))
  .refine((record) => Object.keys(record).length <= LIMITS.tagsMax, `has more than ${LIMITS.tagsMax} tags`);

type Present<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** What zod calls optional may be present and undefined; ours is absent, or has a value. */
export function withoutUndefined<T extends object>(value: T): Present<T> {
  // Most values have nothing to leave out.
  for (const key in value) {
    if (value[key] !== undefined) continue;
    return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Present<T>;
  }
  return value as Present<T>;
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
  leverage: z.boolean().optional(),
  layout: z.enum(LAYOUTS).optional(),
  exchange: plainText(LIMITS.tagCharsMax).optional(),
  entry: plainText(LIMITS.tagCharsMax).optional(),
  compat: z.enum(COMPATS).optional(),
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
  c2: z.enum(C2_FORMS).optional(),
  compression: z.enum(COMPRESSIONS).optional(),
  streaming: z.boolean().optional(),
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
    monitor: z
      .strictObject({ path, dataset: plainText(LIMITS.tagCharsMax).optional() })
      .transform(withoutUndefined)
      .optional(),
    parts: z.array(file).max(LIMITS.inputPartsMax).optional(),
    out: file,
    overwrite: z.boolean(),
    options: corrOptions.transform((options) => withoutUndefined(options)),
  })
  .refine(({ qmap, job }) => qmap !== undefined || job !== undefined, "needs a q-map (qmap) or a job file (job)")
  .refine(({ input, job }) => input !== undefined || job !== undefined, "needs an input, or a job file that names one")
  .transform((job) => withoutUndefined(job));

/** What can be told of a stream before it runs; the rest is the native core's to refuse. */
const streamOptions = corrOptions.pick({
  ...{ frameTimeS: true, dpl: true, averaging: true, threads: true, memoryGb: true, normalize: true },
});
const streamFiles = z
  .strictObject({
    settleMs: z.int().min(0).max(86_400_000).optional(),
    missingMs: z.int().min(0).max(86_400_000).optional(),
    companion: plainText(LIMITS.tagCharsMax).refine(isCompanionName, "must be a file's name with one * and something besides").optional(),
  } satisfies Record<keyof StreamFiles, z.ZodType>)
  .transform((files) => withoutUndefined(files));
const streamJob = z
  .strictObject({
    app: z.literal("xpcs.stream"),
    source: plainText(LIMITS.pathCharsMax).refine(
      (text) => isAddress(text) || path.safeParse(text).success,
      `must be ${SOURCE_FORMS}; paths are absolute`,
    ),
    qmap: file,
    metadata: file.optional(),
    out: file,
    overwrite: z.boolean(),
    options: streamOptions.transform((options) => withoutUndefined(options)),
    everyMs: z
      .int()
      .min(50)
      .max(1_000 * LIMITS.liveEveryMaxS),
    until: plainText(LIMITS.reasonCharsMax)
      .refine((text) => untilFault(text) === null, { error: ({ input }) => untilFault(String(input)) ?? "" })
      .optional(),
    framesMax: positive.max(2 ** 52).optional(),
    patienceMs: positive.max(86_400_000),
    files: streamFiles.optional(),
  } satisfies Record<keyof StreamJob, z.ZodType>)
  .superRefine(({ source, files }, context) => {
    // What is wrong with the source itself is said of it.
    if (files === undefined || !isAddress(source)) return;
    for (const option of filesWithoutUse("dialed", files as StreamFiles))
      context.addIssue({ code: "custom", path: ["files", option], message: "is for files, and the source is dialed" });
  })
  .transform((job) => withoutUndefined(job));

function isAddress(source: string): boolean {
  try {
    return isDialed(source);
  } catch {
    return false;
  }
}

/** Null: it can be waited for. */
function untilFault(text: string): string | null {
  try {
    parseUntil(text);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

const noopJob = z.strictObject({ app: z.literal("xpcs.noop"), durationMs: z.number().min(0).max(86_400_000) });
const named = <T extends z.ZodType>(value: T) =>
  z
    .record(parameterName, value)
    .refine((record) => Object.keys(record).length <= LIMITS.commandFieldsMax, `has more than ${LIMITS.commandFieldsMax} fields`);
const commandJob = z.strictObject({
  app: name.refine((app) => !app.startsWith(BUILT_IN_PREFIX), "is none of the built-in apps"),
  parameters: named(z.union([plainText(LIMITS.pathCharsMax), z.number(), z.boolean()])),
  inputs: named(file),
  outputs: named(file),
  overwrite: z.boolean(),
} satisfies Record<keyof CommandJob, z.ZodType>);
const builtIn = z.discriminatedUnion("app", [corrJob, streamJob, noopJob]);
const { $schema: _dialect, ...workAsJsonSchema } = z.toJSONSchema(z.union([builtIn, commandJob]), { io: "input", unrepresentable: "any" });
/** Which of the two it is decides what is wrong with it; a description of the interface shows both. */
const described = z.unknown().meta(workAsJsonSchema as Record<string, unknown>);
const work: z.ZodType<Work> = described.transform((value, context): Work => {
  const isBuiltIn = ["xpcs.corr", "xpcs.stream", "xpcs.noop"].includes((value as { app?: string } | null)?.app ?? "");
  const parsed = (isBuiltIn ? builtIn : commandJob).safeParse(value);
  if (parsed.success) return parsed.data as Work;
  context.issues.push(...(parsed.error.issues as unknown as typeof context.issues));
  return z.NEVER;
});

export const experiment = z.string().regex(EXPERIMENT_PATTERN, "is no experiment: CYCLE/NAME, such as 2026-3/smith");

/** Words of features, each like the pattern. */
const words = (pattern: RegExp, otherwise: string) =>
  z.array(z.string().max(FEATURE_CHARS_MAX).regex(pattern, otherwise)).max(FEATURES_MAX);
const share = z.number().min(0).max(LIMITS.resourceMax);
const whole = z.int().min(0).max(LIMITS.resourceMax);
const resources: z.ZodType<Resources> = z
  .strictObject({
    slots: positive.max(LIMITS.siteSlotsMax).optional(),
    cores: whole.optional(),
    memoryGb: share.optional(),
    gpus: whole.optional(),
    nodes: positive.max(LIMITS.resourceMax).optional(),
    walltimeS: z.number().positive().max(LIMITS.resourceMax).optional(),
    features: words(NEED_PATTERN, "is no feature: NAME, NAME=VERSION or NAME>=VERSION").optional(),
  } satisfies Record<keyof Resources, z.ZodType>)
  .transform((needs) => withoutUndefined(needs)) as z.ZodType<Resources>;
export const capacity: z.ZodType<SiteCapacity> = z
  .object({
    cores: whole,
    memoryGb: share,
    gpus: whole,
    nodes: whole,
    walltimeS: z.number().positive().nullable(),
    features: words(FEATURE_PATTERN, "is no feature: NAME or NAME=VERSION").optional(),
  } satisfies Record<keyof SiteCapacity, z.ZodType>)
  .transform(({ features, ...amounts }) => (features === undefined ? amounts : { ...amounts, features }));
const rate = z.number().positive().max(LIMITS.rateMax);
export const selfTest: z.ZodType<SelfTest> = z
  .object({
    at: z.iso.datetime(),
    eventsPerCoreS: rate.optional(),
    queueWaitS: z.number().min(0).max(LIMITS.resourceMax).optional(),
    inBytesPerS: rate.optional(),
    outBytesPerS: rate.optional(),
  } satisfies Record<keyof SelfTest, z.ZodType>)
  .transform((test) => withoutUndefined(test));
/** A time in UTC. */
export const time = z.iso.datetime({ error: "must be a time in UTC, such as 2026-11-25T18:00:00Z" });
/** A downtime by hand, but for its id. */
export const newDowntime = z.strictObject({
  site: name,
  from: time,
  to: time.nullable(),
  text: plainText(LIMITS.tagCharsMax).default(""),
});
/** Fields that `modify` may change, but for those that null takes away. */
const changeable = {
  attemptsMax: positive.max(LIMITS.attemptsMaxMax),
  onParentFailure: z.enum(PARENT_POLICIES).optional(),
  priority: z.int().min(-LIMITS.priorityMax).max(LIMITS.priorityMax).optional(),
  retryDelayMs: count.max(LIMITS.retryDelayAskMaxMs).optional(),
  resources: resources.optional(),
};

export const spec: z.ZodType<JobSpec> = z
  .strictObject({
    work,
    experiment: experiment.optional(),
    tags,
    ...changeable,
    parents: z.array(id).max(LIMITS.parentsMax).optional(),
    deadline: time.optional(),
    site: name.optional(),
    policy: z.enum(Object.keys(POLICIES)).optional(),
    inputBytes: count.optional(),
    crossCheck: z.boolean().optional(),
  } satisfies Record<Exclude<keyof JobSpec, "checkOf">, z.ZodType>)
  .transform((job) => withoutUndefined(job)) as z.ZodType<JobSpec>;

export const changes: z.ZodType<JobChanges> = z
  .strictObject({
    ...changeable,
    attemptsMax: changeable.attemptsMax.optional(),
    tags: tags.optional(),
    deadline: time.nullable().optional(),
    site: name.nullable().optional(),
  } satisfies Record<keyof JobChanges, z.ZodType>)
  .transform((fields) => withoutUndefined(fields))
  .refine((fields) => Object.keys(fields).length > 0, "changes nothing") as z.ZodType<JobChanges>;
