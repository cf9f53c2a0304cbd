/** Figures have what a reader needs: titled axes with units, decades, every point with its error bar, the fit. */
import { describe, expect, it } from "vitest";
import { type CurveFigure, g2FigureSvg, type SeriesFigure, seriesFigureSvg } from "../../src/xpcs/plot.js";

const FIGURE: CurveFigure = {
  title: "A title",
  subtitle: "What was measured",
  columns: 2,
  delayUnit: "s",
  fitName: "single exponential",
  panels: [0, 1, 2].map((at) => ({
    title: `panel ${at}`,
    notes: [`note ${at}`],
    points: Array.from({ length: 10 }, (_, i) => ({ delay: 1e-4 * 2 ** i, g2: 1.3 - 0.03 * i, error: 0.01 })),
    curve: Array.from({ length: 50 }, (_, i) => ({ delay: 1e-4 * 2 ** (i / 5), g2: 1.3 - 0.006 * i })),
  })),
};

const occurrences = (text: string, part: string | RegExp): number => text.split(part).length - 1;

describe("a figure of g2", () => {
  it("has titles, notes, units and decades", async () => {
    const svg = await g2FigureSvg(FIGURE);
    expect(svg).toMatch(/^<svg[^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    for (const text of ["A title", "What was measured", "panel 2", "note 1", "data, standard error", "fit, single exponential"])
      expect(svg).toContain(text);
    expect(occurrences(svg, ">delay (s)<")).toBe(3);
    expect(occurrences(svg, ">g₂<")).toBe(3);
    for (const decade of ["10⁻⁴", "10⁻³", "10⁻²"]) expect(occurrences(svg, `>${decade}<`)).toBe(3);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  it("draws each point with an error bar, and a fitted curve per panel", async () => {
    const svg = await g2FigureSvg(FIGURE);
    const without = await g2FigureSvg({ ...FIGURE, panels: FIGURE.panels.map((panel) => ({ ...panel, points: [], curve: [] })) });
    const added = (mark: RegExp): number => occurrences(svg, mark) - occurrences(without, mark);
    expect(added(/<path transform="translate\([^"]*" d="M2\.\d+,0A/)).toBe(30);
    expect(added(/<line [^>]*stroke="#(?:0072B2|D55E00|009E73)"/)).toBe(30);
    expect(added(/<path d="M[^"]*L[^"]*" stroke="black"/)).toBe(3);
  });

  it("is drawn also without any point", async () => {
    const svg = await g2FigureSvg({ ...FIGURE, panels: [{ title: "empty", notes: [], points: [], curve: [] }] });
    expect(svg).toContain(">empty<");
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });
});

describe("a figure of one series", () => {
  const series: SeriesFigure = {
    title: "A title",
    subtitle: "What was measured",
    xTitle: "q (1/nm)",
    yTitle: "counts",
    scale: "log",
    mark: "dots",
    points: [0, 1, 10, 100, 1000].map((x) => ({ x, y: 1000 - x })),
  };

  it("has titles and units, and a dot for each value that the scale can show", async () => {
    const svg = await seriesFigureSvg(series);
    for (const text of [">A title<", ">What was measured<", ">q (1/nm)<", ">counts<"]) expect(svg).toContain(text);
    expect(occurrences(svg, /fill="#0072B2"/)).toBe(3);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  it("is one line where a line is asked for", async () => {
    const svg = await seriesFigureSvg({ ...series, scale: "linear", mark: "line" });
    expect(occurrences(svg, /stroke="#0072B2"/)).toBe(1);
  });

  it.each(["linear", "log"] as const)("is drawn also without any point, scale %s", async (scale) => {
    const svg = await seriesFigureSvg({ ...series, scale, points: [] });
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });
});
