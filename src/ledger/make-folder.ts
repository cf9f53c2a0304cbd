/** Folders that a person names: checked and made, with errors that say what to do. For folders that already belong to us, mkdir is enough. */
import { constants } from "node:fs";
import { access, mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { XpcsError } from "../core/errors.js";

/** @throws INVALID_ARGUMENT there is something else of that name, or it cannot be looked at */
async function isFolder(path: string, what: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return false;
    // ENOTDIR: a file further up, which the search for the first folder will name.
    if (code === "ENOTDIR") return false;
    throw new XpcsError("INVALID_ARGUMENT", `${what} cannot be used: ${message}; name another one`);
  }
  throw new XpcsError("INVALID_ARGUMENT", `${what} cannot be used: ${path} is a file; name a folder`);
}

/** The folders of `path` that are not there, the outermost first. Makes nothing. */
async function missingFolders(path: string, what: string): Promise<string[]> {
  const missing: string[] = [];
  let at = resolve(path);
  while (!(await isFolder(at, what))) {
    missing.unshift(at);
    at = dirname(at);
  }
  try {
    await access(at, constants.W_OK | constants.X_OK);
  } catch {
    throw new XpcsError("INVALID_ARGUMENT", `${what} cannot be used: you may not write into ${at}; name another one, or get the right to`);
  }
  return missing;
}

/**
 * Checks that `makeFolder` can be expected to succeed; makes nothing.
 *
 * @param what how the error names the folder, e.g. "the data folder"
 * @throws INVALID_ARGUMENT what is in the way
 */
export async function checkFolder(path: string, what: string): Promise<void> {
  await missingFolders(path, `${what} ${resolve(path)}`);
}

/**
 * Makes a folder and those that lead to it, if they are not there.
 *
 * @param what how the error names the folder, e.g. "the data folder"
 * @param mode of the folder itself, if it is made here; those that lead to it, and one that is there, have what they have
 * @throws INVALID_ARGUMENT what is in the way
 */
export async function makeFolder(path: string, what: string, mode = 0o777): Promise<void> {
  const named = `${what} ${resolve(path)}`;
  // One by one: where a parent is there but takes no folders (/proc), mkdir's own `recursive` tries for ever.
  for (const folder of await missingFolders(path, named)) {
    try {
      await mkdir(folder, folder === resolve(path) ? mode : 0o777);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== "EEXIST") throw new XpcsError("INVALID_ARGUMENT", `${named} cannot be made: ${message}; name another one`);
    }
  }
}
