/** Reads and writes a piece at its place whole: one system call may move less of it. */
import type { FileHandle } from "node:fs/promises";
import { XpcsError } from "../core/errors.js";

/** `length` bytes from `offset`. @throws IO_FAILED the file ends before */
export async function readPiece(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const piece = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; ) {
    const { bytesRead } = await file.read(piece, at, length - at, offset + at);
    if (bytesRead === 0) throw new XpcsError("IO_FAILED", "the file became shorter while it was read");
    at += bytesRead;
  }
  return piece;
}

/** All of `piece`, from `offset` on. */
export async function writePiece(file: FileHandle, piece: Uint8Array, offset: number): Promise<void> {
  for (let at = 0; at < piece.length; ) at += (await file.write(piece, at, piece.length - at, offset + at)).bytesWritten;
}
