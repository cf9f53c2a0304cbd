/** Sources of streams as people write them. */
import { describe, expect, it } from "vitest";
import { isDialed, parseStreamSource } from "../../src/core/stream-source.js";

describe("a source", () => {
  it.each([
    ["ws://det:7979", { kind: "blocks", url: "ws://det:7979" }],
    ["wss://det/x", { kind: "blocks", url: "wss://det/x" }],
    ["dectris://dcu", { kind: "dectris", host: "dcu", port: 31_001, channel: null }],
    ["dectris://10.0.0.7:9999/", { kind: "dectris", host: "10.0.0.7", port: 9_999, channel: null }],
    ["dectris://[fe80::1]:31001?channel=threshold_2", { kind: "dectris", host: "[fe80::1]", port: 31_001, channel: "threshold_2" }],
    ["/data/scan.bin", { kind: "path", path: "/data/scan.bin" }],
    ["a:b", { kind: "path", path: "a:b" }],
  ])("%s is read", (source, expected) => {
    expect(parseStreamSource(source)).toEqual(expected);
    expect(isDialed(source)).toBe(expected.kind !== "path");
  });

  it.each([
    ["http://det", /http:\/\/det is no source of a stream: ws:\/\/HOST:PORT, dectris:\/\/HOST/],
    ["dectris://", /is no address of a detector/],
    ["dectris://a b", /is no address of a detector/],
    ["dectris://dcu:99999", /is no address of a detector/],
    ["dectris://me@dcu", /is no address of a detector/],
    ["dectris://dcu/path", /is no address of a detector/],
    ["dectris://dcu?threshold=1", /has an option threshold that is not known/],
  ])("%s is refused with the way out", (source, why) => {
    expect(() => parseStreamSource(source)).toThrow(why);
  });
});
