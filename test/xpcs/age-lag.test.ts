/** The picture of a multi-tau two-time: each of its points has the value of the bin of age and the lag that lie there. */
import { expect, it } from "vitest";
import { type AgeLag, ageLagPicture } from "../../src/xpcs/age-lag.js";

const SIDE = 120;

/** Values that say where they belong: 100 age + delay; none for ages below half the lag. */
function numbered(delays: readonly number[], ageEdges: readonly number[]): AgeLag {
  const values = ageEdges.slice(1).flatMap((end, a) => delays.map((lag, d) => (end <= lag / 2 ? Number.NaN : 100 * a + d)));
  return { delays, ageEdges, values };
}

it("has the value of age and lag at their place on logarithmic axes", () => {
  const given = numbered([1, 2, 3, 4, 6, 8, 12, 16], [0, 1, 2, 3, 4, 6, 8, 12, 16, 24]);
  const { values, lag, age } = ageLagPicture(given, SIDE);
  expect(age).toEqual([0.5, 24]);
  expect(lag[0]).toBeCloseTo(1 / Math.sqrt(2), 12);
  expect(lag[1]).toBeCloseTo(16 ** 2 / Math.sqrt(12 * 16), 12);
  let blank = 0;
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const [tau, t] = [lag, age].map(([low, high], i) =>
        Math.exp(Math.log(low) + (((i === 0 ? x : y) + 0.5) / SIDE) * Math.log(high / low)),
      );
      const d = given.delays.reduce(
        (best, each, i) => (Math.abs(Math.log(each / tau!)) < Math.abs(Math.log(given.delays[best]! / tau!)) ? i : best),
        0,
      );
      const a = given.ageEdges.findLastIndex((edge) => edge <= t!);
      expect(values[y * SIDE + x], `${tau} ${t}`).toEqual(given.values[a * given.delays.length + d]);
      blank += Number.isNaN(values[y * SIDE + x]) ? 1 : 0;
    }
  }
  expect(blank).toBeGreaterThan(SIDE);
});

it("leaves out ages that have no value at any lag", () => {
  const { delays, ageEdges, values } = numbered([4, 8], [0, 1, 2, 3, 4, 6]);
  const { age, values: picture } = ageLagPicture(
    { delays, ageEdges, values: values.map((value, i) => (i >= 8 ? Number.NaN : value)) },
    SIDE,
  );
  expect(age).toEqual([2, 4]);
  expect(picture[0]).toBe(200);
});

it("is drawn of a single lag, and of no value at all", () => {
  expect([...ageLagPicture({ delays: [1], ageEdges: [0, 1], values: [7] }, 2).values]).toEqual([7, 7, 7, 7]);
  const none = ageLagPicture({ delays: [1], ageEdges: [0, 1], values: [Number.NaN] }, 2);
  expect([...none.values].every(Number.isNaN)).toBe(true);
  expect([...none.lag, ...none.age].every(Number.isFinite)).toBe(true);
});

it("has the range of its colours from what most of the time has, not from the youngest ages", () => {
  const ageEdges = [0, 1, 2, 3, 4, 404, 804];
  const values = [900, -900, 900, -900, -900, 900, 900, -900, 1.1, 1.3, 1.2, 1.05];
  expect(ageLagPicture({ delays: [1, 2], ageEdges, values }, 2).range).toEqual([1.05, 1.3]);
});
