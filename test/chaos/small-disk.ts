/** A small file system that can be filled and freed: a tmpfs, where this process may mount one; otherwise a plain folder that never fills. */
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

export interface SmallDisk {
  readonly path: string;
  /** It has an end: `fill` means something. */
  readonly small: boolean;
  /** Writes until nothing fits any more. */
  fill(): void;
  free(): void;
  remove(): void;
}

/** @param sizeMb of 2^20 bytes */
export function makeSmallDisk(path: string, sizeMb: number): SmallDisk {
  mkdirSync(path, { recursive: true });
  const small = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${sizeMb}m`, "tmpfs", path], { stdio: "ignore" }).status === 0;
  const filler = join(path, "filler");
  return {
    path,
    small,
    fill() {
      const file = openSync(filler, "w");
      for (const bytes of [1 << 20, 4096]) {
        const block = Buffer.alloc(bytes);
        try {
          while (writeSync(file, block) === bytes);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
        }
      }
      closeSync(file);
    },
    free: () => rmSync(filler, { force: true }),
    remove() {
      if (small) spawnSync("umount", ["--lazy", path], { stdio: "ignore" });
      rmSync(path, { recursive: true, force: true });
    },
  };
}
