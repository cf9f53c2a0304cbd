/** The fits of a result's bins, made once for each model however often the page draws them. */
import { type BinFit, type FitModel, fitBin } from "../xpcs/bin-fits.js";
import type { ResultFile } from "../xpcs/result-layouts.js";

const kept = new WeakMap<ResultFile, Map<FitModel, readonly BinFit[]>>();

/** Of all bins; the same array while the result and the model are the same. */
export function fitsOf(result: ResultFile, model: FitModel): readonly BinFit[] {
  const known = kept.get(result) ?? new Map<FitModel, readonly BinFit[]>();
  kept.set(result, known);
  const fits = known.get(model) ?? result.bins.map((_, at) => fitBin(result, at, model));
  known.set(model, fits);
  return fits;
}
