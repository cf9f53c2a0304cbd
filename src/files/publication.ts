/**
 * Puts a result under its final name, whole or not at all, and knows it again.
 *
 * Publishing against completing. The result is computed and digested in the attempt's folder, then:
 *   1. it is put beside its final name as `.NAME.JOB.EPOCH.partial` (a hard link, or a copy that is digested again), gets its group and mode,
 *      and is synced;
 *   2. `confirm`: central says that the lease is current;
 *   3. a note `.NAME.JOB.published` with epoch and digest is renamed into place beside it, synced;
 *   4. the partial file gets its final name: `link`, which fails when the name is taken, or with overwrite `rename`,
 *      and only over the very file that was there when the attempt began;
 *   5. central records the completion; 6. `settle` removes the note.
 * A crash before 4 leaves nothing under the final name: the next attempt starts afresh. A crash between 4 and 5 leaves a
 * whole file and a note with its digest: the next attempt of the same job finds both, does not compute again and
 * completes with that digest, so the job's own publication is never a conflict. A crash between 5 and 6 leaves a note
 * that no job will read; the site removes it when it starts again, or once the destination can be reached again. Any file without a fitting note is somebody else's.
 *
 * A process that is suspended between 2 and 4 until its lease was granted again cannot publish over the newer attempt:
 * without overwrite `link` fails; with overwrite the file is no longer the one it saw. With overwrite, the few
 * microseconds between that look and the rename remain.
 */
