/** g2 against delay, with the fit of each curve: q bins of one result, or one q of many results over each other. */
import { type BinFit, lagUnit } from "../xpcs/bin-fits.js";
import type { ResultFile } from "../xpcs/result-layouts.js";
import { type CurveOnX, onOneX, Plot } from "./plot.js";

export interface G2Series {
  readonly label: string;
  readonly colour: number | string;
  readonly result: ResultFile;
  readonly fit: BinFit;
}

/** Without the lags that have no pairs. @param series of one unit of time */
export function G2Plot({ series, unit }: { series: readonly G2Series[]; unit: string }) {
  const curves = series.flatMap(({ label, colour, result, fit: { points, curve } }): CurveOnX[] => {
    const { perLag } = lagUnit(result);
    const known = points.filter(({ pairs, g2 }) => pairs > 0 && Number.isFinite(g2));
    const x = known.map(({ lag }) => lag * perLag);
    const measured: CurveOnX = { label, colour, x, kind: "points", y: known.map(({ g2 }) => g2), error: known.map(({ error }) => error) };
    if (curve === null) return [measured];
    return [measured, { label: `fit ${label}`, colour, x, kind: "line", quiet: true, y: known.map(({ lag }) => curve(lag)) }];
  });
  return <Plot title="g2 against delay" {...onOneX(curves)} xLabel={`delay, ${unit}`} yLabel="g2" xLog height={420} />;
}
