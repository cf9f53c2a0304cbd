/** The intensity of a stream as snapshots have it. The curves are tested with whole streams (stream-run.test.ts). */
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/core/limits.js";
import { intensityRows } from "../../src/sites/live-snapshot.js";

const MOST = LIMITS.liveIntensityRows;

describe("the intensity of a snapshot", () => {
  it("is as it is while few values have come", () => {
    expect(intensityRows(Float64Array.of(), 1)).toEqual({ framesPerRow: 1, mean: [] });
    expect(intensityRows(Float64Array.of(1, 2, 4), 8)).toEqual({ framesPerRow: 8, mean: [1, 2, 4] });
  });

  it("covers all that came in at most so many rows, each the mean of its own frames", () => {
    for (const values of [MOST, MOST + 1, 3 * MOST, 3 * MOST + 1, 65_536]) {
      const ramp = Float64Array.from({ length: values }, (_, at) => at);
      const { framesPerRow, mean } = intensityRows(ramp, 4);
      const each = framesPerRow / 4;
      expect(mean.length).toBeLessThanOrEqual(MOST);
      expect(mean.length).toBeGreaterThan(MOST / 2 - 1);
      expect(values - mean.length * each).toBeLessThan(each);
      for (const [row, value] of mean.entries()) expect(value).toBeCloseTo(row * each + (each - 1) / 2, 1);
    }
  });
});
