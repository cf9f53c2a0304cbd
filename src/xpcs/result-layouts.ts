/**
 * What a result file of either layout (docs/results.md) holds, as plain arrays, from an open HDF5 file: of Node (result-file.ts) or of a browser.
 * Files of boost_corr and XPCS-Eigen have the same names and are read too. Nothing is computed here.
 */
import { XpcsError } from "../core/errors.js";
import type { AgeLag } from "./age-lag.js";
import type { CurvePoint } from "./fit.js";

export interface ResultBin {
  /** 1-based column of the result. */
  readonly bin: number;
  /** Wave vector, in `qUnit`; null when the file does not say. */
  readonly q: number | null;
  /** Second coordinate (azimuth), where the map has one. */
  readonly phi: number | null;
}

/** A matrix C2(t1, t2) of the file: [frames, frames], its upper half. */
export interface ResultC2 {
  readonly bin: ResultBin;
  /** Name of the dataset. */
  readonly dataset: string;
}

export interface ResultFile {
  readonly path: string;
  readonly layout: "nexus" | "exchange";
  readonly frames: number;
  /** Repeats that were merged, 1 where nothing was; null in files of other programs, and of a two-time analysis. */
  readonly repeats: number | null;
  readonly stride: number;
  readonly average: number;
  readonly dpl: number;
  /** Seconds between file frames; null when the file does not say. */
  readonly frameTimeS: number | null;
  readonly qUnit: string;
  /** Columns of g2; none, as of delays, where the file holds a two-time analysis only. */
  readonly bins: readonly ResultBin[];
  readonly c2: readonly ResultC2[];
  /** Multi-tau two-time of each of its bins; none where the file holds none. */
  readonly ageLag: readonly (AgeLag & { readonly bin: ResultBin })[];
  /** Delays in frames of the series. */
  readonly delays: readonly number[];
  /** [delays, bins] each; pairs is null in files of other programs. */
  readonly g2: readonly number[];
  readonly error: readonly number[];
  readonly pairs: readonly number[] | null;
  /** [delays] products averaged per pixel, in each repeat of a merged result; null in files of other programs. */
  readonly terms: readonly number[] | null;
  /** Correlation between lags of each bin [bins, delays, delays], and its degrees of freedom [bins]; null where the file has none. */
  readonly lagCorrelation: { readonly values: readonly number[]; readonly freedom: readonly number[] } | null;
  /** Static bins: wave vector, where it is known, and mean counts per pixel and frame. */
  readonly saxs: readonly { readonly q: number | null; readonly intensity: number }[];
  /** Mean intensity of each frame of the series. */
  readonly intensity: readonly number[];
  /** Frames of the series that do not count, from 0. */
  readonly badFrames: readonly number[];
  /** Lines that the program that wrote it left: program and version, conventions, warnings. */
  readonly program: string | null;
  readonly conventions: string | null;
  readonly warnings: readonly string[];
}

const NEXUS_G2 = "/xpcs/multitau/normalized_g2";
const NEXUS_C2_BINS = "/xpcs/twotime/processed_bins";

type Reader = ReturnType<typeof readerOf>;

/** As much of an open HDF5 file as reading takes: h5wasm has it in Node and in browsers. */
export interface OpenHdf5 {
  get(name: string): unknown;
  keys(): string[];
}
interface Hdf5Dataset {
  readonly shape: readonly number[] | null;
  readonly value: unknown;
}
interface Hdf5Group {
  keys(): string[];
}

const isDataset = (found: unknown): found is Hdf5Dataset => typeof found === "object" && found !== null && "shape" in found;
const isGroup = (found: unknown): found is Hdf5Group => typeof found === "object" && found !== null && "keys" in found && !isDataset(found);

/**
 * The result in an open file, of either layout.
 * @param path for messages
 * @throws CORRUPT_DATA a dataset is missing · UNSUPPORTED no result of either layout in it
 */
export function resultIn(path: string, file: OpenHdf5): ResultFile {
  const read = readerOf(path, file);
  if ([NEXUS_G2, NEXUS_C2_BINS].some(read.has)) return nexusResult(path, read);
  const group = read.groups().find((name) => ["norm-0-g2", "g2full", "C2MT/delay_list"].some((dataset) => read.has(`/${name}/${dataset}`)));
  if (group !== undefined) return exchangeResult(path, read, `/${group}`);
  throw new XpcsError(
    "UNSUPPORTED",
    `${path} has no result: neither ${NEXUS_G2} nor norm-0-g2 in a group, nor those of a two-time analysis`,
  );
}

