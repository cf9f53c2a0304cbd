/** Which file one is, and in which state: changes when another takes its name, and when it is written to. */
import type { BigIntStats } from "node:fs";
import { type FileHandle, stat } from "node:fs/promises";

function versionOf({ dev, ino, size, mtimeNs }: BigIntStats): string {
  return `${dev}-${ino}-${size}-${mtimeNs}`;
}

/** Length and version (plain characters) of an open file. */
export async function fileVersion(file: FileHandle): Promise<{ bytes: number; version: string }> {
  const found = await file.stat({ bigint: true });
  return { bytes: Number(found.size), version: versionOf(found) };
}

/** The version of what is under a name now. @throws an error of the system */
export async function versionAt(path: string): Promise<string> {
  return versionOf(await stat(path, { bigint: true }));
}
