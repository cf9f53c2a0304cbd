/** Files that a person names, which are to be read: there, or not there, or there and not readable. */
import { existsSync, readFileSync } from "node:fs";
import { XpcsError } from "../core/errors.js";
import { systemCode } from "../files/system-error.js";

/**
 * The text of a file.
 *
 * @param what "the settings", for messages
 * @throws NOT_FOUND · IO_FAILED it is there, and cannot be read
 */
export function readText(path: string, what: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const code = systemCode(error);
    const isMissing = code === "ENOENT" || code === "ENOTDIR";
    throw new XpcsError(isMissing ? "NOT_FOUND" : "IO_FAILED", `${what} ${path} cannot be read: ${(error as Error).message}`);
  }
}

/** @throws NOT_FOUND */
export function checkThere(path: string, what: string): void {
  if (!existsSync(path)) throw new XpcsError("NOT_FOUND", `${what} ${path} does not exist`);
}
