/** A stream of event blocks over a websocket: dials the source, and again where the connection broke, until it ends or is lost. */
import { sleep } from "../core/clock.js";
import { toXpcsError, type XpcsError } from "../core/errors.js";
import type { StreamSource } from "../core/stream-source.js";
import { StreamReceiver } from "../stream/receiver.js";
import type { Link } from "../wire/link.js";
import { openWebSocket } from "../wire/websocket-client.js";
import { endingOf, type SourceEnding, type SourceTake } from "./stream-sources.js";

const RETRY_MS = 200;
const OPEN_MS = 5_000;

/** Takes event blocks. */
export async function takeBlocks({ url }: Extract<StreamSource, { kind: "blocks" }>, { sink, ...take }: SourceTake): Promise<SourceEnding> {
  let refused: XpcsError | null = null;
  const receiver = new StreamReceiver({
    begin(header) {
      try {
        sink.begin(header);
      } catch (error) {
        refused = toXpcsError(error);
        throw error;
      }
    },
    events: (words, first, frames) => sink.events(words, first, frames),
    gap: (_first, frames) => sink.gap(frames),
    end: (frames) => sink.end(frames),
  });
  const signal = AbortSignal.any([take.signal, sink.enough]);
  signal.addEventListener("abort", () => receiver.stop());
  const lost = await dial(url, receiver, { ...take, signal });
  if (refused !== null) throw refused;
  return endingOf(lost);
}

/** Dials until the stream has ended. @returns why it was lost; null: it ended, or `signal` ended it */
async function dial(
  url: string,
  receiver: StreamReceiver,
  { clock, patienceMs, signal }: Omit<SourceTake, "sink">,
): Promise<string | null> {
  let heardMs = clock.monotonicMs();
  let why = "";
  let link: Link | null = null;
  const close = (): void => link?.close();
  signal.addEventListener("abort", close);
  try {
    while (!signal.aborted) {
      try {
        // Photons are no secret: nothing that could be misused crosses.
        link = await openWebSocket(url, { clock, openMs: OPEN_MS, insecure: true });
        if (signal.aborted) return null;
        const { ended, reason } = await receiver.take(link);
        if (ended || signal.aborted) return null;
        heardMs = clock.monotonicMs();
        why = reason?.message ?? "the connection ended";
      } catch (error) {
        const failure = toXpcsError(error);
        if (failure.code !== "UNAVAILABLE") return failure.message;
        why = failure.message;
      } finally {
        link?.close();
        link = null;
      }
      if (clock.monotonicMs() - heardMs >= patienceMs) return `${why}; it did not come back within ${patienceMs / 1_000} s`;
      await sleep(clock, RETRY_MS, signal);
    }
    return null;
  } finally {
    signal.removeEventListener("abort", close);
  }
}
