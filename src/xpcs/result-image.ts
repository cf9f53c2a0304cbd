/** The static image of a result file, of either layout, with the partitions of its pixels, from an open HDF5 file: of Node or of a browser. */
import { XpcsError } from "../core/errors.js";
import type { OpenHdf5 } from "./result-layouts.js";

export interface ResultImage {
  readonly height: number;
  readonly width: number;
  /** [height, width] mean counts per frame. */
  readonly values: Float32Array | Float64Array;
  /** [height, width] dynamic and static bin of each pixel, from 1, 0: masked; null where the file has no such map. */
  readonly dynamic: Uint32Array | null;
  readonly static: Uint32Array | null;
}

interface Found {
  readonly shape: readonly number[];
  readonly value: ArrayLike<number | bigint> | string;
}

const NEXUS_IMAGE = "/xpcs/temporal_mean/scattering_2d";

function found(file: OpenHdf5, name: string): Found | null {
  const dataset = file.get(name) as { shape?: readonly number[] | null; value?: Found["value"] | null } | null;
  return dataset?.shape && dataset.value != null ? { shape: dataset.shape, value: dataset.value } : null;
}

/** [height, width] of a map that has the image's size, also with height and width exchanged; else null. */
function labelsOf(map: Found | null, height: number, width: number, exchanged: boolean): Uint32Array | null {
  if (map === null || typeof map.value === "string") return null;
  const [rows, columns] = map.shape.slice(-2);
  if (rows !== (exchanged ? width : height) || columns !== (exchanged ? height : width)) return null;
  const own = Uint32Array.from(map.value, Number);
  return exchanged ? own.map((_, at) => own[(at % width) * height + Math.floor(at / width)]!) : own;
}

/**
 * @param path for messages
 * @throws CORRUPT_DATA an image without two dimensions
 */
export function imageIn(path: string, file: OpenHdf5): ResultImage | null {
  const names = [NEXUS_IMAGE, ...file.keys().map((group) => `/${group}/pixelSum`)];
  const name = names.find((one) => found(file, one) !== null);
  if (name === undefined) return null;
  const { shape, value } = found(file, name)!;
  const [height, width] = shape.slice(-2);
  if (height === undefined || width === undefined || height * width !== value.length || typeof value === "string")
    throw new XpcsError("CORRUPT_DATA", `${name} of ${path} is no image`);
  const values = value instanceof Float64Array || value instanceof Float32Array ? value : Float32Array.from(value, Number);
  if (name === NEXUS_IMAGE) {
    const map = (kind: string) => labelsOf(found(file, `/xpcs/qmap/${kind}_roi_map`), height, width, false);
    return { height, width, values, dynamic: map("dynamic"), static: map("static") };
  }
  const setting = found(file, "/xpcs/transposed")?.value;
  const exchanged = String(typeof setting === "object" ? setting[0] : setting) === "ENABLED";
  const map = (kind: string) => labelsOf(found(file, `/xpcs/${kind}map`), height, width, exchanged);
  return { height, width, values, dynamic: map("dq"), static: map("sq") };
}
