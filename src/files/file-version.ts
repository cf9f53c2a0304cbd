/** Which file one is, and in which state: changes when another takes its name, and when it is written to. */
import type { BigIntStats } from "node:fs";
import { type FileHandle, stat } from "node:fs/promises";
import { openPlain } from "./plain-file.js";

/** Plain characters. */
export function versionOf({ dev, ino, size, mtimeNs }: BigIntStats): string {
  return `${dev}-${ino}-${size}-${mtimeNs}`;
}

export interface VersionedFile {
  readonly file: FileHandle;
  readonly bytes: number;
  /** Plain characters. */
  readonly version: string;
}

/** A plain file, to be read. @throws REFUSED it is a pipe, a folder, a device · an error of the system */
export async function openVersioned(path: string): Promise<VersionedFile> {
  const { file, found } = await openPlain(path);
  return { file, bytes: Number(found.size), version: versionOf(found) };
}

/** The version of what is under a name now. @throws an error of the system */
export async function versionAt(path: string): Promise<string> {
  return versionOf(await stat(path, { bigint: true }));
}
