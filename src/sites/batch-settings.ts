/** The settings of a site's batch jobs (docs/schedulers/README.md): what there is, and which scheduler takes which. */
import { z } from "zod";
import type { SubmitterRule } from "../core/submitters.js";

/** Of a queue, account or the like: no white space, no quotes, and none of the characters that separate such words in some scheduler. */
export const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.@+/-]{0,127}$/;
export const word = z.string().regex(NAME, "is no name: letters, digits and _ . @ + / -");
const line = z.string().regex(/^[^\0\r\n]*$/, "must be one line");
const jobId = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/, "is no id of a batch job");

const PERSON = /^[A-Za-z0-9][A-Za-z0-9 ._@/-]{0,99}$/;

/** A name as a listing takes it. */
export function listedName(name: string): string {
  const plain = name.replace(/[^A-Za-z0-9 ._@/-]/g, "_").slice(0, 100);
  return PERSON.test(plain) ? plain : `x${plain}`.slice(0, 100);
}

/** For whom a site's batch jobs are: the one person or experiment whose jobs it takes, else who runs it. */
export function batchPerson(submitters: SubmitterRule, user: string): string {
  const named = submitters === null ? [] : [...submitters.persons, ...submitters.experiments.filter((name) => !name.endsWith("*"))];
  const isOne = submitters !== null && submitters.persons.length + submitters.experiments.length === 1;
  return listedName((isOne ? named[0] : undefined) ?? user);
}

/** Every batch job has these. */
const COMMON = {
  nodes: z.int().min(1).max(100_000).default(1),
  walltimeS: z
    .int()
    .min(60)
    .max(30 * 86_400),
  /** For whom it is, in the scheduler's listing where that has a place for it. */
  person: z.string().regex(PERSON, "is no name for a listing: letters, digits, spaces and . _ @ / -").optional(),
  modules: z.array(word).max(64).default([]),
  lines: z.array(line).max(200).default([]),
};

/** Those that only some schedulers have. */
const OF_SOME = {
  queue: word,
  account: word,
  qos: word,
  /** Which nodes: Slurm's features with & | [ ], LSF's and Grid Engine's resource expressions, OAR's properties. */
  constraint: z.string().regex(/^[A-Za-z0-9_.&|[\]()*=<>!:,%-]{1,200}$/, "has a character that no expression of nodes has"),
  reservation: word,
  /** Runs after these batch jobs, however they ended. */
  after: z.array(jobId).min(1).max(100),
  gpusPerNode: z.int().min(1).max(64),
  cpusPerNode: z.int().min(1).max(4096),
  memoryGbPerNode: z.number().min(0.001).max(100_000),
  /** File systems that must be up: `home`, `eagle`. */
  filesystems: z.array(word).min(1).max(16),
  /** PBS: how the chunks lie on nodes. */
  place: z
    .string()
    .regex(
      /^(free|pack|scatter|vscatter)(:(excl|shared|exclhost))?(:group=[A-Za-z0-9_]+)?$/,
      "is no placement: free, pack, scatter, vscatter with :excl, :shared, :exclhost",
    ),
  /** Grid Engine: name of the parallel environment; without one a job has one slot. */
  parallelEnvironment: word,
};

export type SettingName = keyof typeof OF_SOME;
const BATCH_SETTINGS = z.strictObject({ ...COMMON, ...z.strictObject(OF_SOME).partial().shape });
export type BatchSettings = z.output<typeof BATCH_SETTINGS>;

/** Of all schedulers. */
export const SETTING_NAMES = Object.keys(OF_SOME) as SettingName[];

/** What batch jobs of a scheduler may be given. */
export function settingsSchema(takes: readonly SettingName[]): z.ZodType<BatchSettings> {
  const own = Object.fromEntries(takes.map((name) => [name, OF_SOME[name].optional()]));
  return z.strictObject({ ...COMMON, ...own }) as unknown as z.ZodType<BatchSettings>;
}