function readerOf(path: string, file: OpenHdf5) {
  const dataset = (name: string): Hdf5Dataset | null => {
    const found = file.get(name);
    return isDataset(found) ? found : null;
  };
  const numbers = (name: string): number[] => {
    const value = dataset(name)?.value;
    if (value === null || value === undefined) return [];
    return typeof value === "object" ? Array.from(value as unknown as ArrayLike<number | bigint>, Number) : [Number(value)];
  };
  return {
    numbers,
    has: (name: string): boolean => dataset(name) !== null,
    groups: (): string[] => file.keys().filter((name) => isGroup(file.get(name))),
    /** Names of a group's members; none where there is no group. */
    members: (name: string): string[] => {
      const found = file.get(name);
      return isGroup(found) ? found.keys() : [];
    },
    number: (name: string): number | null => numbers(name)[0] ?? null,
    shape: (name: string): readonly number[] => dataset(name)?.shape ?? [],
    texts: (name: string): string[] => {
      const value = dataset(name)?.value;
      if (value === null || value === undefined) return [];
      return Array.isArray(value) ? value.map(String) : [String(value)];
    },
    required: (name: string): number[] => {
      if (dataset(name) === null) throw new XpcsError("CORRUPT_DATA", `${path} has no dataset ${name}`);
      return numbers(name);
    },
  };
}

function provenance(read: Reader, group: string): Pick<ResultFile, "program" | "conventions" | "warnings"> {
  const text = (name: string): string | null => read.texts(`${group}/${name}`)[0] ?? null;
  const program = text("program");
  return {
    program: program === null ? null : `${program} ${text("version") ?? ""}`.trim(),
    conventions: text("conventions"),
    warnings: read.texts(`${group}/warnings`),
  };
}

/** What the moments add to the curves. */
function momentsOf(read: Reader, group: string): Pick<ResultFile, "repeats" | "pairs" | "terms" | "badFrames" | "lagCorrelation"> {
  const there = (name: string): number[] | null => (read.has(`${group}/${name}`) ? read.numbers(`${group}/${name}`) : null);
  const values = there("lag_correlation");
  return {
    repeats: read.number(`${group}/repeats`),
    pairs: there("pairs"),
    terms: there("terms"),
    badFrames: read.numbers(`${group}/bad_frames`),
    lagCorrelation: values === null ? null : { values, freedom: read.numbers(`${group}/lag_freedom`) },
  };
}

function nexusResult(path: string, read: Reader): ResultFile {
  const multitau = read.has(NEXUS_G2);
  const config = (name: string): number | null => read.number(`/xpcs/${multitau ? "multitau" : "twotime"}/config/${name}`);
  const intensity = read.required("/xpcs/spatial_mean/intensity_vs_time");
  const frames = intensity.length / 2;
  const columns = read.shape(NEXUS_G2)[1] ?? 0;
  const curves = (name: string): number[] => (multitau ? read.required(`/xpcs/multitau/${name}`) : []);
  const labels = read.numbers(NEXUS_C2_BINS);
  const mapped = mappedBins(read, "dynamic", Math.max(0, ...labels));
  const saxs = read.numbers("/xpcs/temporal_mean/scattering_1d");
  const staticBins = mappedBins(read, "static", saxs.length);
  return {
    path,
    layout: "nexus",
    frames,
    stride: config("stride_frame") ?? 1,
    average: config("avg_frame") ?? 1,
    dpl: config("delays_per_level") ?? 4,
    frameTimeS: read.number("/entry/instrument/detector_1/frame_time"),
    qUnit: read.texts("/xpcs/qmap/map_units")[0] ?? "",
    bins: mappedBins(read, "dynamic", columns),
    c2: labels.flatMap((label, at) => c2Of(read, mapped[label - 1], c2Name("/xpcs/twotime/correlation_map/c2_", at + 1))),
    ageLag: ageLagOf(
      read,
      "/xpcs/twotime/multitau",
      labels.map((label) => mapped[label - 1]!),
    ),
    delays: curves("delay_list"),
    g2: curves("normalized_g2"),
    error: curves("normalized_g2_err"),
    ...momentsOf(read, "/moments"),
    pairs: read.has("/xpcs/multitau/pairs") ? read.numbers("/xpcs/multitau/pairs") : null,
    saxs: saxs.map((value, at) => ({ q: staticBins[at]!.q, intensity: value })),
    intensity: intensity.slice(frames),
    ...provenance(read, "/provenance"),
  };
}

/** boost_corr numbers the matrices in their order, XPCS-Eigen by their label; both with five digits. */
function c2Name(stem: string, number: number): string {
  return `${stem}${String(number).padStart(5, "0")}`;
}

function c2Of(read: Reader, bin: ResultBin | undefined, dataset: string): ResultC2[] {
  return bin !== undefined && read.has(dataset) ? [{ bin, dataset }] : [];
}

