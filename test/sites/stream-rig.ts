/** A small measurement as a stream: its events cut into blocks, served over a real websocket, and run to its result. */
import type { CorrProgress, CorrSummary } from "../../src/core/analysis.js";
import type { LiveSnapshot, StreamRequest } from "../../src/core/live.js";
import { realClock } from "../../src/core/real-clock.js";
import { runStream } from "../../src/sites/stream-run.js";
import type { StreamHeader } from "../../src/stream/blocks.js";
import { StreamSender } from "../../src/stream/sender.js";
import { listenWebSocket } from "../../src/wire/websocket-server.js";
import type { EventList } from "../../src/xpcs/simulate.js";

/** The events of the frames [from, to). */
export function framesOf(events: EventList, from: number, to: number): Pick<EventList, "frame" | "pixel" | "count"> {
  const at = (frame: number): number => {
    const found = events.frame.findIndex((other) => other >= frame);
    return found < 0 ? events.frame.length : found;
  };
  const [begin, end] = [at(from), at(to)];
  return { frame: events.frame.slice(begin, end), pixel: events.pixel.slice(begin, end), count: events.count.slice(begin, end) };
}

export interface Served {
  readonly sender: StreamSender;
  readonly url: string;
  close(): Promise<void>;
}

export async function serve(header: Partial<StreamHeader> & Pick<StreamHeader, "height" | "width">): Promise<Served> {
  const full = { frameTimeS: 1e-3, counterBits: 0, firstCounter: 0, repeatsAfter: 0, id: "0f".repeat(16), name: "rig", ...header };
  const sender = new StreamSender({ header: full, whenBehind: "wait", spoolBytes: 1e9 });
  const listener = await listenWebSocket({ host: "127.0.0.1", port: 0, clock: realClock, onLink: (link) => sender.attach(link) });
  return { sender, url: listener.url, close: () => listener.close() };
}

export interface Ran {
  readonly summary: CorrSummary;
  readonly live: LiveSnapshot[];
}

/** Runs a stream in this process. */
export async function run(
  stream: Partial<StreamRequest> & Pick<StreamRequest, "source" | "request">,
  onLive: (live: LiveSnapshot) => void = () => {},
  roots?: readonly string[],
): Promise<Ran> {
  const live: LiveSnapshot[] = [];
  const never = new AbortController().signal;
  const onProgress = (progress: CorrProgress): void => {
    if (progress.live === undefined) return;
    live.push(progress.live);
    onLive(progress.live);
  };
  const full = { everyMs: 1, patienceMs: 500, ...stream };
  return {
    summary: await runStream({
      stream: full,
      clock: realClock,
      onProgress,
      signal: never,
      finish: never,
      ...(roots === undefined ? {} : { roots }),
    }),
    live,
  };
}
