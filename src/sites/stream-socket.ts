/** A stream of event blocks over a websocket: dials the source, and again where the connection broke, until it ends or is lost. */
import { type Clock, sleep } from "../core/clock.js";
import { toXpcsError } from "../core/errors.js";
import type { StreamReceiver } from "../stream/receiver.js";
import type { Link } from "../wire/link.js";
import { openWebSocket } from "../wire/websocket-client.js";

const RETRY_MS = 200;
const OPEN_MS = 5_000;

export interface SocketSource {
  readonly url: string;
  readonly receiver: StreamReceiver;
  readonly clock: Clock;
  readonly patienceMs: number;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** @returns why the stream was lost; null: it ended, or `signal` ended it */
export async function takeSocket({ url, receiver, clock, patienceMs, signal }: SocketSource): Promise<string | null> {
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
