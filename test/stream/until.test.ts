/** When a stream is good enough. */
import { describe, expect, it } from "vitest";
import type { LiveBin } from "../../src/core/live.js";
import { Goal, PASSES, parseUntil } from "../../src/stream/until.js";

/** A bin with equal lags. */
function bin(number: number, error: number | null, pairs: number, fit: LiveBin["fit"] = null): LiveBin {
  return { bin: number, q: null, g2: Array(5).fill(1.2), error: Array(5).fill(error), pairs: Array(5).fill(pairs), fit };
}

describe("a goal", () => {
  it.each([
    ["error(q1..q10) < 2%", [{ what: "error", bins: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], below: 0.02 }]],
    ["error(q2, q4..5)<0.5 %", [{ what: "error", bins: [2, 4, 5], below: 0.005 }]],
    [
      "error < 1e-2 and Rate(q3) < 5%",
      [
        { what: "error", bins: null, below: 0.01 },
        { what: "rate", bins: [3], below: 0.05 },
      ],
    ],
  ])("%s is understood", (text, terms) => expect(parseUntil(text).terms).toEqual(terms));

  it.each([
    "",
    "error",
    "error(q1) > 2%",
    "error(1) < 2%",
    "error(q5..q2) < 2%",
    "error(q0) < 2%",
    "error < 0%",
    "error < -1%",
    "speed < 2%",
    "error < 2% or rate < 1%",
  ])("%j is not", (text) => expect(() => parseUntil(text)).toThrow("cannot be waited for"));

  it("needs two passes in a row", () => {
    const goal = new Goal(parseUntil("error(q1..q2) < 2%"));
    const good = [bin(1, 0.02, 1e4), bin(2, 0.01, 1e4)];
    const bad = [bin(1, 0.02, 1e4), bin(2, 0.05, 1e4)];
    expect([good, bad, good, good].map((bins) => goal.judge(bins, 1000, 1).passes)).toEqual([1, 0, 1, 2]);
    expect(PASSES).toBe(2);
  });

  it("takes lags with at least 100 pairs only, and is never reached by a stream without them", () => {
    for (const bins of [[bin(1, 0, 0)], [bin(1, null, 0)], [bin(1, 1e-9, 99)], []]) {
      const goal = new Goal(parseUntil("error < 2%"));
      for (let look = 0; look < 5; look += 1) expect(goal.judge(bins, 0, 1).passes).toBe(0);
    }
    const mixed: LiveBin = { ...bin(1, 0.01, 1e4), error: [5, 0.01, 0.01, 0.01, null], pairs: [99, 100, 500, 500, 1e6] };
    expect(new Goal(parseUntil("error < 2%")).judge([mixed], 1000, 1).passes).toBe(1);
    expect(() => new Goal(parseUntil("error(q3) < 2%")).judge([bin(1, 0.01, 1e4)], 1, 1)).toThrow("no q3");
  });

  it("says how long it still takes, from errors and from pairs", () => {
    const goal = new Goal(parseUntil("error < 1%"));
    expect(goal.judge([bin(1, 0.048, 1e4)], 1000, 0.5)).toMatchObject({ worst: 0.04, worstBin: 1, framesLeft: 15_000, leftS: 7_500 });
    // 10 pairs in 1000 frames: 10 000 are needed.
    expect(goal.judge([bin(1, null, 10)], 1000, null)).toMatchObject({ worst: null, framesLeft: 999_000, leftS: null });
    expect(goal.judge([bin(1, null, 0)], 1000, 1)).toMatchObject({ worst: null, framesLeft: null, leftS: null });
  });

  it("on the decay rate needs a fit with an error", () => {
    const fit = { tau: 2, tauError: 0.05, contrast: 0.2, contrastError: 0.01, baseline: 1 };
    const goal = new Goal(parseUntil("rate < 3%"));
    expect(goal.judge([bin(1, 0.1, 1e4, fit)], 1000, 1)).toMatchObject({ passes: 1, worst: 0.025 });
    expect(goal.judge([bin(1, 0.1, 1e4, { ...fit, tauError: null })], 1000, 1)).toMatchObject({ passes: 0, framesLeft: null });
  });
});
