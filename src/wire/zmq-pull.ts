/** A ZeroMQ PULL socket that dials a PUSH socket: loaded only when it is wanted, with a bound on what waits. */
import type { Pull } from "zeromq";
import { XpcsError } from "../core/errors.js";

/** A look takes at most so long, so that whoever looks can stop; ms. */
const LOOK_MS = 100;
const RECONNECT_MS = 200;

export interface PullOptions {
  readonly host: string;
  readonly port: number;
  /** That wait here; the ones after them wait with the sender. */
  readonly messagesMax: number;
  /** A sender of longer ones is cut off. */
  readonly messageBytesMax: number;
}

export interface ZmqPull {
  /** The parts of the next message; null: none has come for a moment. */
  next(): Promise<Uint8Array[] | null>;
  /** Whether a sender is there now. */
  readonly connected: boolean;
  close(): void;
}

/** The package is a matter of this machine: one without it can do all else. */
async function load(): Promise<typeof import("zeromq")> {
  try {
    return await import("zeromq");
  } catch (error) {
    const why = (error as Error).message.split("\n")[0];
    throw new XpcsError(
      "UNSUPPORTED",
      `ZeroMQ does not load here (${why}): it comes ready-made for Linux with glibc 2.25 or later, on x64 and arm64, and for macOS and Windows; npm run setup installs it`,
    );
  }
}

/**
 * Opens a socket; it dials, and again where the connection broke, until it is closed.
 * @throws UNSUPPORTED this machine cannot · INVALID_ARGUMENT the address
 */
export async function openPull({ host, port, messagesMax, messageBytesMax }: PullOptions): Promise<ZmqPull> {
  const zmq = await load();
  const socket: Pull = new zmq.Pull({
    ...{ receiveHighWaterMark: messagesMax, maxMessageSize: messageBytesMax, receiveTimeout: LOOK_MS, linger: 0 },
    ...{ reconnectInterval: RECONNECT_MS, ipv6: host.startsWith("[") },
    // A machine that is gone without a word is noticed.
    ...{ tcpKeepalive: 1, tcpKeepaliveIdle: 10, tcpKeepaliveInterval: 5, tcpKeepaliveCount: 3 },
  });
  let connected = false;
  socket.events.on("handshake", () => {
    connected = true;
  });
  socket.events.on("disconnect", () => {
    connected = false;
  });
  try {
    socket.connect(`tcp://${host}:${port}`);
  } catch (error) {
    socket.close();
    throw new XpcsError("INVALID_ARGUMENT", `tcp://${host}:${port} cannot be dialed: ${(error as Error).message}`);
  }
  return {
    async next() {
      try {
        return await socket.receive();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EAGAIN") return null;
        throw new XpcsError("IO_FAILED", `tcp://${host}:${port}: ${(error as Error).message}`);
      }
    },
    get connected() {
      return connected;
    },
    close: () => socket.close(),
  };
}
