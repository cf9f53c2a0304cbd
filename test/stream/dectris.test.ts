/** Messages of DECTRIS streams: what is read of them, and what is refused, with which words. Hostile ones end in an error of ours, whatever they are. */
import { describe, expect, it } from "vitest";
import { isCode, XpcsError } from "../../src/core/errors.js";
import { readV1 } from "../../src/stream/dectris-v1.js";
import { readV2 } from "../../src/stream/dectris-v2.js";
import { arrayV2, cbor, endV1, endV2, Float, headerV1, imageV1, imageV2, startV2, Tagged } from "./dectris-messages.js";

const shape = { height: 3, width: 5, frames: 10, series: 7 };
const words = Uint16Array.from({ length: 15 }, (_, i) => (i % 4 === 0 ? i : 0));
const image = imageV2(7, 4, { threshold_1: arrayV2(words, 3, 5, "bslz4") });

/** Reads, or fails in the two ways that are meant. */
function tried(read: () => unknown): "read" | "refused" {
  try {
    read();
    return "read";
  } catch (error) {
    expect(error).toBeInstanceOf(XpcsError);
    expect(isCode(error, "CORRUPT_DATA") || isCode(error, "UNSUPPORTED")).toBe(true);
    expect((error as Error).message.length).toBeLessThan(400);
    return "refused";
  }
}

