/** Flow control between a sender and a receiver: credit, drops that are counted and recorded, and going on after a break. */
import { describe, expect, it } from "vitest";
import { creditBlock, droppedBlock, endBlock, eventsBlock, headerBlock, openBlock, type StreamHeader } from "../../src/stream/blocks.js";
import { type StreamConsumer, StreamReceiver } from "../../src/stream/receiver.js";
import { StreamSender, type WhenBehind } from "../../src/stream/sender.js";
import { Random } from "../../src/xpcs/random.js";
import { channelPair, type End, settle } from "./pair.js";

const header: StreamHeader = {
  ...{ height: 4, width: 4, frameTimeS: 1e-3, counterBits: 8, firstCounter: 200, repeatsAfter: 0 },
  ...{ id: "00112233445566778899aabbccddeeff", name: "test" },
};
/** 10 frames with a photon in each. */
const TEN = {
  frame: Uint32Array.from({ length: 10 }, (_, i) => i),
  pixel: new Uint32Array(10).fill(3),
  count: new Uint16Array(10).fill(1),
};
const BLOCK_BYTES = 32 + 80;

/** What a receiver heard: "e0+10", "g10+20 no-credit", "end 30". */
function recorder(): { heard: string[]; consumer: StreamConsumer } {
  const heard: string[] = [];
  return {
    heard,
    consumer: {
      begin: ({ name }) => void heard.push(`begin ${name}`),
      events: (_words, first, frames) => void heard.push(`e${first}+${frames}`),
      gap: (first, frames, reason) => void heard.push(`g${first}+${frames} ${reason}`),
      end: (frames) => void heard.push(`end ${frames}`),
    },
  };
}

function connect(sender: StreamSender, receiver: StreamReceiver): { here: End; there: End; done: ReturnType<StreamReceiver["take"]> } {
  const [here, there] = channelPair();
  const done = receiver.take(here);
  done.catch(() => {});
  sender.attach(there);
  return { here, there, done };
}

function make(whenBehind: WhenBehind, blocks: number): StreamSender {
  return new StreamSender({ header, whenBehind, spoolBytes: blocks * BLOCK_BYTES });
}

async function play(sender: StreamSender, blocks: number): Promise<void> {
  for (let k = 0; k < blocks; k += 1) await sender.frames(TEN, 0, 10);
}

describe("a receiver that keeps up", () => {
  it("gets every block in order, through a counter that goes round, and the end", async () => {
    const sender = make("drop", 4);
    const { heard, consumer } = recorder();
    const { here, there, done } = connect(sender, new StreamReceiver(consumer));
    for (let k = 0; k < 100; k += 1) {
      await play(sender, 1);
      settle(here, there);
    }
    await sender.end();
    settle(here, there);
    expect(heard).toEqual(["begin test", ...Array.from({ length: 100 }, (_, k) => `e${10 * k}+10`), "end 1000"]);
    await expect(done).resolves.toEqual({ ended: true, reason: null });
    expect(sender.state).toMatchObject({ frames: 1000, events: 1000, droppedFrames: 0 });
    expect(sender.delivered).toBe(true);
  });
});

describe("a receiver that does not read", () => {
  it("gets no more than its credit, and makes a sender that can wait do so", async () => {
    const sender = make("wait", 8);
    const { consumer, heard } = recorder();
    const { here, there } = connect(sender, new StreamReceiver(consumer));
    settle(here, there);
    let played = 0;
    const all = (async () => {
      for (; played < 100; played += 1) await play(sender, 1);
    })();
    // It never reads again: 16 blocks of credit and 8 in the spool.
    for (let turn = 0; turn < 200; turn += 1) await Promise.resolve();
    expect(here.waiting.length).toBe(16);
    expect(played).toBe(24);
    while (played < 100) {
      settle(here, there);
      await Promise.resolve();
    }
    await all;
    settle(here, there);
    expect(heard.filter((line) => line.startsWith("g"))).toEqual([]);
    expect(heard.length).toBe(101);
    expect(sender.state.droppedFrames).toBe(0);
  });

  it("of a detector that cannot wait loses whole frames, which are counted and recorded", async () => {
    const sender = make("drop", 8);
    const { consumer, heard } = recorder();
    const { here, there } = connect(sender, new StreamReceiver(consumer));
    settle(here, there);
    await play(sender, 60);
    expect(here.waiting.length).toBe(16);
    settle(here, there);
    await play(sender, 1);
    await sender.end();
    settle(here, there);
    const frames = heard.flatMap((line) => (/^[eg]\d/.test(line) ? [/^([eg])(\d+)\+(\d+)/.exec(line)!.slice(1)] : []));
    let next = 0;
    for (const [, first, length] of frames) {
      expect(Number(first)).toBe(next);
      next += Number(length);
    }
    expect(next).toBe(610);
    expect(heard).toContain("g160+360 no-credit");
    expect(heard.at(-1)).toBe("end 610");
    expect(sender.state).toMatchObject({ frames: 610, droppedFrames: 360 });
  });
});

describe("frames that the detector lost", () => {
  it("are a gap of the stream", async () => {
    const sender = make("drop", 8);
    const { consumer, heard } = recorder();
    const { here, there } = connect(sender, new StreamReceiver(consumer));
    await play(sender, 1);
    // More than the counter's range: the record says how many.
    await sender.lost(1000);
    await play(sender, 1);
    settle(here, there);
    expect(heard).toEqual(["begin test", "e0+10", "g10+1000 detector", "e1010+10"]);
  });
});

