/**
 * Bad input: each case must end with exit code 2, one line that says what is wrong, where, and with which file, and leave
 * nothing beside the inputs.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import type { CorrFiles, CorrOptions } from "../../src/core/analysis.js";
import { ERROR_CODES, type ErrorCode, type XpcsError } from "../../src/core/errors.js";
import { writeQmap } from "../../src/demo/sample-files.js";
import { correlateFile } from "../../src/xpcs/native.js";
import { nexusSample } from "./nexus-sample.js";
import { stageCase } from "./reference-case.js";

const ROOT = mkdtempSync(join(tmpdir(), "xpcs-bad-input-"));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));

let folder: string;
let count = 0;
let input: string;
let qmap: string;

beforeEach(async () => {
  folder = join(ROOT, String(count++));
  mkdirSync(folder);
  const made = nexusSample(folder, false);
  input = made.input;
  qmap = join(folder, "qmap.hdf");
  await writeQmap(qmap, made.sample);
});

/** Runs the correlation, which must fail without changing the folder; answers with the error. */
async function failure(files: CorrFiles, options: CorrOptions = {}): Promise<XpcsError> {
  const before = readdirSync(folder).sort();
  const out = join(folder, "out.hdf");
  let caught: unknown;
  try {
    await correlateFile({ files, options: { frameTimeS: 0.001, ...options }, out, overwrite: false, provenance: {} });
  } catch (error) {
    caught = error;
  }
  expect(caught, "it must fail").toBeDefined();
  expect(readdirSync(folder).sort(), "nothing is left behind").toEqual(before);
  const error = caught as XpcsError;
  expect(ERROR_CODES[error.code].exitCode, error.message).toBe(2);
  expect(error.message, "one line").not.toContain("\n");
  return error;
}

function expectError(error: XpcsError, code: ErrorCode, ...parts: readonly (string | RegExp)[]): void {
  expect(error.code, error.message).toBe(code);
  for (const part of parts) expect(error.message).toMatch(part);
}

/** Byte offset of each frame of a sparse IMM file. */
function frameOffsets(bytes: Buffer): number[] {
  const offsets: number[] = [];
  for (let at = 0; at < bytes.length; at += 1024 + 6 * bytes.readUInt32LE(at + 152)) offsets.push(at);
  return offsets;
}

describe("a missing file", () => {
  it("is named: the input", async () => {
    expectError(await failure({ input: join(folder, "none.imm"), qmap }), "NOT_FOUND", "none.imm");
  });
  it("is named: the q-map", async () => {
    expectError(await failure({ input, qmap: join(folder, "none.hdf") }), "NOT_FOUND", "none.hdf");
  });
  it("is named: the job file", async () => {
    expectError(await failure({ job: join(folder, "none.hdf") }), "NOT_FOUND", "none.hdf");
  });
  it("is named: the input that a job file names", async () => {
    const staged = stageCase("mt-short");
    try {
      rmSync(staged.input);
      expectError(await failure({ job: staged.job }), "NOT_FOUND", "input.imm");
    } finally {
      staged.remove();
    }
  });
});

describe("a truncated file", () => {
  it.each([1, 500, 1023])("IMM, %i bytes into the header of frame 101: the message has the frame or byte", async (extra) => {
    const at = frameOffsets(readFileSync(input))[100]!;
    truncateSync(input, at + extra);
    expectError(await failure({ input, qmap }), "CORRUPT_DATA", new RegExp(`frame 10[01]\\b|byte ${at}`));
  });

  it("IMM, inside the events of a frame", async () => {
    const at = frameOffsets(readFileSync(input))[100]!;
    truncateSync(input, at + 1024 + 7);
    expectError(await failure({ input, qmap }), "CORRUPT_DATA", new RegExp(`frame 10[01]\\b|byte ${at}`));
  });

  it("IMM, dense, inside a frame", async () => {
    const dense = nexusSample(folder, true).input;
    truncateSync(dense, 50 * (1024 + 2 * 32 * 40) + 1500);
    expectError(await failure({ input: dense, qmap }), "CORRUPT_DATA", /frame 5[01]\b|byte \d+/);
  });

  it("IMM, shorter than one header", async () => {
    truncateSync(input, 100);
    const error = await failure({ input, qmap });
    expect(["CORRUPT_DATA", "UNSUPPORTED"]).toContain(error.code);
    expect(error.message).toMatch("small.imm");
  });

  it("an empty file", async () => {
    truncateSync(input, 0);
    const error = await failure({ input, qmap });
    expect(["CORRUPT_DATA", "UNSUPPORTED"]).toContain(error.code);
    expect(error.message).toMatch("small.imm");
  });

  it("Rigaku, inside a word", async () => {
    const staged = stageCase("mt-rigaku");
    try {
      const bytes = readFileSync(staged.input);
      truncateSync(staged.input, bytes.length - 3);
      expectError(await failure({ job: staged.job }, { format: "rigaku" }), "CORRUPT_DATA", /byte \d+/);
    } finally {
      staged.remove();
    }
  });

  it.each([0.3, 0.7, 0.99])("HDF5, cut at %f of its length", async (part) => {
    const staged = stageCase("mt-hdf5-u16");
    try {
      truncateSync(staged.input, Math.floor(readFileSync(staged.input).length * part));
      const error = await failure({ job: staged.job });
      expect(["CORRUPT_DATA", "UNSUPPORTED"]).toContain(error.code);
      expect(error.message).toMatch("input.h5");
    } finally {
      staged.remove();
    }
  });

  it("a q-map, cut in half", async () => {
    truncateSync(qmap, Math.floor(readFileSync(qmap).length / 2));
    const error = await failure({ input, qmap });
    expect(["CORRUPT_DATA", "UNSUPPORTED"]).toContain(error.code);
    expect(error.message).toMatch("qmap.hdf");
  });
});

