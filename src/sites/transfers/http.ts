/**
 * Through central's data server (src/actors/data-server.ts, docs/transfers/http.md): inputs are read in ranges, several at a time, into the site's cache; results are
 * uploaded in chunks beside their final name and published there by central itself, which knows whose the lease is.
 */
import { type FileHandle, open, rm } from "node:fs/promises";
import { z } from "zod";
import { type ErrorCode, XpcsError } from "../../core/errors.js";
import type { OutputFile } from "../../core/job.js";
import type { LeaseRef } from "../../core/protocols.js";
import type { DestinationFound } from "../../files/publication.js";
import { readPiece } from "../../files/whole-pieces.js";
import { createHttpClient, type HttpAnswer, type HttpClient } from "../../wire/http-client.js";
import { type Bundle, openBundle } from "../staging/bundle.js";
import { lanes } from "../staging/lanes.js";
import { briefPatience, type Patience, patienceOf } from "../staging/patience.js";
import { openPipes, type Pipes, type RangeSource, SMALLEST_CHUNK_BYTES, stageRanges } from "../staging/range-staging.js";
import { together } from "../staging/together.js";
import type { Backend, LocationSettings, StageIn, StageOut, Transfer, TransferContext } from "./define.js";

const settings = z.strictObject({
  connections: z.int().min(1).max(32).default(4),
  mbPerS: z.number().min(0.01).optional(),
  giveUpS: z.number().min(1).max(86_400).default(120),
});
type HttpSettings = z.output<typeof settings> & LocationSettings;

/** Files that central is asked about at once, and such questions at a time. */
const STATS_MAX = 16;
const BATCHES = 3;

interface Source {
  readonly bytes: number;
  readonly version: string;
  readonly sha256: string | null;
}

interface Session {
  readonly settings: HttpSettings;
  readonly context: TransferContext;
  readonly pipes: Pipes;
  client(): HttpClient;
  headers(): Record<string, string>;
}

function openSession(settings: HttpSettings, context: TransferContext): Session {
  let kept: { key: string; client: HttpClient } | null = null;
  return {
    settings,
    context,
    pipes: openPipes(settings, context.clock),
    client() {
      const { url, trust, insecure, proxy = "environment" } = context.central();
      const key = JSON.stringify([url, trust, insecure, proxy]);
      if (kept?.key !== key) {
        kept?.client.close();
        kept = { key, client: createHttpClient({ url: new URL(url.replace(/^ws/, "http")), trust, insecure, proxy }) };
      }
      return kept.client;
    },
    headers: () => ({ authorization: `Bearer ${context.central().token}`, "x-xpcs-site": context.site }),
  };
}

function post(session: Session, name: string, body: object, signal: AbortSignal): Promise<HttpAnswer> {
  const text = Buffer.from(JSON.stringify(body));
  const headers = { ...session.headers(), "content-type": "application/json" };
  return session.client().ask({ method: "POST", path: `/v1/data/${name}`, headers, body: text, signal });
}

/** One question to the data server, whose answer may take it a while. */
async function call<T>(session: Session, name: string, body: object, signal: AbortSignal): Promise<T> {
  const answer = await post(session, name, body, signal);
  const value = (await answer.json()) as T & { error?: { code: ErrorCode; message: string } };
  // An answer that took a while had begun before it failed.
  if (value.error !== undefined) throw new XpcsError(value.error.code, value.error.message);
  return value;
}

function placeOf(path: string, lease: LeaseRef): string {
  return `/v1/data/file?${new URLSearchParams({ job: lease.job, epoch: String(lease.epoch), path })}`;
}

async function stageBatch(session: Session, request: StageIn, patience: Patience, bundle: Bundle): Promise<string[]> {
  const { lease } = request;
  const { context, pipes } = session;
  const paths = request.refs.map(({ path }) => path);
  const { files: found } = await patience.again(() => call<{ files: Source[] }>(session, "stat", { ...lease, paths }, request.signal));
  const sources = request.refs.map(({ path }, at): RangeSource => {
    const { bytes, version, sha256 } = found[at]!;
    return {
      ...{ path, bytes, version, sha256, source: `http ${path} ${version}` },
      // Central reads the file for its digest while it crosses.
      digest: async (signal) => {
        const body = { ...lease, path, version };
        return (await patience.again(() => call<{ sha256: string }>(session, "digest", body, signal))).sha256;
      },
      async read({ offset, length }, take, signal) {
        const range = { range: `bytes=${offset}-${offset + length - 1}`, "if-match": `"${version}"` };
        const headers = { ...session.headers(), ...range };
        const answer = await session.client().ask({ method: "GET", path: placeOf(path, lease), headers, signal });
        await answer.each(take);
      },
    };
  });
  return stageRanges(request, sources, { pipes, cache: context.cache, patience, bundle });
}

