/** An HTTP proxy that knows CONNECT and nothing else. Sends every tunnel to one port of this machine, whatever host it is asked for. */
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";

export interface ConnectProxy {
  readonly url: string;
  /** The targets that were asked for. */
  readonly asked: string[];
  /** The Proxy-Authorization of each. */
  readonly credentials: (string | undefined)[];
  /** Answers CONNECT with this status instead of a tunnel. */
  refuse: number | null;
  stop(): Promise<void>;
}

/** Starts a proxy at `host` whose tunnels lead to `port` of this machine. */
export async function startConnectProxy(port: number, host = "127.0.0.1"): Promise<ConnectProxy> {
  const open = new Set<Socket>();
  const server = createServer((_request, response) => response.writeHead(405).end());
  const proxy: ConnectProxy = {
    url: "",
    asked: [],
    credentials: [],
    refuse: null,
    async stop() {
      for (const socket of open) socket.destroy();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  server.on("connect", (request, client: Socket) => {
    proxy.asked.push(request.url ?? "");
    proxy.credentials.push(request.headers["proxy-authorization"]);
    if (proxy.refuse !== null) return client.end(`HTTP/1.1 ${proxy.refuse} No\r\n\r\n`);
    const target = connect(port, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      client.pipe(target).pipe(client);
    });
    for (const socket of [client, target]) {
      open.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => open.delete(socket));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return Object.assign(proxy, { url: `http://${host}:${(server.address() as AddressInfo).port}` });
}
