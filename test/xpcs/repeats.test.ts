/** Which repeats are dropped: planted bad ones are, for the right reason, and good ones are not. */
import { describe, expect, it } from "vitest";
import { doseCsv, doseTable } from "../../src/xpcs/dose.js";
import { decayShape } from "../../src/xpcs/fit.js";
import { Random } from "../../src/xpcs/random.js";
import { judgeRepeats, REJECT_LIMITS, type Verdict, widened } from "../../src/xpcs/repeats.js";
import type { ResultFile } from "../../src/xpcs/result-layouts.js";

const FRAMES = 400;
const DELAYS = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32];
const ERROR = 0.01;

interface Planted {
  readonly intensity?: number;
  readonly drift?: number;
  readonly contrast?: number;
  readonly baseline?: number;
  /** Only at every second lag. */
  readonly noise?: number;
  readonly badFrames?: readonly number[];
}

/** One repeat: intensity of the frames with noise, g2 with noise that neighbouring lags share, two bins. */
function repeat(random: Random, spread: number, planted: Planted = {}): ResultFile {
  const mean = (planted.intensity ?? 1) * (1 + spread * random.normal());
  const drift = planted.drift ?? 0;
  const intensity = Array.from({ length: FRAMES }, (_, t) => mean * (1 + drift * (t / FRAMES - 0.5)) * (1 + 0.1 * random.normal()));
  for (const frame of planted.badFrames ?? []) intensity[frame] = 0;
  const common = [0, 1].map(() => random.normal());
  const g2 = DELAYS.flatMap((lag, at) =>
    [0.02, 0.1].map((rate, q) => {
      const noise = ERROR * (0.6 * common[q]! + 0.8 * random.normal()) * (at % 2 === 0 ? (planted.noise ?? 1) : 1);
      return (planted.baseline ?? 1) + (planted.contrast ?? 0.2) * decayShape(rate, lag, 1) + noise;
    }),
  );
  return {
    path: "/data/run.hdf",
    layout: "nexus",
    frames: FRAMES,
    repeats: 1,
    stride: 1,
    average: 1,
    dpl: 4,
    frameTimeS: 0.01,
    qUnit: "",
    bins: [0.01, 0.02].map((q, at) => ({ bin: at + 1, q, phi: null })),
    delays: DELAYS,
    g2,
    error: g2.map(() => ERROR),
    pairs: g2.map(() => 1000),
    c2: [],
    ageLag: [],
    terms: DELAYS.map((lag) => FRAMES - lag),
    saxs: [],
    intensity,
    badFrames: planted.badFrames ?? [],
    lagCorrelation: null,
    program: null,
    conventions: null,
    warnings: [],
  };
}

const criteria = (verdict: Verdict): string[] => verdict.reasons.map(({ criterion }) => criterion);

describe("a bad repeat among good ones", () => {
  it.each<[string, Planted, string[]]>([
    ["a lower intensity", { intensity: 0.5 }, ["intensity"]],
    ["a higher intensity", { intensity: 1.6 }, ["intensity"]],
    ["a beam that fades", { drift: -0.4 }, ["drift"]],
    ["no contrast", { contrast: 0 }, ["g2-scatter"]],
    ["a lifted baseline", { baseline: 1.06 }, ["g2-offset"]],
    ["wild lags", { noise: 40 }, ["g2-scatter"]],
  ])("%s is dropped, and no other", (_, planted, expected) => {
    const random = new Random(11);
    const repeats = Array.from({ length: 20 }, (_, at) => repeat(random, 0.03, at === 7 ? planted : {}));
    const verdicts = judgeRepeats(repeats);
    expect(verdicts.flatMap(({ reasons }, at) => (reasons.length > 0 ? [at] : []))).toEqual([7]);
    for (const criterion of expected) expect(criteria(verdicts[7]!)).toContain(criterion);
    for (const { text, value, limit } of verdicts[7]!.reasons) {
      expect(text).toMatch(/limit/);
      expect(Math.abs(value)).toBeGreaterThan(limit);
    }
  });

  it("is found beside others, up to a third", () => {
    const random = new Random(12);
    const bad = [1, 4, 9, 13, 17];
    const verdicts = judgeRepeats(
      Array.from({ length: 18 }, (_, at) => repeat(random, 0.03, bad.includes(at) ? { intensity: 0.4, contrast: 0 } : {})),
    );
    expect(verdicts.flatMap(({ reasons }, at) => (reasons.length > 0 ? [at] : []))).toEqual(bad);
  });

  it("is judged by the frames that count", () => {
    const random = new Random(13);
    const badFrames = Array.from({ length: 160 }, (_, t) => 240 + t);
    const repeats = Array.from({ length: 12 }, (_, at) => repeat(random, 0.02, at === 3 ? { badFrames } : {}));
    expect(judgeRepeats(repeats).flatMap(criteria)).toEqual([]);
    const hidden = repeats.map((each) => ({ ...each, badFrames: [] }));
    expect(criteria(judgeRepeats(hidden)[3]!)).toEqual(expect.arrayContaining(["intensity", "drift"]));
  });
});

