/** The NeXus layout: every key that pyXpcsViewer requires, with shape and type, read by a library that did not write it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import h5wasm, { Dataset, type File, Group } from "h5wasm/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeMetadata, writeQmap } from "../../src/demo/sample-files.js";
import { correlateFile } from "../../src/xpcs/native.js";
import { nexusSample } from "./nexus-sample.js";
import { readGroup, readNumbers, type StagedCase, stageCase, worstDifference } from "./reference-case.js";

const LZF_QMAP = join(import.meta.dirname, "../fixtures/qmap/qmap-lzf.hdf");

/** Names of the sizes: H x W detector, D delays, Q dynamic bins, S static bins, F frames. `*` = any. */
type Size = "H" | "W" | "D" | "Q" | "S" | "F" | "*" | number;
type Kind = "integer" | "float" | "number" | "string";

interface Key {
  readonly path: string;
  /** Accepted shapes. */
  readonly shapes: readonly (readonly Size[])[];
  readonly kind: Kind;
}

const SCALAR: readonly (readonly Size[])[] = [[], [1, 1]];

/** What core/file_io of pyXpcsViewer reads without asking whether it is there. */
const REQUIRED: readonly Key[] = [
  { path: "/xpcs/qmap/mask", shapes: [["H", "W"]], kind: "number" },
  { path: "/xpcs/qmap/dynamic_roi_map", shapes: [["H", "W"]], kind: "integer" },
  { path: "/xpcs/qmap/static_roi_map", shapes: [["H", "W"]], kind: "integer" },
  { path: "/xpcs/qmap/dynamic_v_list_dim0", shapes: [["Q"]], kind: "float" },
  { path: "/xpcs/qmap/dynamic_v_list_dim1", shapes: [[1]], kind: "float" },
  { path: "/xpcs/qmap/static_v_list_dim0", shapes: [["S"]], kind: "float" },
  { path: "/xpcs/qmap/static_v_list_dim1", shapes: [[1]], kind: "float" },
  { path: "/xpcs/qmap/beam_center_x", shapes: SCALAR, kind: "float" },
  { path: "/xpcs/qmap/beam_center_y", shapes: SCALAR, kind: "float" },
  { path: "/xpcs/qmap/pixel_size", shapes: SCALAR, kind: "float" },
  { path: "/xpcs/qmap/detector_distance", shapes: SCALAR, kind: "float" },
  { path: "/xpcs/qmap/dynamic_index_mapping", shapes: [["Q"]], kind: "integer" },
  { path: "/xpcs/qmap/static_index_mapping", shapes: [["S"]], kind: "integer" },
  { path: "/xpcs/qmap/dynamic_num_pts", shapes: [[2]], kind: "integer" },
  { path: "/xpcs/qmap/static_num_pts", shapes: [[2]], kind: "integer" },
  { path: "/xpcs/qmap/map_names", shapes: [[2]], kind: "string" },
  { path: "/xpcs/qmap/map_units", shapes: [[2]], kind: "string" },
  { path: "/entry/instrument/incident_beam/incident_energy", shapes: SCALAR, kind: "float" },
  { path: "/entry/instrument/detector_1/frame_time", shapes: SCALAR, kind: "float" },
  { path: "/entry/instrument/detector_1/count_time", shapes: SCALAR, kind: "float" },
  { path: "/entry/start_time", shapes: [[]], kind: "string" },
  { path: "/xpcs/temporal_mean/scattering_1d", shapes: [[1, "S"], ["S"]], kind: "float" },
  { path: "/xpcs/temporal_mean/scattering_1d_segments", shapes: [["*", "S"]], kind: "float" },
  { path: "/xpcs/temporal_mean/scattering_2d", shapes: [[1, "H", "W"]], kind: "float" },
  { path: "/xpcs/spatial_mean/intensity_vs_time", shapes: [[2, "F"]], kind: "float" },
  { path: "/xpcs/multitau/delay_list", shapes: [["D"]], kind: "integer" },
  { path: "/xpcs/multitau/normalized_g2", shapes: [["D", "Q"]], kind: "float" },
  { path: "/xpcs/multitau/normalized_g2_err", shapes: [["D", "Q"]], kind: "float" },
  { path: "/xpcs/multitau/pairs", shapes: [["D", "Q"]], kind: "number" },
  { path: "/xpcs/multitau/config/stride_frame", shapes: SCALAR, kind: "integer" },
  { path: "/xpcs/multitau/config/avg_frame", shapes: SCALAR, kind: "integer" },
];

