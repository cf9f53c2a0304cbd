/** The settings file of central (docs/settings.md): its rules as plain data. */
import { isAbsolute, normalize } from "node:path";
import { z } from "zod";
import { EXPERIMENT_PATTERN } from "../core/job.js";

const quota = z.strictObject({ liveJobs: z.int().min(0).optional(), logBytes: z.int().min(0).optional() });
const quotas = z.strictObject({
  experiment: quota.default({}),
  person: quota.default({}),
  experiments: z.record(z.string().regex(EXPERIMENT_PATTERN, "is no experiment: CYCLE/NAME"), quota).default({}),
  persons: z.record(z.string().min(1), quota).default({}),
});
const folder = z.string().refine((path) => isAbsolute(path) && normalize(path) === path && (path === "/" || !path.endsWith("/")), {
  error: "must be an absolute path without . and .. and without a slash at its end",
});
/** Null: nothing goes through central. */
const data = z.strictObject({ read: z.array(folder), write: z.array(folder) }).nullable();
/** What a settings file of central may hold. */
export const CENTRAL_SETTINGS = z.strictObject({ quotas: quotas.prefault({}), data: data.default(null) });
