/** Files that central sends several of in one answer (src/wire/file-frames.ts), each in the version that was asked for. */
import type { FileHandle } from "node:fs/promises";
import { XpcsError } from "../core/errors.js";
import { fileVersion } from "../files/file-version.js";
import { openPlain } from "../files/plain-file.js";
import { fromSystem } from "../files/system-error.js";
import { readPiece } from "../files/whole-pieces.js";
import { fileHead, fileRefusal } from "../wire/file-frames.js";

export interface VersionedFile {
  readonly path: string;
  readonly version: string;
}

const PIECE_BYTES = 1024 * 1024;

export function changedMeanwhile(path: string): XpcsError {
  return new XpcsError("IO_FAILED", `${path} has changed since its transfer began: is it complete?`);
}

async function openVersion({ path, version }: VersionedFile): Promise<{ file: FileHandle; bytes: number }> {
  const file = await openPlain(path);
  try {
    const found = await fileVersion(file);
    if (found.version === version) return { file, bytes: found.bytes };
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  throw changedMeanwhile(path);
}

/** The body. One that cannot be sent is named in it, and is the last; one that becomes shorter on the way breaks it off. */
export async function* framesOf(files: readonly VersionedFile[]): AsyncGenerator<Buffer> {
  for (const each of files) {
    let opened: { file: FileHandle; bytes: number };
    try {
      opened = await openVersion(each);
    } catch (error) {
      yield fileRefusal(fromSystem(error));
      return;
    }
    const { file, bytes } = opened;
    try {
      yield fileHead(bytes);
      for (let at = 0; at < bytes; at += PIECE_BYTES) yield await readPiece(file, at, Math.min(PIECE_BYTES, bytes - at));
    } finally {
      await file.close();
    }
  }
}
