/** Relaxation time against q, with the power law of each series: one result's, or those of many over each other. */
import { type BinFit, powerLawOf } from "../xpcs/bin-fits.js";
import { type CurveOnX, onOneX, Plot } from "./plot.js";

export interface TauSeries {
  readonly label: string;
  readonly colour: number | string;
  readonly fits: readonly BinFit[];
}

/** Nothing where no series has three points. */
export function TauPlot({ series, qUnit, unit }: { series: readonly TauSeries[]; qUnit: string; unit: string }) {
  const curves = series.flatMap(({ label, colour, fits }): CurveOnX[] => {
    const points = fits
      .flatMap(({ bin: { q }, parameters: { tau } }) => (q !== null && q > 0 && tau !== undefined && tau.value > 0 ? [{ q, tau }] : []))
      .sort((a, b) => a.q - b.q);
    if (points.length < 3) return [];
    const x = points.map(({ q }) => q);
    const law = powerLawOf(fits);
    const [y, error] = [points.map(({ tau }) => tau.value), points.map(({ tau }) => tau.error)];
    const measured: CurveOnX = { label, colour, x, kind: "points", y, error };
    if (law === null) return [measured];
    const name = `${series.length > 1 ? `${label}: ` : ""}q^${law.exponent.toFixed(2)}`;
    return [measured, { label: name, colour, x, kind: "line", y: x.map((q) => law.prefactor * q ** law.exponent) }];
  });
  if (curves.length === 0) return null;
  return <Plot title="tau against q" {...onOneX(curves)} xLabel={`q, ${qUnit}`} yLabel={`tau, ${unit}`} xLog yLog />;
}
