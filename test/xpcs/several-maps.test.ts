/** Several q-maps in one pass over the data: each result is that of a run of its own, and all appear or none does. */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { submitSpecs } from "../../src/cli/submit-specs.js";
import type { CorrOptions } from "../../src/core/analysis.js";
import { writeQmap } from "../../src/demo/sample-files.js";
import { resultsOf } from "../../src/xpcs/corr-files.js";
import { correlateFile, correlateMaps } from "../../src/xpcs/native.js";
import { startXpcs } from "../cli/xpcs-process.js";
import { contents } from "./file-contents.js";
import { bothKinds } from "./nexus-sample.js";

const ROOT = mkdtempSync(join(tmpdir(), "xpcs-maps-"));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));

/** What tells of the run itself. */
const RUN = /^\/provenance\/(written_at|qmap_path)$/;

const { sample, inputs } = bothKinds(ROOT);
const fine = join(ROOT, "fine.hdf");
const coarse = join(ROOT, "coarse.hdf");
const other = join(ROOT, "other-detector.hdf");
const provenance = {};

beforeAll(async () => {
  await writeQmap(fine, sample);
  // Half of the detector, one ring, one static bin.
  const half = sample.dqmap.map((bin, pixel) => (bin > 0 && pixel % 40 < 20 ? 1 : 0));
  await writeQmap(coarse, { ...sample, rings: sample.rings.slice(0, 1), dqmap: half, sqmap: half, staticQ: Float64Array.of(0.004) });
  await writeQmap(other, { ...sample, detector: { ...sample.detector, height: 40, width: 32 } });
});

const CASES: { name: string; kind: "dense" | "sparse"; options: CorrOptions; paths: readonly string[] }[] = [
  {
    name: "multi-tau, sparse",
    kind: "sparse",
    options: { g2out: true },
    paths: ["/xpcs/multitau/normalized_g2", "/xpcs/multitau/unnormalized_G2"],
  },
  { name: "multi-tau, whole frames", kind: "dense", options: { dpl: 8 }, paths: ["/xpcs/multitau/normalized_g2"] },
  {
    name: "partial g2",
    kind: "sparse",
    options: { partials: 2, averaging: "weighted" },
    paths: ["/xpcs/multitau/normalized_g2_partial"],
  },
  {
    name: "both, averaged, a part",
    kind: "sparse",
    options: { type: "both", average: 2, begin: 7 },
    paths: ["/xpcs/multitau/normalized_g2", "/xpcs/twotime/normalized_g2"],
  },
  {
    name: "both, whole frames",
    kind: "dense",
    options: { type: "both", smoothing: "symmetric" },
    paths: ["/xpcs/twotime/correlation_map/c2_00001"],
  },
  {
    name: "two-time, one thread",
    kind: "sparse",
    options: { type: "twotime", threads: 1, qBins: [1] },
    paths: ["/xpcs/twotime/normalized_g2"],
  },
  {
    name: "exchange layout",
    kind: "sparse",
    options: { type: "both", layout: "exchange", stride: 2 },
    paths: ["/exchange/norm-0-g2", "/exchange/g2full"],
  },
  {
    name: "bad frames, frame sums",
    kind: "sparse",
    options: { badFrames: "3,10-12", normalize: "framesum" },
    paths: ["/xpcs/multitau/normalized_g2"],
  },
];

describe("one pass for two q-maps", () => {
  it.each(CASES)("gives what two runs give: $name", async ({ name, kind, options, paths }) => {
    const folder = join(ROOT, name.replace(/[, ]+/g, "-"));
    mkdirSync(folder);
    const request = (qmap: string, out: string) => ({
      files: { input: inputs[kind], qmap },
      options: { frameTimeS: 0.001, ...options },
      out: join(folder, out),
      overwrite: false,
      provenance,
    });
    const summaries = await correlateMaps(request(fine, "a.hdf"), [{ qmap: coarse, out: join(folder, "b.hdf"), provenance }]);
    const alone = [await correlateFile(request(fine, "a1.hdf")), await correlateFile(request(coarse, "b1.hdf"))];
    for (const [at, summary] of summaries.entries()) {
      const { out, timings, outBytes, ...facts } = summary;
      expect(alone[at]).toMatchObject(facts);
      const got = await contents(out, RUN);
      expect(Object.keys(got)).toEqual(expect.arrayContaining([...paths]));
      expect(got).toEqual(await contents(alone[at]!.out, RUN));
    }
    expect(await contents(summaries[0]!.out, RUN)).not.toEqual(await contents(summaries[1]!.out, RUN));
    expect(readdirSync(folder).sort()).toEqual(["a.hdf", "a1.hdf", "b.hdf", "b1.hdf"]);
  });
});

