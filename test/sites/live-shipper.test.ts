/** Looks at a stream on their way to central: over a slow link the newest goes, and central keeps one of each stream. */
import { describe, expect, it } from "vitest";
import { LiveStreams } from "../../src/actors/live-streams.js";
import type { LiveSnapshot } from "../../src/core/live.js";
import { silentLogger } from "../../src/core/log.js";
import { realClock } from "../../src/core/real-clock.js";
import { shipLive } from "../../src/sites/live-shipper.js";

const look = (cursor: number): LiveSnapshot => ({ cursor }) as LiveSnapshot;
const lease = { job: "job", epoch: 1 } as const;

describe("looks at a stream", () => {
  it("that come while one is on its way are passed over, but for the newest", async () => {
    const sent: number[] = [];
    let arrive: () => void = () => {};
    const call = async (run: (source: { pushLive(told: { live: LiveSnapshot }): void }) => unknown): Promise<undefined> => {
      run({ pushLive: ({ live }) => void sent.push(live.cursor) });
      await new Promise<void>((resolve) => {
        arrive = resolve;
      });
      return undefined;
    };
    const abandon = new AbortController().signal;
    const options = { site: "s", instance: "i", clock: realClock, logger: silentLogger, lease, abandon };
    const ship = shipLive({ ...options, link: { call: call as never } });
    for (let cursor = 1; cursor <= 1_000; cursor += 1) ship.tell(look(cursor));
    expect(sent).toEqual([1]);
    const done = ship.finish();
    arrive();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(sent).toEqual([1, 1_000]);
    arrive();
    await done;
    expect(sent).toEqual([1, 1_000]);
  });

  it("are kept by central one of each stream, of so many streams", () => {
    const streams = new LiveStreams(3);
    for (let cursor = 1; cursor <= 100; cursor += 1) for (const job of ["a", "b", "c"]) streams.tell({ job, epoch: 1 }, look(cursor));
    streams.tell({ job: "a", epoch: 1 }, look(101));
    streams.tell({ job: "d", epoch: 1 }, look(1));
    expect(["a", "b", "c", "d"].map((job) => streams.latest(job)?.live.cursor)).toEqual([101, undefined, 100, 1]);
    // What is older, of the attempt or of an earlier one, changes nothing.
    streams.tell({ job: "a", epoch: 1 }, look(50));
    streams.tell({ job: "a", epoch: 0 }, look(500));
    expect(streams.latest("a")).toEqual({ epoch: 1, live: look(101) });
  });
});
