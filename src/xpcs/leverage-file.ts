/** Reads the table of pixels that pull g2 (/leverage, docs/leverage.md) from a NeXus result. Computes nothing but means over lags. */
import { existsSync } from "node:fs";
import h5wasm, { Dataset } from "h5wasm/node";
import { XpcsError } from "../core/errors.js";

export interface LeveragePixel {
  readonly row: number;
  readonly column: number;
  /** 1-based. */
  readonly dynamicBin: number;
  readonly staticBin: number;
  readonly countsPerFrame: number;
  /** Counts over the median of its static bin; null where that is 0. */
  readonly brightness: number | null;
  /** g2 without this pixel minus g2 with it: mean over the lags that count. */
  readonly change: number;
  readonly largestChange: number;
  /** Delay of the largest change, in frames. */
  readonly largestChangeDelay: number;
  /** What it adds to g2 of the sound pixels, in standard errors. */
  readonly pull: number;
  readonly blemish: boolean;
}

export interface LeverageBin {
  /** 1-based. */
  readonly bin: number;
  /** Lags with 20 or more photon pairs. */
  readonly lagsJudged: number;
  readonly blemishes: number;
  /** Means over these lags; null without any. */
  readonly g2: number | null;
  readonly g2WithoutBlemishes: number | null;
}

export interface LeverageTable {
  readonly path: string;
  /** A pixel that pulls less is no blemish. */
  readonly blemishPull: number;
  readonly bins: readonly LeverageBin[];
  /** By q bin: the blemishes, then the strongest others. */
  readonly pixels: readonly LeveragePixel[];
}

/**
 * Reads the table.
 * @throws NOT_FOUND · CORRUPT_DATA no HDF5 file, damaged · INVALID_ARGUMENT no table in it
 */
export async function readLeverage(path: string): Promise<LeverageTable> {
  if (!existsSync(path)) throw new XpcsError("NOT_FOUND", `the result ${path} does not exist`);
  await h5wasm.ready;
  const file = new h5wasm.File(path, "r");
  if (file.file_id < 0n) throw new XpcsError("CORRUPT_DATA", `${path} does not open as HDF5: it is another format, or truncated`);
  try {
    if (!(file.get("/leverage/pixel") instanceof Dataset))
      throw new XpcsError("INVALID_ARGUMENT", `${path} has no table of pixels (/leverage): correlate with --leverage`);
    const numbers = (name: string): number[] => {
      const dataset = file.get(name);
      if (!(dataset instanceof Dataset)) throw new XpcsError("CORRUPT_DATA", `${path} has no dataset ${name}`);
      const { value } = dataset;
      return typeof value === "object" ? Array.from(value as unknown as ArrayLike<number | bigint>, Number) : [Number(value)];
    };
    return tableOf(path, numbers);
  } finally {
    file.close();
  }
}

function tableOf(path: string, numbers: (name: string) => number[]): LeverageTable {
  const column = (name: string): number[] => numbers(`/leverage/${name}`);
  const [places, q, s] = [column("pixel"), column("dynamic_bin"), column("static_bin")];
  const [counts, brightness, pull, blemish] = [column("counts_per_frame"), column("brightness"), column("pull"), column("blemish")];
  const [change, largest, delay] = [column("change"), column("largest_change"), column("largest_change_delay")];
  const pixels = q.map(
    (dynamicBin, i): LeveragePixel => ({
      row: places[2 * i]!,
      column: places[2 * i + 1]!,
      dynamicBin,
      staticBin: s[i]!,
      countsPerFrame: counts[i]!,
      brightness: Number.isFinite(brightness[i]!) ? brightness[i]! : null,
      change: change[i]!,
      largestChange: largest[i]!,
      largestChangeDelay: delay[i]!,
      pull: pull[i]!,
      blemish: blemish[i] === 1,
    }),
  );
  return { path, blemishPull: column("blemish_pull")[0]!, bins: binsOf(numbers, pixels), pixels };
}

function binsOf(numbers: (name: string) => number[], pixels: readonly LeveragePixel[]): LeverageBin[] {
  const [g2, without] = [numbers("/xpcs/multitau/normalized_g2"), numbers("/leverage/g2_without_blemishes")];
  const pairs = numbers("/xpcs/multitau/pairs");
  const lagsJudged = numbers("/leverage/lags_judged");
  const columns = lagsJudged.length;
  return lagsJudged.map((lags, q): LeverageBin => {
    const judged = pairs.flatMap((value, at) => (at % columns === q && value >= 20 && Number.isFinite(without[at]!) ? [at] : []));
    const mean = (values: readonly number[]): number | null =>
      judged.length === 0 ? null : judged.reduce((sum, at) => sum + values[at]!, 0) / judged.length;
    return {
      bin: q + 1,
      lagsJudged: lags,
      blemishes: pixels.filter(({ dynamicBin, blemish }) => blemish && dynamicBin === q + 1).length,
      g2: mean(g2),
      g2WithoutBlemishes: mean(without),
    };
  });
}