describe("a bad q-map among several", () => {
  const broken = join(ROOT, "broken.hdf");
  const corr = (...words: readonly string[]) => startXpcs(["corr", inputs.sparse, "--frame-time", "1e-3", ...words], {}).result;

  it.each([
    ["of another detector", () => other, /other-detector\.hdf is 40 x 32, .*fine\.hdf is 32 x 40/],
    ["that is no HDF5 file", () => broken, /broken\.hdf/],
    ["that is not there", () => join(ROOT, "none.hdf"), /none\.hdf/],
    ["that was given already", () => fine, /have one name/],
  ])("ends the run before it reads: one %s", async (_, bad, message) => {
    writeFileSync(broken, "not HDF5");
    const folder = mkdtempSync(join(ROOT, "bad-"));
    const { code, stderr } = await corr("--qmap", fine, "--qmap", bad(), "--out", join(folder, "r_results.hdf"));
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("never loses a q-map to the result of another", async () => {
    const folder = mkdtempSync(join(ROOT, "over-"));
    const target = join(folder, "r_fine.hdf");
    copyFileSync(coarse, target);
    const { code, stderr } = await corr("--qmap", fine, "--qmap", target, "--overwrite", "--out", join(folder, "r.hdf"));
    expect([code, stderr]).toEqual([2, expect.stringContaining("is one of the q-maps")]);
    expect(readFileSync(target)).toEqual(readFileSync(coarse));
  });

  it("leaves the first result unpublished when the second is taken", async () => {
    const folder = mkdtempSync(join(ROOT, "taken-"));
    writeFileSync(join(folder, "r_coarse_results.hdf"), "mine");
    const { code, stderr } = await corr("--qmap", fine, "--qmap", coarse, "--out", join(folder, "r_results.hdf"));
    expect([code, stderr]).toEqual([2, expect.stringContaining("r_coarse_results.hdf exists")]);
    expect(readdirSync(folder)).toEqual(["r_coarse_results.hdf"]);
  });
});

describe("xpcs corr with several q-maps", () => {
  it("names each result after its q-map and prints one summary each", async () => {
    const folder = mkdtempSync(join(ROOT, "cli-"));
    const config = join(folder, "settings.json");
    writeFileSync(config, JSON.stringify({ qmap: [fine, coarse], "frame-time": 1e-3 }));
    const run = startXpcs(["corr", inputs.sparse, "--config", config, "--out", join(folder, "r_results.hdf"), "--json"], {});
    const { code, stdout } = await run.result;
    expect(code).toBe(0);
    const summaries = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(summaries.map(({ out }) => out)).toEqual([join(folder, "r_fine_results.hdf"), join(folder, "r_coarse_results.hdf")]);
    expect(summaries.map(({ dynamicBins }) => dynamicBins)).toEqual([2, 1]);
    for (const { out } of summaries) expect(existsSync(out)).toBe(true);
    const digests = (await Promise.all(summaries.map(({ out }) => contents(out, RUN)))).map((found) => found["/provenance/qmap_sha256"]);
    expect(new Set(digests).size).toBe(2);
  });

  it("puts the name before _results, or before the ending", () => {
    expect(resultsOf("/r/a_results.hdf", ["/q/x.hdf", "/q/y.h5"])).toEqual(["/r/a_x_results.hdf", "/r/a_y_results.hdf"]);
    expect(resultsOf("/r/a.hdf", ["/q/x.hdf", "/q/y.v2.hdf"])).toEqual(["/r/a_x.hdf", "/r/a_y.v2.hdf"]);
    expect(resultsOf("/r/a.hdf", ["/q/x.hdf"])).toEqual(["/r/a.hdf"]);
  });
});

it("xpcs submit makes a job for each q-map, with the same names", () => {
  const words = {
    inputs: [inputs.sparse],
    qmaps: [fine, coarse],
    out: ROOT,
    options: { frameTimeS: 1e-3 },
    shared: { tags: {}, attemptsMax: 1 },
  };
  const works = submitSpecs([{ ...words, overwrite: false, repeatable: false }]).map(({ work }) => work);
  const named = works.map((work) => ("options" in work ? [work.qmap?.path, work.out.path] : []));
  expect(named).toEqual([
    [fine, join(ROOT, "small_fine_results.hdf")],
    [coarse, join(ROOT, "small_coarse_results.hdf")],
  ]);
});
