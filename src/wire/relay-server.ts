/**
 * The relay of a site for its pilots: they reach central, and nothing else, through it. It speaks TLS with a certificate that they have pinned, knows
 * CONNECT alone, and opens a tunnel for a token of a batch job for as long as that job is there. It carries bytes: pilots show central their own token, over
 * TLS of their own where central has it.
 */
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { XpcsError } from "../core/errors.js";
import { type Certificate, createHttpServer, startListening } from "./http-server.js";

export interface RelayOptions {
  /** An address of this machine. */
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly tls: Certificate;
  /** Where tunnels lead, as `host:port`; asked at each. */
  readonly target: () => string;
  /** Opens a connection to the target. */
  readonly open: (target: string) => Promise<Duplex>;
  /** A tunnel was refused, or could not be opened. */
  readonly onRefused: (peer: string, reason: string) => void;
}

export interface RelayServer {
  readonly url: string;
  /** These tokens open tunnels from now on, and no others; open tunnels of others are cut. */
  admit(tokens: ReadonlySet<string>): void;
  /** Tunnels that are open. */
  readonly tunnels: number;
  close(): Promise<void>;
}

const ANSWERS = {
  200: "Connection established",
  403: "Forbidden",
  405: "Method Not Allowed",
  407: "Proxy Authentication Required",
  502: "Bad Gateway",
};

function answer(socket: Duplex, status: keyof typeof ANSWERS): void {
  socket.write(`HTTP/1.1 ${status} ${ANSWERS[status]}\r\n\r\n`);
}

/**
 * Starts listening; nobody is admitted yet.
 *
 * @throws REFUSED the port is taken · INVALID_ARGUMENT there is no such address here, or the certificate cannot be used
 */
export async function listenRelay({ host, port, tls, target, open, onRefused }: RelayOptions): Promise<RelayServer> {
  let admitted: ReadonlySet<string> = new Set();
  /** Of each open tunnel both ends, and its token. */
  const tunnels = new Map<Duplex, { readonly token: string; end(): void }>();
  const server = createHttpServer(tls, (_request, response) => response.writeHead(405, { connection: "close" }).end());

  const tokenOf = (header: string | undefined): string | null => /^Bearer ([\w-]{1,256})$/.exec(header ?? "")?.[1] ?? null;

  async function tunnel(client: Duplex, token: string, wanted: string): Promise<void> {
    const ends: Duplex[] = [client];
    const end = (): void => {
      tunnels.delete(client);
      for (const socket of ends) socket.destroy();
    };
    client.on("close", end);
    tunnels.set(client, { token, end });
    const central = await open(wanted);
    ends.push(central);
    central.on("error", end);
    central.on("close", end);
    // It may have gone, or its token, while the connection was made.
    if (!tunnels.has(client)) return end();
    answer(client, 200);
    client.pipe(central).pipe(client);
  }

  server.on("connect", (request, client: Duplex, head: Buffer) => {
    client.on("error", () => client.destroy());
    const peer = (client as Socket).remoteAddress ?? "unknown";
    const refuse = (status: keyof typeof ANSWERS, reason: string): void => {
      onRefused(peer, reason);
      answer(client, status);
      // Whoever does not go is not waited for.
      client.end(() => client.destroy());
    };
    const token = tokenOf(request.headers["proxy-authorization"]);
    if (token === null || !admitted.has(token)) return refuse(407, "it shows no token of a batch job that is there");
    const wanted = target();
    if (request.url !== wanted) return refuse(403, `it asks for ${request.url}, and only central is reached from here`);
    if (head.length > 0) client.unshift(head);
    tunnel(client, token, wanted).catch((error: Error) => {
      tunnels.delete(client);
      refuse(502, error.message);
    });
  });

  const listening = await startListening(server, host, port).catch((error: NodeJS.ErrnoException) => {
    const used = error.code === "EADDRINUSE";
    throw new XpcsError(used ? "REFUSED" : "INVALID_ARGUMENT", `the relay cannot listen on ${host}:${port}: ${error.message}`);
  });
  return {
    url: `https://${listening.at}`,
    admit(tokens) {
      admitted = tokens;
      for (const { token, end } of [...tunnels.values()]) if (!tokens.has(token)) end();
    },
    get tunnels() {
      return tunnels.size;
    },
    async close() {
      for (const { end } of [...tunnels.values()]) end();
      await listening.close();
    },
  };
}
