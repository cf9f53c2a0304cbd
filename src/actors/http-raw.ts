/** What the servers that stream bytes share, beside the routes of http-api.ts: the token of a request, ranges, errors, and a bound on requests of one token. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Principal, TokenId } from "../core/access.js";
import { type ErrorCode, XpcsError } from "../core/errors.js";
import type { Door } from "./door.js";

/** The token in a header `Authorization: Bearer TOKEN`. @throws PERMISSION_DENIED there is none */
export function bearerIn(header: string | undefined): string {
  const token = /^Bearer ([\x21-\x7e]{1,256})$/.exec(header ?? "")?.[1];
  if (token === undefined) throw new XpcsError("PERMISSION_DENIED", "show a token: the header Authorization: Bearer TOKEN");
  return token;
}

/** Whose request it is. @throws PERMISSION_DENIED · OVERLOADED too many wrong tokens from there */
export async function principalOf(request: IncomingMessage, door: Pick<Door, "admit">): Promise<Principal> {
  const token = bearerIn(request.headers.authorization);
  return (await door.admit(token, request.socket.remoteAddress ?? "unknown")).principal;
}

/** What is not here is 409. */
const STATUS: Readonly<Partial<Record<ErrorCode, number>>> = {
  ...{ INVALID_ARGUMENT: 400, PERMISSION_DENIED: 403, NOT_FOUND: 404, IO_FAILED: 500, INTERNAL: 500, OVERLOADED: 503, UNAVAILABLE: 503 },
};

/** Answers with the error, or breaks off an answer that has begun. */
export function sendError(response: ServerResponse, error: XpcsError, status = STATUS[error.code] ?? 409): void {
  const { code, message } = error;
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, { "content-type": "application/json", ...(status === 503 ? { "retry-after": "1" } : {}) });
  response.end(JSON.stringify({ error: { code, message } }));
}

/** `bytes=FROM-TO`, or all. @throws INVALID_ARGUMENT */
export function rangeOf(header: string | undefined, bytes: number): { from: number; to: number } {
  if (header === undefined) return { from: 0, to: bytes - 1 };
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(header);
  const [from, to] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || from > to || to >= bytes) throw new XpcsError("INVALID_ARGUMENT", `${header} is no range of ${bytes} bytes`);
  return { from, to };
}

/** Requests that are under way, by token: the holder of one cannot make those of others wait. */
export class InFlight {
  readonly #max: number;
  readonly #what: string;
  readonly #counts = new Map<TokenId, number>();

  /** @param what "requests of this token wait for an answer" */
  constructor(max: number, what: string) {
    this.#max = max;
    this.#what = what;
  }

  /** @throws OVERLOADED */
  async hold<T>(token: TokenId, work: () => Promise<T>): Promise<T> {
    const count = this.#counts.get(token) ?? 0;
    if (count >= this.#max) throw new XpcsError("OVERLOADED", `${count} ${this.#what}: try again in a moment`);
    this.#counts.set(token, count + 1);
    try {
      return await work();
    } finally {
      const left = this.#counts.get(token)! - 1;
      if (left === 0) this.#counts.delete(token);
      else this.#counts.set(token, left);
    }
  }
}