type Sizes = Readonly<Record<"H" | "W" | "D" | "Q" | "S" | "F", number>>;

/** What is wrong with the keys of an open file; empty when all is as required. */
function findings(file: File, sizes: Sizes, keys: readonly Key[] = REQUIRED): string[] {
  return keys.flatMap(({ path, shapes, kind }) => {
    const dataset = file.get(path);
    if (!(dataset instanceof Dataset)) return [`${path} is missing`];
    const shape = dataset.shape ?? [];
    const fits = shapes.some(
      (wanted) =>
        wanted.length === shape.length &&
        wanted.every((size, i) => size === "*" || shape[i] === (typeof size === "number" ? size : sizes[size])),
    );
    const found: string[] = [];
    if (!fits) found.push(`${path} has shape [${shape}]`);
    if (!isKind(dataset, kind)) found.push(`${path} is no ${kind}`);
    return found;
  });
}

/** HDF5 type classes: 0 integer, 1 float, 3 string, 8 enum (h5py's bool). */
function isKind(dataset: Dataset, kind: Kind): boolean {
  const type = dataset.metadata.type;
  if (kind === "string") return type === 3;
  if (kind === "float") return type === 1;
  if (kind === "integer") return type === 0;
  return type === 0 || type === 1 || type === 8;
}

function compressed(file: File): string[] {
  const filtersOf = (group: Group): string[] =>
    group.keys().flatMap((key) => {
      const child = group.get(key);
      if (child instanceof Group) return filtersOf(child);
      return child instanceof Dataset ? child.filters.map((filter) => `${child.path}: ${filter.id}`) : [];
    });
  return filtersOf(file);
}

async function withFile<T>(path: string, use: (file: File) => T): Promise<T> {
  await h5wasm.ready;
  const file = new h5wasm.File(path, "r");
  try {
    return use(file);
  } finally {
    file.close();
  }
}

describe("a NeXus result", () => {
  let staged: StagedCase;
  let out: string;
  const sizes: Sizes = { H: 48, W: 40, D: 28, Q: 4, S: 20, F: 256 };

  beforeAll(async () => {
    staged = stageCase("mt-sparse-multistatic");
    out = join(staged.folder, "nexus_results.hdf");
    await correlateFile({
      files: { input: staged.input, qmap: LZF_QMAP },
      options: { frameTimeS: 0.001, g2out: true, errors: "xpcs-eigen" },
      out,
      overwrite: false,
      provenance: { purpose: "test" },
    });
  });
  afterAll(() => staged.remove());

  it("has every key that pyXpcsViewer requires, from a q-map with LZF arrays", async () => {
    expect(
      await withFile(out, (file) => findings(file, { ...sizes, D: (file.get("/xpcs/multitau/delay_list") as Dataset).shape![0]! })),
    ).toEqual([]);
  });

  it("is found wanting when a key is missing or of another type", async () => {
    const keys: readonly Key[] = [
      { path: "/xpcs/none", shapes: [[]], kind: "float" },
      { path: "/xpcs/multitau/normalized_g2", shapes: [["Q", "D"]], kind: "string" },
    ];
    expect(await withFile(out, (file) => findings(file, sizes, keys))).toHaveLength(3);
  });

  it("carries the hash of the q-map as an attribute", async () => {
    const hashOf = (path: string, group: string): Promise<unknown> =>
      withFile(path, (file) => (file.get(group) as Group).get_attribute("hash", true));
    const hash = await hashOf(out, "/xpcs/qmap");
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(hash).toBe(await hashOf(LZF_QMAP, "/qmap"));
  });

  it("uses gzip and shuffle at most, which every reader has", async () => {
    const filters = await withFile(out, compressed);
    expect(filters.filter((filter) => !/: [12]$/.test(filter))).toEqual([]);
  });

  it("keeps the maps as they were", async () => {
    for (const map of ["mask", "dynamic_roi_map", "static_roi_map"]) {
      const ours = await readNumbers(out, `/xpcs/qmap/${map}`);
      expect(ours!.values.some((value) => value > 0)).toBe(true);
    }
    const labels = (await readNumbers(out, "/xpcs/qmap/static_roi_map"))!.values;
    const job = (await readNumbers(staged.job, "/xpcs/sqmap"))!.values;
    expect([...labels]).toEqual([...job]);
  });

  it("has the numbers of XPCS-Eigen", async () => {
    const expected = await readGroup(staged.expected, "/exchange");
    const compare = async (ours: string, theirs: string): Promise<number> =>
      worstDifference((await readNumbers(out, ours))!.values, expected.get(theirs)!.values);
    expect(await compare("/xpcs/multitau/normalized_g2", "norm-0-g2")).toBeLessThan(2e-5);
    expect(await compare("/xpcs/multitau/normalized_g2_err", "norm-0-stderr")).toBeLessThan(2e-5);
    expect(await compare("/xpcs/multitau/delay_list", "tau")).toBe(0);
    expect(await compare("/xpcs/temporal_mean/scattering_1d", "partition-mean-total")).toBeLessThan(2e-5);
    expect(await compare("/xpcs/temporal_mean/scattering_2d", "pixelSum")).toBeLessThan(2e-5);
  });

  it("has G2, IP and IF of every pixel when asked", async () => {
    const ours = (await readNumbers(out, "/xpcs/multitau/unnormalized_G2"))!;
    const expected = await readGroup(staged.expected, "/exchange");
    const [delays = 0, moments, height, width] = ours.shape;
    expect([moments, height, width]).toEqual([3, 48, 40]);
    ["G2", "IP", "IF"].forEach((name, k) => {
      const pixels = 48 * 40;
      const plane = Float64Array.from({ length: delays * pixels }, (_, i) => {
        const [d, p] = [Math.floor(i / pixels), i % pixels];
        return ours.values[(d * 3 + k) * pixels + p]!;
      });
      expect(worstDifference(plane, expected.get(name)!.values), name).toBeLessThan(2e-5);
    });
  });
});

