/** What a job of the app xpcs.stream is refused for before it runs. */
import { describe, expect, it } from "vitest";
import { spec } from "../../src/actors/job-schemas.js";

function faults(source: string, files: object): string[] {
  const rest = { qmap: { path: "/d/q.hdf" }, out: { path: "/d/o.hdf" }, overwrite: false, options: {}, everyMs: 1_000, patienceMs: 10_000 };
  const { error } = spec.safeParse({ work: { app: "xpcs.stream", source, files, ...rest }, experiment: "2026-3/smith", tags: {} });
  return (error?.issues ?? []).filter(({ path }) => path.includes("files")).map(({ path, message }) => `${String(path.at(-1))} ${message}`);
}

describe("a job of a stream", () => {
  it("has no options of files where its source is dialed", () => {
    const all = { settleMs: 0, missingMs: 5, companion: "*.done" };
    const refused = Object.keys(all).map((name) => `${name} is for files, and the source is dialed`);
    for (const source of ["ws://h:1", "wss://h:1", "dectris://h"]) {
      expect(faults(source, all)).toEqual(refused);
      expect(faults(source, {})).toEqual([]);
    }
    expect(faults("/data/scan/", all)).toEqual([]);
  });

  it("has a companion that is not every file", () => {
    expect(faults("/data/scan/", { companion: "*" })).toEqual(["companion must be a file's name with one * and something besides"]);
  });
});
