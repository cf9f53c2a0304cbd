/**
 * A process of the simulation: a name, a clock of its own, and an end. What it started runs on only while it lives: its timers, its files
 * and its links go through here, and a continuation that waits for any of them when the process is killed never runs again.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Clock, Timer } from "../../src/core/clock.js";

const current = new AsyncLocalStorage<SimProcess>();

/** The process whose code is running, if any. */
export function currentProcess(): SimProcess | undefined {
  return current.getStore();
}

export class SimProcess {
  readonly name: string;
  readonly clock: Clock;
  readonly rng: () => number;
  alive = true;
  /** Added to its wall clock; leases must not care. */
  wallJumpMs = 0;
  #paused: (() => void)[] | null = null;
  /** When it last went on after a pause, ms. */
  resumedMs = Number.NEGATIVE_INFINITY;
  readonly #world: Clock;

  constructor(name: string, world: Clock, rng: () => number) {
    this.name = name;
    this.rng = rng;
    this.#world = world;
    this.clock = {
      // As that of the product: whole ms.
      nowMs: () => Math.floor(world.nowMs() + this.wallJumpMs),
      monotonicMs: () => world.monotonicMs(),
      after: (delayMs, run) => this.#after(delayMs, run),
    };
  }

  get paused(): boolean {
    return this.#paused !== null;
  }

  /** Runs code as this process's. */
  run<T>(code: () => T): T {
    return current.run(this, code);
  }

  #after(delayMs: number, run: () => void): Timer {
    let live = true;
    const fire = () => {
      if (live && this.alive) this.run(run);
    };
    const timer = this.#world.after(delayMs, () => {
      if (this.#paused === null) fire();
      else this.#paused.push(fire);
    });
    return {
      cancel() {
        live = false;
        timer.cancel();
      },
    };
  }

  /** SIGKILL. */
  kill(): void {
    this.alive = false;
    this.#paused = null;
  }

  /** SIGSTOP and SIGCONT. */
  pause(): void {
    this.#paused ??= [];
  }
  resume(): void {
    const due = this.#paused ?? [];
    this.#paused = null;
    this.resumedMs = this.#world.monotonicMs();
    for (const run of due) run();
  }
}
