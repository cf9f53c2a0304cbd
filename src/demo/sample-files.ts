/**
 * The HDF5 files that belong to a measurement, as the beamline's tools write them: the q-map of pySimpleMask and the
 * `*_metadata.hdf` of the data acquisition. Written with h5wasm, so that the native core reads what another library wrote.
 */
import { createHash } from "node:crypto";
import h5wasm, { type Group } from "h5wasm/node";
import type { DemoSample } from "./sample.js";

type Value = Uint8Array | Uint16Array | BigInt64Array | Float64Array | number | string | string[];

interface Entry {
  readonly value: Value;
  readonly shape?: number[];
  readonly units?: string;
}

async function writeHdf(path: string, fill: (file: Group) => void): Promise<void> {
  await h5wasm.ready;
  const file = new h5wasm.File(path, "w");
  try {
    fill(file);
  } finally {
    file.close();
  }
}

function addDataset(group: Group, name: string, { value, shape, units }: Entry): void {
  const scalar = typeof value === "number" || typeof value === "string";
  const dataset = group.create_dataset({
    name,
    data: value as Uint8Array,
    ...(typeof value === "number" ? { dtype: "<d" as const } : {}),
    ...(scalar ? { shape: [] } : shape ? { shape } : {}),
    ...(shape && shape.length === 2 ? { chunks: shape, compression: "gzip" as const, compression_opts: 4 } : {}),
  });
  if (units !== undefined) dataset.create_attribute("units", units);
}

/** SHA-256 of names and contents: what pySimpleMask stores to tell two q-maps apart. */
function digest(entries: Readonly<Record<string, Entry>>): string {
  const hash = createHash("sha256");
  for (const [name, { value }] of Object.entries(entries)) {
    hash.update(name);
    if (ArrayBuffer.isView(value)) hash.update(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    else hash.update(JSON.stringify(value));
  }
  return hash.digest("hex");
}

/** Writes the q-map of a sample: group /qmap. */
export async function writeQmap(path: string, sample: DemoSample): Promise<void> {
  const { detector, rings, staticQ } = sample;
  const map = [detector.height, detector.width];
  const indices = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i);
  const mask = Uint8Array.from(sample.dqmap, (bin) => (bin > 0 ? 1 : 0));
  const entries: Record<string, Entry> = {
    mask: { value: mask, shape: map },
    blemish: { value: new Uint8Array(mask.length).fill(1), shape: map },
    dynamic_roi_map: { value: Uint8Array.from(sample.dqmap), shape: map },
    static_roi_map: { value: Uint8Array.from(sample.sqmap), shape: map },
    dynamic_num_pts: { value: BigInt64Array.of(BigInt(rings.length), 1n) },
    static_num_pts: { value: BigInt64Array.of(BigInt(staticQ.length), 1n) },
    dynamic_index_mapping: { value: indices(rings.length) },
    static_index_mapping: { value: indices(staticQ.length) },
    dynamic_v_list_dim0: { value: Float64Array.from(rings, (ring) => ring.q), units: "1/Angstrom" },
    dynamic_v_list_dim1: { value: Float64Array.of(0), units: "deg" },
    static_v_list_dim0: { value: staticQ, units: "1/Angstrom" },
    static_v_list_dim1: { value: Float64Array.of(0), units: "deg" },
    beam_center_x: { value: detector.beamX, units: "pixel" },
    beam_center_y: { value: detector.beamY, units: "pixel" },
    pixel_size: { value: detector.pixelSizeM, units: "m" },
    detector_distance: { value: detector.distanceM, units: "m" },
    energy: { value: detector.energyKeV, units: "keV" },
    map_names: { value: ["q", "phi"] },
    map_units: { value: ["Å⁻¹", "deg"] },
    source_file: { value: "simulated by xpcs demo" },
  };
  await writeHdf(path, (file) => {
    const group = file.create_group("qmap");
    for (const [name, entry] of Object.entries(entries)) addDataset(group, name, entry);
    group.create_attribute("hash", digest(entries));
    group.create_attribute("version", "1.0");
  });
}

/** Writes what the viewer and the result need to know of the measurement: group /entry. */
export async function writeMetadata(path: string, sample: DemoSample, startTime: string): Promise<void> {
  const { detector, frameTimeS } = sample;
  await writeHdf(path, (file) => {
    const entry = file.create_group("entry");
    addDataset(entry, "start_time", { value: startTime });
    addDataset(entry, "entry_identifier", { value: sample.name });
    const instrument = entry.create_group("instrument");
    const device = instrument.create_group("detector_1");
    const fields: Record<string, Entry> = {
      detector_name: { value: detector.name },
      frame_time: { value: frameTimeS, units: "s" },
      count_time: { value: frameTimeS, units: "s" },
      x_pixel_size: { value: detector.pixelSizeM, units: "m" },
      y_pixel_size: { value: detector.pixelSizeM, units: "m" },
      distance: { value: detector.distanceM, units: "m" },
      beam_center_x: { value: detector.beamX, units: "pixel" },
      beam_center_y: { value: detector.beamY, units: "pixel" },
    };
    for (const [name, field] of Object.entries(fields)) addDataset(device, name, field);
    const beam = instrument.create_group("incident_beam");
    addDataset(beam, "incident_energy", { value: detector.energyKeV, units: "keV" });
    addDataset(entry.create_group("sample"), "name", { value: "simulated Brownian colloid" });
  });
}
