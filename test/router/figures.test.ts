/** Figures in sentences. */
import { expect, it } from "vitest";
import { figure, seconds } from "../../src/router/figures.js";

it.each([
  [2_000, "2.0 s"],
  [99_000, "99 s"],
  [99_600, "100 s"],
  [183_000, "180 s"],
  [86_400_000, "86000 s"],
  [0, "0.0 s"],
  [2, "0.0020 s"],
])("%d ms are %s", (ms, text) => {
  expect(seconds(ms)).toBe(text);
});

it("has no exponent, however large", () => {
  expect([figure(1_234, 3), figure(1e15, 3), figure(12.34, 3)]).toEqual(["1230", "1000000000000000", "12.3"]);
});
