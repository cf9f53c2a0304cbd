/** The answering side of the measurement of calls, as a process of its own: `guarded` is src/wire as it is, `raw` is msgpack over ws and no more. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Packr } from "msgpackr";
import { WebSocketServer } from "ws";
import { silentLogger } from "../../src/core/log.js";
import { realClock } from "../../src/core/real-clock.js";
import { expose } from "../../src/wire/expose.js";
import { listenWebSocket } from "../../src/wire/websocket-server.js";
import { CALL_METHODS, type Calls, corkedSend, NEWS } from "./rpc-shared.js";

const calls: Calls = { renew: async () => ({ news: NEWS }) };

async function guarded(): Promise<number> {
  const { port } = await listenWebSocket({
    host: "127.0.0.1",
    port: 0,
    clock: realClock,
    onLink: (link) => void expose<Calls>(calls, CALL_METHODS, link, { logger: silentLogger }),
  });
  return port;
}

async function raw(): Promise<number> {
  const http = createServer();
  const server = new WebSocketServer({ server: http, perMessageDeflate: false });
  const packr = new Packr({ useRecords: false });
  server.on("connection", (socket, request) => {
    const send = corkedSend(socket, request.socket);
    socket.on("message", async (data: Buffer) => {
      const { id, method, request: argument } = packr.unpack(data) as { id: number; method: keyof Calls; request: never };
      send(packr.pack({ id, value: await calls[method](argument) }));
    });
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  return (http.address() as AddressInfo).port;
}

const port = await (process.argv[2] === "raw" ? raw() : guarded());
console.log(JSON.stringify({ port: String(port) }));
