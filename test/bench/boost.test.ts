/** What is made of the numbers beside boost_corr and on more threads. Runs neither. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type BoostRow, type OurTimes, type PeerTimes, sameResult } from "../../bench/boost/boost.js";
import { boostTable } from "../../bench/boost/boost-table.js";
import { BOOST_CASES } from "../../bench/boost/cases.js";
import { ourWords } from "../../bench/boost/peer.js";
import { type ScalingRow, scalingTable, threadCounts } from "../../bench/scaling.js";
import { h5py, NO_H5PY, PYTHON } from "../sites/h5py-writer.js";

const exactly = (value: number) => ({ median: value, min: value, max: value });
const GPU = { commit: "abc", python: "3", torch: "2", gpu: "a GPU", gpuMemoryGB: 80, driver: "1" };

function times(threads: number, seconds: number): OurTimes {
  const one = { readS: 0, correlateS: 0, writeS: 0, cpuS: 0, maxRssBytes: 0, kernelPath: "avx2" };
  return { threads, wallS: exactly(seconds), insideS: exactly(seconds / 2), ...one };
}

const THEIRS: PeerTimes = { wallS: exactly(12), cpuS: 1, maxRssBytes: 1, callS: exactly(3), seriesS: exactly(1), gpuBytes: 2e9 };

function row(part: Partial<BoostRow>): BoostRow {
  const facts = { name: "a", title: "A", type: "multitau", frames: 1, pixels: 1, events: 1, bytes: 1 } as const;
  const same = { largest: 1e-5, median: 1e-6, framesApart: 0 };
  return { ...facts, one: times(1, 4), all: times(16, 1), theirs: THEIRS, failed: null, difference: same, ...part };
}

describe("two results", () => {
  it.each([
    [{ largest: 1e-4, median: 1e-5, framesApart: 0 }, true],
    [{ largest: 1e-4, median: 1e-5, framesApart: null }, true],
    [{ largest: 1e-4, median: 1e-5, framesApart: 1 }, false],
    [{ largest: 0.005, median: 1e-5, framesApart: 0 }, false],
    [{ largest: null, median: null, framesApart: 0 }, false],
    [null, false],
  ])("%j are the same: %s", (difference, same) => {
    expect(sameResult(difference)).toBe(same);
  });
});

/** Writes two results: all g2 and means 1, but for what `change` sets in the second. */
const results = (ours: string, theirs: string, change: string): string => `
for path, change in ((${JSON.stringify(ours)}, ""), (${JSON.stringify(theirs)}, ${JSON.stringify(change)})):
    g2, mean = np.ones((4, 3), "f4"), np.ones((2, 8), "f4")
    exec(change)
    with h5py.File(path, "w") as file:
        file["/xpcs/multitau/normalized_g2"] = g2
        file["/xpcs/spatial_mean/intensity_vs_time"] = mean
`;

describe.skipIf(NO_H5PY !== null)("peer.py", () => {
  it.each([
    ["g2[1, 2] = 0.5", { largest: 1, framesApart: 0 }],
    ["mean[1, 3] = 1.01; mean[1, 5] = 0", { largest: 0, framesApart: 2 }],
    ["mean[0] = 7", { largest: 0, framesApart: 0 }],
    ["g2[0, 0] = np.nan", { largest: null, framesApart: 0 }],
  ])("finds %s", (change, found) => {
    const folder = mkdtempSync(join(tmpdir(), "xpcs-boost-"));
    try {
      const [ours, theirs] = [join(folder, "ours.hdf"), join(folder, "theirs.hdf")];
      h5py(results(ours, theirs, change));
      const done = spawnSync(PYTHON ?? "", ["bench/boost/peer.py", "difference", "multitau", ours, theirs], { encoding: "utf8" });
      expect(JSON.parse(done.stdout)).toMatchObject(found);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("the table beside boost_corr", () => {
  const line = (part: Partial<BoostRow>): string => boostTable([row(part)], GPU, 16).split("\n")[4] ?? "";

  it("has both ratios, of whole processes and inside", () => {
    expect(line({})).toContain("3.0 / 12 ");
    expect(line({})).toContain("1.5 / 6.0 ");
  });

  it("says where the results differ, and in how many frames", () => {
    const apart = { largest: 1e-4, median: 1e-5, framesApart: 7 };
    expect(line({ difference: apart })).toContain("3.0 / 12 (results differ)");
    expect(line({ difference: apart })).toContain("1.0e-4; 7 frames differ");
  });

  it("has no ratio for a program that failed", () => {
    const text = line({ theirs: null, difference: null, failed: "out of memory" });
    expect(text).toContain("failed: out of memory");
    expect(text).not.toContain(" / 12");
  });
});

describe("the cases beside boost_corr", () => {
  const files = { raw: "raw", qmap: "qmap", metadata: "metadata" };

  it("have names of their own", () => {
    expect(new Set(BOOST_CASES.map(({ name }) => name)).size).toBe(BOOST_CASES.length);
  });

  it("ask for the frames as they are, and for q bins in two-time", () => {
    for (const which of BOOST_CASES) {
      const words = ourWords(which, files).join(" ");
      expect(words).toContain("--compat boost-corr --normalize none");
      expect(words.includes("--q-bins")).toBe(which.type === "twotime");
      expect(words.includes("--first-frame 1")).toBe(which.input.format === "rigaku");
    }
  });
});

describe("threads", () => {
  it.each([
    [1, [1]],
    [2, [1, 2]],
    [6, [1, 2, 4, 6]],
    [16, [1, 2, 4, 8, 16]],
  ])("up to %d", (most, counts) => {
    expect(threadCounts(most)).toEqual(counts);
  });

  it("have the factor over one of reading and correlating", () => {
    const point = (threads: number, seconds: number) => ({ threads, wallS: exactly(seconds + 0.2), workS: exactly(seconds), cpuS: 1 });
    const scaling: ScalingRow = { name: "a", title: "A", frames: 100, events: 1e6, bytes: 1, points: [point(1, 2), point(2, 1.25)] };
    const text = scalingTable([scaling], [1, 2]).split("\n")[2] ?? "";
    expect(text).toContain("1.45: 1.250 (1.6 x)");
    expect(text).toContain("80.0");
  });
});
