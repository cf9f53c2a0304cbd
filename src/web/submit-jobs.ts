/** From the form of a submission to the jobs that it asks for: one for each detector file. */
import { LIMITS } from "../core/limits.js";

/** The form's values by name, as typed; what is empty is left out of the jobs. */
export interface SubmitForm {
  /** Trimmed. */
  text(name: string): string;
  has(name: string): boolean;
}

/** Detector files, one a line, each once. */
export function filesOf(lines: string): readonly string[] {
  return [
    ...new Set(
      lines
        .split("\n")
        .map((line) => line.trim())
        .filter((line) => line !== ""),
    ),
  ];
}

function stemOf(path: string): string {
  return path.replace(/\.[^./]*$/, "");
}

/** @throws Error in words for whoever filled in the form: two results of one name, a file where a folder has to be */
function resultsOf(files: readonly string[], out: string): readonly string[] {
  if (files.length < 2 && out !== "" && !out.endsWith("/")) return [out];
  if (/\.(hdf5?|h5|nxs)$/i.test(out)) throw new Error("the result of several files is a folder, or empty: beside each file");
  const folder = out === "" || out.endsWith("/") ? out : `${out}/`;
  const results = files.map(
    (file) => `${folder === "" ? stemOf(file) : folder + stemOf(file.slice(file.lastIndexOf("/") + 1))}_results.hdf`,
  );
  const twice = results.find((result, at) => results.indexOf(result) < at);
  if (twice !== undefined)
    throw new Error(`two of the files have the result ${twice}: submit them one after the other, with a result each`);
  return results;
}

/**
 * The jobs of a form.
 * @param numbers names of the fields of numbers
 * @throws Error in words: no file, more files than one request may have, and as above
 */
export function jobsOf(form: SubmitForm, numbers: readonly string[], experiment: string): readonly object[] {
  const { text } = form;
  const files = filesOf(text("input"));
  if (files.length === 0) throw new Error("no detector file is named");
  if (files.length > LIMITS.submitJobsMax) throw new Error(tooMany(files.length));
  const results = resultsOf(files, text("out"));
  const file = (name: string) => (text(name) === "" ? {} : { [name]: { path: text(name) } });
  const typed = numbers.flatMap((name) => (text(name) === "" ? [] : [[name, Number(text(name))]]));
  const options = { type: text("type"), errors: text("errors"), ...Object.fromEntries(typed) };
  const tags = Object.fromEntries(
    text("tags")
      .split(/[\s,]+/)
      .flatMap((pair) => (pair.includes("=") ? [[pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]] : [])),
  );
  const site = text("site") === "" ? {} : { site: text("site") };
  const common = { ...file("qmap"), ...file("metadata"), overwrite: form.has("overwrite"), options };
  return files.map((path, at) => ({
    work: { app: "xpcs.corr", input: { path }, ...common, out: { path: results[at] } },
    ...{ tags, attemptsMax: 3, experiment: text("experiment") || experiment, ...site },
  }));
}

/** That so many files are too many for one submission. */
export function tooMany(files: number): string {
  return `${files.toLocaleString("en")} files are more than the ${LIMITS.submitJobsMax.toLocaleString("en")} of one submission`;
}
