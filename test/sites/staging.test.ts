/**
 * The files that a job lists are all that it needs: copied elsewhere as they lie to each other, with the originals gone, they give
 * the result of the originals. The copying stands for a transfer between file systems.
 */
import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import h5wasm, { type Dataset } from "h5wasm/node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { submitSpecs } from "../../src/cli/submit-specs.js";
import type { CorrOptions } from "../../src/core/analysis.js";
import type { CorrJob } from "../../src/core/job.js";
import { jobFiles } from "../../src/core/job-files.js";
import { realClock } from "../../src/core/real-clock.js";
import type { DemoSample } from "../../src/demo/sample.js";
import { writeMetadata, writeQmap } from "../../src/demo/sample-files.js";
import { planOf } from "../../src/sites/apps.js";
import { correlateRecorded } from "../../src/sites/correlate.js";
import { nexusSample } from "../xpcs/nexus-sample.js";

const ROOT = mkdtempSync(join(tmpdir(), "xpcs-staging-"));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));
let sample: DemoSample;
beforeAll(async () => {
  await h5wasm.ready;
  sample = nexusSample(ROOT, false).sample;
});

interface Measurement {
  readonly inputs: readonly string[];
  readonly qmap: string;
  readonly monitor?: string;
  readonly options: CorrOptions;
}

/** Six module files of one or two photons a frame, and a map of the whole canvas. */
async function rigaku3M(folder: string): Promise<Measurement> {
  for (let module = 0; module < 6; module++) {
    const words = Buffer.alloc(8 * 40);
    for (let frame = 0; frame < 40; frame++)
      words.writeBigUInt64LE((BigInt(frame) << 40n) | (BigInt(7 * module + (frame % 3)) << 16n) | 1n, 8 * frame);
    writeFileSync(join(folder, `scan.bin.00${module}`), words);
  }
  const map = new Uint16Array(1676 * 2100).fill(1);
  const detector = { ...sample.detector, height: 1676, width: 2100 };
  const qmap = join(folder, "qmap.hdf");
  await writeQmap(qmap, { ...sample, detector, rings: sample.rings.slice(0, 1), dqmap: map, sqmap: map, staticQ: Float64Array.of(0.004) });
  return { inputs: [join(folder, "scan.bin.000")], qmap, options: { frameTimeS: 1e-3 } };
}

/** A master with links to two data files in a folder below, metadata beside it, and a monitor in a file of its own. */
async function eiger(folder: string): Promise<Measurement> {
  const { height, width } = sample.detector;
  mkdirSync(join(folder, "data"));
  const master = new h5wasm.File(join(folder, "scan_master.h5"), "w");
  const links = master.create_group("entry").create_group("data");
  for (const number of [1, 2]) {
    const name = `data/scan_data_00000${number}.h5`;
    const file = new h5wasm.File(join(folder, name), "w");
    const data = Uint16Array.from({ length: 20 * height * width }, (_, i) => ((i * number) % 11 === 0 ? 1 + (i % 3) : 0));
    const frames = { name: "data", data, shape: [20, height, width], chunks: [1, height, width] };
    file.create_group("entry").create_group("data").create_dataset(frames);
    file.close();
    links.create_external_link(name, "/entry/data/data", `data_00000${number}`);
  }
  master.close();
  const beam = new h5wasm.File(join(folder, "beam.h5"), "w");
  beam
    .create_group("entry")
    .create_dataset({ name: "monitor", data: Float64Array.from({ length: 40 }, (_, frame) => 100 + (frame % 7)), shape: [40] });
  beam.close();
  await writeMetadata(join(folder, "scan_master_metadata.hdf"), sample, "2026-01-01T00:00:00");
  const qmap = join(folder, "qmap.hdf");
  await writeQmap(qmap, sample);
  return { inputs: [join(folder, "scan_master.h5")], qmap, monitor: `${join(folder, "beam.h5")}:/entry/monitor`, options: {} };
}

