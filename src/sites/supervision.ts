/**
 * How a site keeps its kernel hosts up, as plain data (docs/settings.md), and the one decision in it: how long to wait before the next start, or to
 * give up. Pure but for the clock.
 */
import type { Clock } from "../core/clock.js";
import { LIMITS } from "../core/limits.js";

export interface RestartRules {
  /** Wait after the first end in a row, ms; `factor` times as long after each further one, up to `maxMs`. A host that is ready ends the row. */
  readonly firstMs: number;
  readonly factor: number;
  readonly maxMs: number;
  /** So many ends of one slot's hosts within `withinMs` are borne; one more, and the site ends. */
  readonly endsMax: number;
  readonly withinMs: number;
}

export interface HostRules {
  /** Memory that a host, and each process that it starts, may write to, GB of 10^9 bytes; null: no bound. */
  readonly memoryGb: number | null;
  /** Added to the site's own niceness. */
  readonly niceness: number;
  /** A host that is not ready after so long is ended, ms. */
  readonly startMs: number;
  /** One that gives no sign of life for so long while it works is ended, ms. */
  readonly silenceMs: number;
}

export interface Supervision {
  readonly restart: RestartRules;
  readonly hosts: HostRules;
}

export const DEFAULT_SUPERVISION: Supervision = {
  restart: { firstMs: 100, factor: 2, maxMs: 10_000, endsMax: 5, withinMs: 60_000 },
  hosts: { memoryGb: null, niceness: 0, startMs: 60_000, silenceMs: LIMITS.kernelSilenceMs },
};

/**
 * The ends of one slot's hosts that no work is to blame for: before they were ready, or while they were idle. A host that dies at work ends that
 * attempt, which counts against the job, and is replaced at once.
 */
export class Restarts {
  readonly #rules: RestartRules;
  readonly #clock: Clock;
  #inARow = 0;
  #endsMs: number[] = [];

  constructor(rules: RestartRules, clock: Clock) {
    this.#rules = rules;
    this.#clock = clock;
  }

  /** A host has ended. @returns the wait before the next, ms; null: no further one */
  ended(): number | null {
    const { firstMs, factor, maxMs, endsMax, withinMs } = this.#rules;
    const nowMs = this.#clock.monotonicMs();
    this.#endsMs = [...this.#endsMs.filter((atMs) => nowMs - atMs < withinMs), nowMs];
    this.#inARow += 1;
    return this.#endsMs.length > endsMax ? null : Math.min(maxMs, firstMs * factor ** (this.#inARow - 1));
  }

  ready(): void {
    this.#inARow = 0;
  }
}
