/**
 * Dials a websocket and gives it as a link, through a proxy where one is to be used. One try; whoever needs the link for long tries again.
 * Nothing is sent before the peer is trusted.
 */

import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { type ClientOptions, WebSocket } from "ws";
import type { Clock } from "../core/clock.js";
import { toXpcsError, XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import { dialFailure } from "./dial-failure.js";
import type { Link } from "./link.js";
import { isLoopback } from "./loopback.js";
import { detourFor, type ProxyChoice } from "./proxy.js";
import { checkPin, isPin, type Trust, tlsOptions } from "./trust.js";
import { websocketLink } from "./websocket-link.js";

export interface OpenOptions {
  readonly clock: Clock;
  /** Give up after this time (default: `LIMITS.callDeadlineMs`). */
  readonly openMs?: number;
  readonly trust?: Trust;
  /** Allow a plain websocket to an address that is not loopback. */
  readonly insecure?: boolean;
  /** Default: none. */
  readonly proxy?: ProxyChoice;
}

function parseUrl(url: string, { insecure, trust }: OpenOptions): URL {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new XpcsError("INVALID_ARGUMENT", `"${url}" is no URL: give one like ws://127.0.0.1:7878`);
  }
  if (parsed.protocol !== "ws:" && parsed.protocol !== "wss:") {
    throw new XpcsError("INVALID_ARGUMENT", `"${url}" must start with ws:// or wss://`);
  }
  if (trust?.pin !== undefined && !isPin(trust.pin)) {
    throw new XpcsError("INVALID_ARGUMENT", `"${trust.pin}" is no pin: sha256/ and 44 characters, as central shows it`);
  }
  if (parsed.protocol === "ws:" && trust?.pin !== undefined) {
    throw new XpcsError("INVALID_ARGUMENT", `${url} has no certificate to compare with the pin: use wss://`);
  }
  if (parsed.protocol === "ws:" && !isLoopback(parsed.hostname) && insecure !== true) {
    throw new XpcsError(
      "REFUSED",
      `${url} would show the token to the network: use wss://, or an ssh tunnel and ws://127.0.0.1, or allow it with --insecure (insecure: true)`,
    );
  }
  return parsed;
}

function socketOptions(target: URL, options: OpenOptions): { socketOptions: ClientOptions; via: string } {
  const tls = options.trust === undefined ? {} : tlsOptions(options.trust);
  const base: ClientOptions = { perMessageDeflate: false, maxPayload: LIMITS.frameBytesMax, ...tls };
  const detour = detourFor(target, options.proxy);
  if (detour === null) return { socketOptions: base, via: "" };
  return { socketOptions: { ...base, agent: detour.agent }, via: detour.via };
}

/**
 * Opens a link to `url`.
 *
 * @throws INVALID_ARGUMENT no websocket URL, pin or proxy; REFUSED plain off loopback; PERMISSION_DENIED the peer is not trusted; UNAVAILABLE nobody
 *   listens there, or not in time
 */
export async function openWebSocket(url: string, options: OpenOptions): Promise<Link> {
  const target = parseUrl(url, options);
  const { socketOptions: more, via } = socketOptions(target, options);
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(target, more);
    const fail = (error: XpcsError) => {
      timer.cancel();
      // Later errors of the dying socket have nobody to tell.
      socket.removeAllListeners("error");
      socket.on("error", () => {});
      socket.terminate();
      reject(error);
    };
    const openMs = options.openMs ?? LIMITS.callDeadlineMs;
    const timer = options.clock.after(openMs, () =>
      fail(new XpcsError("UNAVAILABLE", `cannot reach ${url}${via}: no answer within ${openMs} ms`)),
    );
    let stream: Duplex | null = null;
    socket.once("error", (error) => fail(dialFailure(url, via, error)));
    socket.once("upgrade", (response) => {
      stream = response.socket;
    });
    socket.once("open", () => {
      try {
        if (options.trust?.pin !== undefined) checkPin(stream as TLSSocket, options.trust.pin, url);
      } catch (error) {
        return fail(toXpcsError(error));
      }
      timer.cancel();
      socket.removeAllListeners("error");
      resolve(websocketLink(socket, stream!, options.clock));
    });
  });
}
