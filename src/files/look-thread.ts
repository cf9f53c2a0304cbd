/** The thread of look-files.ts. */
import { type BigIntStats, closeSync, constants, fstatSync, openSync, statSync } from "node:fs";
import { XpcsError } from "../core/errors.js";
import { digestNow } from "./digest-now.js";
import { versionOf } from "./file-version.js";
import type { LookedAt, LookOrder } from "./look-files.js";
import { serveThread } from "./serve-thread.js";
import { fromSystem } from "./system-error.js";

const KEPT = 4_096;
/** Digests of files that were asked for lately, by path: the q-map of a thousand jobs is read once. */
const known = new Map<string, { readonly version: string; readonly sha256: string }>();

function digestOf(file: number, path: string, version: string, bytes: number): string | null {
  const before = known.get(path);
  if (before?.version === version) return before.sha256;
  const sha256 = digestNow(file, path, bytes);
  // Of one that is written to meanwhile nothing is said: whoever brings it finds that it has changed.
  if (versionOf(statSync(path, { bigint: true })) !== version) return null;
  known.delete(path);
  known.set(path, { version, sha256 });
  if (known.size > KEPT) known.delete(known.keys().next().value!);
  return sha256;
}

function look(path: string, smallBytes: number): LookedAt {
  // A pipe without a writer would hold the thread for ever.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found: BigIntStats = fstatSync(file, { bigint: true });
    if (!found.isFile()) throw new XpcsError("REFUSED", `${path} is no plain file`);
    const [bytes, version] = [Number(found.size), versionOf(found)];
    return { bytes, version, sha256: bytes <= smallBytes ? digestOf(file, path, version, bytes) : null };
  } finally {
    closeSync(file);
  }
}

serveThread<LookOrder, LookedAt[]>(({ paths, smallBytes }) =>
  paths.map((path) => {
    try {
      return look(path, smallBytes);
    } catch (error) {
      throw fromSystem(error);
    }
  }),
);
