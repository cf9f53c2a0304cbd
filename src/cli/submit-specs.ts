/**
 * From the words of `xpcs submit` to job specifications: checks every file before anything is submitted, and names the
 * results. Talks to no central and makes nothing.
 */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { CorrOptions } from "../core/analysis.js";
import { XpcsError } from "../core/errors.js";
import type { CorrJob, FileRef, JobSpec, MonitorRef } from "../core/job.js";
import { jobFiles, monitorRef } from "../core/job-files.js";
import { LIMITS } from "../core/limits.js";
import { findMetadata, resultsOf, stemOf } from "../xpcs/corr-files.js";
import { inputBytesOf } from "./input-bytes.js";
import { checkedWork } from "./submit-check.js";

/** One analysis. */
export interface SubmitWords {
  readonly inputs: readonly string[];
  /** Several: a job for each. */
  readonly qmaps: readonly string[];
  readonly job?: string;
  readonly metadata?: string;
  /** A text file, or FILE:/dataset. */
  readonly monitor?: string;
  /** Folder of the results; default: beside each input. */
  readonly out?: string;
  readonly overwrite: boolean;
  readonly options: CorrOptions;
  /** What all jobs have, whatever they work on. */
  readonly shared: Omit<JobSpec, "work">;
  /** The same request again is harmless with a key, so a result that is there already is no mistake. */
  readonly repeatable: boolean;
}

/** An existing, readable file as an absolute path. */
function fileRef(what: string, path: string): FileRef {
  const absolute = resolve(path);
  try {
    if (statSync(absolute).isDirectory()) throw new XpcsError("INVALID_ARGUMENT", `${what} ${absolute} is a folder: name a file`);
    accessSync(absolute, constants.R_OK);
  } catch (error) {
    if (error instanceof XpcsError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") throw new XpcsError("NOT_FOUND", `${what} ${absolute} does not exist`);
    throw new XpcsError("IO_FAILED", `${what} ${absolute} cannot be read: ${(error as Error).message}`);
  }
  return { path: absolute };
}

function monitorOf(text: string): MonitorRef {
  const { path, ...dataset } = monitorRef(text);
  return { ...fileRef("the monitor", path), ...dataset };
}

/** `NAME_results.hdf` for the input or, without one, the job file. */
function resultName(path: string): string {
  return `${stemOf(path)}_results.hdf`;
}

function resultRefs(source: string, words: SubmitWords): FileRef[] {
  const folder = words.out === undefined ? dirname(source) : resolve(words.out);
  return resultsOf(join(folder, resultName(source)), words.qmaps).map((path) => resultRef(path, words));
}

function resultRef(path: string, { overwrite, repeatable }: SubmitWords): FileRef {
  if (path.length > LIMITS.pathCharsMax) throw new XpcsError("INVALID_ARGUMENT", `the path ${path.slice(0, 80)}... is too long`);
  if (!overwrite && !repeatable && existsSync(path))
    throw new XpcsError("ALREADY_EXISTS", `${path} exists: give --overwrite to replace it, or --out another folder`);
  return { path };
}

/** Metadata of one input: what was given, else what lies beside it, if the layout needs any. Named here, so that it travels with the input. */
function metadataRef(source: string, { metadata, job, options }: SubmitWords): { metadata?: FileRef } {
  if (metadata !== undefined) return { metadata: fileRef("the metadata file", metadata) };
  const layout = options.layout ?? (job === undefined ? "nexus" : "exchange");
  const found = layout === "nexus" && options.frameTimeS === undefined ? findMetadata(source) : null;
  return found === null ? {} : { metadata: { path: found } };
}

interface Shared {
  readonly qmaps: readonly (FileRef | undefined)[];
  readonly files: Pick<CorrJob, "job" | "monitor">;
}

/**
 * The files that all inputs of an analysis have in common.
 *
 * @throws INVALID_ARGUMENT neither maps nor a job file · NOT_FOUND
 */
export function checkShared(words: SubmitWords): Shared {
  if (words.qmaps.length === 0 && words.job === undefined)
    throw new XpcsError("INVALID_ARGUMENT", "give the partition maps: --qmap QMAP.hdf, or --job META.hdf for a legacy job file");
  return {
    qmaps: words.qmaps.length === 0 ? [undefined] : words.qmaps.map((qmap) => fileRef("the q-map", qmap)),
    files: {
      ...(words.job === undefined ? {} : { job: fileRef("the job file", words.job) }),
      ...(words.monitor === undefined ? {} : { monitor: monitorOf(words.monitor) }),
    },
  };
}

function worksOf(words: SubmitWords): CorrJob[] {
  const { inputs, options, overwrite } = words;
  if (inputs.length === 0 && words.job === undefined) throw new XpcsError("INVALID_ARGUMENT", "give at least one INPUT file");
  const { qmaps, files } = checkShared(words);
  const sources = inputs.length > 0 ? inputs.map((input) => fileRef("the input", input)) : [undefined];
  return sources.flatMap((input): CorrJob[] => {
    const source = (input ?? files.job!).path;
    const outs = resultRefs(source, words);
    const metadata = metadataRef(source, words);
    return qmaps.map((qmap, at) => ({
      app: "xpcs.corr",
      ...(input === undefined ? {} : { input }),
      ...(qmap === undefined ? {} : { qmap }),
      ...files,
      ...metadata,
      out: outs[at]!,
      overwrite,
      options,
    }));
  });
}

/** @throws INVALID_ARGUMENT two jobs would write one result */
function checkResults(works: readonly CorrJob[]): void {
  const taken = new Map<string, string>();
  for (const { input, job, out } of works) {
    const other = taken.get(out.path);
    const source = (input ?? job!).path;
    if (other !== undefined) {
      const both = other === source ? `two analyses of ${source}` : `${other} and ${source}`;
      throw new XpcsError("INVALID_ARGUMENT", `${both} would both write ${out.path}: submit them with different --out`);
    }
    taken.set(out.path, source);
  }
}

/**
 * Of each analysis one job per input, or per input and q-map where there are several.
 * @throws INVALID_ARGUMENT · NOT_FOUND a file is missing · ALREADY_EXISTS a result is there · what `xpcs corr` refuses without reading frames
 */
export function submitSpecs(analyses: readonly SubmitWords[]): JobSpec[] {
  const jobs = analyses.flatMap((words) => worksOf(words).map((work) => ({ work, words })));
  checkResults(jobs.map(({ work }) => work));
  return jobs.map(({ work, words: { overwrite, repeatable, shared } }) => {
    const checked = checkedWork(work, { mayExist: overwrite || repeatable });
    return { work: checked, ...shared, ...inputBytesOf(jobFiles(checked)) };
  });
}
