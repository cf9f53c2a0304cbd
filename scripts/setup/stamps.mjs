/** Stamps: a digest of all that a build step reads, kept beside its output. Equal digest: nothing to do. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * Files under a path, sorted, relative to `root`; a file is itself, what does not exist is nothing.
 * @param {string} root
 * @param {string} path
 * @returns {string[]}
 */
export function filesUnder(root, path) {
  const full = join(root, path);
  if (!existsSync(full)) return [];
  if (!statSync(full).isDirectory()) return [path];
  return readdirSync(full, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const below = join(path, entry.name);
      if (entry.isDirectory()) return filesUnder(root, below);
      return entry.isFile() ? [below] : [];
    });
}

/**
 * Digest of the names and contents of files, and of further facts (versions, options).
 * @param {string} root
 * @param {readonly string[]} paths files or folders
 * @param {readonly string[]} facts
 */
export function digest(root, paths, facts) {
  const hash = createHash("sha256");
  for (const path of paths.flatMap((each) => filesUnder(root, each))) {
    const content = readFileSync(join(root, path));
    hash.update(`${path}\0${content.length}\0`).update(content);
  }
  for (const fact of facts) hash.update(`\0${fact}`);
  return hash.digest("hex");
}

/** @param {string} file */
export function readStamp(file) {
  return existsSync(file) ? readFileSync(file, "utf8").trim() : null;
}

/**
 * @param {string} file
 * @param {string} value
 */
export function writeStamp(file, value) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${value}\n`);
}
