/** Event blocks: written and read back, damaged in every way, and the frame counter that goes round. */
import { describe, expect, it } from "vitest";
import { isCode } from "../../src/core/errors.js";
import {
  BLOCK_BYTES_MAX,
  type Block,
  CounterUnwrap,
  creditBlock,
  droppedBlock,
  endBlock,
  eventsBlock,
  headerBlock,
  openBlock,
  readBlock,
  renumbered,
  type StreamHeader,
  stopBlock,
} from "../../src/stream/blocks.js";
import { Random } from "../../src/xpcs/random.js";

const header: StreamHeader = {
  ...{ height: 512, width: 1024, frameTimeS: 2e-5, counterBits: 24, firstCounter: 7, repeatsAfter: 0 },
  ...{ id: "00112233445566778899aabbccddeeff", name: "a detector, µ" },
};
const events = { frame: Uint32Array.of(100, 100, 103), pixel: Uint32Array.of(0, 524_287, 65_536), count: Uint16Array.of(1, 65_535, 3) };
const block = eventsBlock(9, 2 ** 24 - 2, 5, events, 100, 0, 3);

describe("event blocks", () => {
  it("are read as they were written", () => {
    expect(readBlock(headerBlock(header))).toEqual({ kind: "header", sequence: 0, header });
    expect(readBlock(droppedBlock(3, 50, 1000, 7, "no-credit"))).toEqual({
      ...{ kind: "dropped", sequence: 3, first: 50, frames: 1000, blocks: 7, reason: "no-credit" },
    });
    expect(readBlock(endBlock(12, 2 ** 40, 5))).toEqual({ kind: "end", sequence: 12, frames: 2 ** 40, events: 5 });
    expect(readBlock(openBlock(4, 80, 16))).toEqual({ kind: "open", from: 4, frame: 80, credits: 16 });
    expect(readBlock(creditBlock(4))).toEqual({ kind: "credit", credits: 4 });
    expect(readBlock(stopBlock())).toEqual({ kind: "stop" });
  });

  it("hold the photons as documented: frame after the first in bits 63-44, pixel in 43-16, count in 15-0", () => {
    const read = readBlock(block) as Block & { kind: "events" };
    expect(read).toMatchObject({ kind: "events", sequence: 9, first: 2 ** 24 - 2, frames: 5 });
    const words = new BigUint64Array(read.words.slice().buffer);
    const told = Array.from(words, (word) => [Number(word >> 44n), Number((word >> 16n) & 0xfffffffn), Number(word & 0xffffn)]);
    expect(told).toEqual([
      [0, 0, 1],
      [0, 524_287, 65_535],
      [3, 65_536, 3],
    ]);
  });

  it("keep their photons under another number", () => {
    const again = readBlock(renumbered(block, 1000, 77)) as Block & { kind: "events" };
    expect(again).toMatchObject({ sequence: 1000, first: 77, frames: 5 });
    expect(again.words).toEqual((readBlock(block) as Block & { kind: "events" }).words);
  });
});

/** Whatever comes, it is a block or an error that says so. */
function readsOrRefuses(bytes: Uint8Array): void {
  try {
    readBlock(bytes);
  } catch (error) {
    expect(isCode(error, "CORRUPT_DATA") || isCode(error, "UNSUPPORTED")).toBe(true);
  }
}

describe("hostile blocks", () => {
  const whole = [
    headerBlock(header),
    block,
    droppedBlock(3, 50, 1000, 7, "detector"),
    endBlock(12, 9, 5),
    openBlock(4, 80, 16),
    creditBlock(1),
    stopBlock(),
  ];

  it.each(whole.map((bytes, at) => [at, bytes] as const))("%i is refused at every other length", (_at, bytes) => {
    for (let length = 0; length < bytes.length; length += 1)
      expect(() => readBlock(bytes.subarray(0, length))).toThrow("not an event block");
    expect(() => readBlock(Buffer.concat([bytes, Buffer.of(0)]))).toThrow("not an event block");
  });

  it("with changed bytes are read, or refused in words", () => {
    const random = new Random(5);
    for (const bytes of whole) {
      for (let round = 0; round < 3_000; round += 1) {
        const changed = bytes.slice();
        for (let k = 0; k <= random.uint32() % 4; k += 1) changed[random.uint32() % changed.length] = random.uint32();
        readsOrRefuses(changed);
      }
    }
    for (let round = 0; round < 3_000; round += 1) readsOrRefuses(Uint8Array.from({ length: random.uint32() % 90 }, () => random.uint32()));
  });

  it.each<[string, (view: DataView) => void, Uint8Array]>([
    ["another version", (view) => view.setUint8(4, 2), block],
    ["a kind that there is not", (view) => view.setUint8(5, 9), block],
    ["reserved bytes", (view) => view.setUint8(6, 1), block],
    ["a sequence number beyond 2^53", (view) => view.setBigUint64(8, 2n ** 60n, true), block],
    ["no frame", (view) => view.setUint32(24, 0, true), block],
    ["more events than bytes", (view) => view.setUint32(28, 4, true), block],
    ["no pixel", (view) => view.setUint32(16, 0, true), headerBlock(header)],
    ["too many pixels", (view) => view.setUint32(16, 2 ** 31, true), headerBlock(header)],
    ["a frame time that is none", (view) => view.setFloat64(24, Number.NaN, true), headerBlock(header)],
    ["a counter of 3 bits", (view) => view.setUint32(32, 3, true), headerBlock(header)],
    ["a first frame beyond its counter", (view) => view.setBigUint64(40, 2n ** 24n, true), headerBlock(header)],
    ["too much credit", (view) => view.setUint32(16, 100_000, true), creditBlock(1)],
    ["no credit", (view) => view.setUint32(16, 0, true), creditBlock(1)],
    ["no reason", (view) => view.setUint32(36, 0, true), droppedBlock(1, 1, 1, 1, "detector")],
  ])("with %s is refused", (_what, change, bytes) => {
    const changed = bytes.slice();
    change(new DataView(changed.buffer));
    expect(() => readBlock(changed)).toThrow();
  });

  it("larger than a block may be are refused unread", () => {
    expect(() => readBlock(new Uint8Array(BLOCK_BYTES_MAX + 1))).toThrow("more than");
  });
});

describe("a frame counter", () => {
  it("goes round as often as it likes", () => {
    const unwrap = new CounterUnwrap({ counterBits: 8, firstCounter: 250 });
    let frame = 0;
    for (let step = 1; step < 300; step += 1) {
      const counter = (250 + frame) % 256;
      expect(unwrap.frameOf(counter)).toBe(frame);
      expect(unwrap.counterOf(frame)).toBe(counter);
      unwrap.advanceTo(frame);
      frame += step % 100;
    }
    expect(frame).toBeGreaterThan(256 * 20);
  });

  it("does not go back", () => {
    const unwrap = new CounterUnwrap({ counterBits: 8, firstCounter: 0 });
    unwrap.advanceTo(100);
    expect(() => unwrap.frameOf(99)).toThrow("frame counter 99 comes after 100");
    expect(() => unwrap.frameOf(256)).toThrow("beyond its counter");
    const plain = new CounterUnwrap({ counterBits: 0, firstCounter: 5 });
    expect(plain.frameOf(2 ** 40)).toBe(2 ** 40 - 5);
    expect(() => plain.frameOf(4)).toThrow("frame 4 comes after frame 5");
  });
});
