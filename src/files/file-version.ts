/** Which file an open file is, and in which state: changes when another takes its name, and when it is written to. */
import type { FileHandle } from "node:fs/promises";

/** Length and version (plain characters). */
export async function fileVersion(file: FileHandle): Promise<{ bytes: number; version: string }> {
  const { dev, ino, size, mtimeNs } = await file.stat({ bigint: true });
  return { bytes: Number(size), version: `${dev}-${ino}-${size}-${mtimeNs}` };
}