describe("another format", () => {
  it("text", async () => {
    writeFileSync(input, "frame,pixel,count\n".repeat(1000));
    const error = await failure({ input, qmap });
    expect(["CORRUPT_DATA", "UNSUPPORTED"]).toContain(error.code);
    expect(error.message).toMatch("small.imm");
  });

  it("a q-map that is not HDF5", async () => {
    writeFileSync(qmap, "not a map");
    const error = await failure({ input, qmap });
    expect(["CORRUPT_DATA", "UNSUPPORTED"]).toContain(error.code);
    expect(error.message).toMatch("qmap.hdf");
  });

  it("an HDF5 file that is no q-map", async () => {
    const staged = stageCase("mt-hdf5-u16");
    try {
      const error = await failure({ input, qmap: staged.input });
      expect(error.message).toMatch("input.h5");
      expect(error.message).toMatch(/qmap/);
    } finally {
      staged.remove();
    }
  });

  it("HDF5 said to be IMM", async () => {
    const staged = stageCase("mt-hdf5-u16");
    try {
      const error = await failure({ job: staged.job }, { format: "imm" });
      expect(["CORRUPT_DATA", "UNSUPPORTED"]).toContain(error.code);
      expect(error.message).toMatch(/IMM frame 1 at byte 0/);
    } finally {
      staged.remove();
    }
  });
});

describe("a q-map that does not fit", () => {
  it("of another shape", async () => {
    const { input: dense, sample } = nexusSample(folder, true);
    const bins = (n: number): Uint16Array => Uint16Array.from({ length: 1600 }, (_, p) => 1 + Math.floor((n * p) / 1600));
    await writeQmap(qmap, { ...sample, detector: { ...sample.detector, height: 40, width: 40 }, dqmap: bins(2), sqmap: bins(4) });
    expectError(await failure({ input: dense, qmap }), "INVALID_ARGUMENT", /40/, /32|1280/);
  });

  it("without a valid pixel: no pixel has both labels", async () => {
    const { sample } = nexusSample(folder, false);
    const turn = (map: Uint16Array): Uint16Array => map.map((_, p) => map[(p + 640) % map.length]!);
    const half = (map: Uint16Array, first: boolean): Uint16Array => map.map((label, p) => (p < 640 === first ? label : 0));
    await writeQmap(qmap, { ...sample, dqmap: half(sample.dqmap, true), sqmap: half(turn(sample.sqmap), false) });
    expectError(await failure({ input, qmap }), "INVALID_ARGUMENT", /no valid pixel/);
  });

  it("with a static bin in two dynamic bins: the bin is named", async () => {
    const { sample } = nexusSample(folder, false);
    await writeQmap(qmap, { ...sample, sqmap: sample.sqmap.map((label) => (label === 3 ? 2 : label)) });
    expectError(await failure({ input, qmap }), "INVALID_ARGUMENT", /static bin 2\b/);
  });
});

describe("a frame range", () => {
  it.each([
    ["that ends before it begins", { begin: 20, end: 10 }],
    ["beyond the file", { begin: 201, end: 300 }],
    ["that ends beyond the file", { begin: 1, end: 201 }],
    ["too short for one block", { begin: 1, end: 5, stride: 2, average: 3 }],
  ] satisfies [string, CorrOptions][])("%s", async (_what, range) => {
    expectError(await failure({ input, qmap }, range), "INVALID_ARGUMENT", /frame/);
  });
});

describe("a pixel index outside the detector", () => {
  it("IMM: the message has the frame and the pixel", async () => {
    const bytes = readFileSync(input);
    bytes.writeInt32LE(32 * 40, frameOffsets(bytes)[41]! + 1024);
    writeFileSync(input, bytes);
    expectError(await failure({ input, qmap }), "CORRUPT_DATA", /1280/, /frame 4[12]\b|byte \d+/);
  });

  it("IMM: a negative one", async () => {
    const bytes = readFileSync(input);
    bytes.writeInt32LE(-5, frameOffsets(bytes)[41]! + 1024);
    writeFileSync(input, bytes);
    expectError(await failure({ input, qmap }), "CORRUPT_DATA", /frame 4[12]\b|byte \d+/);
  });
});

describe("a result that is there already", () => {
  it("stays as it is without overwrite", async () => {
    const out = join(folder, "out.hdf");
    writeFileSync(out, "mine");
    expectError(await failure({ input, qmap }), "ALREADY_EXISTS", "out.hdf", "--overwrite");
    expect(readFileSync(out, "utf8")).toBe("mine");
  });
});

describe("the inputs of a failed and of a good run", () => {
  it("are not written to", async () => {
    const before = [readFileSync(input), readFileSync(qmap)];
    await failure({ input, qmap }, { begin: 20, end: 10 });
    await correlateFile({
      files: { input, qmap },
      options: { frameTimeS: 1 },
      out: join(folder, "out.hdf"),
      overwrite: false,
      provenance: {},
    });
    expect([readFileSync(input), readFileSync(qmap)]).toEqual(before);
  });
});