describe("after a break", () => {
  it("the same receiver goes on where it was, from the spool", async () => {
    const sender = make("drop", 20);
    const { consumer, heard } = recorder();
    const receiver = new StreamReceiver(consumer);
    const first = connect(sender, receiver);
    await play(sender, 3);
    first.here.deliver(1);
    first.there.deliver();
    first.here.deliver(2);
    first.here.close();
    await play(sender, 3);
    const second = connect(sender, receiver);
    settle(second.here, second.there);
    expect(heard).toEqual(["begin test", ...[0, 1, 2, 3, 4, 5].map((k) => `e${10 * k}+10`)]);
  });

  it("a new receiver gets what is held, and hears that the rest is not", async () => {
    const sender = make("drop", 3);
    await play(sender, 10);
    const { consumer, heard } = recorder();
    const { here, there } = connect(sender, new StreamReceiver(consumer));
    settle(here, there);
    expect(heard).toEqual(["begin test", "g0+70 not-held", "e70+10", "e80+10", "e90+10"]);
  });

  it("another stream at the same place is not the same stream", async () => {
    const { consumer } = recorder();
    const receiver = new StreamReceiver(consumer);
    const first = connect(make("drop", 3), receiver);
    settle(first.here, first.there);
    first.here.close();
    const other = new StreamSender({ header: { ...header, id: "ff".repeat(16) }, whenBehind: "drop", spoolBytes: 1e6 });
    const second = connect(other, receiver);
    settle(second.here, second.there);
    await expect(second.done).rejects.toThrow("another stream");
  });
});

describe("a peer that breaks the rules", () => {
  const events = (sequence: number, counter: number) => eventsBlock(sequence, counter, 10, TEN, 0, 0, 10);
  it.each<[string, Uint8Array[], string]>([
    ["photons before the header", [events(1, 200)], "in place of its header"],
    ["a block twice", [headerBlock(header), events(1, 200), events(1, 210)], "block 1 came in place of block 2"],
    ["a block left out", [headerBlock(header), events(1, 200), events(3, 210)], "block 3 came in place of block 2"],
    ["frames that go back", [headerBlock(header), events(1, 200), events(2, 205)], "frame counter 205 comes after 210"],
    ["a gap elsewhere", [headerBlock(header), events(1, 200), droppedBlock(2, 220, 5, 1, "detector")], "said to begin at 220"],
    ["an end before the end", [headerBlock(header), events(1, 200), endBlock(2, 5, 10)], "the end says 5 frames"],
    ["a receiver's message", [headerBlock(header), creditBlock(1)], "which receivers send"],
    ["noise", [headerBlock(header), new TextEncoder().encode("hello, this is no block")], "not an event block"],
  ])("as a sender: %s", async (_what, messages, why) => {
    const [here, there] = channelPair();
    const done = new StreamReceiver(recorder().consumer).take(here);
    for (const message of messages) there.send(message);
    here.deliver();
    await expect(done).rejects.toThrow(why);
    expect(here.closedWith?.message).toContain(why);
  });

  it("frames that nobody said were lost are a gap", () => {
    const { consumer, heard } = recorder();
    const [here, there] = channelPair();
    void new StreamReceiver(consumer).take(here);
    there.send(headerBlock(header));
    there.send(events(1, 200));
    there.send(events(2, 250));
    here.deliver();
    expect(heard).toEqual(["begin test", "e0+10", "g10+40 null", "e50+10"]);
  });

  it.each<[string, Uint8Array[], string]>([
    ["credit before it opens", [creditBlock(1)], "opens the stream"],
    ["opens twice", [openBlock(1, 0, 1), openBlock(1, 0, 1)], "open already"],
    ["wants what is not there yet", [openBlock(99, 0, 1)], "block 99 is wanted"],
    ["begins elsewhere", [openBlock(1, 33, 1)], "does not begin at frame 33"],
    ["asks for all the credit there is", [openBlock(1, 0, 65_536), creditBlock(65_536)], "at most 65536"],
    ["sends photons", [events(1, 200)], "does not send"],
  ])("as a receiver: %s", async (_what, messages, why) => {
    const sender = make("drop", 4);
    await play(sender, 2);
    const [here, there] = channelPair();
    sender.attach(there);
    for (const message of messages) here.send(message);
    there.deliver();
    expect(there.closedWith?.message).toContain(why);
    expect(sender.state.receivers).toBe(0);
  });
});

describe("whatever order things come in", () => {
  it("every frame is there once, or in a recorded gap", async () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const random = new Random(seed);
      const sender = make(seed % 2 === 0 ? "drop" : "wait", 1 + (random.uint32() % 6));
      const { heard, consumer } = recorder();
      const receiver = new StreamReceiver(consumer);
      let { here, there } = connect(sender, receiver);
      let blocks = 0;
      const producing = (async () => {
        for (; blocks < 60; blocks += 1) {
          if (random.uint32() % 9 === 0) await sender.lost(1 + (random.uint32() % 300));
          else await play(sender, 1);
        }
        await sender.end();
      })();
      let over = false;
      void producing.then(() => {
        over = true;
      });
      for (let turn = 0; turn < 5_000 && !(over && receiver.ended); turn += 1) {
        const chance = random.uint32() % 20;
        if (chance === 0) {
          here.close();
          ({ here, there } = connect(sender, receiver));
        } else if (chance < 10) here.deliver(random.uint32() % 3);
        else there.deliver(random.uint32() % 3);
        await Promise.resolve();
      }
      await producing;
      let next = 0;
      for (const line of heard) {
        const match = /^[eg](\d+)\+(\d+)/.exec(line);
        if (match === null) continue;
        expect(Number(match[1]), `seed ${seed}`).toBe(next);
        next += Number(match[2]);
      }
      expect(heard.at(-1), `seed ${seed}`).toBe(`end ${sender.state.frames}`);
      expect(next, `seed ${seed}`).toBe(sender.state.frames);
    }
  });
});
