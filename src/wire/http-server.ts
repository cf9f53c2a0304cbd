/** The HTTP server under each listener: bounds on what a peer may hold, and an end that no peer delays. */
import { createServer, type RequestListener, type Server, type ServerOptions } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";

/** Certificate chain and private key (PEM). */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A peer that sends slowly, or never ends its headers, is not waited for. */
const HTTP: ServerOptions = { headersTimeout: 10_000, requestTimeout: 30_000, maxHeaderSize: 16_384 };

/** A server that does not listen yet; with a certificate it speaks TLS, and nothing else. @throws INVALID_ARGUMENT certificate and key cannot be used */
export function createHttpServer(tls: Certificate | undefined, onRequest: RequestListener): Server {
  if (tls === undefined) return createServer(HTTP, onRequest);
  try {
    return createTlsServer({ ...HTTP, ...tls, minVersion: "TLSv1.2" }, onRequest);
  } catch (error) {
    throw new XpcsError("INVALID_ARGUMENT", `the certificate and its key cannot be used: ${(error as Error).message}`);
  }
}

export interface Listening {
  readonly port: number;
  /** Host and port, as in a URL. */
  readonly at: string;
  /** Stops listening and cuts every connection. */
  close(): Promise<void>;
}

/** Starts listening. @param port 0 takes any free one. @throws of the operating system */
export async function startListening(server: Server, host: string, port: number): Promise<Listening> {
  server.maxConnections = LIMITS.connectionsMax;
  // All of them: the server itself knows neither those that have not ended their TLS handshake nor those that left HTTP.
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  // Such as one of accept, when there are too many open files: the next connection may be possible.
  server.on("error", () => {});
  const own = (server.address() as AddressInfo).port;
  return {
    port: own,
    at: `${host.includes(":") ? `[${host}]` : host}:${own}`,
    close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      return closed;
    },
  };
}
