/** Small measurements as files that grow, and what the batch correlator makes of the whole ones. */
import { createHash } from "node:crypto";
import { appendFileSync, closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import type { CorrRequest, Format } from "../../src/core/analysis.js";
import { correlateFile } from "../../src/xpcs/native.js";
import { contents } from "../xpcs/file-contents.js";

/** What a result holds, each dataset by its digest, but for what differs by design. */
export async function bitsOf(result: string): Promise<Record<string, string>> {
  const digest = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 16);
  return Object.fromEntries(Object.entries(await contents(result, DIFFERENT)).map(([name, text]) => [name, digest(text)]));
}

/** What differs between a stream and a batch by design: the record of the run, the source's name, and rows of a series of unknown length. */
const DIFFERENT = /^\/provenance\/|scattering_1d_segments|\/entry\/start_time|rawdata_path/;

export function requestOf(source: string, qmap: string, out: string): CorrRequest {
  return { files: { input: source, qmap }, options: { frameTimeS: 1e-3 }, out, overwrite: false, provenance: {} };
}

/** The result of the whole file. */
export async function batchOf(request: CorrRequest, format: Format): Promise<Record<string, string>> {
  await correlateFile({ ...request, options: { ...request.options, streaming: true, format } });
  return bitsOf(request.out);
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Appends the rest of `bytes` in pieces that end at `cuts`. */
export async function growTo(path: string, bytes: Uint8Array, cuts: readonly number[]): Promise<void> {
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    appendFileSync(path, bytes.subarray(from, to));
    from = to;
    await pause(130);
  }
}

/** Fills a file whose space is reserved ahead: `bytes` in pieces that end at `cuts`, in `reserved` bytes of zeros. */
export async function fillTo(path: string, bytes: Uint8Array, cuts: readonly number[], reserved: number): Promise<void> {
  const file = openSync(path, "w");
  ftruncateSync(file, reserved);
  let from = 0;
  for (const to of cuts) {
    await pause(130);
    writeSync(file, bytes, from, to - from, from);
    from = to;
  }
  closeSync(file);
}