describe("a NeXus result with the measurement's metadata", () => {
  const folder = mkdtempSync(join(tmpdir(), "xpcs-nexus-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("has every required key, and frame time, energy and start from the metadata", async () => {
    const { sample, input } = nexusSample(folder);
    const [qmap, metadata, out] = ["qmap.hdf", "run_metadata.hdf", "out.hdf"].map((name) => join(folder, name)) as [string, string, string];
    await writeQmap(qmap, sample);
    await writeMetadata(metadata, sample, "2026-11-22T10:00:00Z");
    const summary = await correlateFile({
      files: { input, qmap, metadata },
      options: { average: 2, stride: 3 },
      out,
      overwrite: false,
      provenance: {},
    });
    const sizes: Sizes = {
      H: sample.detector.height,
      W: sample.detector.width,
      D: summary.delays,
      Q: sample.rings.length,
      S: sample.staticQ.length,
      F: Math.floor(sample.frames / 6),
    };
    await withFile(out, (file) => {
      expect(findings(file, sizes)).toEqual([]);
      const value = (path: string): unknown => (file.get(path) as Dataset).value;
      expect(value("/entry/instrument/detector_1/frame_time")).toBe(sample.frameTimeS);
      expect(value("/entry/instrument/incident_beam/incident_energy")).toBe(sample.detector.energyKeV);
      expect(value("/entry/start_time")).toBe("2026-11-22T10:00:00Z");
      expect(Number(value("/xpcs/multitau/config/stride_frame"))).toBe(3);
      expect(Number(value("/xpcs/multitau/config/avg_frame"))).toBe(2);
    });
  });

  it("takes a frame time of the request over the metadata's", async () => {
    const { sample, input } = nexusSample(folder);
    const [qmap, metadata, out] = ["q2.hdf", "run2_metadata.hdf", "out2.hdf"].map((name) => join(folder, name)) as [string, string, string];
    await writeQmap(qmap, sample);
    await writeMetadata(metadata, sample, "2026-11-22T10:00:00Z");
    await correlateFile({ files: { input, qmap, metadata }, options: { frameTimeS: 0.25 }, out, overwrite: false, provenance: {} });
    await withFile(out, (file) => {
      expect((file.get("/entry/instrument/detector_1/frame_time") as Dataset).value).toBe(0.25);
    });
  });
});
