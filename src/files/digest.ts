/** sha256 of a plain file, read in pieces. */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { XpcsError } from "../core/errors.js";
import { openPlain } from "./plain-file.js";
import { fromSystem } from "./system-error.js";

const PIECE_BYTES = 1024 * 1024;
/** For the next digests: memory that is new at each of many small files costs more than reading them. */
const spare: Buffer[] = [];
const SPARE_MAX = 8;

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
  const { file } = await openPlain(path);
  try {
    return await digestOpen(file, path, signal);
  } finally {
    await file.close();
  }
}

/** sha256 (hex) that stands for several files in their order. */
export function digestOfDigests(files: readonly { readonly sha256: string }[]): string {
  return createHash("sha256")
    .update(files.map(({ sha256 }) => sha256).join("\n"))
    .digest("hex");
}

/**
 * Length and sha256 (hex) of a file that is open already.
 * @param path for messages
 * @param length of the file, where whoever asks knows it, bytes
 * @throws CANCELED · an error of the system
 */
export async function digestOpen(
  file: FileHandle,
  path: string,
  signal?: AbortSignal,
  length = Number.POSITIVE_INFINITY,
): Promise<{ bytes: number; sha256: string }> {
  const piece = spare.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES);
  try {
    const hash = createHash("sha256");
    let bytes = 0;
    for (;;) {
      if (signal?.aborted) throw new XpcsError("CANCELED", `reading ${path} was stopped`);
      const { bytesRead } = bytes < length ? await file.read(piece, 0, PIECE_BYTES, bytes) : { bytesRead: 0 };
      if (bytesRead === 0) return { bytes, sha256: hash.digest("hex") };
      hash.update(piece.subarray(0, bytesRead));
      bytes += bytesRead;
    }
  } finally {
    if (spare.length < SPARE_MAX) spare.push(piece);
  }
}
