/**
 * One message at a time for one actor. Messages wait in a bounded queue; up to `batchMax` of them run one after the other, then one
 * commit makes what they did durable, and only then are they answered. So a synced write is shared by all callers who came while the last
 * one ran, and nobody hears of what could still be lost.
 */
import { toXpcsError, XpcsError } from "../core/errors.js";

export interface MailboxOptions {
  readonly messagesMax: number;
  readonly batchMax: number;
  /** Makes the batch durable. When it rejects the mailbox is dead: nothing was answered, and nothing more is taken. */
  readonly commit: () => Promise<void>;
  /** What is to be done when the batch has been answered, before the next one. When it rejects the mailbox is dead too. */
  readonly settle?: () => Promise<void>;
  /** Called once, after a commit has failed. */
  readonly onDead: (error: XpcsError) => void;
}

interface Entry {
  readonly run: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class Mailbox {
  readonly #options: MailboxOptions;
  #waiting: Entry[] = [];
  #draining: Promise<void> | null = null;
  #dead: XpcsError | null = null;

  constructor(options: MailboxOptions) {
    this.#options = options;
  }

  /**
   * Runs `turn` when its time comes and resolves with its result after the commit. A turn is synchronous: nothing else runs within it.
   *
   * @throws OVERLOADED the queue is full; UNAVAILABLE the mailbox is dead; whatever `turn` throws
   */
  post<T>(turn: () => T): Promise<T> {
    if (this.#dead !== null) return Promise.reject(this.#dead);
    if (this.#waiting.length >= this.#options.messagesMax) {
      return Promise.reject(new XpcsError("OVERLOADED", `${this.#options.messagesMax} requests wait already: try again in a moment`));
    }
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ run: turn, resolve: resolve as (value: unknown) => void, reject });
      this.#draining ??= this.#drain();
    });
  }

  /** Resolves when nothing waits and nothing runs. */
  async idle(): Promise<void> {
    while (this.#draining !== null) await this.#draining;
  }

  async #drain(): Promise<void> {
    // Let everything that arrives in this tick come into the first batch.
    await Promise.resolve();
    while (this.#waiting.length > 0 && this.#dead === null) await this.#runBatch();
    this.#draining = null;
  }

  async #runBatch(): Promise<void> {
    const batch = this.#waiting.splice(0, this.#options.batchMax);
    const answers = batch.map(({ run, resolve, reject }) => {
      try {
        const value = run();
        return () => resolve(value);
      } catch (error) {
        return () => reject(error);
      }
    });
    try {
      await this.#options.commit();
    } catch (error) {
      this.#die(batch, toXpcsError(error));
      return;
    }
    for (const answer of answers) answer();
    try {
      await this.#options.settle?.();
    } catch (error) {
      this.#die([], toXpcsError(error));
    }
  }

  #die(batch: readonly Entry[], error: XpcsError): void {
    this.#dead = new XpcsError("UNAVAILABLE", `central has stopped: ${error.message}`);
    for (const { reject } of [...batch, ...this.#waiting]) reject(this.#dead);
    this.#waiting = [];
    this.#options.onDead(error);
  }
}