/** Of many files some are asked about while others cross: central digests small ones before it answers. */
async function stageIn(session: Session, request: StageIn): Promise<string[]> {
  const patience = patienceOf(session.context, session.settings, request);
  const { pipes } = session;
  const { lease, signal } = request;
  const bundle = openBundle({
    ...{ pipes, patience, signal },
    async read(files, take, stop) {
      const body = { ...lease, files: files.map(({ path, version }) => ({ path, version })) };
      await (await post(session, "files", body, stop)).each(take);
    },
  });
  const batches = Array.from({ length: Math.ceil(request.refs.length / STATS_MAX) }, (_, batch) => {
    const refs = request.refs.slice(batch * STATS_MAX, (batch + 1) * STATS_MAX);
    return (stop: AbortSignal) => stageBatch(session, { ...request, refs, signal: stop }, patience, bundle);
  });
  return (await together(signal, batches, lanes(BATCHES))).flat();
}

/** Sends the result beside its final name, chunk by chunk; those that a slow link cannot carry in time become smaller. */
async function upload(session: Session, request: StageOut, patience: Patience, file: FileHandle): Promise<void> {
  const { destination, epoch, local } = request;
  const { wire, limit, connections } = session.pipes;
  const place = placeOf(destination.ref.path, { job: destination.job, epoch });
  let next = 0;
  let { chunkBytes } = session.pipes;
  const send = async (offset: number, length: number, signal: AbortSignal): Promise<void> => {
    const body = await readPiece(file, offset, length);
    await limit.take(length, signal);
    const ask = { method: "PUT", path: `${place}&offset=${offset}`, headers: session.headers(), body, signal } as const;
    await wire.run(async () => (await session.client().ask(ask)).json());
  };
  const worker = async (signal: AbortSignal): Promise<void> => {
    while (next < local.bytes) {
      const [from, to] = [next, Math.min(local.bytes, next + chunkBytes)];
      next = to;
      let sent = from;
      while (sent < to) {
        let length = Math.min(chunkBytes, to - sent);
        await patience.again(async () => {
          try {
            await send(sent, length, signal);
          } catch (error) {
            chunkBytes = Math.max(SMALLEST_CHUNK_BYTES, Math.floor(chunkBytes / 2));
            length = Math.min(length, chunkBytes);
            throw error;
          }
        });
        sent += length;
      }
    }
  };
  await together(
    request.signal,
    Array.from({ length: connections }, () => worker),
  );
}

async function stageOut(session: Session, request: StageOut): Promise<OutputFile> {
  const { destination, epoch, local, seen, access, confirm, signal } = request;
  const { job, overwrite, ref } = destination;
  const patience = patienceOf(session.context, session.settings, request);
  const file = await open(local.path, "r");
  try {
    await upload(session, request, patience, file);
  } finally {
    await file.close();
  }
  const { bytes, sha256 } = local;
  const { mode } = access;
  request.moved?.(bytes);
  await confirm();
  const body = { job, epoch, path: ref.path, overwrite, bytes, sha256, seen, ...(mode === undefined ? {} : { mode }) };
  const output = await patience.again(() => call<OutputFile>(session, "publish", body, signal));
  await rm(local.path, { force: true });
  return output;
}

function openTransfer(settings: HttpSettings, context: TransferContext): Transfer {
  const session = openSession(settings, context);
  const ask = <T>(name: string, body: object): Promise<T> =>
    briefPatience(context).again(() => call<T>(session, name, body, new AbortController().signal));
  return {
    local: false,
    stageIn: (request) => stageIn(session, request),
    inspect: ({ ref, job, overwrite }) => ask<DestinationFound>("inspect", { job, path: ref.path, overwrite }),
    async stageOut(request) {
      try {
        return await stageOut(session, request);
      } catch (error) {
        const { destination, epoch } = request;
        await this.discard({ destination, epoch }).catch(() => {});
        throw error;
      }
    },
    async settle({ ref, job }) {
      await ask("settle", { job, path: ref.path });
    },
    async discard({ destination: { ref, job }, epoch }) {
      await ask("discard", { job, epoch, path: ref.path });
    },
  };
}

export const http: Backend = {
  name: "http",
  about: "Through central's data server by HTTP or HTTPS, in ranges, several at a time: where the site shares no file system with central.",
  settings,
  open: (location, context) => openTransfer(location as HttpSettings, context),
};
