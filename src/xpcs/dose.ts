/** How g2 changes with what the sample has received: one row per repeat and q bin, rejected repeats included. */
import { isCode } from "../core/errors.js";
import { type DecayFit, fitDecay } from "./fit.js";
import { lagsOf } from "./lag-correlation.js";
import type { Verdict } from "./repeats.js";
import { curveOf, type ResultFile } from "./result-layouts.js";

/** The table by columns; those of a repeat are [repeats], those of a curve [repeats, bins], NaN where a fit has no answer. */
export interface DoseTable {
  readonly repeats: number;
  readonly bins: number;
  readonly numbers: Readonly<Record<DoseColumn, Float64Array>>;
}

const PER_REPEAT = ["repeat", "exposure_s", "counts", "intensity", "drift"] as const;
const PER_CURVE = ["contrast", "contrast_error", "decay_rate", "decay_rate_error", "baseline", "g2_first", "g2_first_error"] as const;
export type DoseColumn = (typeof PER_REPEAT)[number] | (typeof PER_CURVE)[number];

/**
 * The table, in the order of the repeats. `exposure_s`: measuring time up to the end of the repeat (NaN where the frame time is
 * not known); `counts`: counts per pixel up to there, which is proportional to the dose; both also count rejected repeats.
 */
export function doseTable(repeats: readonly ResultFile[], verdicts: readonly Verdict[]): DoseTable {
  const bins = repeats[0]!.bins.length;
  const column = (length: number): Float64Array => new Float64Array(length).fill(Number.NaN);
  const numbers = Object.fromEntries([
    ...PER_REPEAT.map((name) => [name, column(repeats.length)]),
    ...PER_CURVE.map((name) => [name, column(repeats.length * bins)]),
  ]) as Record<DoseColumn, Float64Array>;
  let [exposure, counts] = [0, 0];
  repeats.forEach((repeat, r) => {
    const { intensity, drift } = verdicts[r]!;
    const frames = repeat.frames * repeat.stride * repeat.average;
    exposure += frames * (repeat.frameTimeS ?? Number.NaN);
    counts += frames * intensity;
    const row = { repeat: r + 1, exposure_s: exposure, counts, intensity, drift };
    for (const name of PER_REPEAT) numbers[name][r] = row[name];
    for (let bin = 0; bin < bins; bin++) {
      const curve = curveRow(repeat, bin);
      for (const name of PER_CURVE) numbers[name][r * bins + bin] = curve[name];
    }
  });
  return { repeats: repeats.length, bins, numbers };
}

/** Contrast and decay of one curve by a single exponential, and its first lag, which needs no model. */
function curveRow(repeat: ResultFile, bin: number): Record<(typeof PER_CURVE)[number], number> {
  const fit = fitted(repeat, bin);
  const perS = 1 / (repeat.stride * (repeat.frameTimeS ?? 1));
  const error = repeat.error[bin]!;
  return {
    contrast: fit?.contrast ?? Number.NaN,
    contrast_error: fit?.contrastError ?? Number.NaN,
    decay_rate: (fit?.rate ?? Number.NaN) * perS,
    decay_rate_error: (fit?.rateError ?? Number.NaN) * perS,
    baseline: fit?.baseline ?? Number.NaN,
    g2_first: error > 0 ? repeat.g2[bin]! : Number.NaN,
    g2_first_error: error > 0 ? error : Number.NaN,
  };
}

function fitted(repeat: ResultFile, bin: number): DecayFit | null {
  try {
    const fit = fitDecay(curveOf(repeat, bin), lagsOf(repeat, bin).correlation);
    return fit.converged ? fit : null;
  } catch (error) {
    if (isCode(error, "INVALID_ARGUMENT")) return null;
    throw error;
  }
}

/** The table as CSV: a row per repeat and bin; empty where there is no value. The rate is per s, or per frame without a frame time. */
export function doseCsv(table: DoseTable, repeats: readonly ResultFile[], verdicts: readonly Verdict[]): string {
  const cell = (value: number | null | undefined): string =>
    value === null || value === undefined || Number.isNaN(value) ? "" : String(value);
  const quoted = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const rows = [["file", "kept", "reason", ...PER_REPEAT, "bin", "q", "phi", ...PER_CURVE].join(",")];
  for (let r = 0; r < table.repeats; r++) {
    const reasons = verdicts[r]!.reasons.map(({ text }) => text).join("; ");
    const ofRepeat = [
      quoted(repeats[r]!.path),
      reasons === "" ? "1" : "0",
      quoted(reasons),
      ...PER_REPEAT.map((name) => cell(table.numbers[name][r])),
    ];
    repeats[r]!.bins.forEach(({ bin, q, phi }, at) => {
      const ofCurve = PER_CURVE.map((name) => cell(table.numbers[name][r * table.bins + at]));
      rows.push([...ofRepeat, String(bin), cell(q), cell(phi), ...ofCurve].join(","));
    });
  }
  return `${rows.join("\n")}\n`;
}