import { constants } from "node:fs";
import { copyFile, link, open, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { isCode, XpcsError } from "../core/errors.js";
import type { FileRef, JobId, OutputFile } from "../core/job.js";
import { digestFile } from "./digest.js";
import { versionAt } from "./file-version.js";
import { fromSystem, isNoLink, systemCode } from "./system-error.js";

/** Where a job wants its result. */
export interface Destination {
  readonly ref: FileRef;
  readonly job: JobId;
  readonly overwrite: boolean;
}

/** What is at the destination before work begins. */
export type DestinationFound =
  /** An earlier attempt of this job published its result here, and the file still has its digest. */
  | { readonly kind: "published"; readonly output: OutputFile }
  /** Nothing, or (with `overwrite`) a file that may be replaced; `seen` is the file's identity. */
  | { readonly kind: "free"; readonly seen: string | null };

/** What a published file gets. */
export interface FileAccess {
  readonly mode?: number;
  /** Number of its group. */
  readonly group?: number;
}

export interface Publication {
  readonly destination: Destination;
  readonly epoch: number;
  /** The whole result in the attempt's folder, with its digest. Once it is published, the folder's copy is gone. */
  readonly local: OutputFile;
  /** From `inspect`: only that file may be replaced. */
  readonly seen: string | null;
  /** Group and mode that the file has from the moment on at which it is seen. */
  readonly access: FileAccess;
  /** Resolves when the lease is confirmed current. @throws STALE_LEASE · CANCELED */
  readonly confirm: () => Promise<void>;
  readonly signal: AbortSignal;
}

/** The note of a publication. */
interface Note {
  readonly job: string;
  readonly epoch: number;
  readonly bytes: number;
  readonly sha256: string;
}

function notePath({ ref, job }: Destination): string {
  return join(dirname(ref.path), `.${basename(ref.path)}.${job}.published`);
}

function partialPath({ ref, job }: Destination, epoch: number): string {
  return join(dirname(ref.path), `.${basename(ref.path)}.${job}.${epoch}.partial`);
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The version of the file under a name; null when there is none. */
async function identity(path: string): Promise<string | null> {
  try {
    return await versionAt(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return null;
    throw error;
  }
}

async function readNote(destination: Destination): Promise<Note | null> {
  try {
    const note = JSON.parse(await readFile(notePath(destination), "utf8")) as Note;
    return note.job === destination.job ? note : null;
  } catch (error) {
    if (systemCode(error) === "ENOENT" || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** The note before it has its name. */
function unfinishedNotePath(destination: Destination, epoch: number): string {
  return `${notePath(destination)}.${epoch}`;
}

async function writeNote(destination: Destination, note: Note): Promise<void> {
  const path = notePath(destination);
  const temporary = unfinishedNotePath(destination, note.epoch);
  try {
    const handle = await open(temporary, "w", 0o600);
    try {
      await handle.writeFile(JSON.stringify(note));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    // A full disk still has room for names.
    await rm(temporary, { force: true });
    throw error;
  }
  await syncPath(dirname(path));
}

/** The file at the destination, when this job published it. */
async function earlierPublication(destination: Destination, note: Note | null): Promise<OutputFile | null> {
  if (note === null) return null;
  try {
    const found = await digestFile(destination.ref.path);
    return found.sha256 === note.sha256 ? { path: destination.ref.path, ...found } : null;
  } catch (error) {
    if (isCode(error, "NOT_FOUND")) return null;
    throw error;
  }
}

/** Why a result cannot have its name. */
export function conflict({ ref, overwrite }: Destination, happened: string): XpcsError {
  return new XpcsError("ALREADY_EXISTS", `${ref.path} ${happened}: choose another name${overwrite ? "" : ", or submit with --overwrite"}`);
}

/** Errors of the file system become IO_FAILED that names the place. */
async function guarded<T>(what: string, path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    const why = code === "ENOENT" ? `its folder ${dirname(path)} does not exist` : fromSystem(error).message;
    throw new XpcsError("IO_FAILED", `cannot ${what} ${path}: ${why}`);
  }
}

/** Step 1: the result's bytes, whole and synced, beside the final name. */
async function place(request: Publication, partial: string): Promise<void> {
  await rm(partial, { force: true });
  try {
    await link(request.local.path, partial);
  } catch (error) {
    // The bytes must travel.
    if (!isNoLink(error)) throw error;
    await copyFile(request.local.path, partial, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    const copied = await digestFile(partial, request.signal);
    if (copied.sha256 !== request.local.sha256)
      throw new XpcsError("CHECKSUM_MISMATCH", `the copy ${partial} differs from ${request.local.path}: is the disk sound?`);
  }
  await giveAccess(partial, request);
}

/** Group before mode, because a change of the group may take rights away. Synced also when there is nothing to give. */
async function giveAccess(partial: string, { access: { group, mode }, destination }: Publication): Promise<void> {
  // Not through a link that somebody who may write the folder has put in its place.
  const file = await open(partial, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    if (group !== undefined) await file.chown((await file.stat()).uid, group);
    if (mode !== undefined) await file.chmod(mode);
    await file.sync();
  } catch (error) {
    if (group === undefined || systemCode(error) !== "EPERM") throw error;
    throw new XpcsError(
      "IO_FAILED",
      `${destination.ref.path} cannot be given to group ${group}: the file system does not let this site's user`,
    );
  } finally {
    await file.close();
  }
}

/** Step 4: the final name. Answers with an earlier publication of the job if that got there first. */
async function name(request: Publication, partial: string, before: Note | null): Promise<OutputFile> {
  const { destination, local } = request;
  const { path } = destination.ref;
  const ours: OutputFile = { path, bytes: local.bytes, sha256: local.sha256 };
  try {
    await link(partial, path);
    return ours;
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw error;
  }
  const earlier = await earlierPublication(destination, before);
  if (earlier) return earlier;
  if (!destination.overwrite) throw conflict(destination, "appeared while the job was running");
  const now = await identity(path);
  if (now !== null && now !== request.seen) throw conflict(destination, "was replaced while the job was running");
  await rename(partial, path);
  return ours;
}

async function publish(request: Publication): Promise<OutputFile> {
  const { destination, epoch, local } = request;
  const partial = partialPath(destination, epoch);
  try {
    await place(request, partial);
    await request.confirm();
    const before = await readNote(destination);
    if (before && before.epoch > epoch)
      throw new XpcsError("STALE_LEASE", `attempt ${before.epoch} of ${destination.job} has published ${destination.ref.path}`);
    const earlier = await earlierPublication(destination, before);
    if (earlier) return earlier;
    await writeNote(destination, { job: destination.job, epoch, bytes: local.bytes, sha256: local.sha256 });
    const output = await name(request, partial, before).catch(async (error: unknown) => {
      // Nothing has the final name by this attempt, so there is nothing to note.
      if ((await readNote(destination))?.epoch === epoch) await rm(notePath(destination), { force: true });
      throw error;
    });
    await syncPath(dirname(destination.ref.path));
    // The published file must not have a second name through which it could be written.
    await rm(local.path, { force: true });
    return output;
  } finally {
    await rm(partial, { force: true });
  }
}

/** What is at the destination. @throws ALREADY_EXISTS something else is there and `overwrite` is off · IO_FAILED */
export function inspectDestination(destination: Destination): Promise<DestinationFound> {
  return guarded("look at", destination.ref.path, async () => {
    const seen = await identity(destination.ref.path);
    if (seen === null) return { kind: "free", seen };
    const output = await earlierPublication(destination, await readNote(destination));
    if (output) return { kind: "published", output };
    if (!destination.overwrite) throw conflict(destination, "exists");
    return { kind: "free", seen };
  });
}

/**
 * Publishes a result.
 * @returns the file that is now at the destination: this attempt's, or an earlier one's of the same job
 * @throws STALE_LEASE · CANCELED · ALREADY_EXISTS · CHECKSUM_MISMATCH · IO_FAILED; then nothing was published
 */
export function publishFile(request: Publication): Promise<OutputFile> {
  return guarded("write", request.destination.ref.path, () => publish(request));
}

/** Forgets what was kept to recognise the publication. */
export function settlePublication(destination: Destination): Promise<void> {
  return guarded("tidy beside", destination.ref.path, () => rm(notePath(destination), { force: true }));
}

/** Removes what an attempt that did not publish may have left at the destination. */
export function discardPublication(destination: Destination, epoch: number): Promise<void> {
  return guarded("tidy beside", destination.ref.path, async () => {
    for (const path of [partialPath(destination, epoch), unfinishedNotePath(destination, epoch)]) await rm(path, { force: true });
    // Killed between the note and the name: there is nothing that the note could be about.
    const note = await readNote(destination);
    if (note?.epoch === epoch && (await identity(destination.ref.path)) === null) await rm(notePath(destination), { force: true });
  });
}
