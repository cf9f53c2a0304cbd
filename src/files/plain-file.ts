/** Opens files for reading that somebody else may have made: whatever the name has become, nothing is waited for. */
import { type BigIntStats, constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { XpcsError } from "../core/errors.js";

/**
 * A plain file, to be read.
 * @throws REFUSED it is a pipe, a folder, a device · an error of the system
 */
export async function openPlain(path: string): Promise<{ file: FileHandle; found: BigIntStats }> {
  // A pipe without a writer would hold a thread for ever.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = await file.stat({ bigint: true });
    if (found.isFile()) return { file, found };
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  throw new XpcsError("REFUSED", `${path} is no plain file`);
}