describe("good repeats", () => {
  it.each([6, 10, 24])("of 20 percent rms spread, %i at a time, are kept but for fewer than 3 in 1000", (count) => {
    const random = new Random(100 + count);
    const series = Math.ceil(2400 / count);
    let dropped = 0;
    for (let i = 0; i < series; i++) {
      const verdicts = judgeRepeats(Array.from({ length: count }, () => repeat(random, 0.2)));
      dropped += verdicts.filter(({ reasons }) => reasons.length > 0).length;
    }
    expect(dropped / (series * count)).toBeLessThan(0.003);
  });

  it("have wider limits where they are few", () => {
    expect(widened(REJECT_LIMITS.scales, 1e6)).toBeCloseTo(REJECT_LIMITS.scales, 4);
    expect(widened(REJECT_LIMITS.scales, 6)).toBeGreaterThan(3 * REJECT_LIMITS.scales);
  });

  it("without any error of g2 are judged by their intensity alone", () => {
    const random = new Random(14);
    const dark = Array.from({ length: 8 }, () => ({ ...repeat(random, 0.02), error: DELAYS.flatMap(() => [0, 0]) }));
    expect(judgeRepeats(dark).map(({ g2Scatter, reasons }) => [g2Scatter, reasons.length])).toEqual(dark.map(() => [null, 0]));
  });
});

describe("the dose table", () => {
  it("adds up the exposure of every repeat, dropped ones too, and follows the dynamics", () => {
    const random = new Random(15);
    const repeats = Array.from({ length: 8 }, (_, at) => repeat(random, 0.02, at === 5 ? { contrast: 0.05 } : {}));
    const verdicts = judgeRepeats(repeats);
    const table = doseTable(repeats, verdicts);
    expect([...table.numbers.exposure_s].map((value) => Number(value.toFixed(6)))).toEqual([4, 8, 12, 16, 20, 24, 28, 32]);
    expect(table.numbers.counts[7]! / FRAMES).toBeCloseTo(
      verdicts.reduce((sum, { intensity }) => sum + intensity, 0),
      6,
    );
    for (const r of [0, 7]) {
      const at = 2 * r + 1;
      const { contrast, contrast_error, decay_rate, decay_rate_error } = table.numbers;
      expect(Math.abs(contrast[at]! - 0.2) / contrast_error[at]!).toBeLessThan(5);
      expect(Math.abs(decay_rate[at]! - 0.1 / 0.01) / decay_rate_error[at]!).toBeLessThan(5);
    }
    expect(table.numbers.contrast[11]! / table.numbers.contrast[1]!).toBeLessThan(0.7);
    const rows = doseCsv(table, repeats, verdicts).trimEnd().split("\n");
    expect(rows).toHaveLength(1 + 8 * 2);
    expect(rows[0]).toBe(
      "file,kept,reason,repeat,exposure_s,counts,intensity,drift,bin,q,phi,contrast,contrast_error,decay_rate,decay_rate_error,baseline,g2_first,g2_first_error",
    );
    expect(rows[1]!.split(",").slice(0, 5)).toEqual(["/data/run.hdf", "1", "", "1", "4"]);
  });
});
