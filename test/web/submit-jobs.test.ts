/** What a filled-in form asks for: jobs for files, names of results, bounds. */
import { expect, it } from "vitest";
import { LIMITS } from "../../src/core/limits.js";
import { filesOf, jobsOf } from "../../src/web/submit-jobs.js";

const made = (values: Record<string, string>) =>
  jobsOf({ text: (name) => values[name] ?? "", has: (name) => name in values }, ["dpl"], "silica") as {
    work: { input: { path: string }; out: { path: string }; options: object };
    experiment: string;
  }[];

it("names each file once, a line each, in their order", () => {
  expect(filesOf("/d/b.imm\r\n\n  /d/a b.imm \n/d/b.imm")).toEqual(["/d/b.imm", "/d/a b.imm"]);
});

it("makes a job of one file, with what was filled in", () => {
  const form = { input: "/d/a.imm", qmap: "/q.hdf", out: "/r/x.hdf", type: "multitau", errors: "influence", dpl: "8", tags: "a=1, b=2" };
  expect(made({ ...form, site: "beamline", overwrite: "on" })).toEqual([
    {
      work: {
        app: "xpcs.corr",
        input: { path: "/d/a.imm" },
        qmap: { path: "/q.hdf" },
        out: { path: "/r/x.hdf" },
        overwrite: true,
        options: { type: "multitau", errors: "influence", dpl: 8 },
      },
      ...{ tags: { a: "1", b: "2" }, attemptsMax: 3, experiment: "silica", site: "beamline" },
    },
  ]);
});

it.each([
  ["/d/a.imm", "", ["/d/a_results.hdf"]],
  ["/d/a.imm", "/r/", ["/r/a_results.hdf"]],
  ["/d.1/a\n/d.1/b.bin", "", ["/d.1/a_results.hdf", "/d.1/b_results.hdf"]],
  ["/d/a.imm\n/e/b.imm", "/r", ["/r/a_results.hdf", "/r/b_results.hdf"]],
])("of %j with the result %j has the results %j", (input, out, results) => {
  expect(made({ input, out }).map(({ work }) => work.out.path)).toEqual(results);
});

it.each([
  ["/d/a.imm\n/d/a.bin", "", /two of the files have the result \/d\/a_results.hdf/],
  ["/d/a.imm\n/e/a.imm", "/r", /two of the files have the result \/r\/a_results.hdf/],
  ["/d/a.imm\n/e/b.imm", "/r/all.hdf", /is a folder/],
  [" \n", "", /no detector file/],
])("%j with the result %j is refused", (input, out, message) => {
  expect(() => made({ input, out })).toThrow(message);
});

it("takes as many files as one request may have, and no more", () => {
  const lines = (n: number) => Array.from({ length: n }, (_, at) => `/d/${at}.imm`).join("\n");
  expect(made({ input: lines(LIMITS.submitJobsMax) })).toHaveLength(LIMITS.submitJobsMax);
  expect(() => made({ input: lines(LIMITS.submitJobsMax + 1) })).toThrow("1,001 files are more than the 1,000 of one submission");
});
