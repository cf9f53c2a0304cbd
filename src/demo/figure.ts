/** The demo's plot: measured g2 of one analysis with its fit, a panel per ring. */
import { decayShape } from "../xpcs/fit.js";
import { type CurveFigure, type CurvePanel, g2FigureSvg } from "../xpcs/plot.js";
import type { RingFit } from "./curves.js";

const CURVE_POINTS = 200;

/** The figure as SVG text. */
export function demoFigure(fits: readonly RingFit[], title: string, subtitle: string): Promise<string> {
  const figure: CurveFigure = { title, subtitle, columns: 2, delayUnit: "s", fitName: "single exponential", panels: fits.map(panelOf) };
  return g2FigureSvg(figure);
}

function panelOf({ ring, fit, points, lagS, ratePerS, errorPerS }: RingFit): CurvePanel {
  const shown = points.filter((point) => point.pairs > 0 && Number.isFinite(point.g2));
  const first = shown[0]?.lag ?? 1;
  const last = shown.at(-1)?.lag ?? 1;
  const curve = Array.from({ length: CURVE_POINTS }, (_, i) => {
    const lag = first * (last / first) ** (i / (CURVE_POINTS - 1));
    return { delay: lag * lagS, g2: fit.baseline + fit.contrast * decayShape(fit.rate, lag, 1) };
  });
  return {
    title: `q = ${ring.q.toFixed(4)} Å⁻¹`,
    notes: [
      `decay rate ${ratePerS.toFixed(1)} ± ${errorPerS.toFixed(1)} s⁻¹ (true ${ring.decayRatePerS.toFixed(1)}), ` +
        `χ²/dof ${(fit.chi2 / fit.dof).toFixed(2)}`,
    ],
    points: shown.map((point) => ({ delay: point.lag * lagS, g2: point.g2, error: point.error })),
    curve,
  };
}
