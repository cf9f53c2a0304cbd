/**
 * Connections that read into one piece of memory each. As Node has it every read gets memory of its own, and its collector marks the whole heap for every 20 MB that
 * came in: a quarter of the time in which a site takes a large file. Safe, as the parser of HTTP hands on copies (test/wire/one-read-buffer.test.ts sees when it does not).
 */
import type { Agent, ClientRequestArgs } from "node:http";
import type { OnReadOpts, Socket } from "node:net";

const READ_BYTES = 256 * 1024;

type Connect = (options: ClientRequestArgs & { onread: OnReadOpts }, created?: unknown) => Socket;

/** Has an agent that connects straight make such connections. */
export function withOneReadBuffer<A extends Agent>(agent: A): A {
  const connect = (agent as unknown as { createConnection: Connect }).createConnection.bind(agent);
  return Object.assign(agent, {
    createConnection(options: ClientRequestArgs, created?: unknown): Socket {
      const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
      const callback = (count: number): boolean => {
        // Without a listener these are bytes that nobody has asked for.
        if (!socket.emit("data", buffer.subarray(0, count))) socket.destroy();
        return true;
      };
      const socket = connect({ ...options, onread: { buffer, callback } }, created);
      return socket;
    },
  });
}
