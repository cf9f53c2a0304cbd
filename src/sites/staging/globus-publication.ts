/**
 * Gives a result its name on a Globus collection, and knows it again, by the steps of src/files/publication.ts. A collection keeps no notes of ours, so a folder beside
 * the result is the note: `.NAME.JOB.published/EPOCH.BYTES.SHA256`, made before the rename. It counts when that attempt's `.NAME.JOB.EPOCH.partial` is gone, which the rename
 * alone does, and the result has its length.
 */
import { basename, dirname } from "node:path";
import { isCode, XpcsError } from "../../core/errors.js";
import type { OutputFile } from "../../core/job.js";
import { conflict, type Destination, type DestinationFound, type Publication } from "../../files/publication.js";
import type { GlobusClient, GlobusFile } from "./globus-client.js";
import type { Patience } from "./patience.js";

export interface There {
  readonly client: GlobusClient;
  readonly collection: string;
  readonly patience: Patience;
  readonly signal: AbortSignal;
  /** Removes files and folders, if they are there; resolves when they are gone. */
  readonly remove: (paths: readonly string[]) => Promise<void>;
}

interface Note {
  readonly epoch: number;
  readonly bytes: number;
  readonly sha256: string;
}

const NOTE = /^(\d{1,15})\.(\d{1,15})\.([0-9a-f]{64})$/;

/** Changes when a file is written to, as far as a collection tells: to the second. */
export function versionOf({ size, last_modified: modified }: GlobusFile): string {
  return `${size ?? 0} ${modified ?? ""}`;
}

function beside({ ref, job }: Destination, ending: string): string {
  const folder = dirname(ref.path);
  return `${folder === "/" ? "" : folder}/.${basename(ref.path)}.${job}.${ending}`;
}

/** Where an attempt's result lies, on the collection, before it has its name. */
export function globusPartial(destination: Destination, epoch: number): string {
  return beside(destination, `${epoch}.partial`);
}

const noteFolder = (destination: Destination): string => beside(destination, "published");
const noteName = ({ epoch, bytes, sha256 }: Note): string => `${epoch}.${bytes}.${sha256}`;

function statThere({ client, collection, patience, signal }: There, path: string): Promise<GlobusFile | null> {
  return patience.again(() => client.stat(collection, path, signal));
}

/** The notes of a job, the newest attempt's first. */
async function notesOf({ client, collection, patience, signal }: There, destination: Destination): Promise<Note[]> {
  const found = (await patience.again(() => client.list(collection, noteFolder(destination), signal))) ?? [];
  return found
    .flatMap(({ name }) => {
      const [, epoch, bytes, sha256] = NOTE.exec(name) ?? [];
      return sha256 === undefined ? [] : [{ epoch: Number(epoch), bytes: Number(bytes), sha256 }];
    })
    .sort((a, b) => b.epoch - a.epoch);
}

/** The file at the destination, when this job published it. */
async function earlierThere(
  there: There,
  destination: Destination,
  final: GlobusFile | null,
  notes: readonly Note[],
): Promise<OutputFile | null> {
  if (final === null) return null;
  for (const note of notes) {
    if (note.bytes !== (final.size ?? 0) || (await statThere(there, globusPartial(destination, note.epoch))) !== null) continue;
    return { path: destination.ref.path, bytes: note.bytes, sha256: note.sha256 };
  }
  return null;
}

/** As inspectDestination of src/files/publication.ts. */
export async function inspectThere(there: There, destination: Destination): Promise<DestinationFound> {
  const final = await statThere(there, destination.ref.path);
  if (final === null) return { kind: "free", seen: null };
  const output = await earlierThere(there, destination, final, await notesOf(there, destination));
  if (output !== null) return { kind: "published", output };
  if (!destination.overwrite) throw conflict(destination, "exists");
  return { kind: "free", seen: versionOf(final) };
}

/** Over what is there, which was looked at just now. */
async function giveName(there: There, destination: Destination, partial: string, replaces: boolean): Promise<void> {
  const { client, collection, signal } = there;
  const { path } = destination.ref;
  try {
    await client.rename(collection, partial, path, signal);
  } catch (error) {
    if (!isCode(error, "ALREADY_EXISTS")) throw error;
    if (!replaces) throw conflict(destination, "appeared while the job was running");
    // A collection whose storage does not rename over a file.
    await there.remove([path]);
    await client.rename(collection, partial, path, signal);
  }
}

/**
 * Gives the partial file, which is there whole, its final name, once the lease was confirmed.
 * @returns the file that is now there: this attempt's, or an earlier one's of the same job
 * @throws STALE_LEASE · ALREADY_EXISTS · IO_FAILED
 */
export function publishThere(there: There, { destination, epoch, local, seen }: Publication): Promise<OutputFile> {
  const { client, collection, patience, signal } = there;
  const { path } = destination.ref;
  const partial = globusPartial(destination, epoch);
  const { bytes, sha256 } = local;
  return patience.again(async () => {
    const notes = await notesOf(there, destination);
    const newest = notes[0]?.epoch ?? 0;
    if (newest > epoch) throw new XpcsError("STALE_LEASE", `attempt ${newest} of ${destination.job} has published ${path}`);
    const final = await statThere(there, path);
    // Also this attempt's own, when the answer to its rename was lost.
    const earlier = await earlierThere(there, destination, final, notes);
    if (earlier !== null) {
      if ((await statThere(there, partial)) !== null) await there.remove([partial]);
      return earlier;
    }
    if (final !== null && !destination.overwrite) throw conflict(destination, "appeared while the job was running");
    if (final !== null && versionOf(final) !== seen) throw conflict(destination, "was replaced while the job was running");
    await client.makeFolder(collection, noteFolder(destination), signal);
    await client.makeFolder(collection, `${noteFolder(destination)}/${noteName({ epoch, bytes, sha256 })}`, signal);
    await giveName(there, destination, partial, final !== null);
    return { path, bytes, sha256 };
  });
}

/** Forgets the notes of a job that has ended. */
export async function settleThere(there: There, destination: Destination): Promise<void> {
  const { client, collection, patience, signal } = there;
  if ((await patience.again(() => client.list(collection, noteFolder(destination), signal))) !== null)
    await there.remove([noteFolder(destination)]);
}

/** Removes what an attempt that did not publish may have left. */
export async function discardThere(there: There, destination: Destination, epoch: number): Promise<void> {
  const partial = globusPartial(destination, epoch);
  // As long as it is there, its note means nothing.
  if ((await statThere(there, partial)) === null) return;
  const notes = await notesOf(there, destination);
  const own = notes.filter((note) => note.epoch === epoch).map((note) => `${noteFolder(destination)}/${noteName(note)}`);
  const rest = notes.length > own.length ? own : own.length > 0 ? [noteFolder(destination)] : [];
  // The note first: without the partial file it would count.
  if (rest.length > 0) await there.remove(rest);
  await there.remove([partial]);
}
