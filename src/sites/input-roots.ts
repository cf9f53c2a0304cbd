/**
 * Holds to a site's roots what the files of an analysis refer to. In the kernel host, because the files themselves say it, and only that process may
 * look into a file that somebody else wrote.
 */
import { basename, dirname } from "node:path";
import type { CorrRequest } from "../core/analysis.js";
import { monitorRef } from "../core/job-files.js";
import type { StreamRequest } from "../core/live.js";
import { isDialed } from "../core/stream-source.js";
import { isPattern } from "../files/file-patterns.js";
import { checkReadable } from "../files/roots.js";
import { hdf5References, inputFiles } from "../xpcs/native.js";

/** All that the files refer to, and what those refer to, looked at before any of it is opened. @throws REFUSED */
async function checkReferences(files: readonly string[], roots: readonly string[]): Promise<void> {
  const known = new Set(files);
  for (const file of known) {
    const found = hdf5References(file).filter((path) => !known.has(path));
    await checkReadable(found, roots);
    for (const path of found) known.add(path);
  }
}

/**
 * @param roots the folders that may be read
 * @throws REFUSED a file is, or leads, outside · what `inputFiles` throws · IO_FAILED a root is not there
 */
export async function checkInput(request: CorrRequest, roots: readonly string[]): Promise<void> {
  const { monitor, ...files } = request.files;
  // First, because the input is found by way of the q-map or the job file.
  await checkReferences([...Object.values(files), ...(monitor === undefined ? [] : [monitorRef(monitor).path])], roots);
  const inputs = inputFiles(request);
  await checkReadable(inputs, roots);
  await checkReferences(inputs, roots);
}

/**
 * The same for a stream: its q-map and metadata, and the source where that is a file or a folder.
 * @throws REFUSED · IO_FAILED a root is not there
 */
export async function checkStream({ source, request }: StreamRequest, roots: readonly string[]): Promise<void> {
  const { input: _source, monitor: _monitor, ...files } = request.files;
  await checkReferences(Object.values(files), roots);
  // Of a pattern its folder; the files that come are looked at one by one.
  if (!isDialed(source)) await checkReadable([isPattern(basename(source), true) ? dirname(source) : source], roots);
}
