/**
 * Where the jobs of a site may read and write: the folders that its settings list. A path must lie in one of them as it is written, and where it
 * leads, with every symbolic link followed. Between this look and the use of a path, who may change the folders in it can still change it.
 */
import { realpath } from "node:fs/promises";
import { dirname } from "node:path";
import { XpcsError } from "../core/errors.js";
import { fromSystem, systemCode } from "./system-error.js";

/** The `roots` of the settings (docs/settings.md). */
export interface Roots {
  readonly read: readonly string[];
  /** Files there may be read too. */
  readonly write: readonly string[];
}

/** Whether a path is a folder, or lies in it, as both are written. */
export function isInside(path: string, root: string): boolean {
  return path === root || root === "/" || path.startsWith(`${root}/`);
}

/** Where a path leads; null when there is nothing. @throws IO_FAILED */
async function leadsTo(path: string): Promise<string | null> {
  try {
    return await realpath(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return null;
    throw fromSystem(error);
  }
}

async function realRoot(root: string): Promise<string> {
  const found = await leadsTo(root);
  // Not REFUSED, which is for ever: a file system that is not mounted will be.
  if (found === null) throw new XpcsError("IO_FAILED", `the folder ${root}, which this site's settings list, is not there`);
  return found;
}

/**
 * @param look what of `path` must exist and lie in a root
 * @param real where the roots lead
 * @throws REFUSED
 */
async function checkPath(path: string, look: string, roots: readonly string[], real: readonly string[], may: string): Promise<void> {
  const outside = (how: string) =>
    new XpcsError("REFUSED", `${path} ${how} the folders that jobs may ${may} at this site: ${roots.join(", ") || "none"}`);
  if (path.split("/").some((part) => part === ".." || part === ".")) throw outside("has . or .. in it, and must lie in");
  // As it is written first: of what is elsewhere nobody learns whether it is there.
  if (![...roots, ...real].some((root) => isInside(look, root))) throw outside("is not in");
  const target = await leadsTo(look);
  if (target !== null && !real.some((root) => isInside(target, root))) throw outside("leads out of");
}

/** Folders of files that may be read. */
export function readable({ read, write }: Roots): string[] {
  return [...new Set([...read, ...write])];
}

/** @throws REFUSED one of the files is, or leads, outside · IO_FAILED a root is not there */
export async function checkReadable(paths: readonly string[], roots: readonly string[]): Promise<void> {
  if (paths.length === 0) return;
  const real = await Promise.all(roots.map(realRoot));
  for (const path of paths) await checkPath(path, path, roots, real, "read");
}

/** The same of files that are to be made: it is their folder that must be inside. */
export async function checkWritable(paths: readonly string[], { write }: Roots): Promise<void> {
  if (paths.length === 0) return;
  const real = await Promise.all(write.map(realRoot));
  for (const path of paths) await checkPath(path, dirname(path), write, real, "write");
}
