/** The fits that `xpcs view` and the page show: one model for every bin, in physical units, and the power law over q. Prints and draws nothing. */
import { isCode, type XpcsError } from "../core/errors.js";
import { type CurvePoint, decayShape, type FitQuality, fitDecay, type LagCorrelation } from "./fit.js";
import { doubleShape, fitDouble, fitStretched, stretchedShape } from "./fit-models.js";
import { lagsOf } from "./lag-correlation.js";
import { fitPowerLaw, type PowerLawFit } from "./power-law.js";
import { curveOf, type ResultBin, type ResultFile } from "./result-layouts.js";

export const FIT_MODELS = { single: "single exponential", stretched: "stretched exponential", double: "double exponential" } as const;
export type FitModel = keyof typeof FIT_MODELS;

/** A value and its standard error; null where the data do not determine it. */
export interface Measured {
  readonly value: number;
  readonly error: number | null;
}

export interface BinFit {
  readonly bin: ResultBin;
  readonly points: readonly CurvePoint[];
  /** Why there is no fit; null when there is one. */
  readonly failure: string | null;
  /** Why the errors of the parameters take the lags as independent; null where they do not. */
  readonly independentBecause: string | null;
  readonly quality: FitQuality | null;
  /** By name: rate, tau, exponent, fastRate, slowRate, fastFraction, contrast, baseline; rates per time unit. */
  readonly parameters: Readonly<Record<string, Measured>>;
  /** g2 of the model at a lag; null without a fit. */
  readonly curve: ((lag: number) => number) | null;
}

/** Time units of one lag: strided file frames in seconds, or in file frames where the frame time is unknown. */
export function lagUnit({ frameTimeS, stride }: ResultFile): { readonly perLag: number; readonly unit: "s" | "frames" } {
  return frameTimeS === null ? { perLag: stride, unit: "frames" } : { perLag: frameTimeS * stride, unit: "s" };
}

function measured(value: number, error: number): Measured {
  return { value, error: Number.isFinite(error) ? error : null };
}

/** One bin's fit; a curve that cannot be fitted says why. */
export function fitBin(result: ResultFile, at: number, model: FitModel): BinFit {
  const bin = result.bins[at]!;
  const points = curveOf(result, at);
  const { correlation, independentBecause } = lagsOf(result, at);
  try {
    return { bin, points, failure: null, independentBecause, ...fitted(points, correlation, model, lagUnit(result).perLag) };
  } catch (error) {
    if (!isCode(error, "INVALID_ARGUMENT")) throw error;
    return { bin, points, failure: (error as XpcsError).message, independentBecause, quality: null, parameters: {}, curve: null };
  }
}

function fitted(
  points: readonly CurvePoint[],
  correlation: LagCorrelation,
  model: FitModel,
  perLag: number,
): Pick<BinFit, "quality" | "parameters" | "curve"> {
  const rate = (value: number, error: number): Measured => measured(value / perLag, error / perLag);
  const tau = (value: number, error: number): Measured => measured(perLag / value, (perLag * error) / value ** 2);
  if (model === "double") {
    const fit = fitDouble(points, correlation);
    const parameters = {
      fastRate: rate(fit.fastRate, fit.fastRateError),
      slowRate: rate(fit.slowRate, fit.slowRateError),
      fastFraction: measured(fit.fastFraction, fit.fastFractionError),
      contrast: measured(fit.contrast, fit.contrastError),
      baseline: measured(fit.baseline, fit.baselineError),
    };
    const shape = (lag: number): number => doubleShape(fit.fastRate, fit.slowRate, fit.fastFraction, lag, 1)[0];
    return { quality: fit, parameters, curve: (lag) => fit.baseline + fit.contrast * shape(lag) };
  }
  const stretched = model === "stretched" ? fitStretched(points, correlation) : null;
  const fit = stretched ?? fitDecay(points, correlation);
  const shape = (lag: number): number =>
    stretched === null ? decayShape(fit.rate, lag, 1) : stretchedShape(fit.rate, stretched.exponent, lag, 1)[0];
  return {
    quality: fit,
    parameters: {
      rate: rate(fit.rate, fit.rateError),
      tau: tau(fit.rate, fit.rateError),
      ...(stretched === null ? {} : { exponent: measured(stretched.exponent, stretched.exponentError) }),
      contrast: measured(fit.contrast, fit.contrastError),
      baseline: measured(fit.baseline, fit.baselineError),
    },
    curve: (lag) => fit.baseline + fit.contrast * shape(lag),
  };
}

/** tau against q over the bins that have both; null with fewer than three of them. */
export function powerLawOf(fits: readonly BinFit[]): PowerLawFit | null {
  const times = fits.flatMap(({ bin, quality, parameters: { tau } }) =>
    bin.q !== null && bin.q > 0 && quality?.converged && tau?.error ? [{ q: bin.q, tau: tau.value, tauError: tau.error }] : [],
  );
  return new Set(times.map(({ q }) => q)).size < 3 ? null : fitPowerLaw(times);
}
