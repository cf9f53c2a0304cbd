/** Opens a result file, with another HDF5 library than the one that wrote it. What is in it: result-layouts.ts. */
import { existsSync } from "node:fs";
import h5wasm from "h5wasm/node";
import { XpcsError } from "../core/errors.js";
import { type ResultFile, resultIn } from "./result-layouts.js";

/**
 * Reads a result of a multi-tau or a two-time analysis, or of both.
 * @throws NOT_FOUND · CORRUPT_DATA no HDF5 file · UNSUPPORTED no result of either layout in it
 */
export async function readResultFile(path: string): Promise<ResultFile> {
  if (!existsSync(path)) throw new XpcsError("NOT_FOUND", `the result ${path} does not exist`);
  await h5wasm.ready;
  const file = new h5wasm.File(path, "r");
  if (file.file_id < 0n) throw new XpcsError("CORRUPT_DATA", `${path} does not open as HDF5: it is another format, or truncated`);
  try {
    return resultIn(path, file);
  } finally {
    file.close();
  }
}
