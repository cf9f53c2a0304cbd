/**
 * Listens for websockets and hands each one over as a link, and for other HTTP requests on the same port. Knows nothing of actors or tokens.
 * Without TLS, tokens would cross the network in clear text, so that is refused off loopback unless told.
 */
import type { RequestListener } from "node:http";
import { WebSocketServer } from "ws";
import type { Clock } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import { type Certificate, createHttpServer, startListening } from "./http-server.js";
import type { Link } from "./link.js";
import { isLoopback } from "./loopback.js";
import { websocketLink } from "./websocket-link.js";

export interface ListenOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly clock: Clock;
  /** Then the listener speaks TLS, and nothing else. */
  readonly tls?: Certificate;
  /** Allow plain websockets on an address that is not loopback. */
  readonly insecure?: boolean;
  /** Answers requests that are no websocket; without it they are told so. */
  readonly onRequest?: RequestListener;
  /** Called for each new link with the peer's address. */
  readonly onLink: (link: Link, peer: string) => void;
}

export interface Listener {
  readonly url: string;
  readonly port: number;
  /** Stops listening and closes every link. */
  close(): Promise<void>;
}

function listenError(error: NodeJS.ErrnoException, options: ListenOptions): XpcsError {
  const where = `${options.host}:${options.port}`;
  if (error.code === "EADDRINUSE") {
    return new XpcsError("REFUSED", `${where} is in use by another program: choose another port, or 0 for any`);
  }
  return new XpcsError("INVALID_ARGUMENT", `cannot listen on ${where}: ${error.message}`);
}

const onlyWebsockets: RequestListener = (_request, response) => {
  response.writeHead(426, { "content-type": "text/plain" }).end("This is an xpcs central; it speaks websocket.\n");
};

/**
 * Starts listening.
 *
 * @throws REFUSED the port is taken, or the address is not loopback, without TLS and without `insecure`; INVALID_ARGUMENT the address or the
 *   certificate cannot be used
 */
export async function listenWebSocket(options: ListenOptions): Promise<Listener> {
  if (options.tls === undefined && !isLoopback(options.host) && options.insecure !== true) {
    throw new XpcsError(
      "REFUSED",
      `${options.host} is not a loopback address, and a plain websocket would show the tokens to the network: ` +
        "use --tls, listen on 127.0.0.1 and reach it through an ssh tunnel, or allow it with --insecure (insecure: true)",
    );
  }
  const http = createHttpServer(options.tls, options.onRequest ?? onlyWebsockets);
  const server = new WebSocketServer({ server: http, perMessageDeflate: false, maxPayload: LIMITS.frameBytesMax });
  server.on("connection", (socket, request) => {
    options.onLink(websocketLink(socket, request.socket, options.clock), request.socket.remoteAddress ?? "unknown");
  });
  // Those of the HTTP server, which it forwards.
  server.on("error", () => {});
  const listening = await startListening(http, options.host, options.port).catch((error) => {
    throw listenError(error, options);
  });
  return {
    url: `${options.tls === undefined ? "ws" : "wss"}://${listening.at}`,
    port: listening.port,
    async close() {
      for (const socket of server.clients) socket.terminate();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await listening.close();
    },
  };
}
