/** Which file the cache has under a name, and in which state: another after somebody has written to it. */
import { type BigIntStats, statSync } from "node:fs";
import { stat } from "node:fs/promises";

function identityOf({ ino, size, mtimeNs }: BigIntStats): string {
  return `${ino}:${size}:${mtimeNs}`;
}

/** In a thread that may wait. @throws an error of the system */
export function identityNow(path: string): string {
  return identityOf(statSync(path, { bigint: true }));
}

/** @throws an error of the system */
export async function lookAt(path: string): Promise<{ identity: string; bytes: number; changedMs: number; writable: boolean }> {
  const found = await stat(path, { bigint: true });
  const { size, mtimeMs, mode } = found;
  return { identity: identityOf(found), bytes: Number(size), changedMs: Number(mtimeMs), writable: (mode & 0o222n) !== 0n };
}
