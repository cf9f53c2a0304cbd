/** What the HTTP interface answers, as schemas: for its description (openapi.ts) and for the tests that hold answers against it. */
import { z } from "zod";
import { ROLES } from "../core/access.js";
import { DOWNTIME_KINDS, type DowntimeView, FACILITY_STATES, type FeedView } from "../core/downtime.js";
import { ERROR_CODES, type ErrorCode } from "../core/errors.js";
import { JOB_STATES, PARENT_POLICIES, type SelfTest } from "../core/job.js";

const time = z.iso.datetime();
const timeOrNull = time.nullable();
const textOrNull = z.string().nullable();
const code = z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]);

const attempt = z.object({
  site: z.string(),
  epoch: z.int(),
  startedAt: time,
  finishedAt: time.optional(),
  outcome: z.enum(["running", "finished", "failed", "lost", "returned", "canceled"]),
  duplicate: z.literal(true).optional().describe("it began beside another attempt, in case it answers sooner"),
  code: code.optional(),
  reason: z.string().optional(),
});
const output = z.object({ path: z.string(), bytes: z.int(), sha256: z.string() });

/** Not strict: a later version of central may tell more. */
export const jobShape = z.object({
  id: z.string(),
  app: z.string(),
  owner: textOrNull,
  type: z.string(),
  state: z.enum(JOB_STATES),
  reason: textOrNull.describe("what it waits for, or what failed"),
  since: time,
  site: textOrNull,
  why: textOrNull.describe("why this site"),
  epoch: z.int(),
  attempts: z.array(attempt),
  inputs: z.array(z.string()),
  outputs: z.array(output),
  experiment: z.string(),
  parents: z.array(z.string()),
  onParentFailure: z.enum(PARENT_POLICIES),
  priority: z.int(),
  deadline: timeOrNull,
  resources: z.record(z.string(), z.union([z.number(), z.array(z.string())])),
  attemptsMax: z.int(),
  tags: z.record(z.string(), z.string()),
  progress: z.number().min(0).max(1).nullable(),
  submittedAt: time,
  startedAt: timeOrNull,
  finishedAt: timeOrNull,
  archived: z.boolean(),
  crossCheck: z
    .object({
      agreed: z.boolean(),
      wrong: textOrNull.describe("site whose result differs from two that agree"),
      reason: z.string(),
      runs: z.array(z.object({ site: z.string(), host: z.string(), sha256: z.string() })),
    })
    .optional()
    .describe("how its result compares with that of other sites"),
});

const downtime = z.object({
  id: z.string(),
  site: z.string(),
  from: time,
  to: timeOrNull.describe("null: nobody knows"),
  kind: z.enum(DOWNTIME_KINDS),
  source: z.string().describe("hand, token, allocation, or the name of a feed"),
  fetchedAt: time.describe("when the source last said so"),
  text: z.string(),
  state: z.enum(["in-force", "to-come", "degraded", "removed"]),
  by: textOrNull.describe("who entered it, or had it removed"),
} satisfies Record<keyof DowntimeView, z.ZodType>);

const feed = z.object({
  name: z.string(),
  kind: z.string(),
  state: z.enum(["fresh", "stale", "waiting"]),
  heardAt: timeOrNull,
  reason: textOrNull.describe("what went wrong at the last try"),
  sites: z.array(
    z.object({ site: z.string(), resource: z.string(), now: z.enum(FACILITY_STATES), schedule: z.enum(["known", "unknown"]) }),
  ),
} satisfies Record<keyof FeedView, z.ZodType>);

export const siteShape = z.object({
  name: z.string(),
  state: z.enum(["up", "silent", "draining", "probation", "down", "gone"]),
  reason: textOrNull.describe("why it takes no work, or will take none"),
  downtime: downtime.nullable().describe("the one in force, or the next one"),
  probation: z
    .object({ since: time, reason: z.string(), failures: z.int(), triedAt: time })
    .nullable()
    .describe("it failed what others finished, and gets one job at a time"),
  facility: z.enum(FACILITY_STATES).nullable().describe("what the feeds of its facility say now"),
  slots: z.int(),
  running: z.int(),
  apps: z.array(z.string()),
  capacity: z.record(z.string(), z.union([z.number().nullable(), z.array(z.string())])).nullable(),
  host: z.string(),
  lastSeenAt: time,
  finishedJobs: z.int(),
  meanRunS: z.number().nullable(),
  stageInBytesPerS: z.number().nullable(),
  stageOutBytesPerS: z.number().nullable(),
  answerOverPromise: z.number().nullable().describe("time from grant to answer of late, over what was promised"),
  selfTest: z
    .object({
      at: time,
      eventsPerCoreS: z.number().optional(),
      queueWaitS: z.number().optional(),
      inBytesPerS: z.number().optional(),
      outBytesPerS: z.number().optional(),
    } satisfies Record<keyof SelfTest, z.ZodType>)
    .nullable(),
  crossChecks: z
    .object({ agreed: z.int(), differed: z.int(), wrong: z.int() })
    .optional()
    .describe("runs that were compared with those of other sites"),
});

const stagesMs = z.object({ stageIn: z.number(), allocation: z.number(), ahead: z.number(), run: z.number(), stageOut: z.number() });
const promised = z.object({
  ms: z.number(),
  sdMs: z.number(),
  stagesMs,
  next: z.object({ site: z.string(), ms: z.number() }).nullable().describe("the next best site"),
});
export const explanationShape = z.object({
  job: z.string(),
  state: z.enum(JOB_STATES),
  policy: z.string(),
  site: textOrNull,
  why: z.string(),
  sites: z.array(
    z.object({
      site: z.string(),
      unable: textOrNull.describe("why it cannot have the job"),
      ms: z.number().nullable(),
      sdMs: z.number().nullable(),
      stagesMs,
      runBy: textOrNull,
      runs: z.int(),
    }),
  ),
  promised: promised.nullable(),
  happened: z.object({ ms: z.number(), stagesMs, ratio: z.number().nullable() }).nullable(),
});

export const idsShape = z.object({ jobs: z.array(z.string()) });
export const pageShape = z.object({ jobs: z.array(jobShape), next: textOrNull.describe("pass it as `after` for the next page") });
export const eventsShape = z.object({ cursor: z.string(), jobs: z.array(jobShape) });
export const resultShape = z.object({ id: z.string(), outputs: z.array(output) });
export const logShape = z.object({
  attempt: z.int().describe("the epoch of the attempt that wrote it; 0: there is none yet"),
  text: z.string(),
  next: z.int().describe("pass it as `offset` for what follows, bytes"),
  ended: z.boolean().describe("the attempt has ended and nothing follows"),
});
export const canceledShape = z.object({ canceled: z.array(z.string()), alreadyFinal: z.array(z.string()) });
export const retriedShape = z.object({ retried: z.array(z.string()) });
export const meShape = z.object({
  person: z.string(),
  role: z.enum(ROLES),
  experiment: textOrNull.describe("the only one that it sees; null: all"),
});
export const downtimesShape = z.object({ downtimes: z.array(downtime), feeds: z.array(feed) });
export const downtimeShape = z.object({ downtime });
export const nothingShape = z.object({});
export const sitesShape = z.object({ sites: z.array(siteShape) });
export const errorShape = z.object({ error: z.object({ code, message: z.string() }) });
export const healthShape = z.object({ status: z.enum(["ok", "failed"]), version: z.string(), jobs: z.int(), sites: z.int() });