function g2Of(path: string): Float32Array {
  const file = new h5wasm.File(path, "r");
  const g2 = (file.get("/xpcs/multitau/normalized_g2") as Dataset).value as Float32Array;
  file.close();
  return g2;
}

async function run(work: CorrJob, name: string, stage: (path: string) => string): Promise<Float32Array> {
  const plan = planOf(
    { job: "j1", epoch: 1, work, leaseMs: 1000 },
    { site: "here", threadsPerSlot: 1, coresPerNode: 1, launcher: null, commands: {}, roots: null },
  );
  const folder = join(ROOT, name);
  mkdirSync(folder);
  const kernel = plan.work({ paths: plan.inputs.map(({ path }) => stage(path)), folder, hosts: [] });
  if (kernel.app !== "xpcs.corr") throw new Error("not a correlation");
  await correlateRecorded({
    request: kernel.request,
    digest: true,
    clock: realClock,
    onProgress: () => {},
    signal: new AbortController().signal,
  });
  return g2Of(plan.results(folder)[0]!);
}

const FILES = {
  "a Rigaku 3M": ["scan.bin.000", "scan.bin.001", "scan.bin.002", "scan.bin.003", "scan.bin.004", "scan.bin.005", "qmap.hdf"],
  "an Eiger master": ["scan_master.h5", "scan_data_000001.h5", "scan_data_000002.h5", "qmap.hdf", "scan_master_metadata.hdf", "beam.h5"],
};

it.each([
  ["a Rigaku 3M", rigaku3M],
  ["an Eiger master", eiger],
] as const)("of %s", async (name, make) => {
  const folder = mkdtempSync(join(ROOT, "measured-"));
  const { qmap, ...measurement } = await make(folder);
  const specs = submitSpecs([{ ...measurement, qmaps: [qmap], overwrite: false, shared: { tags: {}, attemptsMax: 1 }, repeatable: false }]);
  const work = specs[0]!.work as CorrJob;
  expect(jobFiles(work).map(({ path }) => basename(path))).toEqual(FILES[name]);
  const original = await run(work, `${basename(folder)}-original`, (path) => path);
  const elsewhere = mkdtempSync(join(ROOT, "elsewhere-"));
  const copies = jobFiles(work).map(({ path }) => {
    const copy = join(elsewhere, path);
    mkdirSync(dirname(copy), { recursive: true });
    copyFileSync(path, copy);
    return [path, copy] as const;
  });
  renameSync(folder, `${folder}-gone`);
  const staged = new Map(copies);
  expect(await run(work, `${basename(folder)}-staged`, (path) => staged.get(path)!)).toEqual(original);
  expect(original.some((value) => value > 0)).toBe(true);
});

it("a missing part is named at submission", async () => {
  const folder = mkdtempSync(join(ROOT, "missing-"));
  const { qmap, ...measurement } = await eiger(folder);
  rmSync(join(folder, "data", "scan_data_000002.h5"));
  const submit = () =>
    submitSpecs([{ ...measurement, qmaps: [qmap], overwrite: false, shared: { tags: {}, attemptsMax: 1 }, repeatable: false }]);
  expect(submit).toThrow(/scan_data_000002\.h5/);
});

it("a monitor that does not exist is named at submission", async () => {
  const folder = mkdtempSync(join(ROOT, "monitor-"));
  const { qmap, ...measurement } = await eiger(folder);
  const words = { ...measurement, qmaps: [qmap], overwrite: false, shared: { tags: {}, attemptsMax: 1 }, repeatable: false };
  expect(() => submitSpecs([{ ...words, monitor: join(folder, "none.txt") }])).toThrow(/the monitor .*none\.txt does not exist/);
  expect(() => submitSpecs([{ ...words, monitor: `${join(folder, "beam.h5")}:/entry/none` }])).toThrow(/\/entry\/none/);
});
