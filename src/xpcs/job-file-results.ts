/**
 * Puts results into a job file, as XPCS-Eigen does, but never into the file itself: a copy beside it gets the result group
 * and takes its place by one rename. What the groups hold is the native core's business.
 */
import { constants } from "node:fs";
import { access, chmod, chown, copyFile, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { XpcsError } from "../core/errors.js";
import { replaceGroup } from "./native.js";

/** The job file as it was when the analysis began. */
export interface JobFileState {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly bytes: number;
  readonly inode: number;
  readonly modifiedMs: number;
}

/**
 * Looks at a job file that shall take results.
 * @param path without symbolic links, so that the rename replaces the file itself
 * @throws IO_FAILED it is not there, or may not be written
 */
export async function jobFileState(path: string): Promise<JobFileState> {
  try {
    await access(path, constants.W_OK);
    await access(dirname(path), constants.W_OK);
    const facts = await stat(path);
    const { mode, uid, gid, size, ino, mtimeMs } = facts;
    return { path, mode: mode & 0o7777, uid, gid, bytes: size, inode: ino, modifiedMs: mtimeMs };
  } catch (error) {
    throw new XpcsError("IO_FAILED", `results cannot be written into ${path}: ${(error as Error).message}`);
  }
}

/**
 * Replaces the job file by a copy whose `group` is the one of `result`; owner and mode stay.
 * @param partial name of the copy, in the job file's folder; nothing is left there on failure
 * @returns false when the owner could not be kept
 * @throws IO_FAILED · CORRUPT_DATA · CANCELED
 */
export async function putResults(job: JobFileState, result: string, group: string, partial: string, signal: AbortSignal): Promise<boolean> {
  try {
    await copyFile(job.path, partial, constants.COPYFILE_FICLONE);
    await chmod(partial, job.mode | constants.S_IRUSR | constants.S_IWUSR);
    replaceGroup(partial, result, group);
    const owned = await sameOwner(partial, job);
    await chmod(partial, job.mode);
    await synced(partial);
    if (signal.aborted) throw new XpcsError("CANCELED", `stopped; ${job.path} is as it was`);
    const now = await stat(job.path);
    if (now.ino !== job.inode || now.size !== job.bytes || now.mtimeMs !== job.modifiedMs)
      throw new XpcsError("IO_FAILED", `${job.path} was changed by another program meanwhile; it was left alone: run again`);
    await rename(partial, job.path);
    await synced(dirname(job.path));
    return owned;
  } catch (error) {
    if (error instanceof XpcsError) throw error;
    throw new XpcsError("IO_FAILED", `results cannot be written into ${job.path}, which is as it was: ${(error as Error).message}`);
  } finally {
    await rm(partial, { force: true });
  }
}

async function sameOwner(path: string, job: JobFileState): Promise<boolean> {
  const { uid, gid } = await stat(path);
  if (uid === job.uid && gid === job.gid) return true;
  try {
    await chown(path, job.uid, job.gid);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EPERM") return false;
    throw error;
  }
}

/** On the disk, for a file or a folder. */
async function synced(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
