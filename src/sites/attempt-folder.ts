/**
 * The folder of one attempt, WORK/<job>.<epoch>, and the record in it that outlives a crash of the site: enough to tell
 * central of a result that was published when the site died, and to remove what an unpublished one left behind.
 */
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { XpcsError } from "../core/errors.js";
import type { OutputFile } from "../core/job.js";
import type { LeaseRef } from "../core/protocols.js";
import type { Destination } from "../files/publication.js";

/** What an attempt tells central at its end. */
export interface Completion {
  readonly outputs: readonly OutputFile[];
  readonly summary: Readonly<Record<string, string | number | boolean | null>>;
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
}

export interface AttemptRecord {
  readonly lease: LeaseRef;
  readonly destinations: readonly Destination[];
  /** Written before publishing; without it there is nothing to complete. */
  readonly completion?: Completion;
}

const RECORD = "attempt.json";
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]*\.\d+$/;

/**
 * Path of an attempt's folder.
 * @throws INVALID_ARGUMENT the job id is no plain name, so it must not become a path
 */
export function attemptFolder(workDir: string, { job, epoch }: LeaseRef): string {
  const name = `${job}.${epoch}`;
  if (!NAME.test(name)) throw new XpcsError("INVALID_ARGUMENT", `the job id "${job}" cannot name a folder`);
  return join(workDir, name);
}

/** Makes the folder, empty, with its record. */
export async function createFolder(folder: string, record: AttemptRecord): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await writeRecord(folder, record);
}

/** Replaces the record, whole; synced where files elsewhere depend on it. */
export async function writeRecord(folder: string, record: AttemptRecord): Promise<void> {
  const temporary = join(folder, `${RECORD}.partial`);
  const file = await open(temporary, "w", 0o600);
  try {
    await file.writeFile(JSON.stringify(record));
    if (record.destinations.length > 0) await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, join(folder, RECORD));
}

/** Removes the folder with all that is in it; harmless when it is gone. */
export async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}

/** Folders that an earlier process of this site left, with their records (null: killed before it was written). */
export async function leftFolders(workDir: string): Promise<{ folder: string; record: AttemptRecord | null }[]> {
  const names = (await readdir(workDir)).filter((name) => NAME.test(name));
  return Promise.all(
    names.map(async (name) => {
      const folder = join(workDir, name);
      try {
        return { folder, record: JSON.parse(await readFile(join(folder, RECORD), "utf8")) as AttemptRecord };
      } catch {
        return { folder, record: null };
      }
    }),
  );
}
