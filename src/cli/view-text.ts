/** What `xpcs view` prints for a person: a summary of the result and a table of the fits. */
import { basename } from "node:path";
import { type BinFit, FIT_MODELS, type FitModel, lagUnit, type Measured } from "../xpcs/bin-fits.js";
import type { PowerLawFit } from "../xpcs/power-law.js";
import type { ResultBin, ResultFile } from "../xpcs/result-layouts.js";
import { fewPairs, PAIRS_FOR_ERROR } from "./few-pairs.js";
import { formatTable } from "./output.js";

/** Value and error with two digits of the error; the value alone where there is no error. */
export function plusMinus({ value, error }: Measured): string {
  if (error === null || !(error > 0)) return `${Number(value.toPrecision(4))}`;
  const digits = 1 - Math.floor(Math.log10(error));
  const [small, large] = [Math.abs(value) < 1e-3, Math.max(Math.abs(value), error) >= 1e6];
  if (small || large) {
    const digitsMore = Math.floor(Math.log10(Math.abs(value))) - Math.floor(Math.log10(error));
    const precision = Math.min(10, Math.max(1, value === 0 ? 1 : digitsMore + 2));
    return `${value.toExponential(precision - 1)} ± ${error.toExponential(1)}`;
  }
  const decimals = Math.min(12, Math.max(0, digits));
  return `${value.toFixed(decimals)} ± ${error.toFixed(decimals)}`;
}

/** `q = 0.0031 Å⁻¹`, or the number of the bin. */
export function binName({ bin, q, phi }: ResultBin, qUnit: string): string {
  if (q === null) return `bin ${bin}`;
  return `q = ${Number(q.toPrecision(4))} ${qUnit}${phi === null ? "" : `, φ = ${Number(phi.toPrecision(4))}`}`.trim();
}

/** Sentences about what a person should know before trusting the numbers. */
export function warningsOf(result: ResultFile, fits: readonly BinFit[], model: FitModel): string[] {
  const said = [...result.warnings];
  const bins = (chosen: readonly BinFit[]): string => chosen.map(({ bin }) => bin.bin).join(", ");
  if (result.pairs === null && result.layout === "nexus" && result.delays.length > 0)
    said.push("the file does not count photon pairs: values of 0 are taken as missing, all others as measured");
  if (result.frameTimeS === null)
    said.push(`the file does not say the frame time: ${result.delays.length > 0 ? "rates are per frame" : "times are in frames"}`);
  const few = (result.pairs ?? []).filter((pairs, at) => pairs < PAIRS_FOR_ERROR && !(result.error[at]! > 0)).length;
  if (few > 0) said.push(fewPairs(few, result.g2.length));
  const without = fits.reduce((sum, { quality }) => sum + (quality?.lagsWithoutPairs ?? 0), 0);
  if (without > 0) said.push(`${without} values without photon pairs or without an error are left out of the fits`);
  for (const why of new Set(fits.flatMap(({ independentBecause, quality }) => (quality === null ? [] : (independentBecause ?? [])))))
    said.push(
      `${why}: errors of fits take the lags as independent and may be too small, in bins ${bins(fits.filter((fit) => fit.independentBecause === why))}`,
    );
  const failed = fits.filter(({ quality }) => quality === null || !quality.converged);
  if (failed.length > 0) said.push(`no certain fit in bins ${bins(failed)}`);
  const poor = fits.filter(({ quality }) => quality?.converged && quality.chi2 > 3 * quality.dof);
  if (poor.length > 0) said.push(`a ${FIT_MODELS[model]} does not describe bins ${bins(poor)} (χ²/dof above 3): try another --fit`);
  return said;
}

/** The table of fits, a row per bin. */
function fitTable(result: ResultFile, fits: readonly BinFit[]): string {
  const unit = lagUnit(result).unit;
  const rate = unit === "s" ? "1/s" : "1/frame";
  const titles: Readonly<Record<string, string>> = {
    rate: `rate (${rate})`,
    tau: `tau (${unit})`,
    exponent: "exponent",
    fastRate: `fast (${rate})`,
    slowRate: `slow (${rate})`,
    fastFraction: "fast part",
    contrast: "contrast",
    baseline: "baseline",
  };
  const shown = Object.keys(titles).filter((name) => fits.some(({ parameters }) => parameters[name] !== undefined));
  const columns = [{ title: "bin", align: "right" as const }, { title: "where" }, ...shown.map((name) => ({ title: titles[name]! }))];
  const rows = fits.map(({ bin, quality, parameters, failure }) => [
    String(bin.bin),
    binName(bin, result.qUnit),
    ...shown.map((name) => (parameters[name] === undefined ? "-" : plusMinus(parameters[name]))),
    quality === null ? (failure ?? "") : (quality.chi2 / quality.dof).toFixed(2),
  ]);
  return formatTable([...columns, { title: "χ²/dof" }], rows);
}

/** The whole text. */
export function viewText(
  result: ResultFile,
  fits: readonly BinFit[],
  model: FitModel,
  law: PowerLawFit | null,
  plots: readonly string[],
): string {
  const { unit, perLag } = lagUnit(result);
  const [first, last] = [result.delays[0] ?? 0, result.delays.at(-1) ?? 0].map((tau) =>
    Number((tau * result.average * perLag).toPrecision(4)),
  );
  const multitau = result.delays.length > 0;
  const kind = [multitau ? "multi-tau" : "", result.c2.length + result.ageLag.length > 0 || !multitau ? "two-time" : ""]
    .filter(Boolean)
    .join(" and ");
  const delays = multitau ? `, ${result.delays.length} delays from ${first} to ${last} ${unit}` : "";
  const lines = [
    `${basename(result.path)}: ${kind}, ${result.layout} layout${result.program === null ? "" : `, ${result.program}`}`,
    `  ${result.frames} frames${(result.repeats ?? 1) > 1 ? ` of ${result.repeats} repeats` : ""} (stride ${result.stride}, average ${result.average})${delays}`,
    multitau ? `  ${result.bins.length} dynamic and ${result.saxs.length} static bins` : `  ${result.saxs.length} static bins`,
    ...(result.c2.length === 0 ? [] : [`  C2 of ${result.c2.map(({ bin }) => `bin ${bin.bin}`).join(", ")}`]),
    ...(result.ageLag.length === 0 ? [] : [`  C2 by age and lag of ${result.ageLag.map(({ bin }) => `bin ${bin.bin}`).join(", ")}`]),
    ...(result.conventions === null ? [] : [`  conventions: ${result.conventions}`]),
    ...(multitau ? ["", `${FIT_MODELS[model]}:`, fitTable(result, fits)] : []),
  ];
  if (law !== null) {
    const [exponent, prefactor] = [measuredOf(law.exponent, law.exponentError), measuredOf(law.prefactor, law.prefactorError)];
    lines.push(
      "",
      `tau = A q^n over ${law.pointsUsed} bins: n = ${plusMinus(exponent)}, A = ${plusMinus(prefactor)}, χ²/dof ${ratio(law)}`,
    );
  }
  lines.push(...warningsOf(result, fits, model).map((warning) => `warning: ${warning}`), ...plots);
  return lines.join("\n");
}

function measuredOf(value: number, error: number): Measured {
  return { value, error };
}

function ratio({ chi2, dof }: { chi2: number; dof: number }): string {
  return dof > 0 ? (chi2 / dof).toFixed(2) : "-";
}
