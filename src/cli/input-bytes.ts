/** How much a job reads, so that central can estimate how long its files take to cross and it to run. */
import { statSync } from "node:fs";
import type { FileRef, JobSpec } from "../core/job.js";

/** The sum of the sizes as they are here; nothing where one is not to be seen here. */
export function inputBytesOf(refs: readonly FileRef[]): Pick<JobSpec, "inputBytes"> {
  if (refs.length === 0) return {};
  let inputBytes = 0;
  for (const { path } of refs) {
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size === undefined) return {};
    inputBytes += size;
  }
  return { inputBytes };
}
