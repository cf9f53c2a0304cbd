/**
 * An S3 store that holds the submitter's folder (docs/transfers/s3.md): inputs are read in ranges of one version of the object; a result becomes an object by one request, after central
 * has said that the lease is current, and says in its metadata which attempt made it.
 */
import { type FileHandle, open, rm } from "node:fs/promises";
import { z } from "zod";
import { isCode, XpcsError } from "../../core/errors.js";
import type { OutputFile } from "../../core/job.js";
import { conflict, type Destination, type DestinationFound } from "../../files/publication.js";
import { readPiece } from "../../files/whole-pieces.js";
import type { HttpAnswer } from "../../wire/http-client.js";
import { briefPatience, type Patience, patienceOf } from "../staging/patience.js";
import { CHUNK_BYTES, openPipes, type Pipes, type RangeSource, stageRanges } from "../staging/range-staging.js";
import { createS3Client, type S3Client } from "../staging/s3-client.js";
import { listObjects } from "../staging/s3-list.js";
import { together } from "../staging/together.js";
import type { Backend, LocationSettings, StageIn, StageOut, Transfer, TransferContext } from "./define.js";

const settings = z.strictObject({
  endpoint: z.url({ protocol: /^https?$/, error: "must be the URL of an S3 store, such as https://s3.example" }),
  bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,62}$/, "is no name of a bucket"),
  /** Stands before the path below the location's folder. */
  prefix: z
    .string()
    .regex(/^(?!\/)([^\0]*\/)?$/, "must end with a slash, and not begin with one")
    .default(""),
  region: z.string().default("us-east-1"),
  credentials: z.string().regex(/^\//, "must be the absolute path of a file"),
  profile: z.string().default("default"),
  insecure: z.boolean().default(false),
  connections: z.int().min(1).max(32).default(4),
  mbPerS: z.number().min(0.01).optional(),
  giveUpS: z.number().min(1).max(86_400).default(120),
});
type Location = z.output<typeof settings> & LocationSettings;

/** Larger results go in parts of this size, 10 000 at most; S3 has 5 MiB as the least. */
const PART_BYTES = 2 * CHUNK_BYTES;
const PARTS_MAX = 10_000;

interface Session {
  readonly location: Location;
  readonly context: TransferContext;
  readonly client: S3Client;
  readonly pipes: Pipes;
}

function keyOf({ location: { folder, prefix } }: Session, path: string): string {
  return `${prefix}${path.slice(folder === "/" ? 1 : folder.length + 1)}`;
}

interface Found {
  readonly bytes: number;
  readonly etag: string;
  /** Said by whoever made the object, or by the store. */
  readonly sha256: string | null;
  readonly job: string | null;
  readonly epoch: number;
}

function foundOf(headers: HttpAnswer["headers"]): Found {
  const meta = (name: string): string | null => {
    const value = headers[name];
    return typeof value === "string" ? value : null;
  };
  const whole = meta("x-amz-checksum-type") === "FULL_OBJECT" ? meta("x-amz-checksum-sha256") : null;
  const said = meta("x-amz-meta-sha256") ?? (whole === null ? null : Buffer.from(whole, "base64").toString("hex"));
  return {
    ...{ bytes: Number(meta("content-length")), etag: meta("etag") ?? "", job: meta("x-amz-meta-xpcs-job") },
    ...{ sha256: said !== null && /^[0-9a-f]{64}$/.test(said) ? said : null, epoch: Number(meta("x-amz-meta-xpcs-epoch") ?? 0) },
  };
}

/** Has the store say its own checksum of the object. */
const LOOK = { "x-amz-checksum-mode": "ENABLED" };

/** What is under a key, or null. */
async function look({ client }: Session, key: string, signal: AbortSignal): Promise<Found | null> {
  try {
    return foundOf(await client.ask({ method: "HEAD", key, headers: LOOK, signal }));
  } catch (error) {
    if (isCode(error, "NOT_FOUND")) return null;
    throw error;
  }
}

