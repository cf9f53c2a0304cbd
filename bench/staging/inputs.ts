/** The files that are moved: bytes that no link can make fewer, kept between runs; a touched file is another version, which nobody has digested yet. */
import { createCipheriv } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, statSync, utimesSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";

const PIECE_BYTES = 1_000_000;

/** A file of pseudo-random bytes, made unless it is there. @returns its path */
export function madeFile(path: string, bytes: number, seed: number): string {
  if (existsSync(path) && statSync(path).size === bytes) return path;
  mkdirSync(dirname(path), { recursive: true });
  const key = Buffer.alloc(32, seed);
  key.writeUInt32LE(seed, 0);
  const stream = createCipheriv("aes-256-ctr", key, Buffer.alloc(16));
  const file = openSync(path, "w");
  try {
    for (let left = bytes; left > 0; left -= PIECE_BYTES) writeSync(file, stream.update(Buffer.alloc(Math.min(PIECE_BYTES, left))));
  } finally {
    closeSync(file);
  }
  return path;
}

/** Files of 1 MB. @returns their paths */
export function madeFiles(folder: string, count: number, firstSeed = 1): string[] {
  return Array.from({ length: count }, (_, at) =>
    madeFile(join(folder, `m${String(at).padStart(4, "0")}.bin`), PIECE_BYTES, firstSeed + at),
  );
}

/** What a site brings before it is measured: a large file, and small ones. */
export function warmUpFiles(folder: string): string[] {
  return [madeFile(join(folder, "warm.bin"), 32 * PIECE_BYTES, 0x5eed), ...madeFiles(join(folder, "warm"), 32, 0x10000)];
}

/** Makes them other versions, with the same bytes. */
export function touch(paths: readonly string[]): void {
  const now = new Date();
  for (const path of paths) utimesSync(path, now, now);
}
