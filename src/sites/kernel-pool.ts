/**
 * Warm kernel hosts, one per slot: the start of a process and the load of the addon are paid before a job comes. Keeps them up by the rules of
 * supervision.ts; where that is in vain, the pool gives up, and with it the site.
 */
import type { CorrSummary } from "../core/analysis.js";
import type { Clock, Timer } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import type { Logger } from "../core/log.js";
import type { HostProcess, KernelRun } from "./kernel-host.js";
import { type RestartRules, Restarts } from "./supervision.js";

export interface KernelPool {
  /** Runs work in an idle host, or in the next that is ready. A host that failed is replaced, never used again. */
  run(request: KernelRun): Promise<{ summary: CorrSummary | null }>;
  /** Resolves when hosts cannot be kept up: work then waits for ever, and the site should end. */
  readonly failed: Promise<XpcsError>;
  /** Ends every host. */
  close(): Promise<void>;
}

export interface KernelPoolOptions {
  readonly slots: number;
  readonly rules: RestartRules;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly start: () => HostProcess;
}

class Pool implements KernelPool {
  readonly failed: Promise<XpcsError>;
  readonly #options: KernelPoolOptions;
  /** Every host that is up, with the history of its slot. */
  readonly #hosts = new Map<HostProcess, Restarts>();
  readonly #idle: HostProcess[] = [];
  /** Work that waits for a host. */
  readonly #waiting = new Set<(host: HostProcess) => void>();
  readonly #timers = new Set<Timer>();
  #giveUp: (error: XpcsError) => void = () => {};
  #closed = false;

  constructor(options: KernelPoolOptions) {
    this.#options = options;
    this.failed = new Promise((resolve) => {
      this.#giveUp = resolve;
    });
    for (let slot = 0; slot < options.slots; slot += 1) this.#start(new Restarts(options.rules, options.clock));
  }

  #start(slot: Restarts): void {
    if (this.#closed) return;
    const host = this.#options.start();
    this.#hosts.set(host, slot);
    host.ready.then(
      () => {
        slot.ready();
        this.#offer(host);
      },
      (error: XpcsError) => this.#ended(host, error.message),
    );
    // At work its end is the work's failure, which gives it back.
    void host.ended.then((how) => {
      if (this.#idle.includes(host)) this.#ended(host, how);
    });
  }

  /** Ended by nobody's work. */
  #ended(host: HostProcess, how: string): void {
    const slot = this.#hosts.get(host);
    if (slot === undefined || this.#closed) return;
    this.#forget(host);
    const waitMs = slot.ended();
    const { logger, clock, rules } = this.#options;
    logger.warn("kernel-host-ended", { pid: host.pid, reason: how, waitMs });
    if (waitMs === null) {
      const often = `${rules.endsMax + 1} times within ${rules.withinMs / 1_000} s`;
      this.#giveUp(new XpcsError("NATIVE_CRASHED", `a kernel host ended ${often} without work, so this site ends; the last: ${how}`));
      return;
    }
    const timer = clock.after(waitMs, () => {
      this.#timers.delete(timer);
      this.#start(slot);
    });
    this.#timers.add(timer);
  }

  #forget(host: HostProcess): void {
    this.#hosts.delete(host);
    const at = this.#idle.indexOf(host);
    if (at >= 0) this.#idle.splice(at, 1);
    void host.kill();
  }

  #offer(host: HostProcess): void {
    if (this.#closed) return void host.kill();
    const [take] = this.#waiting;
    if (take === undefined) return void this.#idle.push(host);
    this.#waiting.delete(take);
    take(host);
  }

  #take(signal: AbortSignal): Promise<HostProcess> {
    for (let host = this.#idle.at(-1); host !== undefined; host = this.#idle.at(-1)) {
      if (host.usable) return Promise.resolve(this.#idle.pop()!);
      // Its end is known, and not told yet.
      this.#ended(host, "the kernel host process ended while it was idle");
    }
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        this.#waiting.delete(take);
        reject(new XpcsError("CANCELED", "the work was stopped"));
      };
      const take = (next: HostProcess): void => {
        signal.removeEventListener("abort", stop);
        resolve(next);
      };
      if (signal.aborted) return stop();
      signal.addEventListener("abort", stop, { once: true });
      this.#waiting.add(take);
    });
  }

  async run(request: KernelRun): Promise<{ summary: CorrSummary | null }> {
    const host = await this.#take(request.signal);
    try {
      return await host.run(request);
    } finally {
      this.#giveBack(host);
    }
  }

  #giveBack(host: HostProcess): void {
    if (host.usable || this.#closed) return void this.#offer(host);
    const slot = this.#hosts.get(host)!;
    this.#options.logger.warn("kernel-host-replaced", { pid: host.pid });
    this.#forget(host);
    this.#start(slot);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
    await Promise.all([...this.#hosts.keys()].map((host) => host.kill()));
  }
}

/** Starts `slots` hosts at once. */
export function createKernelPool(options: KernelPoolOptions): KernelPool {
  return new Pool(options);
}
