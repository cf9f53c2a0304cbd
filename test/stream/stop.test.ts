/** What a stop means: it is that receiver's alone, and a source lingers after its end until the others have everything. */
import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import type { Clock } from "../../src/core/clock.js";
import { realClock } from "../../src/core/real-clock.js";
import { servePlay } from "../../src/demo/play.js";
import { photonSource, sparseSample } from "../../src/demo/sample.js";
import { creditBlock, openBlock, readBlock, type StreamHeader, stopBlock } from "../../src/stream/blocks.js";
import { StreamSender } from "../../src/stream/sender.js";
import { PhotonSource } from "../../src/xpcs/simulate.js";
import { channelPair, type End, settle } from "./pair.js";
import { behind, viewer } from "./two-receivers.js";

const sample = sparseSample(6);
const FRAMES = 400;
const header: StreamHeader = {
  ...{ height: 4, width: 4, frameTimeS: 1e-3, counterBits: 0, firstCounter: 0, repeatsAfter: 0 },
  ...{ id: "00112233445566778899aabbccddeeff", name: "test" },
};
const ONE = { frame: Uint32Array.of(0), pixel: Uint32Array.of(3), count: Uint16Array.of(1) };
const BLOCK_BYTES = 40;

/** A receiver by hand. @returns its end, and the kinds and sequence numbers of what it has heard */
function attached(sender: StreamSender): { here: End; there: End; heard: string[] } {
  const [here, there] = channelPair();
  const heard: string[] = [];
  here.onBytes((bytes) => {
    const block = readBlock(bytes);
    heard.push(`${block.kind} ${"sequence" in block ? block.sequence : ""}`);
  });
  sender.attach(there);
  return { here, there, heard };
}

async function play(frames: number, clock: Clock, onReady: (url: string) => void) {
  return servePlay({
    ...{ sample, counterBits: 0, framesPerS: 2_000, frames, replay: 0, clock, signal: new AbortController().signal },
    ...{ host: "127.0.0.1", port: 0, spoolBytes: 1e9, whenBehind: "drop", id: "0a".repeat(16), waitForReceiver: true, onReady },
  });
}

describe("a receiver that stops", () => {
  it("is dropped; the source goes on while another one is there, and gives that one all", async () => {
    const sender = new StreamSender({ header, whenBehind: "wait", spoolBytes: 2 * BLOCK_BYTES });
    const [early, late] = [attached(sender), attached(sender)];
    for (const { here } of [early, late]) here.send(openBlock(1, 0, 1));
    settle(early.there, late.there);
    await sender.frames(ONE, 0, 1);
    early.here.send(stopBlock());
    early.here.send(creditBlock(9)); // was on its way
    settle(early.there, early.here, late.here);
    expect(sender.state).toMatchObject({ stopped: false, receivers: 1 });
    await sender.frames(ONE, 0, 1);
    await sender.frames(ONE, 0, 1);
    // The room is used up by what the other one has not taken.
    const ending = sender.frames(ONE, 0, 1).then(() => sender.end());
    late.here.send(creditBlock(4));
    settle(late.there, late.here);
    await ending;
    settle(early.here, late.here);
    expect(early.heard).toEqual(["header 0", "events 1"]);
    expect(late.heard).toEqual(["header 0", "events 1", "events 2", "events 3", "events 4", "end 5"]);
    expect(sender.state).toMatchObject({ stopped: false, droppedFrames: 0 });
    late.here.send(stopBlock());
    settle(late.there);
    expect(sender.state).toMatchObject({ stopped: true, receivers: 0 });
  });

  it("was the last one: nobody wants more, until another comes, which hears of what is not held", async () => {
    const sender = new StreamSender({ header, whenBehind: "wait", spoolBytes: BLOCK_BYTES });
    const early = attached(sender);
    early.here.send(stopBlock());
    settle(early.there);
    expect(sender.state.stopped).toBe(true);
    for (let k = 0; k < 3; k += 1) await sender.frames(ONE, 0, 1);
    const late = attached(sender);
    expect(sender.state).toMatchObject({ stopped: false, receivers: 1 });
    late.here.send(openBlock(1, 0, 9));
    settle(late.there, late.here);
    expect(late.heard).toEqual(["header 0", "dropped 1", "events 3"]);
    expect(sender.state).toMatchObject({ frames: 3, events: 3, droppedFrames: 2 });
  });
});

describe("a source that has ended", () => {
  it("lingers for a receiver that is behind, though a viewer has stopped early: it gets every photon", async () => {
    let url = "";
    let ended = false;
    const go = new Promise((resolve) => setTimeout(resolve, 1_000));
    const waiting = new Promise<void>((resolve) => {
      void play(FRAMES, realClock, (at) => {
        url = at;
        resolve();
      }).then(() => {
        ended = true;
      });
    });
    await waiting;
    const [{ all }] = await Promise.all([behind(url, go), viewer(url)]);
    await go;
    expect(ended).toBe(false);
    const { frames, ...photons } = await all;
    expect(frames).toBe(FRAMES);
    // It makes parts of 50 ms, here 100 frames.
    const source = new PhotonSource(photonSource(sample));
    const parts = [0, 100, 200, 300].map((first) => ({ first, ...source.next(100) }));
    const whole = {
      frame: parts.flatMap(({ first, frame }) => [...frame].map((f) => first + f)),
      pixel: parts.flatMap(({ pixel }) => [...pixel]),
      count: parts.flatMap(({ count }) => [...count]),
    };
    expect(isDeepStrictEqual(photons, whole)).toBe(true);
    await expect.poll(() => ended, { timeout: 5_000 }).toBe(true);
  }, 20_000);

  it("does not wait for ever for one that is there and never takes the rest", async () => {
    // Half a minute is 0.3 s.
    const quick: Clock = { ...realClock, after: (ms, run) => realClock.after(ms >= 30_000 ? ms / 100 : ms, run) };
    let held = Promise.resolve<unknown>(null);
    const played = await play(FRAMES, quick, (url) => {
      held = behind(url, new Promise(() => {}));
    });
    expect(played.frames).toBe(FRAMES);
    const { all } = (await held) as { all: Promise<unknown> };
    await expect(all).rejects.toThrow("the source went");
  }, 20_000);
});
