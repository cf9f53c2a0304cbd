/** Fetches a published file of a job and opens it in the browser, so that central opens no HDF5 for a page. The library comes with the first result. */
import { imageIn, type ResultImage } from "../xpcs/result-image.js";
import { type ResultFile, resultIn } from "../xpcs/result-layouts.js";
import { ask } from "./api.js";

export interface Matrix {
  readonly side: number;
  /** [side, side] */
  readonly values: Float32Array | Float64Array;
}

export interface OpenResult {
  readonly result: ResultFile;
  /** The file itself, for whoever keeps it. */
  readonly bytes: Uint8Array;
  /** C2(t1, t2) of a dataset. @throws it is no square matrix */
  matrix(dataset: string): Matrix;
  /** The static image with its partitions; null: the file has none. */
  image(): ResultImage | null;
  /** Nothing is read any more; the memory is free. */
  close(): void;
}

interface Dataset {
  readonly shape: readonly number[] | null;
  readonly value: unknown;
}

let opened = 0;

/** @throws ApiError · XpcsError what the file is not */
export async function openResult(job: string, place: number, signal: AbortSignal): Promise<OpenResult> {
  const [{ default: h5wasm }, answer] = await Promise.all([
    import("h5wasm"),
    ask(`/v1/jobs/${encodeURIComponent(job)}/files/${place}`, { signal }),
  ]);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const { FS } = await h5wasm.ready;
  opened += 1;
  const name = `/result-${opened}.hdf`;
  FS.writeFile(name, bytes);
  const file = new h5wasm.File(name, "r");
  // An open file keeps its content; the name need not.
  FS.unlink(name);
  const numbers = (dataset: string): Dataset | null => file.get(dataset) as Dataset | null;
  return {
    result: resultIn(`file ${place} of job ${job}`, file),
    bytes,
    matrix(dataset) {
      const { shape, value } = numbers(dataset) ?? { shape: null, value: null };
      const [side, columns] = shape ?? [];
      if (side === undefined || side !== columns) throw new Error(`${dataset} is no square matrix`);
      return { side, values: value as Float32Array | Float64Array };
    },
    image: () => imageIn(`file ${place} of job ${job}`, file),
    close: () => void file.close(),
  };
}
