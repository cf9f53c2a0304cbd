/** The transfers of a site on virtual time: what it may ask for, and what it says of those under way. */
import { beforeEach, expect, it } from "vitest";
import { EventHeap } from "../../src/replay/event-heap.js";
import type { LinkModel } from "../../src/replay/shift.js";
import { SiteTransfers, type Wanted } from "../../src/replay/site-transfers.js";

/** Two at a time with four jobs each, 100 bytes/ms each, begun each 5 s after a set-up of 1 s. */
const LINK: LinkModel = {
  ...{ bytesPerMs: Number.POSITIVE_INFINITY, transfersMax: 2, jobsPerTransfer: 4, lookMs: 5_000 },
  ofTransfer: () => ({ setUpMs: 1_000, rateBytesPerMs: 100 }),
};

let heap: EventHeap;
let nowMs: number;
let rooms: number[];

beforeEach(() => {
  heap = new EventHeap();
  nowMs = 0;
  rooms = [];
});

const transfersOf = (more: Partial<LinkModel> = {}) =>
  new SiteTransfers(
    heap,
    () => nowMs,
    { ...LINK, ...more },
    () => rooms.push(nowMs),
  );
const wanted = (bytes: number): Wanted => ({ bytes, setUpMs: 0, rateBytesPerMs: 0, gone: false, done: () => {} });

function run(untilMs: number): void {
  while (heap.size > 0 && heap.nextMs <= untilMs) {
    nowMs = heap.nextMs;
    heap.take()();
  }
  nowMs = untilMs;
}

it("has room for all whatever they do, unless it goes by them", () => {
  const transfers = transfersOf();
  for (let job = 0; job < 20; job += 1) transfers.want(wanted(1e6));
  expect(transfers.room).toBe(Number.POSITIVE_INFINITY);
});

it("has room for what the free ones can take along, by number and by bytes", () => {
  const transfers = transfersOf({ bytesPerTransfer: 2e6 });
  expect(transfers.room).toBe(8);
  transfers.want(wanted(1e6));
  // Two of 2 MB each, less 1 MB that waits, in jobs of 1 MB.
  expect(transfers.room).toBe(3);
  for (let job = 0; job < 3; job += 1) transfers.want(wanted(1e6));
  expect(transfers.room).toBe(0);
  run(5_000);
  // One is under way with all four.
  expect(transfers.room).toBe(2);
  transfers.want(wanted(1_000));
  expect(transfers.room).toBe(3);
});

it("tells when one is over, so that it may ask again", () => {
  const transfers = transfersOf({ bytesPerTransfer: 2e6 });
  transfers.want(wanted(1e6));
  run(60_000);
  expect(rooms).toEqual([5_000 + 1_000 + 10_000]);
  expect(transfers.room).toBe(4);
});

it("reckons when files are there from the moment they move", () => {
  const transfers = transfersOf();
  const [first, second] = [wanted(1e6), wanted(2e6)];
  transfers.want(first);
  transfers.want(second);
  expect(transfers.leftMs(first)).toBeNull();
  run(5_500);
  expect(transfers.leftMs(first)).toBeNull();
  run(6_000);
  // Both are there when the whole transfer is.
  expect([transfers.leftMs(first), transfers.leftMs(second)]).toEqual([30_000, 30_000]);
  run(16_000);
  expect(transfers.leftMs(second)).toBe(20_000);
  run(60_000);
  expect(transfers.leftMs(first)).toBeNull();
});

it.each([
  [false, 20_000],
  [true, 30_000],
])("goes on without what nobody wants any more, unless it is whole: %s", (whole, endMs) => {
  const transfers = transfersOf({ whole });
  const [first, second] = [wanted(1e6), wanted(2e6)];
  transfers.want(first);
  transfers.want(second);
  run(6_000);
  first.gone = true;
  transfers.forget();
  expect(transfers.leftMs(second)).toBe(endMs);
});

it("knows nothing while the link stands still", () => {
  const transfers = transfersOf({ stalls: [{ fromMs: 10_000, untilMs: 20_000 }] });
  const only = wanted(1e6);
  transfers.want(only);
  run(8_000);
  expect(transfers.leftMs(only)).toBe(8_000);
  run(12_000);
  expect(transfers.leftMs(only)).toBeNull();
  run(22_000);
  expect(transfers.leftMs(only)).toBe(4_000);
});
