/**
 * The jobs of a request, checked: mostly they differ in the paths of their files and a tag or two. One that was checked whole is a pattern: another
 * that has its fields, and its values but for such texts, is right when those texts are. All others are checked whole, and only the whole check says what
 * is wrong. What a job has in common with its pattern is in memory once.
 */
import { z } from "zod";
import { inCanonicalOrder } from "../core/canonical-json.js";
import type { JobSpec } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import { CONTROL_CHARACTERS, spec } from "./job-schemas.js";

/** What may differ: by the name of a field, or in any field. */
interface Differing {
  readonly text?: (text: string) => boolean;
  readonly number?: (value: number) => boolean;
  readonly fields?: ReadonlyMap<string, Differing>;
  readonly any?: Differing;
}

/** A dot at the beginning of a part is left to the whole check. */
const isPath = (text: string) =>
  text.length <= LIMITS.pathCharsMax && text.startsWith("/") && !text.includes("/.") && !CONTROL_CHARACTERS.test(text);
const isTag = (text: string) => text.length <= LIMITS.tagCharsMax && !CONTROL_CHARACTERS.test(text);
const isParameter = (text: string) => text.length <= LIMITS.pathCharsMax && !CONTROL_CHARACTERS.test(text);

const FILE: Differing = { fields: new Map([["path", { text: isPath }]]) };
const FILES = ["input", "qmap", "job", "metadata", "monitor", "out"].map((name) => [name, FILE] as const);
const WORK: Differing = {
  fields: new Map([...FILES, ["inputs", { any: FILE }], ["outputs", { any: FILE }], ["parameters", { any: { text: isParameter } }]]),
};
const SPEC: Differing = {
  fields: new Map([
    ["work", WORK],
    ["tags", { any: { text: isTag } }],
    ["inputBytes", { number: (value) => Number.isSafeInteger(value) && value >= 0 }],
  ]),
};

const DIFFERS = Symbol("differs");

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

/** A value that was checked whole, taken apart so that comparing others with it is quick. */
interface Pattern {
  readonly isList: boolean;
  readonly names: readonly string[];
  readonly values: readonly unknown[];
  /** Of the values that are objects. */
  readonly parts: readonly (Pattern | null)[];
  readonly may: readonly (Differing | undefined)[];
  /** What the check gave for it. */
  readonly checked: Readonly<Record<string, unknown>>;
}

function patternOf(value: object, checked: unknown, may: Differing | undefined): Pattern {
  const fields = checked as Readonly<Record<string, unknown>>;
  const names = Object.keys(value);
  const values = Object.values(value) as unknown[];
  const allowed = names.map((name) => may?.fields?.get(name) ?? may?.any);
  const parts = values.map((part, at) => (isObject(part) ? patternOf(part, fields[names[at]!], allowed[at]) : null));
  return { isList: Array.isArray(value), names, values, parts, may: allowed, checked: fields };
}

function mayBe(field: unknown, known: unknown, may: Differing | undefined): boolean {
  if (typeof field === "string") return typeof known === "string" && may?.text?.(field) === true;
  return typeof field === "number" && typeof known === "number" && may?.number?.(field) === true;
}

/** What the whole check would give for a value that is like the pattern, else DIFFERS. */
function alike(value: object, pattern: Pattern): unknown {
  const { names, parts, checked } = pattern;
  const own = Object.keys(value);
  if (own.length !== names.length || Array.isArray(value) !== pattern.isList) return DIFFERS;
  const values = Object.values(value) as unknown[];
  let result: Record<string, unknown> | null = null;
  for (let at = 0; at < names.length; at += 1) {
    const name = names[at]!;
    if (name !== own[at]) return DIFFERS;
    const known = pattern.values[at];
    let field = values[at];
    if (field === known) continue;
    const part = parts[at]!;
    if (part !== null) {
      if (!isObject(field)) return DIFFERS;
      field = alike(field, part);
      if (field === DIFFERS) return DIFFERS;
      if (field === part.checked) continue;
    } else if (name === "__proto__" || !mayBe(field, known, pattern.may[at])) return DIFFERS;
    result ??= { ...checked };
    result[name] = field;
  }
  return result ?? checked;
}

/** So many kinds of jobs are told apart in one request, such as analyses of one shot. */
const PATTERNS = 8;

const list = z.array(spec).min(1).max(LIMITS.submitJobsMax);

/** The list of jobs in a request. */
export const specs: z.ZodType<JobSpec[]> = z.unknown().transform((value, context): JobSpec[] => {
  const isList = Array.isArray(value) && value.length > 0 && value.length <= LIMITS.submitJobsMax;
  const jobs: JobSpec[] = [];
  const patterns: Pattern[] = [];
  for (let at = 0; isList && at < value.length; at += 1) {
    const job: unknown = value[at];
    let known: unknown = DIFFERS;
    for (const pattern of isObject(job) ? patterns : []) {
      known = alike(job as object, pattern);
      if (known !== DIFFERS) break;
    }
    if (known === DIFFERS) {
      const parsed = spec.safeParse(job);
      if (!parsed.success) break;
      // In the order that the digest of the request needs; those that are like it come to have it too.
      known = inCanonicalOrder(parsed.data);
      if (at + 1 < value.length && patterns.length < PATTERNS) patterns.push(patternOf(job as object, known, SPEC));
    }
    jobs.push(known as JobSpec);
  }
  if (isList && jobs.length === value.length) return jobs;
  context.issues.push(...((list.safeParse(value).error?.issues ?? []) as unknown as typeof context.issues));
  return z.NEVER;
});
