/**
 * What `xpcs corr` would refuse before it reads a frame is refused at submission: a mistake must not wait for a site to tell it.
 * Needs the native core; a machine without one submits what it cannot check, and the site tells.
 */
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { XpcsError } from "../core/errors.js";
import type { CorrJob } from "../core/job.js";
import { corrFilesOf } from "../core/job-files.js";
import { LIMITS } from "../core/limits.js";
import { inputFiles, nativeIsBuilt } from "../xpcs/native.js";

/** Only the metadata file, the option or a job file can tell the frame time, which the NeXus layout must have. */
function checkFrameTime({ job, metadata, options, input }: CorrJob): void {
  const layout = options.layout ?? (job === undefined ? "nexus" : "exchange");
  if (layout === "exchange" || options.frameTimeS !== undefined || metadata !== undefined || job !== undefined) return;
  throw new XpcsError(
    "INVALID_ARGUMENT",
    `the NeXus layout lacks: the frame time of ${input?.path} (--metadata FILE or --frame-time S; there is no *_metadata.hdf beside it)`,
  );
}

/** The result, or a stand-in while its folder is still to be made: then nothing is there that it could replace. */
function resultToCheck(path: string): string {
  let folder = dirname(path);
  if (existsSync(folder)) return path;
  while (!existsSync(folder)) folder = dirname(folder);
  return join(folder, `${basename(path)}.not-made-yet`);
}

/**
 * The job with its raw file named, also when only the job file does, and with what belongs to it, so that its record has all
 * files that it reads.
 *
 * @param mayExist the result may be there: it is replaced, or the submission is a repeat
 * @throws what inputFiles throws, and INVALID_ARGUMENT
 */
export function checkedWork(work: CorrJob, { mayExist }: { mayExist: boolean }): CorrJob {
  checkFrameTime(work);
  if (!nativeIsBuilt()) return work;
  const request = {
    files: corrFilesOf(work),
    options: work.options,
    out: resultToCheck(work.out.path),
    overwrite: mayExist,
    provenance: {},
  };
  const [input, ...parts] = inputFiles(request).map((path) => ({ path }));
  if (parts.length > LIMITS.inputPartsMax)
    throw new XpcsError(
      "UNSUPPORTED",
      `${input!.path} has ${parts.length} data files, a job at most ${LIMITS.inputPartsMax}: use xpcs corr`,
    );
  return { ...work, input: input!, ...(parts.length === 0 ? {} : { parts }) };
}