describe("Stream V2", () => {
  it("is read", () => {
    expect(readV2(startV2(shape))).toEqual({
      ...{ kind: "start", series: 7, shape: { height: 3, width: 5 }, frameTimeS: 1e-3, images: 10, channels: ["threshold_1"] },
      ...{ id: "01HBV3JPF2T4ZDPADX23EHWCT2", name: "DECTRIS EIGER2 Si 1M E-18-0000" },
    });
    const read = readV2(image);
    expect(read).toMatchObject({ kind: "image", series: 7, image: 4 });
    expect(read.kind === "image" && read.channels.get("threshold_1")).toMatchObject({
      ...{ height: 3, width: 5, packing: { packing: "bslz4", wordBytes: 2, elementBytes: 2 } },
    });
    expect(readV2(endV2(7))).toEqual({ kind: "end", series: 7 });
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["an array", cbor([1, 2]), /it is no map/],
    ["another type", cbor({ type: "stop" }), /its type is "stop"/],
    ["no series", cbor({ type: "end" }), /its series_id is missing/],
    ["a series that is none", cbor({ type: "end", series_id: -1 }), /its series_id is -1/],
    ["a series beyond 2^53", cbor({ type: "end", series_id: 2 ** 60 }), /its series_id is /],
    ["no channels", startV2(shape, { channels: [] }), /its channels are \[\]/],
    ["a channel's name that is none", startV2(shape, { channels: [3] }), /a channel's name is 3/],
    ["a frame time that is none", startV2(shape, { frame_time: new Float(Number.NaN) }), /its frame_time is null/],
    ["no width", startV2(shape, { image_size_x: 0 }), /its image_size_x is 0/],
    [
      "big-endian words",
      imageV2(7, 4, { t: new Tagged(40, [[3, 5], new Tagged(65, new Uint8Array(30))]) }),
      /t of image 4 is an array with tag 65/,
    ],
    ["columns first", imageV2(7, 4, { t: new Tagged(1040, [[3, 5], new Tagged(69, new Uint8Array(30))]) }), /t of image 4 is no two-dim/],
    ["three dimensions", imageV2(7, 4, { t: new Tagged(40, [[1, 3, 5], new Tagged(69, new Uint8Array(30))]) }), /shape \[1,3,5\]/],
    [
      "another packing",
      imageV2(7, 4, { t: new Tagged(40, [[3, 5], new Tagged(69, new Tagged(56_500, ["zstd", 2, new Uint8Array(3)]))]) }),
      /is packed by "zstd": taken are bslz4/,
    ],
    [
      "an absurd element",
      imageV2(7, 4, { t: new Tagged(40, [[3, 5], new Tagged(69, new Tagged(56_500, ["bslz4", 2 ** 40, new Uint8Array(3)]))]) }),
      /says elements of 1099511627776/,
    ],
  ])("%s is refused with what it is", (_what, bytes, why) => {
    expect(() => readV2(bytes)).toThrow(why);
    expect(tried(() => readV2(bytes))).toBe("refused");
  });

  it("is refused wherever it is cut", () => {
    for (const whole of [startV2(shape), image, endV2(7)])
      for (let n = 0; n < whole.length; n += 1) expect(tried(() => readV2(whole.slice(0, n)))).toBe("refused");
  });

  it("with changed bytes is read, or refused in words", () => {
    let refused = 0;
    for (let round = 0; round < 3_000; round += 1) {
      const bytes = (round % 2 === 0 ? image : startV2(shape)).slice();
      for (let k = 0; k <= round % 3; k += 1) bytes[(round * 7_919 + k * 104_729) % bytes.length] = (round * 31 + k * 77) & 0xff;
      if (tried(() => readV2(bytes)) === "refused") refused += 1;
    }
    expect(refused).toBeGreaterThan(100);
  });

  it("that announces what no memory holds, or is endlessly deep, is refused", () => {
    for (const hex of ["9affffffff", "9bffffffffffffffff", "bbffffffffffffffff", "5bffffffffffffffff", "7affffffff", "bf", "a1"])
      expect(tried(() => readV2(Buffer.from(hex, "hex")))).toBe("refused");
    for (const byte of [0x81, 0x9f, 0xbf, 0xc0, 0xd8]) expect(tried(() => readV2(new Uint8Array(1_000_000).fill(byte)))).toBe("refused");
  });
});

describe("Stream V1", () => {
  it("is read", () => {
    const start = { kind: "start", series: 7, shape: null, channels: [], id: "7" };
    for (const detail of ["basic", "all"] as const)
      expect(readV1(headerV1(shape, detail))).toEqual({ ...start, frameTimeS: 1e-3, images: 10, name: "Dectris Eiger 1M E-02-0000" });
    expect(readV1(headerV1(shape, "none"))).toEqual({ ...start, frameTimeS: 0, images: null, name: "" });
    const read = readV1(imageV1(7, 4, words, 3, 5, "bs16-lz4<"));
    expect(read).toMatchObject({ kind: "image", series: 7, image: 4 });
    expect(read.kind === "image" && read.channels.get("")).toMatchObject({
      ...{ height: 3, width: 5, packing: { packing: "bslz4", wordBytes: 2, elementBytes: 2 } },
    });
    expect(readV1(endV1(7))).toEqual({ kind: "end", series: 7 });
  });

  const [first, second, blob] = imageV1(7, 4, words, 3, 5, "<") as [Uint8Array, Uint8Array, Uint8Array];
  const about = (change: object): Uint8Array =>
    Buffer.from(JSON.stringify({ ...(JSON.parse(Buffer.from(second).toString()) as object), ...change }));
  it.each<[string, readonly Uint8Array[], RegExp]>([
    ["nothing", [], /it has 0 parts, and no part 1/],
    ["no JSON", [Uint8Array.of(0x7b, 0xff)], /part 1 is no JSON/],
    ["no object", [Buffer.from("[1]")], /part 1 is no JSON object/],
    ["another kind", [Buffer.from('{"htype":"dother-1.0"}')], /its htype is "dother-1.0"/],
    ["no image", [first], /it has 1 parts, and no part 2/],
    ["no bytes", [first, second], /image 4 has no bytes/],
    ["fewer bytes than it says", [first, second, blob.subarray(1)], /image 4 is said to have 30 bytes, and 29 came/],
    ["another type", [first, about({ type: "float32" }), blob], /image 4 is of "float32"/],
    ["a type of JavaScript's", [first, about({ type: "constructor" }), blob], /image 4 is of "constructor"/],
    ["big-endian words", [first, about({ encoding: "lz4>" }), blob], /image 4 is packed as "lz4>"/],
    ["bitshuffle without LZ4", [first, about({ encoding: "bs16<" }), blob], /image 4 is packed as "bs16<"/],
    ["a shape that is none", [first, about({ shape: [5, -3] }), blob], /image 4 has the shape \[5,-3\]/],
    ["several images", [first, about({ shape: [5, 3, 2] }), blob], /image 4 has the shape \[5,3,2\]/],
  ])("with %s is refused with what it is", (_what, parts, why) => {
    expect(() => readV1(parts)).toThrow(why);
    expect(tried(() => readV1(parts))).toBe("refused");
  });

  it("with changed bytes is read, or refused in words", () => {
    for (let round = 0; round < 2_000; round += 1) {
      const parts = (round % 2 === 0 ? imageV1(7, 4, words, 3, 5, "lz4<") : headerV1(shape, "basic")).map((bytes) => bytes.slice());
      const part = parts[(round >> 1) % 2]!;
      part[(round * 7_919) % part.length] = 0x20 + ((round * 31) % 96);
      tried(() => readV1(parts));
    }
  });
});
