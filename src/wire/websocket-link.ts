/**
 * A link over one open websocket, for either side: binary messages, a heartbeat that notices a dead peer (two pongs
 * missed), no compression, and one write for all messages of a tick. Opening and accepting sockets: websocket-client.ts and
 * websocket-server.ts.
 */
import type { Writable } from "node:stream";
import type { RawData, WebSocket } from "ws";
import type { Clock, Timer } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import { createCloseSignal, createInlet, type Link } from "./link.js";

/** Close codes that say why; see RFC 6455 section 7.4.1. */
function reasonOf(code: number, text: string): XpcsError {
  if (code === 1009) return new XpcsError("UNAVAILABLE", `the link was closed: a message exceeded ${LIMITS.frameBytesMax} bytes`);
  const why = text === "" ? `code ${code}` : text;
  return new XpcsError("UNAVAILABLE", `the peer closed the link (${why})`);
}

function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}

/** Close code of a close that has a reason; the text is for the peer's log. 4000 to 4999 are free for applications. */
const CLOSE_WITH_REASON = 4000;
/** A close frame carries 125 bytes, two of them the code. */
const CLOSE_TEXT_BYTES_MAX = 123;

function closeText(reason: XpcsError): Buffer {
  const text = new TextDecoder().decode(Buffer.from(reason.message).subarray(0, CLOSE_TEXT_BYTES_MAX), { stream: true });
  return Buffer.from(text);
}

/** Holds back what is written until the tick ends, so that many small frames leave in one system call. */
function corking(stream: Writable): () => void {
  let corked = false;
  return () => {
    if (corked) return;
    corked = true;
    stream.cork();
    process.nextTick(() => {
      corked = false;
      stream.uncork();
    });
  };
}

function startHeartbeat(socket: WebSocket, clock: Clock, onDead: () => void): () => void {
  let missed = 0;
  let timer: Timer | null = null;
  const alive = () => {
    missed = 0;
  };
  const beat = () => {
    if (missed >= 2) return onDead();
    missed += 1;
    if (socket.readyState === socket.OPEN) socket.ping();
    timer = clock.after(LIMITS.heartbeatMs, beat);
  };
  socket.on("pong", alive);
  socket.on("message", alive);
  timer = clock.after(LIMITS.heartbeatMs, beat);
  return () => timer?.cancel();
}

/**
 * Wraps an open socket. The link owns it from now on.
 *
 * @param stream what the socket writes to
 */
export function websocketLink(socket: WebSocket, stream: Writable, clock: Clock): Link {
  const corkUntilTickEnds = corking(stream);
  const signal = createCloseSignal();
  const inlet = createInlet();
  const stopHeartbeat = startHeartbeat(socket, clock, () => {
    signal.fire(new XpcsError("UNAVAILABLE", `the peer has not answered for ${3 * LIMITS.heartbeatMs} ms`));
    socket.terminate();
  });
  signal.onClose(stopHeartbeat);

  socket.on("message", (data: RawData, isBinary: boolean) => {
    if (signal.reason !== null) return;
    if (!isBinary) {
      socket.close(1003, "binary messages only");
      return;
    }
    inlet.take(bytesOf(data));
  });
  socket.on("close", (code: number, text: Buffer) => signal.fire(reasonOf(code, text.toString())));
  // An error is always followed by "close"; the first reason wins.
  socket.on("error", (error: Error) => signal.fire(new XpcsError("UNAVAILABLE", `the link failed: ${error.message}`)));

  return {
    send(bytes) {
      if (signal.reason !== null || socket.readyState !== socket.OPEN) return;
      corkUntilTickEnds();
      socket.send(bytes, { binary: true });
    },
    onBytes: inlet.onBytes,
    onClose: signal.onClose,
    close(reason) {
      if (signal.reason !== null) return;
      signal.fire(reason ?? new XpcsError("UNAVAILABLE", "the link was closed"));
      if (reason === undefined) socket.close(1000);
      else socket.close(CLOSE_WITH_REASON, closeText(reason));
      // A peer that never answers the close handshake must not keep the socket.
      const timer = clock.after(1_000, () => socket.terminate());
      socket.once("close", () => timer.cancel());
    },
    get buffered() {
      return socket.bufferedAmount;
    },
  };
}
