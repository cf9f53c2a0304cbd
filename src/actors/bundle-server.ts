/**
 * Gives machines that shall become sites the program (docs/bundle.md): two files by their SHA-256, the installer and the archive, to whoever names it. They hold
 * no secret, and who asks has no token yet; so all that is bounded is how many are served at a time.
 */
import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import type { Clock, Timer } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import { fromSystem } from "../files/system-error.js";

export interface ServedBundle {
  /** A shell script. */
  readonly installer: string;
  readonly archive: { readonly path: string; readonly bytes: number; readonly sha256: string };
}

export interface BundleServer {
  /** SHA-256 of the installer. */
  readonly installer: string;
  /** Takes the requests that are its own. @returns whether this was one */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
  close(): Promise<void>;
}

export interface BundleServerOptions {
  readonly clock: Clock;
  /** As of http-api.ts. */
  readonly onRequest: (route: string, status: number, durationMs: number) => void;
}

const PLACE = /^\/bundle\/([0-9a-f]{64})$/;
/** One that takes no bytes for so long makes room, ms. */
const IDLE_MS = 30_000;
const PIECE_BYTES = 256 * 1024;

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain", ...(status === 503 ? { "retry-after": "5" } : {}) }).end(`${text}\n`);
}

/**
 * Serves a bundle. The archive is opened now: what is put in its place later has another digest, and is not served.
 * @throws NOT_FOUND · IO_FAILED
 */
export async function bundleServer({ installer, archive }: ServedBundle, { clock, onRequest }: BundleServerOptions): Promise<BundleServer> {
  const script = Buffer.from(installer);
  const scriptDigest = createHash("sha256").update(script).digest("hex");
  let file: FileHandle;
  try {
    file = await open(archive.path, "r");
  } catch (error) {
    throw fromSystem(error);
  }
  let sending = 0;

  /** @throws CORRUPT_DATA the file was cut short meanwhile */
  async function* pieces(onPiece: () => void): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < archive.bytes; ) {
      const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, archive.bytes - at));
      const { bytesRead } = await file.read(piece, 0, piece.length, at);
      if (bytesRead === 0) throw new XpcsError("CORRUPT_DATA", `${archive.path} was cut short`);
      at += bytesRead;
      onPiece();
      yield piece.subarray(0, bytesRead);
    }
  }

  async function send(response: ServerResponse): Promise<void> {
    if (sending >= LIMITS.bundlesInFlightMax)
      return refuse(response, 503, `${sending} machines fetch the bundle now: try again in a moment`);
    sending += 1;
    let idle: Timer | null = null;
    const wait = (): void => {
      idle?.cancel();
      idle = clock.after(IDLE_MS, () => response.destroy());
    };
    try {
      response.writeHead(200, { "content-type": "application/gzip", "content-length": archive.bytes });
      await pipeline(pieces(wait), response);
    } catch {
      // The other side has gone, or the file was cut short: the length that was promised tells it.
      response.destroy();
    } finally {
      (idle as Timer | null)?.cancel();
      sending -= 1;
    }
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const digest = PLACE.exec(request.url ?? "")?.[1];
    response.setHeader("x-content-type-options", "nosniff");
    if (request.method !== "GET") return refuse(response, 405, "only GET");
    if (digest === scriptDigest) {
      response.writeHead(200, { "content-type": "text/plain; charset=utf-8", "content-length": script.length }).end(script);
    } else if (digest === archive.sha256) await send(response);
    else refuse(response, 404, "central has no such bundle: it may have another one now; ask for a new join line");
  }

  return {
    installer: scriptDigest,
    handle(request, response) {
      if (!request.url?.startsWith("/bundle/")) return false;
      const startMs = clock.monotonicMs();
      request.resume();
      void serve(request, response).then(() => onRequest("bundle", response.statusCode, clock.monotonicMs() - startMs));
      return true;
    },
    close: () => file.close(),
  };
}
