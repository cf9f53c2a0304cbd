/** How long the disk takes for what every commit of central waits for. */
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type Spread, spreadOf } from "../judge.js";

const WRITES = 60;
/** About what a group of eight submissions writes. */
const BYTES = 8_192;

/** Time of appending some kB to a file and fdatasync, ms. */
export function syncMs(folder: string): Spread {
  const path = join(folder, "sync.dat");
  const file = openSync(path, "w");
  const bytes = Buffer.alloc(BYTES, "x");
  try {
    const times = Array.from({ length: WRITES }, () => {
      const from = performance.now();
      writeSync(file, bytes);
      fdatasyncSync(file);
      return performance.now() - from;
    });
    return spreadOf(times);
  } finally {
    closeSync(file);
    rmSync(path);
  }
}
