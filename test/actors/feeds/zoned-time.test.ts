/** Times of a place as moments, also where its clock is changed. */
import { expect, it } from "vitest";
import { isZone, zonedMs } from "../../../src/actors/feeds/zoned-time.js";

const at = (text: string, zone: string) => {
  const ms = zonedMs(text, zone);
  return Number.isNaN(ms) ? "NaN" : new Date(ms).toISOString();
};

it("knows the clock of a place in winter and in summer", () => {
  expect(at("2026-12-07T09:00:00", "America/Chicago")).toBe("2026-12-07T15:00:00.000Z");
  expect(at("2026-07-06T09:00", "America/Chicago")).toBe("2026-07-06T14:00:00.000Z");
  expect(at("2026-12-07T09:00:00.250", "UTC")).toBe("2026-12-07T09:00:00.250Z");
  expect(at("2026-12-07", "Asia/Tokyo")).toBe("2026-12-06T15:00:00.000Z");
});

it("takes the first of two moments that are shown alike, and goes on by as much over one that is skipped", () => {
  expect(at("2026-11-01T01:30:00", "America/Chicago")).toBe("2026-11-01T06:30:00.000Z");
  expect(at("2026-03-08T02:30:00", "America/Chicago")).toBe("2026-03-08T08:30:00.000Z");
});

it("refuses what is no time, and knows which zones there are", () => {
  for (const text of ["", "tomorrow", "2026-13-01", "2026-12-07T25:00:00", "2026-12-07T09:00:00Z"])
    expect(at(text, "UTC"), text).toBe("NaN");
  expect(["America/Chicago", "UTC", "Mars/Olympus", ""].map(isZone)).toEqual([true, true, false, false]);
});
