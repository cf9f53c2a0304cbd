/** What the codec carries unchanged, and what it refuses. */
import { Packr } from "msgpackr";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/core/limits.js";
import { decodeFrame, encodeFrame, FRAME_VERSION } from "../../src/wire/codec.js";

const ARRAYS = [
  new Int8Array([-1, 127]),
  new Uint8Array([0, 255]),
  new Uint8ClampedArray([0, 255]),
  new Int16Array([-32768, 3]),
  new Uint16Array([1, 65535]),
  new Int32Array([-(2 ** 31), 5]),
  new Uint32Array([2 ** 32 - 1]),
  new Float32Array([1.5, 2.25, Number.NaN]),
  new Float64Array([Math.PI, -0]),
  new BigInt64Array([-(2n ** 63n)]),
  new BigUint64Array([2n ** 64n - 1n]),
];

const frame = (...bytes: number[]) => new Uint8Array([FRAME_VERSION, ...bytes]);

describe("the codec", () => {
  it.each(ARRAYS.map((array) => [array.constructor.name, array] as const))("carries a %s with its type and values", (_name, array) => {
    const back = decodeFrame(encodeFrame({ array, empty: array.slice(0, 0) })) as { array: typeof array; empty: typeof array };
    // Bytes may come back as Node's Buffer, which is a Uint8Array.
    if (!(array instanceof Uint8Array)) expect(back.array.constructor).toBe(array.constructor);
    expect([...back.array]).toEqual([...array]);
    expect(back.empty).toHaveLength(0);
  });

  it("carries plain data of every kind", () => {
    const value = {
      text: "q = 0.01 Å⁻¹",
      numbers: [0, -1, 2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER, 1e300, -0.5],
      flags: [true, false, null, undefined],
      nested: { a: { b: [{}, []] } },
      long: "x".repeat(70_000),
      many: Array.from({ length: 70_000 }, (_, index) => index % 7),
    };
    expect(decodeFrame(encodeFrame(value))).toEqual(value);
  });

  it("keeps frames independent: any one of them decodes alone", () => {
    const frames = Array.from({ length: 40 }, (_, index) => encodeFrame({ id: index, same: "shape", of: "record" }));
    expect(decodeFrame(frames[39]!)).toEqual({ id: 39, same: "shape", of: "record" });
  });

  it("refuses a message longer than a frame, going out and coming in", () => {
    expect(() => encodeFrame("x".repeat(LIMITS.frameBytesMax))).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    expect(() => decodeFrame(new Uint8Array(LIMITS.frameBytesMax + 1))).toThrow(expect.objectContaining({ code: "CORRUPT_DATA" }));
  });

  it("refuses another frame version and says so", () => {
    expect(() => decodeFrame(new Uint8Array([9, 0xc0]))).toThrow(expect.objectContaining({ code: "VERSION_MISMATCH" }));
  });

  it("refuses every truncation of a good frame, and any byte added to it", () => {
    const good = encodeFrame({ id: "1", list: [1, 2.5, "three"], array: new Float32Array([1, 2]), none: undefined });
    for (let length = 0; length < good.length; length += 1) {
      expect(() => decodeFrame(good.subarray(0, length)), `${length} bytes`).toThrow(expect.objectContaining({ code: "CORRUPT_DATA" }));
    }
    expect(() => decodeFrame(new Uint8Array([...good, 0]))).toThrow(expect.objectContaining({ code: "CORRUPT_DATA" }));
  });

  const DEEP = new Uint8Array(1_002).fill(0x91);
  DEEP[0] = FRAME_VERSION;
  DEEP[1_001] = 0xc0;
  it.each([
    ["1000 arrays deep", DEEP],
    ["a million arrays deep", new Uint8Array(LIMITS.frameBytesMax).fill(0x91).fill(FRAME_VERSION, 0, 1)],
    ["an array of 4 thousand million elements", frame(0xdd, 0xff, 0xff, 0xff, 0xff)],
    ["a map of 4 thousand million entries", frame(0xdf, 0xff, 0xff, 0xff, 0xff)],
    ["nested arrays that each claim 16 million", frame(...Array.from({ length: 20 }, () => [0xdd, 0, 0xff, 0xff, 0xff]).flat())],
    ["a string longer than the frame", frame(0xdb, 0x7f, 0xff, 0xff, 0xff)],
    ["bytes longer than the frame", frame(0xc6, 0x7f, 0xff, 0xff, 0xff)],
    ["a map key that is an array", frame(0x81, 0x90, 0xc0)],
    ["a map key that is a number", frame(0x81, 0x01, 0xc0)],
    ["the byte that msgpack never uses", frame(0xc1)],
    ["a record of msgpackr", frame(0xd4, 0x72, 0x40)],
    ["a reference of msgpackr", frame(0xd6, 0x70, 0, 0, 0, 0)],
    ["an Error", frame(...new Packr({ moreTypes: true }).pack(new Error("x")))],
    ["a Set", frame(...new Packr({ moreTypes: true }).pack(new Set([1])))],
    ["a regular expression", frame(...new Packr({ moreTypes: true }).pack(/(a+)+$/))],
    ["a typed array whose bytes are no multiple of its element", frame(0xc7, 4, 0x74, 8, 1, 2, 3)],
  ])("refuses %s with a clean error", (_name, bytes) => {
    expect(() => decodeFrame(bytes)).toThrow(expect.objectContaining({ name: "XpcsError", code: "CORRUPT_DATA" }));
  });

  it("never takes a key to Object.prototype", () => {
    // A map with one key, "__proto__", whose value is a map: what a parser must not assign.
    const key = [...Buffer.from("__proto__")];
    const value = [0x81, 0xa8, ...Buffer.from("polluted"), 0xc3];
    const decoded = decodeFrame(frame(0x81, 0xa9, ...key, ...value)) as Record<string, unknown>;
    expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype);
    expect(decoded.polluted).toBeUndefined();
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it("survives any bytes: random frames decode or throw XpcsError", () => {
    let state = 12345;
    const next = () => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return state >>> 16;
    };
    const good = encodeFrame({ id: "a-b-c", type: "APPLY", path: ["submit"], argumentList: [{ type: "RAW", value: { x: [1, 2, 3] } }] });
    for (let round = 0; round < 20_000; round += 1) {
      const bytes = round % 2 === 0 ? good.slice() : Uint8Array.from({ length: 1 + (next() % 60) }, () => next() & 255);
      bytes[0] = FRAME_VERSION;
      for (let flips = 0; flips < 3; flips += 1) bytes[1 + (next() % Math.max(1, bytes.length - 1))] = next() & 255;
      try {
        decodeFrame(bytes);
      } catch (error) {
        expect(error).toMatchObject({ name: "XpcsError" });
      }
    }
  });
});
