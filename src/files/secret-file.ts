/** Files of secrets that a person keeps at a site: tokens, keys, credentials. Who has one that others may read is told so, before it is used. */
import type { BigIntStats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { XpcsError } from "../core/errors.js";
import { openPlain } from "./plain-file.js";

const MAX_BYTES = 64n * 1024n;

/**
 * The text of a file of its owner alone.
 *
 * @param what it is, for the words of an error
 * @throws INVALID_ARGUMENT it is not there, no plain file, larger than 64 KiB, or others may read or write it
 */
export async function readSecretFile(path: string, what: string): Promise<string> {
  const wrong = (how: string) => new XpcsError("INVALID_ARGUMENT", `${what}, ${path}, ${how}`);
  const cannotBeRead = (error: unknown) => wrong(`cannot be read: ${(error as Error).message}`);
  let opened: { file: FileHandle; found: BigIntStats };
  try {
    opened = await openPlain(path);
  } catch (error) {
    throw error instanceof XpcsError ? wrong("is no file") : cannotBeRead(error);
  }
  const { file, found } = opened;
  try {
    if ((found.mode & 0o077n) !== 0n) throw wrong("may be read by others: chmod 600 it");
    if (found.size > MAX_BYTES) throw wrong("is too large to be one");
    return await file.readFile("utf8");
  } catch (error) {
    throw error instanceof XpcsError ? error : cannotBeRead(error);
  } finally {
    await file.close();
  }
}
