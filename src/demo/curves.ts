/** From a result file to fitted decay rates: reads the NeXus layout with h5wasm, not with the library that wrote it. */
import h5wasm, { Dataset } from "h5wasm/node";
import { XpcsError } from "../core/errors.js";
import { delayScheme } from "../xpcs/delays.js";
import { type CurvePoint, type DecayFit, fitDecay } from "../xpcs/fit.js";
import { correlationOf } from "../xpcs/lag-correlation.js";
import type { Measured } from "./analyses.js";
import type { Ring } from "./sample.js";

/** Delays per level when a job does not say. */
const DEFAULT_DPL = 4;

/** One ring of one analysis: data, fit, and the truth. */
export interface RingFit {
  readonly analysis: string;
  readonly ring: Ring;
  /** Seconds per unit of a point's lag. */
  readonly lagS: number;
  readonly points: readonly CurvePoint[];
  readonly fit: DecayFit;
  /** The fitted decay rate and its error, 1/s. */
  readonly ratePerS: number;
  readonly errorPerS: number;
}

/**
 * Fits each ring of a result. Lags are counted in strided frames; averaging `n` of them widens each value.
 * @throws CORRUPT_DATA the result lacks a dataset or its delays are not those of the scheme
 */
export async function fitResult(analysis: Measured): Promise<RingFit[]> {
  const { sample } = analysis;
  const { stride = 1, average = 1, dpl = DEFAULT_DPL } = analysis.options;
  const result = await readResult(analysis.out);
  const delays = delayScheme(result.frames, dpl);
  if (delays.length !== result.delays.length || delays.some(({ tau }, d) => tau !== result.delays[d]))
    throw new XpcsError("CORRUPT_DATA", `${analysis.out}: delay_list is not the scheme of ${result.frames} frames and dpl ${dpl}`);
  const bins = sample.rings.length;
  const lagS = sample.frameTimeS * stride;
  return sample.rings.map((ring, q) => {
    const points = delays.map(({ level, tau }, d): CurvePoint => {
      const step = 2 ** level;
      return {
        lag: tau * average,
        width: step * average,
        g2: result.g2[d * bins + q]!,
        error: result.error[d * bins + q]!,
        pairs: result.pairs[d * bins + q]!,
        products: Math.floor(result.frames / step) - tau / step,
      };
    });
    const lags = points.map(({ lag }) => lag);
    const matrix = result.lagCorrelation.subarray(q * lags.length ** 2, (q + 1) * lags.length ** 2);
    const fit = fitDecay(points, correlationOf(lags, matrix, `/moments/lag_correlation of bin ${q + 1} in ${analysis.out}`));
    return { analysis: analysis.name, ring, lagS, points, fit, ratePerS: fit.rate / lagS, errorPerS: fit.rateError / lagS };
  });
}

interface ResultArrays {
  readonly frames: number;
  readonly delays: Float64Array;
  /** [delays, bins] */
  readonly g2: Float64Array;
  readonly error: Float64Array;
  readonly pairs: Float64Array;
  /** [bins, delays, delays] */
  readonly lagCorrelation: Float64Array;
}

async function readResult(path: string): Promise<ResultArrays> {
  await h5wasm.ready;
  const file = new h5wasm.File(path, "r");
  try {
    const numbers = (name: string): { values: Float64Array; shape: readonly number[] } => {
      const dataset = file.get(name);
      if (!(dataset instanceof Dataset)) throw new XpcsError("CORRUPT_DATA", `${path} has no dataset ${name}`);
      return { values: Float64Array.from(dataset.value as ArrayLike<number | bigint>, Number), shape: dataset.shape ?? [] };
    };
    return {
      frames: numbers("/xpcs/spatial_mean/intensity_vs_time").shape[1] ?? 0,
      delays: numbers("/xpcs/multitau/delay_list").values,
      g2: numbers("/xpcs/multitau/normalized_g2").values,
      error: numbers("/xpcs/multitau/normalized_g2_err").values,
      pairs: numbers("/xpcs/multitau/pairs").values,
      lagCorrelation: numbers("/moments/lag_correlation").values,
    };
  } finally {
    file.close();
  }
}