/** The labels that end the names of the multi-tau two-time's values, ascending. */
function c2Labels(read: Reader, group: string): number[] {
  const labels = read.members(group).flatMap((name) => /^c2_(\d+)$/.exec(name)?.[1] ?? []);
  return labels.map(Number).sort((a, b) => a - b);
}

/** @param bins in the order of c2_by_age */
function ageLagOf(read: Reader, group: string, bins: readonly ResultBin[]): ResultFile["ageLag"] {
  if (!read.has(`${group}/c2_by_age`)) return [];
  const [delays, ageEdges] = [read.required(`${group}/delay_list`), read.required(`${group}/age_edges`)];
  const all = read.required(`${group}/c2_by_age`);
  const size = delays.length * (ageEdges.length - 1);
  return bins.map((bin, at) => ({ bin, delays, ageEdges, values: all.slice(at * size, (at + 1) * size) }));
}

/** Coordinates of the bins of one map: column c is the bin with flat index dynamic_index_mapping[c] on a grid of q and phi. */
function mappedBins(read: Reader, kind: "dynamic" | "static", columns: number): ResultBin[] {
  const [first, second] = [0, 1].map((dim) => read.numbers(`/xpcs/qmap/${kind}_v_list_dim${dim}`)) as [number[], number[]];
  const mapping = read.numbers(`/xpcs/qmap/${kind}_index_mapping`);
  const across = Math.max(second.length, 1);
  return Array.from({ length: columns }, (_, at) => {
    const flat = mapping[at] ?? at;
    const phi = across > 1 ? (second[flat % across] ?? null) : null;
    return { bin: at + 1, q: first[Math.floor(flat / across)] ?? null, phi };
  });
}

function exchangeResult(path: string, read: Reader, group: string): ResultFile {
  const setting = (name: string): number | null => read.number(`/xpcs/${name}`);
  const frameSum = read.required(`${group}/frameSum`);
  const frames = frameSum.length / 2;
  const multitau = read.has(`${group}/norm-0-g2`);
  const columns = read.shape(`${group}/norm-0-g2`)[1] ?? 0;
  const curves = (name: string): number[] => (multitau ? read.required(`${group}/${name}`) : []);
  const [dynamicQ, staticQ] = [read.numbers("/xpcs/dqlist"), read.numbers("/xpcs/sqlist")];
  const bin = (number: number): ResultBin => ({ bin: number, q: dynamicQ[number - 1] ?? null, phi: null });
  const own = read.has(`${group}/provenance/program`) ? `${group}/provenance` : "/provenance";
  const used = (name: string, otherwise: number): number => read.number(`${own}/${name}`) ?? otherwise;
  return {
    path,
    layout: "exchange",
    frames,
    stride: used("stride", setting("stride_frames") ?? 1),
    average: used("average", setting("avg_frames") ?? 1),
    dpl: used("delays_per_level", setting("delays_per_level") ?? 4),
    frameTimeS: read.number("/measurement/instrument/detector/exposure_period"),
    qUnit: "Å⁻¹",
    bins: Array.from({ length: columns }, (_, at) => bin(at + 1)),
    c2: read.members(`${group}/C2T_all`).flatMap((name) => c2Of(read, bin(Number(name.slice("g2_".length))), `${group}/C2T_all/${name}`)),
    ageLag: ageLagOf(read, `${group}/C2MT`, c2Labels(read, `${group}/C2MT`).map(bin)),
    delays: curves("tau"),
    g2: curves("norm-0-g2"),
    error: curves("norm-0-stderr"),
    ...momentsOf(read, `${group}/moments`),
    saxs: read.numbers(`${group}/partition-mean-total`).map((value, at) => ({ q: staticQ[at] ?? null, intensity: value })),
    intensity: frameSum.slice(frames),
    ...provenance(read, own),
  };
}

/**
 * The curve of one bin (its index) for a fit. Lags and widths in strided file frames, as the rates of the fit then are. Without
 * counted pairs a value counts as measured where it is finite and has an error.
 */
export function curveOf(result: ResultFile, at: number): CurvePoint[] {
  const { average, bins, delays, dpl, frames, terms } = result;
  return delays.map((tau, d) => {
    // Level L holds the delays above dpl 2^L, up to 2 dpl 2^L.
    const step = 2 ** Math.max(0, Math.ceil(Math.log2(tau / (2 * dpl)) - 1e-9));
    const index = d * bins.length + at;
    const [g2, error] = [result.g2[index]!, result.error[index]!];
    const pairs = result.pairs === null ? Number(Number.isFinite(g2) && g2 !== 0) : result.pairs[index]!;
    return { lag: tau * average, width: step * average, g2, error, pairs, products: terms?.[d] ?? Math.floor(frames / step) - tau / step };
  });
}
