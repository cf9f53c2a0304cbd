/** What is told of a live run: where the jobs went, rates over time, the outage, and what must hold. Runs nothing but the command's usage. */
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { type Flow, type Flows, flowFaults, flowsOf, kindOf, shareOf } from "../../bench/experiment/live/flows.js";
import { liveText } from "../../bench/experiment/live/live-text.js";
import { flowsSvg } from "../../bench/experiment/live/plot.js";
import { type LiveReport, SHAPES } from "../../bench/experiment/live/run.js";
import type { JobSpec } from "../../src/core/job.js";
import type { LedgerEvent } from "../../src/ledger/events.js";

const corr = (name: string): JobSpec => ({
  work: { app: "xpcs.corr", input: { path: `/d/${name}` }, qmap: { path: "/q" }, out: { path: "/o" }, overwrite: false, options: {} },
  ...{ tags: {}, attemptsMax: 3 },
});
const proxy: JobSpec = {
  work: { app: "diagonalise", parameters: { size: 4 }, inputs: {}, outputs: { result: { path: "/r" } }, overwrite: false },
  ...{ tags: {}, attemptsMax: 3 },
};
const leased = (job: string, site: string, at: number, epoch = 1): LedgerEvent => ({
  ...{ type: "leased", at, job, epoch, site, instance: site, why: "" },
});
const completed = (job: string, at: number, epoch = 1): LedgerEvent => ({
  ...{ type: "completed", at, job, epoch, outputs: [], runMs: 1, summary: {} },
});

const S = 1_000;
/** `slurm` is away from 20 s to 50 s after the first submission, which is known from 30 s on; job 3 is lost there, and done elsewhere. */
const EVENTS: LedgerEvent[] = [
  {
    ...{ type: "submitted", at: 100 * S, key: "k", digest: "d", jobs: ["1", "2", "3", "4", "5", "6"] },
    specs: [corr("scan_0001_small.bin"), proxy, corr("scan_0003_large.bin"), corr("scan_0004_small.bin"), proxy, corr("a_medium.bin")],
  },
  leased("1", "slurm-1", 100 * S),
  leased("2", "local", 101 * S),
  completed("1", 105 * S),
  completed("2", 109 * S),
  leased("3", "slurm-2", 115 * S),
  leased("4", "slurm-1", 125 * S),
  leased("3", "local", 131 * S, 2),
  completed("3", 139 * S, 2),
  leased("5", "gridengine-1", 140 * S),
  completed("5", 141 * S),
  leased("6", "slurm-1", 153 * S),
  completed("6", 158 * S),
];
const FACILITIES = ["slurm", "gridengine", "local"];
const flowsWith = (events: readonly LedgerEvent[]): Flows => flowsOf(events, FACILITIES, "slurm", [120 * S, 150 * S], 10);

describe("flows", () => {
  const flows = flowsWith(EVENTS);
  const named = (name: string): Flow => flows.flows.find((flow) => flow.name === name)!;

  it("tell where the jobs went, by kind, phase and time", () => {
    expect(named("slurm")).toEqual({
      ...{ name: "slurm", finished: 2, perMin: 120 / 58, leases: [2, 0, 1] },
      kinds: { small: 1, medium: 1, large: 0, proxy: 0 },
      windows: [6, 0, 0, 0, 0, 6],
    });
    expect(named("local")).toMatchObject({ finished: 2, kinds: { large: 1, proxy: 1 }, leases: [1, 1, 0], windows: [6, 0, 0, 6, 0, 0] });
    expect(named("all")).toMatchObject({ finished: 5, leases: [3, 2, 1], windows: [12, 0, 0, 6, 6, 6] });
    expect(flows).toMatchObject({ wholeS: 58, outageS: [20, 50], backAfterS: 3 });
    expect(shareOf(named("slurm"), named("all"), 0)).toBeCloseTo(2 / 3);
    expect(shareOf(named("slurm"), named("all"), 1)).toBe(0);
    expect([proxy, corr("scan_0001_small.bin"), corr("x_medium.bin")].map(kindOf)).toEqual(["proxy", "small", "medium"]);
  });

  it("find what does not hold", () => {
    expect(flowFaults(flows, "slurm")).toEqual([]);
    const without = (job: string, site: string): LedgerEvent[] =>
      EVENTS.filter((event) => !(event.type === "leased" && event.job === job && event.site.startsWith(site)));
    expect(flowFaults(flowsWith(without("6", "slurm")), "slurm")).toEqual(["slurm got no job after its outage"]);
    expect(flowsWith(without("6", "slurm")).backAfterS).toBe(null);
    expect(flowFaults(flowsWith([...EVENTS, leased("4", "slurm-3", 135 * S, 2)]), "slurm")).toEqual(["slurm got 1 jobs while it was away"]);
    const quiet = EVENTS.filter(({ type, at }) => type !== "leased" || at < 120 * S || at >= 150 * S);
    expect(flowFaults(flowsWith(quiet), "slurm")).toEqual(["no job was leased while slurm was away"]);
    expect(flowFaults(flowsWith(without("1", "slurm").filter((event) => !("site" in event) || event.at > 120 * S)), "slurm")).toEqual([
      "slurm had no job before its outage",
    ]);
    expect(flowFaults(flows, "nowhere")).toEqual(["there is no facility nowhere"]);
  });

  it("are shown as tables and as a plot", async () => {
    const report: LiveReport = {
      ...{ jobs: 6, seed: 3, schedulers: true, policy: "central chooses the sites", victim: "slurm", flows, figures: [], outcomes: {} },
      ...{ shapes: SHAPES, slots: { slurm: 3, gridengine: 2, local: 1 }, broken: [] },
    };
    const text = liveText(report);
    expect(text).toContain("The link of slurm was cut after 20 s, and back after 50 s; its next job came 3.0 s later.");
    expect(text).toMatch(/\| slurm +\| +3 \| +40 MB\/s \| +5 \| +2 \| +1 \| +1 \| +0 \| +0 \| +2\.1 \| +67 % \| +0 % \| +100 % \|/);
    expect(text).toMatch(/\| +30 s \| +0 \| +0 \| +6 \| +6 \| slurm away \|/);
    expect(text).toContain("All 6 jobs ended once");
    expect(liveText({ ...report, broken: ["P5: something"] })).toContain("What does not hold:\nBROKEN P5: something");
    const svg = await flowsSvg(flows, "slurm");
    expect(svg).toMatch(/^<svg/);
    for (const word of ["gridengine", "jobs/min", "the link of slurm is cut", "#ddd"]) expect(svg).toContain(word);
  });
});

describe("npm run experiment", () => {
  const run = (...words: string[]) => spawnSync(process.execPath, ["scripts/experiment.mjs", ...words], { encoding: "utf8" });
  it.each([
    [["nothing"], 2],
    [[], 2],
    [["live", "--jobs", "5"], 2],
    [["live", "--outage", "1"], 2],
    [["live", "--policy", "mine"], 2],
    [["live", "--nonsense"], 2],
    [["live", "--help"], 0],
  ])("%j exits with %i", (words, code) => {
    expect(run(...words).status).toBe(code);
  });
});
