/** Dials a websocket and gives it as a link. One try; whoever needs the link for long tries again. */
import { WebSocket } from "ws";
import type { Clock } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import type { Link } from "./link.js";
import { websocketLink } from "./websocket-link.js";

export interface OpenOptions {
  readonly clock: Clock;
  /** Give up after this time (default: `LIMITS.callDeadlineMs`). */
  readonly openMs?: number;
}

function parseUrl(url: string): URL {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new XpcsError("INVALID_ARGUMENT", `"${url}" is no URL: give one like ws://127.0.0.1:7878`);
  }
  if (parsed.protocol !== "ws:" && parsed.protocol !== "wss:") {
    throw new XpcsError("INVALID_ARGUMENT", `"${url}" must start with ws:// or wss://`);
  }
  return parsed;
}

/**
 * Opens a link to `url`.
 *
 * @throws INVALID_ARGUMENT no websocket URL; UNAVAILABLE nobody listens there, or not in time
 */
export async function openWebSocket(url: string, options: OpenOptions): Promise<Link> {
  const target = parseUrl(url);
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(target, { perMessageDeflate: false, maxPayload: LIMITS.frameBytesMax });
    const fail = (why: string) => {
      timer.cancel();
      // Later errors of the dying socket have nobody to tell.
      socket.removeAllListeners("error");
      socket.on("error", () => {});
      socket.terminate();
      reject(new XpcsError("UNAVAILABLE", `cannot reach ${url}: ${why}`));
    };
    const openMs = options.openMs ?? LIMITS.callDeadlineMs;
    const timer = options.clock.after(openMs, () => fail(`no answer within ${openMs} ms`));
    socket.once("error", (error) => fail(error.message === "" ? String((error as { code?: unknown }).code) : error.message));
    socket.once("upgrade", ({ socket: stream }) => {
      socket.once("open", () => {
        timer.cancel();
        socket.removeAllListeners("error");
        resolve(websocketLink(socket, stream, options.clock));
      });
    });
  });
}
