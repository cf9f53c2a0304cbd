/** The settings file of a site (docs/settings.md): its rules as plain data. */
import { isAbsolute, normalize } from "node:path";
import { z } from "zod";
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
const folder = z.string().refine((path) => isAbsolute(path) && normalize(path) === path && (path === "/" || !path.endsWith("/")), {
  error: "must be an absolute path without . and .. and without a slash at its end",
});
/** Null: anywhere. */
const roots = z.strictObject({ read: z.array(folder), write: z.array(folder) }).nullable();
/** What a settings file of a site may hold. */
export const SITE_SETTINGS = z.strictObject({ results: results.prefault({}), roots: roots.default(null) });
