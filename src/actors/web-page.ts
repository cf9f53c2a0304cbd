/**
 * Serves the browser's page: files that were read at the start, nothing from a path that a peer names. Knows nothing of what the page does: it asks
 * for everything by the routes of http-api.ts, with the token of its user.
 */
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import type { Clock } from "../core/clock.js";

export interface PageFile {
  readonly type: string;
  readonly body: Buffer;
}

export interface PageFiles {
  /** By path below /app/. */
  readonly files: ReadonlyMap<string, PageFile>;
  /** Names that the page's modules import, to paths of files. */
  readonly imports: Readonly<Record<string, string>>;
}

/** Answers a request for the page; false: it is for something else. */
export type PageServer = (request: IncomingMessage, response: ServerResponse) => boolean;

const PREFIX = "/app/";
/** Smaller files gain nothing. */
const GZIP_BYTES_MIN = 1_000;

interface Served extends PageFile {
  readonly etag: string;
  /** Made when it is first asked for. */
  readonly zipped: () => Buffer | null;
}

function sha256(body: string | Buffer, encoding: "base64" | "base64url"): string {
  return createHash("sha256").update(body).digest(encoding);
}

function served({ type, body }: PageFile): Served {
  let zipped: Buffer | null = null;
  const zip = () => {
    zipped ??= body.length < GZIP_BYTES_MIN ? null : gzipSync(body);
    return zipped;
  };
  return { type, body, etag: `"${sha256(body, "base64url")}"`, zipped: zip };
}

function indexText(imports: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>xpcs</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${PREFIX}lib/uplot/dist/uPlot.min.css">
<link rel="stylesheet" href="${PREFIX}web/style.css">
<script type="importmap">${imports}</script>
<script type="module" src="${PREFIX}web/main.js"></script>
</head>
<body><div id="page"><noscript>This page needs JavaScript. The command xpcs does all that it does.</noscript></div></body>
</html>
`;
}

/** Everything from here, and the one inline script by its hash; HDF5 in the browser is WebAssembly. */
function contentPolicy(imports: string): string {
  return [
    "default-src 'none'",
    `script-src 'self' 'wasm-unsafe-eval' 'sha256-${sha256(imports, "base64")}'`,
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "connect-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

/** @param onRequest called after each request */
export function pageServer(
  { files, imports }: PageFiles,
  onRequest: (route: string, status: number, durationMs: number) => void,
  clock: Clock,
): PageServer {
  const map = JSON.stringify({
    imports: Object.fromEntries(Object.entries(imports).map(([name, path]) => [name, `${PREFIX}${path}`])),
  });
  const policy = contentPolicy(map);
  const index = served({ type: "text/html; charset=utf-8", body: Buffer.from(indexText(map)) });
  const all = new Map([...files].map(([path, file]) => [`${PREFIX}${path}`, served(file)]));
  all.set("/", index);
  return (request, response) => {
    const path = (request.url ?? "").replace(/\?.*$/s, "");
    if (path !== "/" && !path.startsWith(PREFIX)) return false;
    const startMs = clock.monotonicMs();
    request.resume();
    const { method } = request;
    const file = all.get(path);
    response.setHeader("x-content-type-options", "nosniff");
    response.setHeader("content-security-policy", policy);
    response.setHeader("referrer-policy", "no-referrer");
    if (method !== "GET" && method !== "HEAD") response.writeHead(405, { allow: "GET, HEAD" }).end();
    else if (file === undefined) response.writeHead(404, { "content-type": "text/plain" }).end("there is nothing here\n");
    else {
      // Asked for anew each time, and sent when it has changed: a page must not be older than central.
      const headers = { etag: file.etag, "cache-control": "no-cache", vary: "accept-encoding" };
      if (request.headers["if-none-match"] === file.etag) response.writeHead(304, headers).end();
      else {
        const zipped = /\bgzip\b/.test(String(request.headers["accept-encoding"] ?? "")) ? file.zipped() : null;
        const body = zipped ?? file.body;
        const encoding = zipped === null ? {} : { "content-encoding": "gzip" };
        response.writeHead(200, { ...headers, ...encoding, "content-type": file.type, "content-length": body.length });
        response.end(method === "HEAD" ? undefined : body);
      }
    }
    onRequest("page", response.statusCode, clock.monotonicMs() - startMs);
    return true;
  };
}
