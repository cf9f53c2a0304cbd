/**
 * HTTP requests to one peer under the rules of the links: trust before a token is shown, proxies, no clear text off loopback. Connections are kept
 * for the next request. One try; whoever asks tries again.
 */
import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { type ErrorCode, isErrorCode, XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import { boundedText } from "./bounded-text.js";
import { dialFailure } from "./dial-failure.js";
import { isLoopback } from "./loopback.js";
import { withOneReadBuffer } from "./one-read-buffer.js";
import { detourFor, type ProxyChoice } from "./proxy.js";
import { type TakePiece, takeBody } from "./take-pieces.js";
import { checkPin, type Trust, tlsOptions } from "./trust.js";

export interface HttpPeer {
  /** `http:` or `https:`, with host and port. */
  readonly url: URL;
  readonly trust?: Trust;
  /** Allow clear text off loopback. */
  readonly insecure?: boolean;
  /** Whose words its refusals are: central's are thrown, those of others answered with their status. */
  readonly speaks?: "central" | "other";
  readonly proxy?: ProxyChoice;
}

export interface HttpAsk {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** Path and query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal: AbortSignal;
}

/** Its body is to be read, also an empty one: until then its connection serves no other request. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  /** Hands the body over piece by piece. @throws UNAVAILABLE it was cut off · what `take` throws */
  each(take: TakePiece): Promise<void>;
  /** A small body. @throws UNAVAILABLE it was cut off, or is not small */
  text(): Promise<string>;
  /** A small body as JSON. @throws UNAVAILABLE it was cut off, or is none */
  json(): Promise<unknown>;
}

export interface HttpClient {
  /** @throws UNAVAILABLE · PERMISSION_DENIED the peer is not trusted · CANCELED · what the peer's error says */
  ask(request: HttpAsk): Promise<HttpAnswer>;
  close(): void;
}

/** A peer that sends nothing for so long is gone. */
const SILENCE_MS = 15_000;

/** What the status of a refusal means, where the peer does not say. */
export function codeOfStatus(status: number): ErrorCode {
  if (status === 401 || status === 403 || status === 407) return "PERMISSION_DENIED";
  if (status === 404) return "NOT_FOUND";
  return status >= 500 || status === 429 ? "UNAVAILABLE" : "IO_FAILED";
}

/** The peer's own error, as central words it; anything else by its status. */
function refusal(url: string, status: number, text: string): XpcsError {
  try {
    const { code, message } = (JSON.parse(text) as { error: { code: unknown; message: unknown } }).error;
    if (isErrorCode(code)) return new XpcsError(code, String(message));
  } catch {
    // Not central's words: a proxy's, or another server's.
  }
  return new XpcsError(codeOfStatus(status), `${url} answered ${status}`);
}

function answerOf(url: string, response: IncomingMessage): HttpAnswer {
  const cut = (error: unknown) => new XpcsError("UNAVAILABLE", `${url}: the answer was cut off: ${(error as Error).message}`);
  const text = async (): Promise<string> => {
    const body = await boundedText(response, LIMITS.frameBytesMax).catch((error: unknown) => {
      throw cut(error);
    });
    if (body === null) throw new XpcsError("UNAVAILABLE", `${url} answered more than ${LIMITS.frameBytesMax} bytes`);
    if (!response.complete) throw cut(new Error("too few bytes"));
    return body;
  };
  return {
    status: response.statusCode!,
    headers: response.headers,
    each: (take) => takeBody(response, take, cut),
    text,
    async json() {
      const body = await text();
      if (response.statusCode! >= 400) throw refusal(url, response.statusCode!, body);
      try {
        return JSON.parse(body);
      } catch {
        throw new XpcsError("UNAVAILABLE", `${url} answered no JSON`);
      }
    },
  };
}

/** A client for `peer`. @throws REFUSED clear text off loopback · INVALID_ARGUMENT no URL of a proxy */
export function createHttpClient(peer: HttpPeer): HttpClient {
  const { url, trust = {}, insecure } = peer;
  const secure = url.protocol === "https:";
  if (!secure && !isLoopback(url.hostname) && insecure !== true)
    throw new XpcsError("REFUSED", `${url.origin} would show the token to the network: use https, or allow it with --insecure`);
  const keep = { keepAlive: true };
  const detour = detourFor(url, peer.proxy, keep);
  const via = detour?.via ?? "";
  const agent = detour?.agent ?? withOneReadBuffer(secure ? new HttpsAgent({ ...keep, maxCachedSessions: 0 }) : new HttpAgent(keep));

  /** Those whose peer was looked at. */
  const trusted = new WeakSet<Socket>();
  /** Nothing has been sent before the first byte of the body, or its end: so the peer is looked at first. */
  const whenTrusted = (socket: Socket, go: () => void, fail: (error: unknown) => void): void => {
    const look = () => {
      try {
        if (trust.pin !== undefined) checkPin(socket as TLSSocket, trust.pin, url.origin);
      } catch (error) {
        return fail(error);
      }
      trusted.add(socket);
      go();
    };
    if (!secure || trusted.has(socket)) go();
    else socket.once("secureConnect", look);
  };

  return {
    ask: ({ method, path, headers = {}, body, signal }) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(new XpcsError("CANCELED", "the transfer was stopped"));
        const length = body === undefined ? {} : { "content-length": String(body.length) };
        const options = { agent, method, timeout: SILENCE_MS, headers: { ...headers, ...length }, ...(secure ? tlsOptions(trust) : {}) };
        const request: ClientRequest = (secure ? httpsRequest : httpRequest)(new URL(path, url), options);
        const stop = () => request.destroy(new XpcsError("CANCELED", "the transfer was stopped"));
        const fail = (error: unknown) => {
          signal.removeEventListener("abort", stop);
          request.destroy();
          reject(error instanceof XpcsError ? error : dialFailure(url.origin, via, error as Error));
        };
        signal.addEventListener("abort", stop, { once: true });
        request.once("timeout", () => request.destroy(new Error(`it was silent for ${SILENCE_MS / 1000} s`)));
        request.once("close", () => signal.removeEventListener("abort", stop));
        request.once("socket", (socket) => whenTrusted(socket, () => request.end(body), fail));
        request.on("error", fail);
        request.once("response", (response) => {
          const answer = answerOf(url.origin, response);
          if (answer.status < 400 || peer.speaks === "other") return resolve(answer);
          answer.json().then(() => reject(new XpcsError("UNAVAILABLE", `${url.origin} answered ${answer.status}`)), reject);
        });
      }),
    close: () => agent.destroy(),
  };
}
