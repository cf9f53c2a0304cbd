/** The number of frames in a raw file, against what the file's own bytes say. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { CorrRequest, Format } from "../../src/core/analysis.js";
import { countFrames } from "../../src/xpcs/native.js";
import { readNumbers, type StagedCase, stageCase } from "./reference-case.js";

function requestOf(files: StagedCase, format: Format): CorrRequest {
  const options = { layout: "exchange", format } as const;
  return { files: { job: files.job, input: files.input }, options, out: join(files.folder, "out.hdf"), overwrite: false, provenance: {} };
}

/** Frame headers, one after the other. */
function immCount(bytes: Buffer): number {
  const valueBytes = bytes.readInt32LE(4) === 0 ? 2 : 6;
  let frames = 0;
  for (let at = 0; at < bytes.length; at += 1024 + valueBytes * bytes.readUInt32LE(at + 152)) frames++;
  return frames;
}

/** The largest 1-based frame number of the words. */
function rigakuCount(bytes: Buffer): number {
  let last = 0;
  for (let at = 0; at < bytes.length; at += 8) last = Math.max(last, Number(bytes.readBigUInt64LE(at) >> 40n));
  return last;
}

describe("countFrames", () => {
  it.each<[string, Format, (files: StagedCase) => number | Promise<number>]>([
    ["mt-sparse-imm", "imm", ({ input }) => immCount(readFileSync(input))],
    ["mt-dense-imm", "imm", ({ input }) => immCount(readFileSync(input))],
    ["mt-rigaku", "rigaku", ({ input }) => rigakuCount(readFileSync(input))],
    ["mt-hdf5-u16", "hdf5", async ({ input }) => (await readNumbers(input, "/entry/data/data"))!.shape[0]!],
  ])("of %s is that of the file, whatever range the job asks for", async (name, format, expected) => {
    const files = stageCase(name);
    try {
      const frames = await countFrames(requestOf(files, format), new AbortController().signal);
      expect(frames).toBeGreaterThan(10);
      expect(frames).toBe(await expected(files));
    } finally {
      files.remove();
    }
  });

  it("ends when it is canceled", async () => {
    const files = stageCase("mt-rigaku");
    try {
      await expect(countFrames(requestOf(files, "rigaku"), AbortSignal.abort())).rejects.toMatchObject({ code: "CANCELED" });
    } finally {
      files.remove();
    }
  });
});
