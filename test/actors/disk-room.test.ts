/** The watch of central's disk, alone; with a disk that fills it is test/chaos/full-disk.test.ts. */
import { tmpdir } from "node:os";
import { expect, it } from "vitest";
import { DiskRoom } from "../../src/actors/disk-room.js";
import { LIMITS } from "../../src/core/limits.js";
import { virtualClock } from "./virtual-clock.js";

it("looks no more when it was stopped, also while it looks", async () => {
  const clock = virtualClock(0);
  let timers = 0;
  const counting = {
    ...clock,
    after: (ms: number, run: () => void) => {
      timers += 1;
      return clock.after(ms, run);
    },
  };
  const quiet = { info() {}, warn() {}, error() {} };
  const room = new DiskRoom(tmpdir(), 1, { clock: counting, logger: quiet });
  await room.start();
  expect([timers, room.refusal()]).toEqual([1, null]);
  const looking = room.start();
  room.stop();
  await looking;
  await clock.advance(3 * LIMITS.diskCheckMs);
  expect(timers).toBe(1);
});
