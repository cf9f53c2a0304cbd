/** Items of CBOR messages are counted as the decoder would make them, whatever their form. */
import { encode } from "cbor2";
import { describe, expect, it } from "vitest";
import { hasMoreItems } from "../../src/stream/cbor-items.js";
import { readV2 } from "../../src/stream/dectris-v2.js";

/** Counted by what is known of the value itself: keys, values and containers. */
function itemsOf(value: unknown): number {
  if (value instanceof Uint8Array || typeof value !== "object" || value === null) return 1;
  if (Array.isArray(value)) return 1 + value.reduce((sum: number, one) => sum + itemsOf(one), 0);
  return 1 + Object.values(value).reduce((sum: number, one) => sum + 1 + itemsOf(one), 0);
}

describe("the items of a message", () => {
  it.each([
    [{}],
    [{ a: 1, b: [1, 2, 300, 70_000, 2 ** 40, -5, 1.5], c: { d: "text", e: new Uint8Array(300) } }],
    [Array.from({ length: 1_000 }, (_, at) => ({ [`k${at}`]: "x".repeat(at) }))],
    [[new Uint8Array(70_000).fill(0xa0), "é".repeat(40_000), null, true]],
  ])("are counted", (value) => {
    const items = itemsOf(value);
    const bytes = encode(value);
    expect(hasMoreItems(bytes, items)).toBe(false);
    expect(hasMoreItems(bytes, items - 1)).toBe(true);
  });

  it("end with what is no CBOR, and every cut is survived", () => {
    const bytes = encode({ a: [1, 70_000, "text", new Uint8Array(40)] });
    for (let end = 0; end <= bytes.length; end++) expect(hasMoreItems(bytes.subarray(0, end), 100)).toBe(false);
    expect(hasMoreItems(Uint8Array.of(0x1c), 1)).toBe(false);
  });

  it("of a message with millions of empty maps are refused before any is made", () => {
    const hostile = new Uint8Array(8_000_000).fill(0xa0);
    hostile.set([0x9f], 0);
    expect(() => readV2(hostile)).toThrow("more than 10000 items");
  });
});