/** An object to be brought. @param said resolves to its sha256 where it is not known yet */
function sourceOf(
  session: Session,
  path: string,
  { bytes, etag, sha256 }: Pick<Found, "bytes" | "etag" | "sha256">,
  listed: boolean,
): RangeSource {
  const { client, location } = session;
  const key = keyOf(session, path);
  let said: (sha256: string | null) => void = () => {};
  const digest = listed ? new Promise<string | null>((resolve) => (said = resolve)) : Promise.resolve(sha256);
  return {
    ...{ path, bytes, sha256, version: etag, source: `s3 ${location.endpoint} ${location.bucket} ${key} ${etag}` },
    digest: () => digest,
    async read({ offset, length }, take, signal) {
      const range = length === bytes ? {} : { range: `bytes=${offset}-${offset + length - 1}` };
      const headers = { ...range, ...(etag === "" ? {} : { "if-match": etag }), ...(listed ? LOOK : {}) };
      try {
        const answered = await client.read({ method: "GET", key, headers, signal }, take);
        said(foundOf(answered).sha256);
      } catch (error) {
        if (!isCode(error, "ALREADY_EXISTS")) throw error;
        throw new XpcsError("IO_FAILED", `${path} has changed since its transfer began: is it complete?`);
      }
    },
  };
}

async function stageIn(session: Session, request: StageIn): Promise<string[]> {
  const { client, context, location, pipes } = session;
  const patience = patienceOf(session.context, session.location, request);
  const listed = await listObjects(
    client,
    request.refs.map(({ path }) => keyOf(session, path)),
    request.signal,
  );
  const sources = await together(
    request.signal,
    request.refs.map(({ path }) => async (stop): Promise<RangeSource> => {
      const key = keyOf(session, path);
      const inList = listed.get(key);
      if (inList !== undefined) return sourceOf(session, path, { ...inList, sha256: null }, true);
      const found = await patience.again(() => look(session, key, stop));
      if (found === null) throw new XpcsError("NOT_FOUND", `${path} is not in the store: there is no s3://${location.bucket}/${key}`);
      return sourceOf(session, path, found, false);
    }),
    pipes.wire,
  );
  return stageRanges(request, sources, { pipes, cache: context.cache, patience });
}

function outputOf({ ref }: Destination, { bytes, sha256 }: Found): OutputFile {
  return { path: ref.path, bytes, sha256: sha256! };
}

/** The object, when it is this job's result. */
function oursOf({ job }: Destination, found: Found | null): Found | null {
  return found !== null && found.sha256 !== null && found.job === job ? found : null;
}

/**
 * What a result may replace.
 * @returns the object's tag, or null for none
 * @throws ALREADY_EXISTS · STALE_LEASE
 */
function replaceable({ destination, epoch, seen }: StageOut, there: Found | null): string | null {
  if (there?.job === destination.job && there.epoch > epoch)
    throw new XpcsError("STALE_LEASE", `attempt ${there.epoch} of ${destination.job} has published ${destination.ref.path}`);
  if (there === null) return null;
  if (!destination.overwrite) throw conflict(destination, "was made while the job was running");
  if (there.etag !== seen) throw conflict(destination, "was replaced while the job was running");
  return there.etag;
}

/** The last request of a publication, made after the lease was confirmed. */
type Finish = (conditions: Record<string, string>) => Promise<unknown>;

/** Sends all parts of a large result; none of it is to be seen before the finish. */
async function sendParts(
  session: Session,
  request: StageOut,
  key: string,
  metadata: Record<string, string>,
  file: FileHandle,
  patience: Patience,
) {
  const { client, pipes } = session;
  const { bytes } = request.local;
  const { signal } = request;
  const created = await patience.again(() => client.text({ method: "POST", key, query: { uploads: "" }, headers: metadata, signal }));
  const uploadId = /<UploadId>([^<]+)<\/UploadId>/.exec(created)?.[1];
  if (uploadId === undefined) throw new XpcsError("IO_FAILED", "the store began no upload");
  const partBytes = Math.max(PART_BYTES, Math.ceil(bytes / PARTS_MAX));
  const send = async (part: number, stop: AbortSignal): Promise<string> => {
    const offset = part * partBytes;
    const body = await readPiece(file, offset, Math.min(partBytes, bytes - offset));
    await pipes.limit.take(body.length, stop);
    const query = { partNumber: String(part + 1), uploadId };
    const { etag = "" } = await patience.again(() => client.ask({ method: "PUT", key, query, body, signal: stop }));
    return `<Part><PartNumber>${part + 1}</PartNumber><ETag>${etag}</ETag></Part>`;
  };
  const abort = () => client.ask({ method: "DELETE", key, query: { uploadId }, signal: new AbortController().signal });
  const parts = Array.from({ length: Math.ceil(bytes / partBytes) }, (_, part) => (stop: AbortSignal) => send(part, stop));
  const sent = await together(signal, parts, pipes.wire).catch(async (error: unknown) => {
    await abort().catch(() => {});
    throw error;
  });
  const body = Buffer.from(`<CompleteMultipartUpload>${sent.join("")}</CompleteMultipartUpload>`);
  const finish: Finish = async (conditions) => {
    const answer = await client.text({ method: "POST", key, query: { uploadId }, headers: conditions, body, signal });
    // A store may say 200, and then that it failed.
    if (answer.includes("<Error>")) throw new XpcsError("UNAVAILABLE", `the store did not complete the upload: ${answer.slice(0, 200)}`);
  };
  return { finish, abort };
}

