/** DECTRIS Stream V1 and V2: takes the messages of one series. Which of the two it is, its first message says. */
import { sleep } from "../core/clock.js";
import { toXpcsError } from "../core/errors.js";
import type { StreamSource } from "../core/stream-source.js";
import { type DectrisMessage, DectrisSeries } from "../stream/dectris.js";
import { badMessage } from "../stream/dectris-fields.js";
import { readV1 } from "../stream/dectris-v1.js";
import { readV2 } from "../stream/dectris-v2.js";
import { openPull } from "../wire/zmq-pull.js";
import { endingOf, type SourceEnding, type SourceTake } from "./stream-sources.js";

/** As many as of event blocks. */
const MESSAGES_MAX = 16;
/** Four times the largest image of 16 M pixels of 32 bits. */
const MESSAGE_BYTES_MAX = 256 * 1024 * 1024;
/** Between two turns of all else, ms. */
const TURN_MS = 20;

const OPENS_JSON = "{".charCodeAt(0);
const CBOR_MAP = 5;

function readMessage(parts: readonly Uint8Array[]): DectrisMessage {
  const first = parts[0]?.[0];
  if (first === OPENS_JSON) return readV1(parts);
  if (parts.length === 1 && first !== undefined && first >> 5 === CBOR_MAP) return readV2(parts[0]!);
  throw badMessage(`it has ${parts.length} parts, and begins neither as Stream V1 (JSON) nor as V2 (a CBOR map)`);
}

/**
 * Takes one series, from its start to its end.
 * @throws before the series has begun: UNSUPPORTED · CORRUPT_DATA · INVALID_ARGUMENT a channel · what the sink's `begin` throws
 */
export async function takeDectris(source: Extract<StreamSource, { kind: "dectris" }>, take: SourceTake): Promise<SourceEnding> {
  const { sink, clock, patienceMs } = take;
  const signal = AbortSignal.any([take.signal, sink.enough]);
  const { host, port, channel } = source;
  const series = new DectrisSeries(sink, channel);
  const pull = await openPull({ host, port, messagesMax: MESSAGES_MAX, messageBytesMax: MESSAGE_BYTES_MAX });
  try {
    let [hereMs, turnMs] = [clock.monotonicMs(), clock.monotonicMs()];
    let heard = 0;
    while (!signal.aborted && !series.ended) {
      const parts = await pull.next();
      const nowMs = clock.monotonicMs();
      if (parts !== null) {
        hereMs = nowMs;
        heard += 1;
        try {
          series.hear(readMessage(parts));
        } catch (error) {
          if (!series.begun) throw error;
          return endingOf(`message ${heard}: ${toXpcsError(error).message}`);
        }
        // Messages that wait already come without a turn of anything else.
        if (nowMs - turnMs < TURN_MS) continue;
        await sleep(clock, 0);
        turnMs = clock.monotonicMs();
      } else if (pull.connected) {
        // A detector that waits for its trigger sends nothing for as long as it takes.
        hereMs = nowMs;
      } else if (nowMs - hereMs >= patienceMs) {
        return endingOf(`no detector is at tcp://${host}:${port}; it did not come back within ${patienceMs / 1_000} s`);
      }
    }
    return { ended: "end", note: series.note };
  } finally {
    pull.close();
  }
}
