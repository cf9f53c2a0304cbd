/** What a client reads on and on of an attempt: its output, and a stream's result while it comes. */
import type { JobId } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { LiveSnapshot } from "../core/live.js";
import type { ClientApi, LivePart, LogStream } from "../core/protocols.js";
import type { CallOptions, Reconnecting } from "../wire/reconnecting.js";

export interface LogOptions {
  /** Default: the latest attempt. */
  readonly epoch?: number;
  /** Default: stdout. */
  readonly stream?: LogStream;
  /** Byte to begin with (default 0). */
  readonly from?: number;
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
  readonly onText: (text: string) => void;
}

export interface LiveOptions {
  /** @param epoch of the attempt that tells */
  readonly onLive: (live: LiveSnapshot, epoch: number) => void;
  readonly signal?: AbortSignal;
}

/** The output of an attempt from a byte on. @returns the attempt, and where the next part begins */
export async function readLogs(link: Reconnecting<ClientApi>, id: JobId, options: LogOptions): Promise<{ epoch: number; next: number }> {
  const { stream = "stdout", follow = false, onText } = options;
  const callOptions: CallOptions = options.signal ? { signal: options.signal } : {};
  let { epoch, from: offset = 0 } = options;
  for (;;) {
    const request = { id, ...(epoch === undefined ? {} : { epoch }), stream, offset, waitMs: follow ? LIMITS.longPollMs : 0 };
    const part = await link.call((api) => api.logs(request), callOptions);
    if (part.text !== "") onText(part.text);
    offset = part.next;
    // The attempt that was found first is followed to its end, not its successor. 0: there is none yet.
    if (part.epoch > 0) epoch = part.epoch;
    if (part.ended || (!follow && part.text === "")) return { epoch: part.epoch, next: offset };
  }
}

/** Each result of a stream until its attempt ends. */
export async function followLive(link: Reconnecting<ClientApi>, id: JobId, { onLive, signal }: LiveOptions): Promise<void> {
  for (let cursor: string | null = null; ; ) {
    const request: { id: JobId; cursor: string | null; waitMs: number } = { id, cursor, waitMs: LIMITS.longPollMs };
    const part: LivePart = await link.call((api) => api.live(request), signal ? { signal } : {});
    if (part.live !== null) onLive(part.live, part.epoch);
    cursor = part.cursor;
    if (part.ended) return;
  }
}
