/**
 * A remote actor across the loss of its link: dials again with jittered back-off, and repeats calls whose outcome is
 * unknown. Only for interfaces whose methods are harmless when repeated, which core/protocols.ts demands of all.
 * Does not buffer: a call waits until a link is up or its patience ends.
 */
import { type Clock, sleep } from "../core/clock.js";
import { ERROR_CODES, toXpcsError, XpcsError } from "../core/errors.js";
import type { Logger } from "../core/log.js";
import type { Connection } from "./connect.js";

export interface ReconnectingOptions<I> {
  /** Opens and authenticates one link. */
  readonly dial: () => Promise<Connection<I>>;
  /** Runs on each new link before any call may use it, e.g. to join. If it fails, so has the dial. */
  readonly greet?: (remote: I) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Uniform in [0, 1). */
  readonly rng: () => number;
}

export interface CallOptions {
  /** Aborting it ends the wait with CANCELED; a call on its way may still happen. */
  readonly signal?: AbortSignal;
  /** How long to repeat before the last error is thrown; default: for ever. */
  readonly patienceMs?: number;
}

export interface Reconnecting<I> {
  readonly up: boolean;
  /**
   * Runs `run` against the live actor; repeats it while the error says that repeating is right.
   * @throws what `run` throws · CANCELED · UNAVAILABLE patience ended, with the last reason · the error of `ended`
   */
  call<T>(run: (remote: I) => Promise<T>, options?: CallOptions): Promise<T>;
  /** Resolves with the reason once it is pointless to dial again (token refused, versions apart), or `close` was called. */
  readonly ended: Promise<XpcsError>;
  close(): void;
}

const BACKOFF_FIRST_MS = 100;
/** A restarted central is found again within about this time; many sites must not storm it. */
const BACKOFF_MAX_MS = 3_000;

/** True when the same call may be right later. */
function repeatable(error: XpcsError): boolean {
  const { retry } = ERROR_CODES[error.code];
  return retry === "yes" || retry === "after-delay";
}

/** Half to all of an exponentially growing delay. */
function backoffMs(attempt: number, rng: () => number): number {
  return Math.min(BACKOFF_FIRST_MS * 2 ** Math.min(attempt, 10), BACKOFF_MAX_MS) * (0.5 + 0.5 * rng());
}

/** Starts dialling at once. */
export function reconnecting<I>(options: ReconnectingOptions<I>): Reconnecting<I> {
  const { clock, logger, rng } = options;
  const life = new AbortController();
  let current: Connection<I> | null = null;
  let lastReason = new XpcsError("UNAVAILABLE", "no connection yet");
  let end: XpcsError | null = null;
  let wake: (() => void)[] = [];
  let settleEnded: (reason: XpcsError) => void = () => {};
  const ended = new Promise<XpcsError>((resolve) => {
    settleEnded = resolve;
  });

  const notify = (): void => {
    const waiting = wake;
    wake = [];
    for (const run of waiting) run();
  };
  const finish = (reason: XpcsError): void => {
    if (end !== null) return;
    end = reason;
    life.abort();
    current?.close();
    current = null;
    notify();
    settleEnded(reason);
  };

  const open = async (): Promise<Connection<I>> => {
    const connection = await options.dial();
    try {
      await options.greet?.(connection.remote);
      if (end !== null) throw end;
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  };

  const keepUp = async (): Promise<void> => {
    let failures = 0;
    while (end === null) {
      try {
        const connection = await open();
        failures = 0;
        current = connection;
        notify();
        lastReason = await connection.closed;
        current = null;
        if (end === null) logger.warn("link-lost", { reason: lastReason.message });
      } catch (error) {
        lastReason = toXpcsError(error);
        if (!repeatable(lastReason)) return finish(lastReason);
        if (failures === 0) logger.warn("link-down", { code: lastReason.code, reason: lastReason.message });
        failures += 1;
      }
      await sleep(clock, backoffMs(failures, rng), life.signal);
    }
  };
  void keepUp();

  /** Resolves when something may have changed: link up, ended, `signal` aborted, or time is over. */
  const change = (limitMs: number, signal: AbortSignal | undefined): Promise<void> =>
    new Promise((resolve) => {
      const done = (): void => {
        timer?.cancel();
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = Number.isFinite(limitMs) ? clock.after(limitMs, done) : null;
      signal?.addEventListener("abort", done);
      wake.push(done);
    });

  const call = async <T>(
    run: (remote: I) => Promise<T>,
    { signal, patienceMs = Number.POSITIVE_INFINITY }: CallOptions = {},
  ): Promise<T> => {
    const startedMs = clock.monotonicMs();
    for (let failures = 0; ; ) {
      if (signal?.aborted) throw new XpcsError("CANCELED", "stopped while waiting for central");
      if (end !== null) throw end;
      const leftMs = patienceMs - (clock.monotonicMs() - startedMs);
      if (current === null) {
        if (leftMs <= 0) throw new XpcsError("UNAVAILABLE", lastReason.message);
        await change(leftMs, signal);
        continue;
      }
      try {
        return await unlessAborted(run(current.remote), signal);
      } catch (error) {
        const reason = toXpcsError(error);
        if (signal?.aborted || !repeatable(reason) || leftMs <= 0) throw reason;
        failures += 1;
        await sleep(clock, Math.min(backoffMs(failures, rng), leftMs), signal);
      }
    }
  };

  return {
    get up() {
      return current !== null;
    },
    call,
    ended,
    close: () => finish(new XpcsError("UNAVAILABLE", "the link was closed")),
  };
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(new XpcsError("CANCELED", "stopped while waiting for central"));
    signal.addEventListener("abort", stop);
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
