/** sha256 (hex) of a file, by calls that wait: for threads that have nothing else to do. */
import { createHash } from "node:crypto";
import { readSync } from "node:fs";
import { XpcsError } from "../core/errors.js";

const PIECE = Buffer.allocUnsafeSlow(1024 * 1024);

/**
 * Of an open file's first bytes.
 * @param path for messages
 * @throws IO_FAILED it has fewer than `bytes` · an error of the system
 */
export function digestNow(file: number, path: string, bytes: number): string {
  const hash = createHash("sha256");
  for (let at = 0; at < bytes; ) {
    const read = readSync(file, PIECE, 0, Math.min(PIECE.length, bytes - at), at);
    if (read === 0) throw new XpcsError("IO_FAILED", `${path} became shorter while it was read`);
    hash.update(PIECE.subarray(0, read));
    at += read;
  }
  return hash.digest("hex");
}
