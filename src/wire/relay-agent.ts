/** Agents for HTTP and websockets whose connections go through the relay of a site (relay-server.ts); TLS to the target goes through it from end to end. */
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { type ConnectionOptions, connect as tlsConnect } from "node:tls";
import { openTunnel } from "./tunnel.js";

/** How a pilot gets through the relay of its site. */
export interface Relay {
  /** `https:`, host and port. */
  readonly url: string;
  readonly pin: string;
  /** Of its batch job. */
  readonly token: string;
}

type Created = (error: Error | null, socket?: unknown) => void;

/** An agent for targets that speak TLS, or that do not. */
export function relayAgent({ url, pin, token }: Relay, secure: boolean, keepAlive: boolean): HttpAgent | HttpsAgent {
  const agent = secure ? new HttpsAgent({ keepAlive, maxCachedSessions: 0 }) : new HttpAgent({ keepAlive });
  const open = async (options: ConnectionOptions): Promise<unknown> => {
    const { host, port, servername } = options;
    const target = `${host?.includes(":") ? `[${host}]` : host}:${port}`;
    const socket = await openTunnel({ peer: new URL(url), pin, authorization: `Bearer ${token}`, target });
    if (!secure) return socket;
    const { path: _path, ...rest } = options as ConnectionOptions & { path?: unknown };
    return tlsConnect({ ...rest, socket, ...(servername === undefined ? {} : { servername }) } as ConnectionOptions);
  };
  return Object.assign(agent, {
    createConnection(options: ConnectionOptions, created: Created) {
      open(options).then(
        (socket) => created(null, socket),
        (error: Error) => created(error),
      );
    },
  });
}
