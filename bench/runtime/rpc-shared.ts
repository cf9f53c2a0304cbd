/** What both sides of the measurement of calls, and both ways, share: one call like a site's renewal, and the corking. */
import type { Writable } from "node:stream";
import type { WebSocket } from "ws";
import type { MethodTable, SiteNews, WorkSource } from "../../src/core/protocols.js";

export type Calls = Pick<WorkSource, "renew">;
export const CALL_METHODS: MethodTable<Calls> = { renew: true };

export const NEWS: SiteNews = { lost: [], cancel: [], drain: false };

/** The renewal of a site with two jobs. */
export const RENEWAL: Parameters<Calls["renew"]>[0] = {
  site: "polaris",
  instance: "0b2c7f1e-6f0f-4f43-9d8e-0d7a52d7f0b3",
  held: [
    { job: "1cz8kx3r00ab3de", epoch: 1, state: "running", progress: 0.5 },
    { job: "1cz8kx3s00gh1jk", epoch: 2, state: "staged-out", progress: 1 },
  ],
};

/** One write for all messages of a tick, as src/wire does. */
export function corkedSend(socket: WebSocket, stream: Writable): (bytes: Uint8Array) => void {
  let corked = false;
  return (bytes) => {
    if (!corked) {
      corked = true;
      stream.cork();
      process.nextTick(() => {
        corked = false;
        stream.uncork();
      });
    }
    socket.send(bytes, { binary: true });
  };
}
