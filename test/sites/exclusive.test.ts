/** When the attempt of an exclusive command is stopped, on virtual time. */
import { expect, it } from "vitest";
import type { Lease } from "../../src/core/job.js";
import { stopBeforeLoss } from "../../src/sites/exclusive.js";
import type { HeldLease, HeldLeases, StopReason } from "../../src/sites/held-leases.js";
import { virtualClock } from "../actors/virtual-clock.js";

const LEASE_MS = 9_000;

it("is stopped before its lease ends, and not while the lease is renewed", async () => {
  const clock = virtualClock();
  const stops: StopReason[] = [];
  const leases = { confirmedMs: clock.monotonicMs() };
  const held = { lease: { leaseMs: LEASE_MS } as Lease, stop: (reason: StopReason) => void stops.push(reason) };
  const guard = stopBeforeLoss(clock, leases as HeldLeases, held as HeldLease);
  for (let renewal = 0; renewal < 10; renewal += 1) {
    await clock.advance(2_500);
    leases.confirmedMs = clock.monotonicMs();
  }
  expect(stops).toEqual([]);
  await clock.advance(6_000);
  expect(stops).toEqual([]);
  await clock.advance(LEASE_MS - 6_000 - 1_200);
  expect(stops).toEqual(["unrenewed"]);
  guard.cancel();
});
