/** sha256 of a plain file, read in pieces. */
import { createHash } from "node:crypto";
import { XpcsError } from "../core/errors.js";
import { openPlain } from "./plain-file.js";
import { fromSystem } from "./system-error.js";

const PIECE_BYTES = 1024 * 1024;

/**
 * Length and sha256 (hex) of a file.
 * @throws CANCELED the signal was aborted · NOT_FOUND · REFUSED it is a pipe, a folder, a device · IO_FAILED
 */
export async function digestFile(path: string, signal?: AbortSignal): Promise<{ bytes: number; sha256: string }> {
  try {
    return await digest(path, signal);
  } catch (error) {
    throw fromSystem(error);
  }
}

async function digest(path: string, signal: AbortSignal | undefined): Promise<{ bytes: number; sha256: string }> {
  const file = await openPlain(path);
  try {
    const hash = createHash("sha256");
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    let bytes = 0;
    for (;;) {
      if (signal?.aborted) throw new XpcsError("CANCELED", `reading ${path} was stopped`);
      const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, bytes);
      if (bytesRead === 0) return { bytes, sha256: hash.digest("hex") };
      hash.update(piece.subarray(0, bytesRead));
      bytes += bytesRead;
    }
  } finally {
    await file.close();
  }
}
