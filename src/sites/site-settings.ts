/** The settings file of a site (docs/settings.md): its rules as plain data, parsed here and nowhere else. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { XpcsError } from "../core/errors.js";
import { EXPERIMENT_PATTERN } from "../core/job.js";

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
const settings = z.strictObject({ results: results.default({ groups: {} }) });

export type SiteSettings = z.infer<typeof settings>;

export const NO_SETTINGS: SiteSettings = settings.parse({});

/**
 * The settings of a site from their text.
 *
 * @throws INVALID_ARGUMENT naming the field
 */
export function parseSiteSettings(text: string, path: string): SiteSettings {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new XpcsError("INVALID_ARGUMENT", `${path} is not JSON: ${(error as Error).message}`);
  }
  const parsed = settings.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const why = issue.code === "invalid_key" ? issue.issues.map(({ message }) => message).join("; ") : issue.message;
  throw new XpcsError("INVALID_ARGUMENT", `${path}: ${issue.path.map(String).join(".") || "the file"}: ${why}`);
}

/** The same from the file. @throws NOT_FOUND · INVALID_ARGUMENT */
export function readSiteSettings(path: string): SiteSettings {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new XpcsError("NOT_FOUND", `the settings ${path} cannot be read: ${(error as Error).message}`);
  }
  return parseSiteSettings(text, path);
}
