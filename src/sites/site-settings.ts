/** The settings file of a site (docs/settings.md): its rules as plain data. */
import { z } from "zod";
import { FEATURE_CHARS_MAX, FEATURE_PATTERN, FEATURES_MAX } from "../core/features.js";
import { EXPERIMENT_PATTERN } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import { folderSetting, LOCATIONS } from "./locations.js";
import { DEFAULT_SUPERVISION, type HostRules, type RestartRules } from "./supervision.js";

const group = z.string().regex(/^[A-Za-z0-9_.{}-]{1,64}$/, "is no name of a group");
const results = z.strictObject({
  mode: z
    .string()
    .regex(/^0?[4-7][0-7]{2}$/, "must be an octal mode that its owner may read, such as 0640")
    .transform((text) => Number.parseInt(text, 8))
    .optional(),
  group: group
    .refine((text) => !/[{}]/.test(text.replace(/\{(cycle|name)\}/g, "")), "may have {cycle} and {name} in it, nothing else in braces")
    .optional(),
  groups: z.record(z.string().regex(EXPERIMENT_PATTERN, "is no experiment: CYCLE/NAME"), group).default({}),
});
/** Null: anywhere. */
const roots = z.strictObject({ read: z.array(folderSetting), write: z.array(folderSetting) }).nullable();
const ms = (least: number) => z.number().min(least).max(86_400_000);
const { restart, hosts } = DEFAULT_SUPERVISION;
const supervision = z.strictObject({
  restart: z
    .strictObject({
      firstMs: ms(0).default(restart.firstMs),
      factor: z.number().min(1).max(100).default(restart.factor),
      maxMs: ms(0).default(restart.maxMs),
      endsMax: z.int().min(0).default(restart.endsMax),
      withinMs: ms(1).default(restart.withinMs),
    } satisfies Record<keyof RestartRules, z.ZodType>)
    .prefault({}),
  hosts: z
    .strictObject({
      memoryGb: z.number().min(0.1).nullable().default(hosts.memoryGb),
      niceness: z.int().min(0).max(19).default(hosts.niceness),
      startMs: ms(1_000).default(hosts.startMs),
      silenceMs: ms(4_000).default(hosts.silenceMs),
    } satisfies Record<keyof HostRules, z.ZodType>)
    .prefault({}),
});

const person = z.string().min(1).max(LIMITS.tagCharsMax);
const OF_A_CYCLE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\/\*$/;
const experiments = z
  .string()
  .refine((text) => EXPERIMENT_PATTERN.test(text) || OF_A_CYCLE.test(text), "is no experiment: CYCLE/NAME, or CYCLE/* for all of a cycle");
const submitters = z
  .strictObject({ persons: z.array(person).max(1_000).default([]), experiments: z.array(experiments).max(1_000).default([]) })
  .refine((rule) => rule.persons.length + rule.experiments.length > 0, "names nobody, so that the site would take no job");

/** What a settings file of a site may hold. */
export const SITE_SETTINGS = z.strictObject({
  results: results.prefault({}),
  /** Null: everybody's jobs. */
  submitters: submitters.nullable().default(null),
  roots: roots.default(null),
  locations: LOCATIONS,
  /** Null: one where a location is not on a shared file system. */
  prefetch: z.int().min(0).max(LIMITS.siteSlotsMax).nullable().default(null),
  /** Null: no bound but slots and prefetch. */
  transfersMax: z.int().min(1).max(LIMITS.siteSlotsMax).nullable().default(null),
  cache: z.strictObject({ gb: z.number().min(0).default(20) }).prefault({}),
  supervision: supervision.prefault({}),
  /** Beside those of its processors, which it finds. */
  features: z
    .array(z.string().max(FEATURE_CHARS_MAX).regex(FEATURE_PATTERN, "is no feature: NAME or NAME=VERSION"))
    .max(FEATURES_MAX / 2)
    .default([]),
});
