/** Errors of the operating system as errors of the project: NOT_FOUND or IO_FAILED, with the path. */
import { toXpcsError, XpcsError } from "../core/errors.js";

/** `ENOENT` and the like; undefined when the error is not the operating system's. */
export function systemCode(error: unknown): string | undefined {
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  return typeof code === "string" && typeof syscall === "string" ? code : undefined;
}

/** A hard link cannot be: another file system, or one without links. */
export function isNoLink(error: unknown): boolean {
  return ["EXDEV", "EPERM", "ENOTSUP", "EMLINK"].includes(systemCode(error) ?? "");
}

/** Any thrown value as an XpcsError; a failed system call is NOT_FOUND or IO_FAILED, never INTERNAL. */
export function fromSystem(error: unknown): XpcsError {
  const code = systemCode(error);
  if (code === undefined) return toXpcsError(error);
  const { message, path } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return new XpcsError("NOT_FOUND", `${path ?? "a file"} does not exist`);
  if (code === "ENOSPC" || code === "EDQUOT") return new XpcsError("IO_FAILED", `${path ?? "the disk"}: no space is left (${message})`);
  return new XpcsError("IO_FAILED", message);
}
