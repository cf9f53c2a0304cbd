/** What two runs of one job are compared by: the same whenever, wherever and with however many threads it ran; another when one number differs. */
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import h5wasm, { type Dataset } from "h5wasm/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CorrOptions } from "../../src/core/analysis.js";
import { writeQmap } from "../../src/demo/sample-files.js";
import { contentDigest } from "../../src/sites/content-digest.js";
import { correlateFile, readResultContent } from "../../src/xpcs/native.js";
import { contents } from "./file-contents.js";
import { nexusSample } from "./nexus-sample.js";

let folder: string;
let files: { input: string; qmap: string };
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-content-"));
  const { sample, input } = nexusSample(folder);
  files = { input, qmap: join(folder, "qmap.hdf") };
  await writeQmap(files.qmap, sample);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let runs = 0;
async function run(options: CorrOptions, from = files): Promise<string> {
  runs += 1;
  const out = join(folder, `r${runs}.hdf`);
  await correlateFile({
    files: from,
    options: { frameTimeS: 1e-3, ...options },
    out,
    overwrite: false,
    provenance: { job_id: `j${runs}`, epoch: "1" },
  });
  return out;
}
const sha256 = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");

describe("equal content", () => {
  it.each([
    ["multi-tau", {}],
    ["two-time too", { type: "both" }],
    ["the exchange layout", { layout: "exchange" }],
    ["compressed per-pixel output", { g2out: true }],
  ] as [string, CorrOptions][])("of %s: another attempt, another copy of the files at another time, other threads", async (_, options) => {
    const first = await run({ ...options, threads: 1 });
    mkdirSync(join(folder, `elsewhere${runs}`));
    const copy = { input: join(folder, `elsewhere${runs}`, "a.bin"), qmap: join(folder, `elsewhere${runs}`, "q.hdf") };
    copyFileSync(files.input, copy.input);
    copyFileSync(files.qmap, copy.qmap);
    utimesSync(copy.input, 1e9, 1e9);
    const second = await run({ ...options, threads: 3 }, copy);
    expect(sha256(second)).not.toBe(sha256(first));
    expect(contentDigest(second)).toBe(contentDigest(first));
  });
});

it("is what another reader finds: every number that is not provenance, each once", async () => {
  const path = await run({ type: "both" });
  const heads: string[] = [];
  let bytes = 0;
  readResultContent(path, (piece) => {
    const text = Buffer.from(piece).toString("latin1");
    if (/^\/[\w./-]+ (float|int|unsigned) [0-9 ]+\n$/.test(text)) heads.push(text.split(" ")[0]!);
    else bytes += piece.length;
  });
  await h5wasm.ready;
  const file = new h5wasm.File(path, "r");
  const numeric: string[] = [];
  let expected = 0;
  for (const name of Object.keys(await contents(path, /provenance/))) {
    const dataset = file.get(name) as Dataset;
    const { type, size } = dataset.metadata;
    if (type > 1) continue;
    numeric.push(name);
    expected += size * (dataset.shape ?? []).reduce((product, extent) => product * extent, 1);
  }
  file.close();
  expect(numeric.length).toBeGreaterThan(20);
  expect([...heads].sort()).toEqual([...numeric].sort());
  expect(bytes).toBe(expected);
});

it("differs when one bit of one number does", async () => {
  const path = await run({});
  const before = contentDigest(path);
  const bytes = readFileSync(path);
  await h5wasm.ready;
  const file = new h5wasm.File(path, "r");
  const g2 = (file.get("/xpcs/multitau/normalized_g2") as Dataset).value as Float32Array;
  file.close();
  const at = bytes.indexOf(Buffer.from(g2.buffer, g2.byteOffset, g2.byteLength));
  expect(at).toBeGreaterThan(0);
  bytes[at] = bytes[at]! ^ 1;
  writeFileSync(path, bytes);
  expect(contentDigest(path)).not.toBe(before);
  expect(contentDigest(await run({ dpl: 8 }))).not.toBe(before);
});

it("of a file that was cut is an error, or what is there, and never a crash", async () => {
  const path = await run({});
  const whole = contentDigest(path);
  const length = readFileSync(path).length;
  const cut = join(folder, "cut.hdf");
  for (let share = 0; share < 40; share += 1) {
    copyFileSync(path, cut);
    truncateSync(cut, Math.floor((length * share) / 40));
    let digest: string | null = null;
    try {
      digest = contentDigest(cut);
    } catch (error) {
      expect(error).toMatchObject({ code: "CORRUPT_DATA" });
    }
    expect(digest).not.toBe(whole);
  }
  expect(() => contentDigest(join(folder, "none.hdf"))).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
  writeFileSync(cut, "no HDF5 file");
  expect(() => contentDigest(cut)).toThrow(expect.objectContaining({ code: "CORRUPT_DATA" }));
});
