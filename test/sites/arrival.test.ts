/** When files will be here, as told from how their bytes come: reckoned against times that are known beforehand. */
import { beforeEach, describe, expect, it } from "vitest";
import { LIMITS } from "../../src/core/limits.js";
import { type Arrival, createArrival, type FileArrival, spread } from "../../src/sites/arrival.js";

let nowMs: number;
let news: number;

beforeEach(() => {
  nowMs = 5_000;
  news = 0;
});

function arrival(inputBytes?: number): Arrival {
  return createArrival({
    inputBytes,
    nowMs: () => nowMs,
    onNews: () => {
      news += 1;
    },
  });
}

/** Pieces of 10 ms, at an even rate. */
function come(file: FileArrival, bytesPerS: number, forS: number): void {
  for (let step = 0; step < 100 * forS; step += 1) {
    nowMs += 10;
    file.came(bytesPerS / 100);
  }
}

describe("the time until files are here", () => {
  it("is not known before bytes come, nor of a size that nobody knows, and is 0 when they are here", () => {
    const known = arrival(1e6);
    expect(known.filesInMs()).toBeUndefined();
    const unknown = arrival();
    unknown.wants(2);
    come(unknown.file(1e6), 1e5, 3);
    expect(unknown.filesInMs()).toBeUndefined();
    for (const one of [known, unknown]) {
      one.done();
      one.done();
      expect(one.filesInMs()).toBe(0);
      expect(one.isDone).toBe(true);
    }
    expect(news).toBe(2);
  });

  it("is what an even rate needs for the rest, and falls as time goes", () => {
    const one = arrival(20e6);
    const file = one.file(20e6);
    come(file, 1e6, 4);
    expect(Math.abs(one.filesInMs()! - 16_000)).toBeLessThan(300);
    come(file, 1e6, 8);
    expect(Math.abs(one.filesInMs()! - 8_000)).toBeLessThan(200);
    come(file, 1e6, 7.9);
    expect(one.filesInMs()).toBeLessThan(200);
    nowMs += 1_000;
    // Not here before it is said.
    expect(one.filesInMs()).toBeGreaterThan(0);
  });

  it("knows the sizes that were looked at better than what the submitter said, once it has all of them", () => {
    const one = arrival(100e6);
    one.wants(2);
    come(one.file(2e6), 1e6, 2);
    expect(Math.abs(one.filesInMs()! - 98_000)).toBeLessThan(1_000);
    one.file(3e6);
    expect(Math.abs(one.filesInMs()! - 3_000)).toBeLessThan(100);
  });

  it("counts what was here as here, not as fast", () => {
    const one = arrival(30e6);
    one.file(20e6).whole(false);
    const file = one.file(10e6);
    file.was(4e6);
    come(file, 1e6, 2);
    expect(Math.abs(one.filesInMs()! - 4_000)).toBeLessThan(100);
    // A part that broke comes again; the rate of the link is what it was.
    file.lost(1e6);
    expect(Math.abs(one.filesInMs()! - 5_000)).toBeLessThan(100);
  });

  it("follows a link that turns slow, and one that turns fast again", () => {
    const one = arrival(1e9);
    const file = one.file(1e9);
    come(file, 10e6, 20);
    expect(Math.abs(one.filesInMs()! - 80_000)).toBeLessThan(1_500);
    come(file, 1e6, 45);
    // 755 MB are left; after three times its memory it is off by a twentieth of the old rate.
    expect(one.filesInMs()! / 755_000).toBeGreaterThan(0.6);
    expect(one.filesInMs()! / 755_000).toBeLessThan(1.05);
    come(file, 10e6, 30);
    expect(one.filesInMs()! / 45_500).toBeGreaterThan(0.9);
    expect(one.filesInMs()! / 45_500).toBeLessThan(1.3);
  });

  it("grows in a silence, to its bound and no further, and recovers", () => {
    const one = arrival(20e6);
    const file = one.file(20e6);
    come(file, 1e6, 4);
    const before = one.filesInMs()!;
    nowMs += 10_000;
    const silent = one.filesInMs()!;
    expect(silent).toBeGreaterThan(1.5 * before);
    nowMs += 3_600_000;
    expect(one.filesInMs()).toBe(LIMITS.filesInMsMax);
    come(file, 1e6, 15);
    expect(one.filesInMs()).toBeLessThan(3 * 1_000);
  });

  it("takes lumps for a rate, and the time between two for no silence", () => {
    const one = arrival(100e6);
    const file = one.file(100e6);
    for (let lump = 0; lump < 5; lump += 1) {
      nowMs += 4_000;
      file.came(4e6);
      if (lump < 2) continue;
      const left = (100e6 - 4e6 * (lump + 1)) / 1e3;
      expect(Math.abs(one.filesInMs()! - left)).toBeLessThan(0.1 * left);
      nowMs += 3_900;
      expect(Math.abs(one.filesInMs()! - (left - 3_900))).toBeLessThan(0.1 * left);
      nowMs -= 3_900;
    }
  });

  it("believes no file larger than it is, and is a whole number whatever comes", () => {
    const one = arrival(1e6);
    const file = one.file(1e6);
    come(file, 3e5, 2);
    file.came(1e12);
    expect(file.lacks).toBe(0);
    file.lost(1e12);
    expect(file.lacks).toBe(1e6);
    expect(Number.isSafeInteger(one.filesInMs())).toBe(true);
    const empty = arrival(0);
    empty.file(0).whole(true);
    empty.file(0).came(0);
    expect(empty.filesInMs()).toBeUndefined();
  });
});

describe("news", () => {
  it("is the first time that is known, and another one than was told by more than half", () => {
    const one = arrival(1e9);
    const file = one.file(1e9);
    come(file, 10e6, 0.9);
    expect(news).toBe(0);
    come(file, 10e6, 0.3);
    expect(news).toBeGreaterThan(0);
    one.tell();
    const first = news;
    come(file, 10e6, 20);
    expect(news).toBe(first);
    come(file, 2e6, 30);
    expect(news).toBeGreaterThan(first);
    one.tell();
    const second = news;
    come(file, 2e6, 1);
    expect(news).toBe(second);
    one.done();
    expect(news).toBe(second + 1);
  });
});

it("shares out what a whole transfer tells among its files, and does not count a second try twice", () => {
  const one = arrival(300);
  const files = [100, 0, 200].map((bytes) => one.file(bytes));
  const moved = spread(files);
  const lacks = () => files.map((file) => file.lacks);
  moved(40);
  expect(lacks()).toEqual([60, 0, 200]);
  moved(10);
  moved(40);
  expect(lacks()).toEqual([60, 0, 200]);
  moved(150);
  expect(lacks()).toEqual([0, 0, 150]);
  moved(1e9);
  expect(lacks()).toEqual([0, 0, 0]);
});
