/** Looks at several files at once, and digests small ones, in a thread: they are many, and each call of the system would be a hop to a thread and back. */
import { openThreads } from "./threads.js";

export interface LookOrder {
  readonly paths: readonly string[];
  /** Up to this size they are digested. */
  readonly smallBytes: number;
}

export interface LookedAt {
  readonly bytes: number;
  /** As of file-version.ts. */
  readonly version: string;
  /** sha256 (hex); null: it is not small, or was written to meanwhile. */
  readonly sha256: string | null;
}

/** One may wait for a slow file system. */
const THREADS_MAX = 2;
const freeThread = openThreads<LookOrder, LookedAt[]>("files/look-thread.js", THREADS_MAX);

/** @throws NOT_FOUND · REFUSED one is a pipe, a folder, a device · IO_FAILED */
export function lookAtFiles(order: LookOrder): Promise<LookedAt[]> {
  return freeThread().ask(order);
}
