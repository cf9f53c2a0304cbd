/** Stops an attempt of an exclusive command before its lease can be granted again: two of them never run at once. */
import type { Clock, Timer } from "../core/clock.js";
import { LIMITS } from "../core/limits.js";
import type { HeldLease, HeldLeases } from "./held-leases.js";

/** Before the end of the lease: time for the command to be asked and then killed, and to spare. */
const MARGIN_MS = LIMITS.kernelStopMs + 1_000;

/** Watches until it is canceled; the lease must have been confirmed. */
export function stopBeforeLoss(clock: Clock, leases: HeldLeases, held: HeldLease): Timer {
  let timer: Timer;
  const look = (): void => {
    const leftMs = leases.confirmedMs + held.lease.leaseMs - MARGIN_MS - clock.monotonicMs();
    if (leftMs <= 0) held.stop("unrenewed");
    else timer = clock.after(leftMs, look);
  };
  timer = clock.after(0, look);
  return { cancel: () => timer.cancel() };
}
