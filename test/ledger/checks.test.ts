/** The rules of cross-checks: what runs again and where, and what the digests say. */
import { beforeEach, describe, expect, it } from "vitest";
import type { JobSpec } from "../../src/core/job.js";
import type { Command } from "../../src/ledger/decide.js";
import { Story } from "./story.js";
import { spec } from "./world.js";

let story: Story;

const ask = (command: Command) => story.ask(command);
const obey = (command: Command) => story.obey(command);
const corr: JobSpec["work"] = {
  ...{ app: "xpcs.corr", input: { path: "/data/a.bin" }, qmap: { path: "/data/q.hdf" } },
  ...{ out: { path: "/out/a.hdf" }, overwrite: false, options: {} },
};
const join = (site: string, apps = ["xpcs.corr"]): Command => ({
  type: "join",
  site,
  instance: "1",
  host: `${site}-node`,
  slots: 2,
  apps,
  held: [],
});
const run = (job: string, site: string, digest?: string) => {
  obey({ type: "grant", job, site, why: "" });
  const summary = digest === undefined ? {} : { contentSha256: digest };
  obey({ type: "complete", site, lease: { job, epoch: story.state.jobs.get(job)!.epoch }, outputs: [], summary, runMs: 5 });
};
const crossCheck = (check: string, job = "j"): Command => ({ type: "crossCheck", job, check, withinMs: 60_000 });

beforeEach(() => {
  story = new Story(Date.UTC(2026, 10, 26));
  for (const site of ["a", "b", "c"]) obey(join(site));
  obey({
    type: "submit",
    key: "k",
    digest: "d",
    jobs: [{ id: "j", spec: spec(1, { work: corr, experiment: "2026-3/smith", resources: { cores: 2 } }) }],
  });
});

describe("a check", () => {
  it("is a job of its own: the same work, with results of other names, at another site, after everything else, for a while", () => {
    run("j", "a", "x");
    obey(crossCheck("c1"));
    expect(story.state.jobs.get("c1")).toMatchObject({
      state: "ready",
      refusedBy: ["a"],
      spec: {
        work: { ...corr, out: { path: "/out/cross-check-a.hdf" }, overwrite: true },
        experiment: "2026-3/smith",
        resources: { cores: 2 },
        priority: -1_000,
        tags: { "cross-check": "j" },
        checkOf: { job: "j", sites: ["a"] },
        deadline: new Date(story.nowMs + 60_000).toISOString(),
      },
    });
    // Tried again it still does not go where the job ran.
    obey({ type: "cancel", ids: ["c1"] });
    obey({ type: "retry", ids: ["c1"], children: false });
    expect(story.state.jobs.get("c1")?.refusedBy).toEqual(["a"]);
  });
  it("gives the files that a command makes names of their own", () => {
    const work: JobSpec["work"] = { app: "copy", parameters: {}, inputs: {}, outputs: { o: { path: "/out/x.txt" } }, overwrite: false };
    for (const site of ["a", "b"]) obey(join(site, ["copy"]));
    obey({ type: "submit", key: "k2", digest: "d", jobs: [{ id: "m", spec: spec(1, { work }) }] });
    run("m", "a", "x");
    obey(crossCheck("c1", "m"));
    expect(story.state.jobs.get("c1")?.spec.work).toMatchObject({ outputs: { o: { path: "/out/cross-check-x.txt" } }, overwrite: true });
  });
  it("is made once at a time, and of a job whose result can be compared", () => {
    expect(ask(crossCheck("c1"))).toMatchObject({ code: "REFUSED" });
    run("j", "a", "x");
    obey(crossCheck("c1"));
    expect(obey(crossCheck("c2"))).toEqual([]);
    run("c1", "b", "x");
    expect(ask(crossCheck("c3", "c1"))).toMatchObject({ code: "REFUSED" });
    expect(ask(crossCheck("c3", "unknown"))).toMatchObject({ code: "NOT_FOUND" });
  });
  it.each([
    ["said no digest", () => run("j", "a")],
    [
      "failed",
      () => {
        obey({ type: "cancel", ids: ["j"] });
      },
    ],
  ])("is refused for a job that %s", (_, end) => {
    end();
    expect(ask(crossCheck("c1"))).toMatchObject({ code: "REFUSED" });
  });
  it("is not made where there is no other site, nor for a pinned job", () => {
    for (const site of ["b", "c"]) obey({ type: "leave", site });
    run("j", "a", "x");
    expect(obey(crossCheck("c1"))).toEqual([]);
    obey(join("b"));
    obey({ type: "submit", key: "k2", digest: "d", jobs: [{ id: "p", spec: spec(1, { work: corr, site: "a" }) }] });
    run("p", "a", "x");
    expect(obey(crossCheck("c1", "p"))).toEqual([]);
  });
});

describe("a comparison", () => {
  const checksOf = (site: string) => story.state.sites.get(site)?.checks;
  it("of two that agree is all", () => {
    run("j", "a", "x");
    obey(crossCheck("c1"));
    run("c1", "b", "x");
    expect(obey({ type: "compare", check: "c1" })).toMatchObject([
      { type: "crossChecked", job: "j", agreed: true, wrong: null, reason: "site a (a-node), site b (b-node) agree" },
    ]);
    expect(obey({ type: "compare", check: "c1" })).toEqual([]);
    expect([checksOf("a"), checksOf("b"), checksOf("c")]).toEqual([
      { agreed: 1, differed: 0, wrong: 0 },
      { agreed: 1, differed: 0, wrong: 0 },
      undefined,
    ]);
    expect(story.state.jobs.get("j")).toMatchObject({ state: "finished", crossCheck: { agreed: true } });
  });
  it.each([
    ["the one that was published", "a", ["x", "y", "y"], "site a (a-node) differs from site b (b-node) and site c (c-node), which agree"],
    ["the check", "b", ["x", "y", "x"], "site b (b-node) differs from site a (a-node) and site c (c-node), which agree"],
    ["nobody, where all differ", null, ["x", "y", "z"], "site a (a-node), site b (b-node), site c (c-node) differ, each from the others"],
  ] as const)("of three names %s", (_, wrong, [first, second, third], reason) => {
    run("j", "a", first);
    obey(crossCheck("c1"));
    run("c1", "b", second);
    expect(obey({ type: "compare", check: "c1" })).toMatchObject([
      { agreed: false, wrong: null, reason: expect.stringContaining("a third run decides") },
    ]);
    obey(crossCheck("c2"));
    expect(story.state.jobs.get("c2")?.refusedBy).toEqual(["a", "b"]);
    run("c2", "c", third);
    expect(obey({ type: "compare", check: "c2" })).toMatchObject([{ agreed: false, wrong, reason }]);
    // No fourth run.
    expect(obey(crossCheck("c3"))).toEqual([]);
    for (const site of ["a", "b", "c"]) expect(checksOf(site)?.wrong ?? 0).toBe(site === wrong ? 1 : 0);
    obey(join(wrong ?? "a", ["xpcs.corr", "more"]));
    expect(checksOf(wrong ?? "a")?.wrong).toBe(wrong === null ? 0 : 1);
  });
  it("says nothing where the check has no digest, or its job has left", () => {
    run("j", "a", "x");
    obey(crossCheck("c1"));
    run("c1", "b");
    expect(obey({ type: "compare", check: "c1" })).toEqual([]);
    obey({ type: "archive", endedBefore: story.nowMs + 1, jobsMax: 1 });
    expect(obey({ type: "compare", check: "c1" })).toEqual([]);
  });
});
