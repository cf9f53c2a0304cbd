/** The shape of what sites tell of streams, and of what clients hear: checked, because a web page shows it. */
import { z } from "zod";
import { LIMITS } from "../core/limits.js";
import { type LiveBin, type LiveFit, type LiveGoal, type LiveSnapshot, STREAM_ENDS } from "../core/live.js";
import { count, plainText, positive } from "./job-schemas.js";

const values = z.array(z.number().nullable()).max(LIMITS.liveValuesMax);
const text = plainText(LIMITS.pathCharsMax);

const fit = z.object({
  tau: z.number(),
  tauError: z.number().nullable(),
  contrast: z.number(),
  contrastError: z.number().nullable(),
  baseline: z.number(),
} satisfies Record<keyof LiveFit, z.ZodType>);

const bin = z.object({
  bin: positive,
  q: z.number().nullable(),
  g2: values,
  error: values,
  pairs: z.array(z.number()).max(LIMITS.liveValuesMax),
  fit: fit.nullable(),
} satisfies Record<keyof LiveBin, z.ZodType>);

const goal = z.object({
  until: text,
  passes: count,
  worst: z.number().nullable(),
  worstBin: positive.nullable(),
  framesLeft: z.number().nullable(),
  leftS: z.number().nullable(),
} satisfies Record<keyof LiveGoal, z.ZodType>);

export const liveShape: z.ZodType<LiveSnapshot> = z
  .object({
    cursor: count,
    ended: z.enum(STREAM_ENDS).nullable(),
    note: text.nullable(),
    source: text,
    frames: count,
    missing: count,
    gaps: count,
    events: count,
    framesPerS: z.number(),
    eventsPerS: z.number(),
    frameTimeS: z.number().nullable(),
    repeatsAfter: z.number().nullable(),
    delays: z.array(z.number()).max(LIMITS.liveValuesMax),
    bins: z.array(bin).max(LIMITS.liveValuesMax),
    binsLeftOut: count,
    saxs: values.max(LIMITS.liveStaticMax),
    intensity: z.object({ framesPerRow: count, mean: z.array(z.number()).max(LIMITS.liveIntensityRows) }),
    goal: goal.nullable(),
  } satisfies Record<keyof LiveSnapshot, z.ZodType>)
  .refine(
    ({ bins }) =>
      bins.reduce((sum, { g2, error, pairs }) => sum + Math.max(g2.length, error.length, pairs.length), 0) <= LIMITS.liveValuesMax,
    `has more than ${LIMITS.liveValuesMax} values of g2`,
  );

export const livePartShape = z.object({
  cursor: z.string().nullable().describe("pass it as `cursor` for what follows"),
  epoch: z.int().describe("of the attempt that told; 0: none has"),
  live: liveShape.nullable().describe("null: nothing newer than the cursor"),
  ended: z.boolean().describe("the job has ended and nothing follows"),
});