async function publish(session: Session, request: StageOut, finish: Finish, patience: Patience): Promise<OutputFile> {
  const { destination, local, signal } = request;
  const key = keyOf(session, destination.ref.path);
  const { bytes, sha256 } = local;
  return patience.again(async () => {
    // Also when the answer to an earlier try was lost.
    const there = await look(session, key, signal);
    const ours = oursOf(destination, there);
    if (ours !== null && ours.epoch <= request.epoch) return outputOf(destination, ours);
    const tag = replaceable(request, there);
    try {
      await finish(tag === null ? { "if-none-match": "*" } : { "if-match": tag });
    } catch (error) {
      if (!isCode(error, "ALREADY_EXISTS")) throw error;
      const now = oursOf(destination, await look(session, key, signal));
      if (now !== null) return outputOf(destination, now);
      throw conflict(destination, "changed while the job was running");
    }
    return { path: destination.ref.path, bytes, sha256 };
  });
}

async function stageOut(session: Session, request: StageOut): Promise<OutputFile> {
  const { client, pipes } = session;
  const { destination, epoch, local, confirm, signal } = request;
  const key = keyOf(session, destination.ref.path);
  const patience = patienceOf(session.context, session.location, request);
  const metadata = { "x-amz-meta-sha256": local.sha256, "x-amz-meta-xpcs-job": destination.job, "x-amz-meta-xpcs-epoch": String(epoch) };
  const file = await open(local.path, "r");
  try {
    let upload: { finish: Finish; abort: () => Promise<unknown> };
    if (local.bytes > PART_BYTES) upload = await sendParts(session, request, key, metadata, file, patience);
    else {
      const body = await readPiece(file, 0, local.bytes);
      await pipes.limit.take(body.length, signal);
      upload = {
        finish: (conditions) => client.ask({ method: "PUT", key, headers: { ...metadata, ...conditions }, body, signal }),
        abort: async () => {},
      };
    }
    try {
      await confirm();
      const output = await publish(session, request, upload.finish, patience);
      request.moved?.(local.bytes);
      await rm(local.path, { force: true });
      return output;
    } catch (error) {
      await upload.abort().catch(() => {});
      throw error;
    }
  } finally {
    await file.close();
  }
}

function openTransfer(location: Location, context: TransferContext): Transfer {
  const session: Session = { location, context, client: createS3Client(location), pipes: openPipes(location, context.clock) };
  return {
    local: false,
    stageIn: (request) => stageIn(session, request),
    async inspect(destination): Promise<DestinationFound> {
      const there = await briefPatience(context).again(() =>
        look(session, keyOf(session, destination.ref.path), new AbortController().signal),
      );
      if (there === null) return { kind: "free", seen: null };
      const ours = oursOf(destination, there);
      if (ours !== null) return { kind: "published", output: outputOf(destination, ours) };
      if (!destination.overwrite) throw conflict(destination, "exists");
      return { kind: "free", seen: there.etag };
    },
    stageOut: (request) => stageOut(session, request),
    // The object itself says whose it is, and parts of an upload that was never completed are no object.
    settle: async () => {},
    discard: async () => {},
  };
}

export const s3: Backend = {
  name: "s3",
  about: "Objects of an S3 store, in ranges, several at a time; results in parts that become an object at once.",
  settings,
  open: (location, context) => openTransfer(location as Location, context),
};
