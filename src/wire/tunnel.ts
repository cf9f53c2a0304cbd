/**
 * A tunnel through a peer that knows CONNECT: an HTTP proxy, or the relay of a site (relay-server.ts). Before the peer's key was compared with its pin, where
 * it has one, nothing is sent.
 */
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import { dialFailure } from "./dial-failure.js";
import { checkPin } from "./trust.js";

export interface TunnelRequest {
  /** `http:` or `https:` with host and port. */
  readonly peer: URL;
  /** Of an `https:` peer, in place of an authority. */
  readonly pin?: string;
  /** What the peer wants to see before it opens one. */
  readonly authorization?: string;
  /** `host:port`. */
  readonly target: string;
}

/** How the peer is named in messages: without what its URL may hold besides. */
const shown = ({ protocol, host }: URL): string => `${protocol}//${host}`;

/**
 * Opens one. It carries whatever is written, and nothing has been.
 *
 * @throws PERMISSION_DENIED the peer is not the pinned one, or does not let us through; UNAVAILABLE it cannot be reached, or cannot reach the target
 */
export function openTunnel({ peer, pin, authorization, target }: TunnelRequest): Promise<Duplex> {
  const secure = peer.protocol === "https:";
  const url = shown(peer);
  return new Promise((resolve, reject) => {
    const headers = { host: target, ...(authorization === undefined ? {} : { "proxy-authorization": authorization }) };
    const trust = pin === undefined ? {} : { rejectUnauthorized: false };
    const where = { host: peer.hostname.replace(/^\[|\]$/g, ""), port: peer.port || (secure ? 443 : 80) };
    const options = { ...where, method: "CONNECT", path: target, headers, agent: false as const, timeout: LIMITS.callDeadlineMs, ...trust };
    const request = (secure ? httpsRequest : httpRequest)(options);
    const fail = (error: Error): void => {
      request.destroy();
      reject(error instanceof XpcsError ? error : dialFailure(url, "", error));
    };
    request.once("error", fail);
    request.once("timeout", () => fail(new Error(`no answer within ${LIMITS.callDeadlineMs} ms`)));
    request.once("socket", (socket: Socket) => {
      if (!secure) return request.end();
      socket.once("secureConnect", () => {
        try {
          if (pin !== undefined) checkPin(socket as TLSSocket, pin, url);
          request.end();
        } catch (error) {
          fail(error as Error);
        }
      });
    });
    request.once("connect", ({ statusCode }, socket, head) => {
      if (statusCode === 200) {
        // From now on it may be silent.
        request.removeAllListeners("timeout");
        if (head.length > 0) socket.unshift(head);
        return resolve(socket);
      }
      socket.destroy();
      const code = statusCode === 403 || statusCode === 407 ? "PERMISSION_DENIED" : "UNAVAILABLE";
      reject(new XpcsError(code, `${url} opens no tunnel to ${target}: it answered ${statusCode}`));
    });
  });
}
