/**
 * Listens for websockets and hands each one over as a link. Knows nothing of actors or tokens. Plain websockets off
 * loopback would carry tokens in clear text, so they are refused unless told.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";
import type { Clock } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import type { Link } from "./link.js";
import { websocketLink } from "./websocket-link.js";

export interface ListenOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly clock: Clock;
  /** Allow plain websockets on an address that is not loopback. */
  readonly insecure?: boolean;
  /** Called for each new link with the peer's address. */
  readonly onLink: (link: Link, peer: string) => void;
}

export interface Listener {
  readonly url: string;
  readonly port: number;
  /** Stops listening and closes every link. */
  close(): Promise<void>;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

function listenError(error: NodeJS.ErrnoException, options: ListenOptions): XpcsError {
  const where = `${options.host}:${options.port}`;
  if (error.code === "EADDRINUSE") {
    return new XpcsError("REFUSED", `${where} is in use by another program: choose another port, or 0 for any`);
  }
  return new XpcsError("INVALID_ARGUMENT", `cannot listen on ${where}: ${error.message}`);
}

/**
 * Starts listening.
 *
 * @throws REFUSED the port is taken, or the address is not loopback and `insecure` is not set; INVALID_ARGUMENT the address cannot be used
 */
export async function listenWebSocket(options: ListenOptions): Promise<Listener> {
  if (!isLoopback(options.host) && options.insecure !== true) {
    throw new XpcsError(
      "REFUSED",
      `${options.host} is not a loopback address, and a plain websocket would show the tokens to the network: ` +
        "listen on 127.0.0.1 and reach it through an ssh tunnel, or allow it with --insecure (insecure: true)",
    );
  }
  const http = createServer((_request, response) => {
    response.writeHead(426, { "content-type": "text/plain" }).end("This is an xpcs central; it speaks websocket.\n");
  });
  const server = new WebSocketServer({ server: http, perMessageDeflate: false, maxPayload: LIMITS.frameBytesMax });
  server.on("connection", (socket, request) => {
    options.onLink(websocketLink(socket, request.socket, options.clock), request.socket.remoteAddress ?? "unknown");
  });
  await new Promise<void>((resolve, reject) => {
    // Both emit the same failure; WebSocketServer forwards the HTTP server's.
    server.once("error", (error) => reject(listenError(error, options)));
    http.listen(options.port, options.host, resolve);
  });
  server.removeAllListeners("error");
  server.on("error", () => {});
  const { port } = http.address() as AddressInfo;
  const shownHost = options.host.includes(":") ? `[${options.host}]` : options.host;
  return {
    url: `ws://${shownHost}:${port}`,
    port,
    async close() {
      for (const socket of server.clients) socket.terminate();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      http.closeAllConnections();
      await new Promise<void>((resolve) => http.close(() => resolve()));
    },
  };
}
