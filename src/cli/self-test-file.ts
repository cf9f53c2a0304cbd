/** The file of what a site's self-test measured (docs/self-test.md): written by `xpcs doctor --self-test`, read by `xpcs site`. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { SelfTest } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import { readSettingsFile } from "./settings-file.js";
import { writeWhole } from "./whole-file.js";

const rate = z.number().positive().max(LIMITS.rateMax);

/** Numbers as a machine has measured them; the same fields as `SelfTest`. */
const SELF_TEST = z.strictObject({
  at: z.iso.datetime(),
  eventsPerCoreS: rate.optional(),
  queueWaitS: z.number().min(0).max(LIMITS.resourceMax).optional(),
  inBytesPerS: rate.optional(),
  outBytesPerS: rate.optional(),
} satisfies Record<keyof SelfTest, z.ZodType>);

/** In the folder of the batch file, or in that of `--work`. */
export function selfTestPath(folder: string): string {
  return join(folder, "self-test.json");
}

/**
 * The numbers of a file: the one that is named, else that in the folder; null where there is none.
 *
 * @throws NOT_FOUND the named one is not there · INVALID_ARGUMENT it is damaged, with the line · IO_FAILED
 */
export function readSelfTest(named: string | undefined, folder: string): SelfTest | null {
  const path = named ?? selfTestPath(folder);
  if (named === undefined && !existsSync(path)) return null;
  return Object.fromEntries(
    Object.entries(readSettingsFile(SELF_TEST, path)).filter(([, value]) => value !== undefined),
  ) as unknown as SelfTest;
}

/** Replaces the file as a whole. @throws IO_FAILED */
export async function writeSelfTest(path: string, numbers: SelfTest): Promise<void> {
  await writeWhole(path, [`${JSON.stringify(numbers, null, 2)}\n`], async () => {});
}
