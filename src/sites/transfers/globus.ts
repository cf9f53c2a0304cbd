/**
 * Globus Transfer (docs/transfers/globus.md): the submitter's files are on one collection, the site has a folder that is on another. Globus moves the bytes, all files of an
 * attempt in one task, and compares checksums; a result gets its name by a rename there, after central has said that the lease is current (globus-publication.ts).
 */
import { createHash } from "node:crypto";
import { copyFile, link, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { XpcsError } from "../../core/errors.js";
import type { OutputFile } from "../../core/job.js";
import type { LeaseRef } from "../../core/protocols.js";
import { digestFile } from "../../files/digest.js";
import type { Destination } from "../../files/publication.js";
import { isNoLink, systemCode } from "../../files/system-error.js";
import { type FileArrival, spread } from "../arrival.js";
import type { Arrived } from "../staging/cache.js";
import { createGlobusClient, type GlobusClient, type GlobusFile, type GlobusItem } from "../staging/globus-client.js";
import { discardThere, globusPartial, inspectThere, publishThere, settleThere, versionOf } from "../staging/globus-publication.js";
import { runTask } from "../staging/globus-task.js";
import { lanes } from "../staging/lanes.js";
import { briefPatience, type Patience, patienceOf } from "../staging/patience.js";
import { stageInput } from "../staging/stage-input.js";
import { together } from "../staging/together.js";
import type { Backend, LocationSettings, StageIn, StageOut, Transfer, TransferContext } from "./define.js";

const collection = z.guid({ error: "must be the id of a collection, a UUID" });
const absolute = z.string().regex(/^\/[^\0\r\n]*$/, "must be an absolute path");
const settings = z.strictObject({
  collection,
  /** Where the location's folder is on that collection. */
  path: absolute.default("/"),
  /** The folder of this site that is on a collection too. */
  here: z.strictObject({ collection, path: absolute, folder: absolute }),
  credentials: z.string().regex(/^\//, "must be the absolute path of a file"),
  encrypt: z.boolean().default(true),
  checksum: z.enum(["sha256", "default"]).default("sha256"),
  giveUpS: z.number().min(1).max(604_800).default(3_600),
  transferUrl: z.url({ protocol: /^https?$/ }).optional(),
  authUrl: z.url({ protocol: /^https?$/ }).default("https://auth.globus.org"),
});
type Location = z.output<typeof settings> & LocationSettings;

/** Questions at a time. */
const CALLS = 4;
/** What lies in the site's folder for so long is nobody's any more, ms. */
const KEPT_MS = 3 * 86_400_000;

interface Session {
  readonly location: Location;
  readonly context: TransferContext;
  readonly client: GlobusClient;
  /** Name of this location's part of the site's folder, and the beginning of its tasks' labels. */
  readonly ours: string;
}

function below(folder: string, path: string): string {
  return path.slice(folder === "/" ? 1 : folder.length + 1);
}

function joined(folder: string, path: string): string {
  return `${folder.replace(/\/+$/, "")}/${path}`;
}

/** A path of the submitter as it is on its collection. */
function farPath({ location }: Session, path: string): string {
  return joined(location.path, below(location.folder, path));
}

/** A path in this location's part of the site's folder: here, and as Globus sees it. */
function herePlace({ location, ours }: Session, ...parts: string[]): { local: string; globus: string } {
  const { folder, path } = location.here;
  return { local: join(folder, ours, ...parts), globus: joined(path, [ours, ...parts].join("/")) };
}

function attemptName({ job, epoch }: LeaseRef): string {
  return `${job}.${epoch}`;
}

const tidied = new Map<string, Promise<void>>();

/** What an earlier process of this site has left: its tasks are canceled, its files removed. Once in a process, before the first transfer. */
function tidy(session: Session, patience: Patience, signal: AbortSignal): Promise<void> {
  const { client, context, location, ours } = session;
  const { local } = herePlace(session);
  const known = tidied.get(local);
  // That one's attempt may be stopped: then this one tidies.
  if (known !== undefined) return known.catch(() => tidy(session, patience, signal));
  const work = (async () => {
    const left = (await patience.again(() => client.openTasks(signal))).filter(({ label }) => label?.startsWith(`${ours} `));
    for (const { task_id: id } of left) await client.cancel(id, signal).catch(() => {});
    await rm(local, { recursive: true, force: true });
    await mkdir(location.here.folder, { recursive: true });
    for (const name of await readdir(location.here.folder)) {
      if (!name.startsWith("xpcs-")) continue;
      const path = join(location.here.folder, name);
      const { mtimeMs } = await stat(path);
      if (context.clock.nowMs() - mtimeMs > KEPT_MS) await rm(path, { recursive: true, force: true });
    }
  })();
  tidied.set(local, work);
  work.catch(() => tidied.delete(local));
  return work;
}

/** Moves files by one task. @returns its id */
function transfer(
  session: Session,
  request: StageIn | StageOut,
  patience: Patience,
  { way, items, moved }: { way: "in" | "out"; items: readonly GlobusItem[]; moved?: (bytes: number) => void },
) {
  const { client, context, location, ours } = session;
  const lease = "lease" in request ? request.lease : { job: request.destination.job, epoch: request.epoch };
  const { report, signal } = request;
  const label = `${ours} ${lease.job} ${lease.epoch} ${way}`;
  const there = location.collection;
  const { collection: here } = location.here;
  const ends =
    way === "in" ? { source_endpoint: there, destination_endpoint: here } : { source_endpoint: here, destination_endpoint: there };
  return runTask(
    { client, clock: context.clock, patience, giveUpMs: location.giveUpS * 1_000, report, signal, what: label, ...(moved && { moved }) },
    (submission_id) => client.transfer({ submission_id, label, ...ends, encrypt_data: location.encrypt, items }, signal),
  );
}

interface Wanted {
  readonly path: string;
  readonly far: string;
  readonly bytes: number;
  readonly version: string;
  readonly source: string;
  /** Its name in the attempt's folder on the site's collection. */
  readonly name: string;
  readonly arriving: FileArrival | undefined;
}

async function look(
  { client, location }: Session,
  patience: Patience,
  far: string,
  path: string,
  signal: AbortSignal,
): Promise<GlobusFile> {
  const found = await patience.again(() => client.stat(location.collection, far, signal));
  if (found === null) throw new XpcsError("NOT_FOUND", `${path} is not on the collection ${location.collection}: there is no ${far}`);
  if (found.type !== "file") throw new XpcsError("REFUSED", `${path} is no plain file`);
  return found;
}

async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (systemCode(error) !== "EXDEV") throw error;
    await copyFile(from, to);
    await rm(from);
  }
}

