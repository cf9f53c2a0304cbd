/** A log file that does not grow without end: when it is full it gets `.1` after its name, in place of the one before, and a new one begins. */
import { closeSync, existsSync, fstatSync, openSync, renameSync, writeSync } from "node:fs";

export interface BoundedLog {
  /** Writes whole lines. A disk that takes none loses them; the site goes on. */
  write(lines: string): void;
  close(): void;
}

/** Bytes of one of the two files. */
export const LOG_BYTES = 8_000_000;

/** Goes on at the end of the file, if it is there. @throws what opening it fails with */
export function openLog(path: string, bytesMax = LOG_BYTES): BoundedLog {
  let file = openSync(path, "a", 0o600);
  let bytes = fstatSync(file).size;
  let lost = 0;

  function turn(): void {
    // Somebody may have taken it away.
    if (existsSync(path)) renameSync(path, `${path}.1`);
    const next = openSync(path, "a", 0o600);
    closeSync(file);
    file = next;
    bytes = 0;
  }

  function put(text: string): void {
    const data = Buffer.from(text);
    for (let at = 0; at < data.length; ) at += writeSync(file, data, at);
    bytes += data.length;
  }

  return {
    write(lines) {
      try {
        if (bytes > 0 && bytes + lines.length > bytesMax) turn();
        if (lost > 0) put(`${JSON.stringify({ level: "warn", time: "", event: "log-lines-lost", lines: lost })}\n`);
        lost = 0;
        put(lines);
      } catch {
        lost += lines.split("\n").length - 1;
      }
    },
    close: () => closeSync(file),
  };
}
