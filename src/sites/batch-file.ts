/** The file of a site's batch jobs (docs/schedulers/README.md): which scheduler, where the jobs' folders are, and what every job is given. */
import { isAbsolute } from "node:path";
import { z } from "zod";
import { LIMITS } from "../core/limits.js";
import type { ApiSettings } from "./api-settings.js";
import { settingsSchema } from "./batch-settings.js";
import { NODE_HOURS } from "./node-hours.js";
import { SCHEDULERS } from "./schedulers/registry.js";

const folder = z.string().refine((path) => isAbsolute(path) && !path.includes("\0"), "must be an absolute path");
const commands = (perMinute: number) =>
  z.strictObject({
    timeoutS: z.number().min(1).max(600).default(30),
    perMinute: z.int().min(1).max(10_000).default(perMinute),
  });
/** By default; a request costs a facility less than a command, and more of them are needed. */
const COMMANDS_PER_MINUTE = 30;
const REQUESTS_PER_MINUTE = 120;

/** How pilots get to central. */
const reach = z.discriminatedUnion("by", [
  z.strictObject({ by: z.literal("dialling") }),
  /** Of this machine: the name of an interface, or an address. */
  z.strictObject({ by: z.literal("relay"), interface: z.string().min(1).max(64), port: z.int().min(0).max(65_535).default(0) }),
  z.strictObject({ by: z.literal("folder") }),
]);
export type PilotWay = z.output<typeof reach>;

const pilots = z
  .strictObject({
    min: z.int().min(0).max(LIMITS.pilotsMax).default(0),
    max: z.int().min(0).max(LIMITS.pilotsMax).default(1),
    queuedMax: z.int().min(1).max(LIMITS.pilotsMax).default(1),
    idleS: z.int().min(1).max(86_400).default(120),
    everyS: z.number().min(1).max(3_600).default(15),
    /** Absent: none is shorter than the file's walltime. */
    walltimeMinS: z
      .int()
      .min(60)
      .max(30 * 86_400)
      .optional(),
    per: z.enum(["job", "node"]).default("job"),
    reach: reach.default({ by: "dialling" }),
  })
  .refine(({ min, max }) => min <= max, "min is more than max");

const word = z.string().regex(/^[^\0\r\n]{1,4096}$/, "is no word of a command line");
/** In place of the scheduler's own (docs/pilots.md). */
const launch = z.strictObject({ pilots: z.array(word).max(64).optional(), jobs: z.array(word).min(1).max(64).optional() });

function fileOf({ name, takes, api }: (typeof SCHEDULERS)[number]) {
  const common = {
    scheduler: z.literal(name),
    folder,
    commands: commands(api === undefined ? COMMANDS_PER_MINUTE : REQUESTS_PER_MINUTE).prefault({}),
    job: settingsSchema(takes),
    pilots: pilots.prefault({}),
    launch: launch.prefault({}),
    nodeHours: NODE_HOURS,
  };
  const far = { api: api?.settings } as unknown as { api: z.ZodOptional<z.ZodType<ApiSettings>> };
  return z.strictObject(api === undefined ? (common as typeof common & typeof far) : { ...common, ...far });
}

type Files = readonly [ReturnType<typeof fileOf>, ...ReturnType<typeof fileOf>[]];

/** What the file may hold. There is no scheduler by default. */
export const BATCH_FILE = z.discriminatedUnion("scheduler", SCHEDULERS.map(fileOf) as unknown as Files);
export type BatchFile = z.output<typeof BATCH_FILE>;