async function stageIn(session: Session, request: StageIn): Promise<string[]> {
  const { context, location } = session;
  const { refs, lease } = request;
  const patience = patienceOf(context, location, request);
  await tidy(session, patience, request.signal);
  const wanted = await together(
    request.signal,
    refs.map(({ path }, at) => async (stop): Promise<Wanted> => {
      const far = farPath(session, path);
      const found = await look(session, patience, far, path, stop);
      const version = versionOf(found);
      const bytes = found.size ?? 0;
      const source = `globus ${location.collection} ${far} ${version}`;
      return { path, far, bytes, version, name: String(at), source, arriving: request.arriving?.file(bytes) };
    }),
    lanes(CALLS),
  );
  const place = (name: string) => herePlace(session, attemptName(lease), "in", name);
  const sums = new Map<string, string>();
  const brought = new Set<Wanted>();
  const bringTogether = async (files: readonly Wanted[]): Promise<void> => {
    if (files.length === 0) return;
    await mkdir(place("").local, { recursive: true });
    const algorithm = location.checksum === "sha256" ? { checksum_algorithm: "SHA256" } : {};
    const items = files.map(({ far, name }) => ({ source_path: far, destination_path: place(name).globus, ...algorithm }));
    const moved = spread(files.map(({ arriving }) => arriving));
    const id = await transfer(session, request, patience, { way: "in", items, moved });
    for (const [path, sha256] of await patience.again(() => session.client.checksums(id, request.signal))) sums.set(path, sha256);
    for (const file of files) brought.add(file);
  };
  const bring = async (file: Wanted, partial: string, stop: AbortSignal): Promise<Arrived> => {
    // It was here when the others were moved, and has made room since.
    if (!brought.has(file)) await bringTogether([file]);
    await move(place(file.name).local, partial);
    const found = await digestFile(partial, stop);
    const expected = sums.get(place(file.name).globus) ?? found.sha256;
    if (found.bytes !== file.bytes || versionOf(await look(session, patience, file.far, file.path, stop)) !== file.version)
      throw new XpcsError("IO_FAILED", `${file.path} has changed since its transfer began: is it complete?`);
    if (found.sha256 === expected) return { sha256: expected, identity: null };
    throw new XpcsError("CHECKSUM_MISMATCH", `${file.path} is not what Globus has moved: its bytes changed on the way`);
  };
  try {
    const missing: Wanted[] = [];
    for (const each of wanted) if (!(await context.cache.has(each.source, null))) missing.push(each);
    await bringTogether(missing);
    return await together(
      request.signal,
      wanted.map(
        (file) => (stop) => stageInput(context.cache, request, { ...file, sha256: null }, stop, (partial) => bring(file, partial, stop)),
      ),
      lanes(CALLS),
    );
  } finally {
    await rm(place("").local, { recursive: true, force: true });
  }
}

