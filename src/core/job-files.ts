/**
 * Which files a correlation reads: the one list by which a job is shown, checked, and its files staged in. What belongs to the
 * input (`parts`) was found at submission, by the native core.
 */
import type { CorrFiles } from "./analysis.js";
import type { CorrJob, FileRef, MonitorRef, StreamJob } from "./job.js";

/** All of them, the input and its parts first. */
export function jobFiles(work: CorrJob | StreamJob): FileRef[] {
  if (work.app === "xpcs.stream") return [work.qmap, ...(work.metadata === undefined ? [] : [work.metadata])];
  const { input, parts, qmap, job, metadata, monitor } = work;
  return [input, ...(parts ?? []), qmap, job, metadata, monitor].filter((ref) => ref !== undefined);
}

/** The files of a request, each at its place on this machine; parts are found beside the input. */
export function corrFilesOf(work: CorrJob, placeOf: (ref: FileRef) => string = ({ path }) => path): CorrFiles {
  const { input, qmap, job, metadata, monitor } = work;
  return {
    ...(input === undefined ? {} : { input: placeOf(input) }),
    ...(qmap === undefined ? {} : { qmap: placeOf(qmap) }),
    ...(job === undefined ? {} : { job: placeOf(job) }),
    ...(metadata === undefined ? {} : { metadata: placeOf(metadata) }),
    ...(monitor === undefined ? {} : { monitor: monitorText(monitor, placeOf(monitor)) }),
  };
}

/** `FILE`, or `FILE:/dataset`, as the native core takes it. */
function monitorText({ dataset }: MonitorRef, path: string): string {
  return dataset === undefined ? path : `${path}:${dataset}`;
}

/** The parts of `FILE:/dataset`: what stands behind the last `:/`. */
export function monitorRef(text: string): MonitorRef {
  const at = text.lastIndexOf(":/");
  return at < 0 ? { path: text } : { path: text.slice(0, at), dataset: text.slice(at + 1) };
}
