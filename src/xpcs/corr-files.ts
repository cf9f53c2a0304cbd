/**
 * Which files belong to one correlation: the measurement's metadata beside the input, the results of several q-maps. Only looks at names; what
 * is inside the files is the native core's business.
 */
import { readdirSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { XpcsError } from "../core/errors.js";

const METADATA_SUFFIX = "_metadata.hdf";

/** NAME of NAME.bin, NAME.bin.000, NAME.imm, NAME.h5. */
export function stemOf(input: string): string {
  return basename(input).replace(/(\.[A-Za-z][A-Za-z0-9]*)?(\.\d{3})?$/, "");
}

/**
 * The metadata file of an input: NAME_metadata.hdf beside it, else the only *_metadata.hdf of that folder.
 * @param wayOut what to do where none can be chosen, as the caller's options say it
 * @returns its path; null when there is none
 * @throws INVALID_ARGUMENT several files are there and none bears the input's name
 */
export function findMetadata(input: string, wayOut = "choose one with --metadata FILE, or give --frame-time S"): string | null {
  const folder = dirname(input);
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith(METADATA_SUFFIX));
  } catch {
    return null; // a folder that cannot be listed: the input's own error says why
  }
  const own = `${stemOf(input)}${METADATA_SUFFIX}`;
  if (names.includes(own)) return join(folder, own);
  if (names.length > 1)
    throw new XpcsError("INVALID_ARGUMENT", `${folder} has ${names.length} metadata files and none is ${own}: ${wayOut}`);
  return names[0] === undefined ? null : join(folder, names[0]);
}

/**
 * Names of the results of one file with several q-maps: that of the q-map goes into `out`, before `_results` if it ends so,
 * so that a viewer still knows the file. One q-map: `out` itself.
 * @throws INVALID_ARGUMENT two q-maps of one name
 */
export function resultsOf(out: string, qmaps: readonly string[]): string[] {
  if (qmaps.length < 2) return [out];
  const [, stem, results] = /^(.*?)(_results)?$/.exec(basename(out, extname(out)))!;
  const taken = new Map<string, string>();
  return qmaps.map((qmap) => {
    const path = join(dirname(out), `${stem}_${basename(qmap, extname(qmap))}${results ?? ""}${extname(out)}`);
    const other = taken.get(path);
    if (other !== undefined)
      throw new XpcsError("INVALID_ARGUMENT", `the q-maps ${other} and ${qmap} have one name, both results would be ${path}: rename one`);
    taken.set(path, qmap);
    return path;
  });
}
