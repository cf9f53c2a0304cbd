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
function backoffMs(failures: number, rng: () => number): number {
  return Math.min(BACKOFF_FIRST_MS * 2 ** Math.min(failures, 10), BACKOFF_MAX_MS) * (0.5 + 0.5 * rng());
}

const canceled = (): XpcsError => new XpcsError("CANCELED", "stopped while waiting for central");

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(canceled());
    signal.addEventListener("abort", stop);
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

class ReconnectingLink<I> implements Reconnecting<I> {
  readonly ended: Promise<XpcsError>;
  readonly #options: ReconnectingOptions<I>;
  readonly #life = new AbortController();
  #current: Connection<I> | null = null;
  #lastReason = new XpcsError("UNAVAILABLE", "no connection yet");
  #end: XpcsError | null = null;
  #settleEnded: (reason: XpcsError) => void = () => {};
  #waiting: (() => void)[] = [];

  constructor(options: ReconnectingOptions<I>) {
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#settleEnded = resolve;
    });
    void this.#keepUp();
  }

  get up(): boolean {
    return this.#current !== null;
  }

  async call<T>(run: (remote: I) => Promise<T>, { signal, patienceMs = Number.POSITIVE_INFINITY }: CallOptions = {}): Promise<T> {
    const { clock, rng } = this.#options;
    const startedMs = clock.monotonicMs();
    for (let failures = 0; ; ) {
      if (signal?.aborted) throw canceled();
      if (this.#end !== null) throw this.#end;
      const leftMs = patienceMs - (clock.monotonicMs() - startedMs);
      if (this.#current === null) {
        if (leftMs <= 0) throw new XpcsError("UNAVAILABLE", this.#lastReason.message);
        await this.#change(leftMs, signal);
        continue;
      }
      try {
        return await unlessAborted(run(this.#current.remote), signal);
      } catch (error) {
        const reason = toXpcsError(error);
        if (signal?.aborted || !repeatable(reason) || leftMs <= 0) throw reason;
        failures += 1;
        await sleep(clock, Math.min(backoffMs(failures, rng), leftMs), signal);
      }
    }
  }

  close(): void {
    this.#finish(new XpcsError("UNAVAILABLE", "the link was closed"));
  }

  async #keepUp(): Promise<void> {
    const { clock, logger, rng } = this.#options;
    let failures = 0;
    while (this.#end === null) {
      try {
        const connection = await this.#open();
        failures = 0;
        this.#current = connection;
        this.#notify();
        this.#lastReason = await connection.closed;
        this.#current = null;
        if (this.#end === null) logger.warn("link-lost", { reason: this.#lastReason.message });
      } catch (error) {
        this.#lastReason = toXpcsError(error);
        if (!repeatable(this.#lastReason)) return this.#finish(this.#lastReason);
        if (failures === 0) logger.warn("link-down", { code: this.#lastReason.code, reason: this.#lastReason.message });
        failures += 1;
      }
      await sleep(clock, backoffMs(failures, rng), this.#life.signal);
    }
  }

  async #open(): Promise<Connection<I>> {
    const connection = await this.#options.dial();
    try {
      await this.#options.greet?.(connection.remote);
      if (this.#end !== null) throw this.#end;
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  #finish(reason: XpcsError): void {
    if (this.#end !== null) return;
    this.#end = reason;
    this.#life.abort();
    this.#current?.close();
    this.#current = null;
    this.#notify();
    this.#settleEnded(reason);
  }

  #notify(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const run of waiting) run();
  }

  /** Resolves when something may have changed: link up, ended, `signal` aborted, or time is over. */
  #change(limitMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        timer?.cancel();
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = Number.isFinite(limitMs) ? this.#options.clock.after(limitMs, done) : null;
      signal?.addEventListener("abort", done);
      this.#waiting.push(done);
    });
  }
}

/** Starts dialling at once. */
export function reconnecting<I>(options: ReconnectingOptions<I>): Reconnecting<I> {
  return new ReconnectingLink(options);
}
