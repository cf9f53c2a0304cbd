/**
 * Central's data server: moves the files of jobs to and from sites that share no file system with it (docs/transfers/http.md). Beside the HTTP interface, on the same
 * port; who may move what is data-rights.ts's. Bytes are streamed; a question whose answer takes long (a digest, a publication) is kept open with spaces.
 */
import { constants } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { basename, dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import type { Clock } from "../core/clock.js";
import { isCode, toXpcsError, XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import type { Logger } from "../core/log.js";
import { digestFile } from "../files/digest.js";
import { openVersioned } from "../files/file-version.js";
import { lookAtFiles } from "../files/look-files.js";
import { discardPublication, inspectDestination, publishFile, settlePublication } from "../files/publication.js";
import { fromSystem, systemCode } from "../files/system-error.js";
import { writePiece } from "../files/whole-pieces.js";
import { boundedText } from "../wire/bounded-text.js";
import { changedMeanwhile, openBuffers, sendFiles } from "./data-files.js";
import type { Caller, DataRights } from "./data-rights.js";
import { DigestMemo } from "./digest-memo.js";
import type { Door } from "./door.js";
import { InFlight, principalOf, rangeOf, sendError } from "./http-raw.js";
import { count, id, name, path, positive, sha256 } from "./job-schemas.js";
import { parseRequest } from "./requests.js";

export interface DataServerOptions {
  readonly door: Pick<Door, "admit">;
  readonly rights: DataRights;
  readonly clock: Clock;
  readonly logger: Logger;
  /** As of http-api.ts. */
  readonly onRequest: (route: string, status: number, durationMs: number) => void;
}

/** Takes the requests that are its own. @returns whether this was one */
export type DataServer = (request: IncomingMessage, response: ServerResponse) => boolean;

const PREFIX = "/v1/data/";
/** The peer waits 15 s for a byte. */
const ALIVE_MS = 4_000;
/** Files up to this size are digested when they are asked about, so that those that the site has need not cross. */
const SMALL_BYTES = 64e6;

const version = z.string().max(128);
const REQUESTS = {
  stat: z.strictObject({ job: id, epoch: positive, paths: z.array(path).max(100) }),
  digest: z.strictObject({ job: id, epoch: positive, path, version }),
  inspect: z.strictObject({ job: id, path, overwrite: z.boolean() }),
  publish: z.strictObject({
    ...{ job: id, epoch: positive, path, overwrite: z.boolean(), bytes: count, sha256 },
    seen: z.string().max(128).nullable(),
    mode: z.int().min(0).max(0o777).optional(),
  }),
  settle: z.strictObject({ job: id, path }),
  discard: z.strictObject({ job: id, epoch: positive, path }),
};
/** Small files in one answer. */
const FILES = z.strictObject({ job: id, epoch: positive, files: z.array(z.strictObject({ path, version })).min(1).max(100) });
const PLACE = z.strictObject({ job: id, epoch: z.coerce.number().pipe(positive), path, offset: z.coerce.number().pipe(count).optional() });

const PROBE = z.strictObject({ bytes: z.coerce.number().pipe(positive.max(LIMITS.dataChunkBytesMax)) });
const PROBE_PIECE = Buffer.alloc(64 * 1024, "xpcs");

function* piecesOf(bytes: number): Generator<Buffer> {
  for (let left = bytes; left > 0; left -= PROBE_PIECE.length) yield PROBE_PIECE.subarray(0, left);
}

function uploadPath(to: string, job: string, epoch: number): string {
  return join(dirname(to), `.${basename(to)}.${job}.${epoch}.upload`);
}

/** Where a result is collected, beside its final name. @throws IO_FAILED */
async function openUpload(to: string, job: string, epoch: number): Promise<FileHandle> {
  try {
    return await open(uploadPath(to, job, epoch), constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW);
  } catch (error) {
    const why = systemCode(error) === "ENOENT" ? `its folder ${dirname(to)} does not exist` : fromSystem(error).message;
    throw new XpcsError("IO_FAILED", `cannot write ${to}: ${why}`);
  }
}

/** @throws INVALID_ARGUMENT no JSON, or too much of it */
async function jsonOf(request: IncomingMessage): Promise<unknown> {
  const text = await boundedText(request, LIMITS.frameBytesMax);
  if (text === null) throw new XpcsError("INVALID_ARGUMENT", `the body has more than ${LIMITS.frameBytesMax} bytes`);
  try {
    return JSON.parse(text);
  } catch {
    throw new XpcsError("INVALID_ARGUMENT", "the body is no JSON");
  }
}

class Server {
  readonly #options: DataServerOptions;
  readonly #digests: DigestMemo;
  readonly #inFlight = new InFlight(LIMITS.dataInFlightMax, "transfers of this token are under way");

  constructor(options: DataServerOptions) {
    this.#options = options;
    this.#digests = new DigestMemo();
  }

  async #caller(request: IncomingMessage): Promise<Caller> {
    const principal = await principalOf(request, this.#options.door);
    const site = parseRequest(name, "the header X-Xpcs-Site", request.headers["x-xpcs-site"]);
    return { principal, site };
  }

  async #stat(caller: Caller, { job, epoch, paths }: z.output<typeof REQUESTS.stat>): Promise<object> {
    await this.#options.rights.mayRead(caller, { job, epoch }, paths);
    const looked = await lookAtFiles({ paths, smallBytes: SMALL_BYTES });
    // Of a large one the digest is asked for while it crosses.
    const files = looked.map((each, at) => ({ ...each, sha256: each.sha256 ?? this.#digests.known(paths[at]!, each.version) }));
    return { files };
  }

  async #publish(caller: Caller, request: z.output<typeof REQUESTS.publish>): Promise<object> {
    const { rights } = this.#options;
    const { job, epoch, path: to, overwrite, bytes, sha256: expected, seen, mode } = request;
    const destination = { ref: { path: to }, job, overwrite };
    await rights.mayWrite(caller, { job, epoch }, to);
    const local = uploadPath(to, job, epoch);
    let found: { bytes: number; sha256: string };
    try {
      // An empty result was never sent.
      if (bytes === 0) await (await openUpload(to, job, epoch)).close();
      found = await digestFile(local);
    } catch (error) {
      if (!isCode(error, "NOT_FOUND")) throw error;
      const there = await inspectDestination(destination);
      if (there.kind === "published") return there.output;
      throw new XpcsError("IO_FAILED", `nothing of ${to} was uploaded, or its folder ${dirname(to)} does not exist`);
    }
    if (found.sha256 !== expected || found.bytes !== bytes) {
      await rm(local, { force: true });
      throw new XpcsError("CHECKSUM_MISMATCH", `${to} is not what the site has: its bytes changed on the way`);
    }
    const confirm = () => rights.confirm(caller, { job, epoch });
    const signal = new AbortController().signal;
    const access = mode === undefined ? {} : { mode };
    const output = await publishFile({
      destination,
      epoch,
      local: { path: local, bytes, sha256: expected },
      seen,
      access,
      confirm,
      signal,
    });
    await rm(local, { force: true });
    return output;
  }

  #answers: { readonly [K in keyof typeof REQUESTS]: (caller: Caller, request: z.output<(typeof REQUESTS)[K]>) => Promise<object> } = {
    stat: (caller, request) => this.#stat(caller, request),
    digest: async (caller, { job, epoch, path: from, version }) => {
      await this.#options.rights.mayRead(caller, { job, epoch }, [from]);
      return { sha256: await this.#digests.of(from, version) };
    },
    inspect: async (caller, { job, path: to, overwrite }) => {
      await this.#options.rights.mayLook(caller, job, to);
      return inspectDestination({ ref: { path: to }, job, overwrite });
    },
    publish: (caller, request) => this.#publish(caller, request),
    settle: async (caller, { job, path: to }) => {
      await this.#options.rights.maySettle(caller, job, to);
      await settlePublication({ ref: { path: to }, job, overwrite: false });
      return {};
    },
    discard: async (caller, { job, epoch, path: to }) => {
      await this.#options.rights.mayDiscard(caller, { job, epoch }, to);
      await rm(uploadPath(to, job, epoch), { force: true });
      await discardPublication({ ref: { path: to }, job, overwrite: false }, epoch);
      return {};
    },
  };

  /** An answer that may take long: 200 and spaces, then JSON, of the answer or of the error. */
  async #answer(request: IncomingMessage, response: ServerResponse, caller: Caller, method: keyof typeof REQUESTS): Promise<void> {
    const asked = parseRequest<unknown>(REQUESTS[method], method, await jsonOf(request));
    const answer = this.#answers[method] as (caller: Caller, request: unknown) => Promise<object>;
    let alive = this.#options.clock.after(ALIVE_MS, () => beat());
    const beat = () => {
      if (!response.headersSent) response.writeHead(200, { "content-type": "application/json" });
      response.write(" ");
      alive = this.#options.clock.after(ALIVE_MS, beat);
    };
    try {
      const text = JSON.stringify(await answer(caller, asked));
      if (!response.headersSent) response.writeHead(200, { "content-type": "application/json" });
      response.end(text);
    } catch (error) {
      const { code, message } = fromSystem(error);
      if (response.headersSent) response.end(JSON.stringify({ error: { code, message } }));
      else throw error;
    } finally {
      alive.cancel();
    }
  }

  async #read(request: IncomingMessage, response: ServerResponse, caller: Caller, query: unknown): Promise<void> {
    const { job, epoch, path: from } = parseRequest(PLACE, "file", query);
    await this.#options.rights.mayRead(caller, { job, epoch }, [from]);
    const { file, bytes, version } = await openVersioned(from);
    try {
      const wanted = request.headers["if-match"];
      if (wanted !== undefined && wanted !== `"${version}"`) return sendError(response, changedMeanwhile(from), 412);
      const { from: first, to } = rangeOf(request.headers.range, bytes);
      const part = request.headers.range === undefined ? {} : { "content-range": `bytes ${first}-${to}/${bytes}` };
      const headers = { "content-type": "application/octet-stream", "accept-ranges": "bytes", etag: `"${version}"`, ...part };
      response.writeHead(request.headers.range === undefined ? 200 : 206, { ...headers, "content-length": to - first + 1 });
      const buffers = openBuffers(response);
      await buffers.send(file, first, to + 1);
      await buffers.end();
    } finally {
      await file.close();
    }
  }

  async #readMany(request: IncomingMessage, response: ServerResponse, caller: Caller): Promise<void> {
    const { job, epoch, files } = parseRequest(FILES, "files", await jsonOf(request));
    await this.#options.rights.mayRead(
      caller,
      { job, epoch },
      files.map(({ path: from }) => from),
    );
    response.writeHead(200, { "content-type": "application/octet-stream" });
    await sendFiles(files, response);
  }

  async #write(request: IncomingMessage, response: ServerResponse, caller: Caller, query: unknown): Promise<void> {
    const { job, epoch, path: to, offset } = parseRequest(PLACE, "file", query);
    const length = Number(request.headers["content-length"]);
    if (offset === undefined || !(length <= LIMITS.dataChunkBytesMax))
      throw new XpcsError("INVALID_ARGUMENT", `give offset and content-length, of ${LIMITS.dataChunkBytesMax} bytes at most`);
    await this.#options.rights.mayWrite(caller, { job, epoch }, to);
    const file = await openUpload(to, job, epoch);
    try {
      let at = offset;
      for await (const piece of request as AsyncIterable<Buffer>) {
        await writePiece(file, piece, at);
        at += piece.length;
      }
    } finally {
      await file.close();
    }
    if (!request.complete) throw new XpcsError("UNAVAILABLE", "the upload was cut off");
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  }

  /** Bytes that nobody keeps, so that a site can measure its link: sent (GET) or taken (PUT). */
  async #probe(request: IncomingMessage, response: ServerResponse, caller: Caller, query: unknown): Promise<void> {
    this.#options.rights.mayProbe(caller);
    if (request.method === "PUT") {
      if (!(Number(request.headers["content-length"]) <= LIMITS.dataChunkBytesMax))
        throw new XpcsError("INVALID_ARGUMENT", `give content-length, of ${LIMITS.dataChunkBytesMax} bytes at most`);
      for await (const _piece of request);
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
      return;
    }
    const { bytes } = parseRequest(PROBE, "probe", query);
    response.writeHead(200, { "content-type": "application/octet-stream", "content-length": bytes });
    await pipeline(Readable.from(piecesOf(bytes)), response);
  }

  async #serve(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const route = url.pathname.slice(PREFIX.length);
    const caller = await this.#caller(request);
    await this.#inFlight.hold(caller.principal.token, async () => {
      const query = Object.fromEntries(url.searchParams);
      if (route === "file" && request.method === "GET") return this.#read(request, response, caller, query);
      if (route === "file" && request.method === "PUT") return this.#write(request, response, caller, query);
      if (route === "files" && request.method === "POST") return this.#readMany(request, response, caller);
      if (route === "probe" && (request.method === "GET" || request.method === "PUT")) return this.#probe(request, response, caller, query);
      if (request.method === "POST" && Object.hasOwn(REQUESTS, route))
        return this.#answer(request, response, caller, route as keyof typeof REQUESTS);
      throw new XpcsError("NOT_FOUND", "there is nothing here");
    });
  }

  async handle(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const { clock, logger, onRequest } = this.#options;
    const startMs = clock.monotonicMs();
    response.setHeader("cache-control", "no-store");
    try {
      await this.#serve(request, response, url);
    } catch (error) {
      const known = fromSystem(error);
      // A peer that hangs up breaks the stream: nobody is there to hear of it.
      if (known.code === "INTERNAL" && !response.destroyed)
        logger.error("call-failed", { method: "data", stack: toXpcsError(error).stack });
      sendError(response, known);
      if (!request.complete) request.resume();
    }
    onRequest("data", response.statusCode, clock.monotonicMs() - startMs);
  }
}

/** Serves what is below /v1/data/. */
export function dataServer(options: DataServerOptions): DataServer {
  const server = new Server(options);
  return (request, response) => {
    if (!request.url?.startsWith(PREFIX)) return false;
    void server.handle(request, response, new URL(request.url, "http://central"));
    return true;
  };
}