async function stageOut(session: Session, request: StageOut, far: Destination): Promise<OutputFile> {
  const { context, client, location } = session;
  const { destination, epoch, local, confirm, signal } = request;
  const patience = patienceOf(context, location, request);
  await tidy(session, patience, signal);
  const folder = dirname(far.ref.path);
  if ((await patience.again(() => client.stat(location.collection, folder, signal))) === null)
    throw new XpcsError("IO_FAILED", `cannot write ${destination.ref.path}: its folder ${dirname(destination.ref.path)} does not exist`);
  const lease = { job: destination.job, epoch };
  const place = herePlace(session, attemptName(lease), "out");
  try {
    await mkdir(place.local, { recursive: true });
    const path = join(place.local, "result");
    await link(local.path, path).catch(async (error: unknown) => {
      if (!isNoLink(error)) throw error;
      await copyFile(local.path, path);
    });
    const proof = location.checksum === "sha256" ? { external_checksum: local.sha256, checksum_algorithm: "SHA256" } : {};
    const item = { source_path: joined(place.globus, "result"), destination_path: globusPartial(far, epoch), ...proof };
    await transfer(session, request, patience, { way: "out", items: [item] });
    request.moved?.(local.bytes);
    await confirm();
    const output = await publishThere(thereOf(session, patience, signal), { ...request, destination: far });
    await rm(local.path, { force: true });
    return { ...output, path: destination.ref.path };
  } finally {
    await rm(place.local, { recursive: true, force: true });
  }
}

/** What the steps of a publication need. */
function thereOf({ client, context, location, ours }: Session, patience: Patience, signal: AbortSignal) {
  const { collection: id } = location;
  const remove = async (paths: readonly string[]): Promise<void> => {
    const label = `${ours} tidies`;
    const options = { client, clock: context.clock, patience, giveUpMs: 30_000, report: () => {}, signal, what: label };
    await runTask(options, (submission_id) => client.delete({ submission_id, label, endpoint: id, paths }, signal));
  };
  return { client, collection: id, patience, signal, remove };
}

function openTransfer(location: Location, context: TransferContext): Transfer {
  const part = createHash("sha256").update(location.folder).digest("hex").slice(0, 8);
  const client = createGlobusClient(location, () => context.clock.monotonicMs());
  const session: Session = { location, context, client, ours: `xpcs-${context.site}-${part}` };
  const there = (destination: Destination): Destination => ({ ...destination, ref: { path: farPath(session, destination.ref.path) } });
  const briefly = () => thereOf(session, briefPatience(context), new AbortController().signal);
  return {
    local: false,
    stageIn: (request) => stageIn(session, request),
    async inspect(destination) {
      const found = await inspectThere(briefly(), there(destination));
      return found.kind === "free" ? found : { ...found, output: { ...found.output, path: destination.ref.path } };
    },
    async stageOut(request) {
      try {
        return await stageOut(session, request, there(request.destination));
      } catch (error) {
        await this.discard(request).catch(() => {});
        throw error;
      }
    },
    settle: (destination) => settleThere(briefly(), there(destination)),
    discard: ({ destination, epoch }) => discardThere(briefly(), there(destination), epoch),
  };
}

export const globus: Backend = {
  name: "globus",
  about: "Globus Transfer between the submitter's collection and one of the site; all files of an attempt in one task.",
  settings,
  open: (location, context) => openTransfer(location as Location, context),
};
