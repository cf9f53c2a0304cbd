/** The plots of `xpcs view`, as files of a folder: g2 with its fits, static intensity, intensity against time, C2 maps. */
import { mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { XpcsError } from "../core/errors.js";
import { ageLagPicture } from "../xpcs/age-lag.js";
import { type BinFit, FIT_MODELS, type FitModel, lagUnit, type Measured } from "../xpcs/bin-fits.js";
import { readC2Map } from "../xpcs/c2-file.js";
import { type CurvePanel, g2FigureSvg, seriesFigureSvg } from "../xpcs/plot.js";
import { mapFigureSvg } from "../xpcs/plot-map.js";
import type { ResultFile } from "../xpcs/result-layouts.js";
import { binName, plusMinus } from "./view-text.js";

const CURVE_POINTS = 200;
/** Points of the intensity plot; longer series are drawn as means over equal blocks. */
const INTENSITY_POINTS = 2000;
/** Cells along each side of a C2 map; longer series are drawn as means over equal blocks. */
const MAP_CELLS = 300;

/**
 * Writes the plots and answers with their paths. Plots of the same name are replaced.
 * @throws IO_FAILED
 */
export async function writeFigures(
  folder: string,
  result: ResultFile,
  fits: readonly BinFit[],
  model: FitModel,
  say: (note: string) => void,
): Promise<string[]> {
  const name = basename(result.path).replace(/\.[^.]*$/, "");
  const figures = {
    ...(result.delays.length === 0 ? {} : { g2: await g2Figure(result, fits, model) }),
    saxs: await saxsFigure(result),
    intensity: await intensityFigure(result),
    ...(result.c2.length === 0 ? {} : { c2: await c2Figure(result, say) }),
    ...(result.ageLag.length === 0 ? {} : { c2_age_lag: await ageLagFigure(result) }),
  };
  try {
    mkdirSync(folder, { recursive: true });
    return Object.entries(figures).map(([kind, svg]) => {
      const path = join(folder, `${name}_${kind}.svg`);
      writeFileSync(path, svg);
      return path;
    });
  } catch (error) {
    throw new XpcsError("IO_FAILED", `the plots cannot be written into ${folder}: ${(error as Error).message}`);
  }
}

function g2Figure(result: ResultFile, fits: readonly BinFit[], model: FitModel): Promise<string> {
  const { perLag, unit } = lagUnit(result);
  return g2FigureSvg({
    title: `g₂ of ${basename(result.path)}`,
    subtitle: `${result.frames} frames`,
    columns: Math.min(3, Math.max(1, fits.length)),
    delayUnit: unit,
    fitName: FIT_MODELS[model],
    panels: fits.map((fit) => panelOf(fit, result, perLag, unit)),
  });
}

function panelOf(
  { bin, points, failure, quality, parameters, curve }: BinFit,
  result: ResultFile,
  perLag: number,
  unit: string,
): CurvePanel {
  const shown = points.filter(({ pairs, g2, error }) => pairs > 0 && Number.isFinite(g2) && Number.isFinite(error));
  const [first, last] = [shown[0]?.lag ?? 1, shown.at(-1)?.lag ?? 1];
  const lags = Array.from({ length: CURVE_POINTS }, (_, i) => first * (last / first) ** (i / (CURVE_POINTS - 1)));
  const rates: [string, Measured | undefined][] = [
    ["decay rate", parameters.rate],
    ["fast", parameters.fastRate],
    ["slow", parameters.slowRate],
    ["exponent", parameters.exponent],
  ];
  const said = rates.flatMap(([what, value]) => {
    if (value === undefined) return [];
    return [`${what} ${plusMinus(value)}${what === "exponent" ? "" : ` per ${unit === "s" ? "s" : "frame"}`}`];
  });
  const note = quality === null ? `no fit: ${failure}` : `${said.join(", ")}, χ²/dof ${(quality.chi2 / quality.dof).toFixed(2)}`;
  return {
    title: binName(bin, result.qUnit),
    notes: [note],
    points: shown.map(({ lag, g2, error }) => ({ delay: lag * perLag, g2, error })),
    curve: curve === null ? [] : lags.map((lag) => ({ delay: lag * perLag, g2: curve(lag) })),
  };
}

function saxsFigure({ path, saxs, qUnit }: ResultFile): Promise<string> {
  const known = saxs.length > 0 && saxs.every(({ q }) => q !== null && q > 0);
  const points = saxs.map(({ q, intensity }, at) => ({ x: known ? q! : at + 1, y: intensity }));
  return seriesFigureSvg({
    title: `Static intensity of ${basename(path)}`,
    subtitle: "mean over the static bins",
    xTitle: known ? `q (${qUnit})` : "static bin",
    yTitle: "counts per pixel and frame",
    scale: known ? "log" : "linear",
    mark: "dots",
    points: points.sort((a, b) => a.x - b.x),
  });
}

function intensityFigure({ path, layout, frames, intensity, frameTimeS, stride, average }: ResultFile): Promise<string> {
  const block = Math.ceil(Math.max(frames, 1) / INTENSITY_POINTS);
  const step = frameTimeS === null ? 1 : frameTimeS * stride * average;
  const points = Array.from({ length: Math.floor(frames / block) }, (_, at) => {
    const part = intensity.slice(at * block, (at + 1) * block);
    return { x: (at + 0.5) * block * step, y: part.reduce((sum, value) => sum + value, 0) / block };
  });
  return seriesFigureSvg({
    title: `Intensity of ${basename(path)}`,
    subtitle: block === 1 ? "every frame" : `means over ${block} frames`,
    xTitle: frameTimeS === null ? "frame" : "time (s)",
    yTitle: layout === "nexus" ? "counts per valid pixel and frame" : "counts per pixel and frame",
    scale: "linear",
    mark: "line",
    points,
  });
}

async function c2Figure({ path, c2, qUnit, frameTimeS, stride, average }: ResultFile, say: (note: string) => void): Promise<string> {
  const step = frameTimeS === null ? 1 : frameTimeS * stride * average;
  const panels = [];
  let block = 1;
  for (const { bin, dataset } of c2) {
    say(`reads ${dataset}, ${panels.length + 1} of ${c2.length}`);
    const map = await readC2Map(path, dataset, MAP_CELLS);
    block = map.block;
    const axis = [0, map.side * map.block * step] as const;
    panels.push({ title: binName(bin, qUnit), side: map.side, values: map.values, x: axis, y: axis });
  }
  return mapFigureSvg({
    title: `C₂ of ${basename(path)}`,
    subtitle: `${block === 1 ? "every pair of frames" : `means over ${block} x ${block} frames`}, without the diagonal`,
    columns: Math.min(3, panels.length),
    scale: "linear",
    xTitle: frameTimeS === null ? "frame" : "time (s)",
    yTitle: frameTimeS === null ? "frame" : "time (s)",
    valueTitle: "C₂",
    panels,
  });
}

/** The multi-tau two-time, over lag and age. */
function ageLagFigure({ path, ageLag, qUnit, frameTimeS, stride, average }: ResultFile): Promise<string> {
  const [step, unit] = frameTimeS === null ? [1, "frames"] : [frameTimeS * stride * average, "s"];
  const inUnit = ([from, to]: readonly [number, number]): [number, number] => [from * step, to * step];
  return mapFigureSvg({
    title: `C₂ by age and lag of ${basename(path)}`,
    subtitle: "multi-tau two-time: means over blocks that grow with the lag",
    columns: Math.min(3, ageLag.length),
    scale: "log",
    xTitle: `lag (${unit})`,
    yTitle: `age (${unit})`,
    valueTitle: "C₂",
    panels: ageLag.map((one) => {
      const { values, lag, age, range } = ageLagPicture(one, MAP_CELLS);
      return { title: binName(one.bin, qUnit), side: MAP_CELLS, values, x: inUnit(lag), y: inUnit(age), range };
    }),
  });
}
