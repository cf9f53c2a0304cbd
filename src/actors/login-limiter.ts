/**
 * Wrong tokens per address: after so many within a window, log-ins from there are refused without a look at the token until the window is
 * over. Links that are open already are not touched. Addresses of one IPv6 network (/64) count as one.
 */
import type { Clock } from "../core/clock.js";
import { LIMITS } from "../core/limits.js";

interface Failures {
  readonly sinceMs: number;
  readonly count: number;
}

function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(":")) return address;
  // The first four groups, with what "::" stands for written out as far as it matters.
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  const last = tail === undefined || tail === "" ? 0 : tail.split(":").length;
  while (tail !== undefined && groups.length + last < 8) groups.push("0");
  return groups.slice(0, 4).join(":");
}

export class LoginLimiter {
  readonly #clock: Clock;
  /** Oldest window first. */
  readonly #failures = new Map<string, Failures>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Time until a log-in from this address is looked at again, ms; 0: now. */
  waitMs(address: string): number {
    const failures = this.#failures.get(networkOf(address));
    if (failures === undefined || failures.count < LIMITS.loginFailuresMax) return 0;
    return Math.max(0, failures.sinceMs + LIMITS.loginWindowMs - this.#clock.monotonicMs());
  }

  failed(address: string): void {
    const network = networkOf(address);
    const nowMs = this.#clock.monotonicMs();
    const before = this.#failures.get(network);
    if (before !== undefined && nowMs - before.sinceMs < LIMITS.loginWindowMs) {
      this.#failures.set(network, { sinceMs: before.sinceMs, count: before.count + 1 });
      return;
    }
    this.#failures.delete(network);
    this.#failures.set(network, { sinceMs: nowMs, count: 1 });
    if (this.#failures.size <= LIMITS.loginAddressesMax) return;
    for (const oldest of this.#failures.keys()) {
      this.#failures.delete(oldest);
      break;
    }
  }
}
