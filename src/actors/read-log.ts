/** A client's reading of what an attempt has written: from a byte on, waiting for more while the attempt runs. */
import { XpcsError } from "../core/errors.js";
import type { ClientApi, LeaseRef, LogPart } from "../core/protocols.js";
import type { Central } from "./central.js";
import type { Horizon } from "./horizon.js";

interface Found {
  readonly lease: LeaseRef | null;
  readonly ended: boolean;
  /** Of an attempt that has ended, ms since 1970. */
  readonly endedMs: number | null;
}

/** The attempt that is meant, the latest unless one is named; null: there is none yet. */
function attemptOf(horizon: Horizon, id: string, epoch: number | undefined): Found {
  const { attempts, finishedAt } = horizon.any(id);
  const attempt = epoch === undefined ? attempts.at(-1) : attempts.find((other) => other.epoch === epoch);
  if (attempt !== undefined) {
    const endedMs = attempt.outcome === "running" ? null : Date.parse(attempt.finishedAt ?? attempt.startedAt);
    return { lease: { job: id, epoch: attempt.epoch }, ended: endedMs !== null, endedMs };
  }
  if (epoch === undefined) return { lease: null, ended: finishedAt !== null, endedMs: null };
  throw new XpcsError("NOT_FOUND", `job ${id} has no attempt ${epoch}: xpcs job ${id} lists them`);
}

/**
 * The next part of an attempt's output (`ClientApi.logs`). Sites send the last of it before they report the end.
 *
 * @throws NOT_FOUND
 */
export async function readLog(central: Central, horizon: Horizon, request: Parameters<ClientApi["logs"]>[0]): Promise<LogPart> {
  const { id, epoch, stream, offset, waitMs } = request;
  const { clock, logs, feed } = central;
  const endMs = clock.monotonicMs() + waitMs;
  for (;;) {
    const leftMs = Math.max(0, endMs - clock.monotonicMs());
    // Wrapped, so that the turn does not end with the wait. It begins within the turn: what the next turn changes must end it.
    const { lease, ended, endedMs, changed } = await central.turn(() => ({
      ...attemptOf(horizon, id, epoch),
      changed: { wait: feed.wait(clock, leftMs) },
    }));
    if (lease === null) {
      if (ended || leftMs === 0 || feed.stopped) return { epoch: 0, text: "", next: offset, ended };
      await changed.wait;
      continue;
    }
    let forget: () => void = () => {};
    const appended = new Promise<void>((resolve) => {
      forget = logs.onAppend(lease, stream, resolve);
    });
    try {
      const { text, next } = await logs.read(lease, stream, offset);
      if (text === "" && offset === 0 && endedMs !== null && (await logs.size(lease, stream)) === 0) {
        const note = await logs.trimmedNote(endedMs);
        return { epoch: lease.epoch, text: note, next: note.length, ended: note === "" };
      }
      if (text !== "" || ended || leftMs === 0 || feed.stopped) return { epoch: lease.epoch, text, next, ended: ended && text === "" };
      await Promise.race([appended, changed.wait]);
    } finally {
      forget();
    }
  }
}
