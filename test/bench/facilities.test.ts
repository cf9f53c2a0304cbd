/** What is counted of a run through the facilities: times of jobs, slots, backlog, Little's law, and the text. Runs nothing. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isOf } from "../../bench/facilities/facilities.js";
import { facilitiesText, verdicts } from "../../bench/facilities/facilities-table.js";
import { planFaults } from "../../bench/facilities/faults.js";
import { figuresOf, firstRunsS, within } from "../../bench/facilities/figures.js";
import { drawSizes, megabytes, SIZES } from "../../bench/facilities/inputs.js";
import { pilotEnds, pilotStarts } from "../../bench/facilities/pilots-seen.js";
import type { RunReport } from "../../bench/facilities/run.js";
import { eventsOf, storyOf } from "../../bench/facilities/story.js";
import type { JobSpec } from "../../src/core/job.js";
import { EVENT_VERSION, type LedgerEvent } from "../../src/ledger/events.js";
import { seeded } from "../ledger/world.js";

const spec: JobSpec = { work: { app: "xpcs.noop", durationMs: 1 }, tags: {}, attemptsMax: 3 };
const joined = (site: string, slots: number, at: number): LedgerEvent => ({
  ...{ type: "siteJoined", at, site, instance: `${site}${at}`, host: "h", slots, apps: [] },
});
const leased = (job: string, site: string, at: number, epoch = 1): LedgerEvent => ({
  ...{ type: "leased", at, job, epoch, site, instance: site, why: "" },
});
const completed = (job: string, at: number, runMs: number, summary = {}, epoch = 1): LedgerEvent => ({
  ...{ type: "completed", at, job, epoch, outputs: [], runMs, summary: { stageInS: 0.5, slotWaitS: 0.5, stageOutS: 0.25, ...summary } },
});
const lost = (job: string, at: number): LedgerEvent => ({
  ...{ type: "attemptEnded", at, job, epoch: 1, outcome: "lost", code: null, reason: "", next: "retry", notBefore: at },
});

/** Two sites of one slot, four jobs of 3 s; site b-1 is lost at its first, and comes again. */
const EVENTS: LedgerEvent[] = [
  joined("a", 1, 0),
  joined("b-1", 1, 0),
  { type: "submitted", at: 1_000, jobs: ["1", "2", "3", "4"], specs: [spec, spec, spec, spec], key: "k", digest: "d" },
  leased("1", "a", 1_000),
  leased("2", "b-1", 1_000),
  leased("3", "a", 2_000),
  completed("1", 5_500, 3_000),
  lost("2", 6_000),
  completed("3", 8_500, 3_000, { stageInS: 0.1, slotWaitS: 2.9 }),
  joined("b-1", 1, 9_000),
  leased("2", "b-1", 9_000, 2),
  leased("4", "a", 9_000),
  completed("4", 13_500, 3_000),
  completed("2", 14_000, 3_000, {}, 2),
  { type: "siteLeft", at: 14_500, site: "a" },
];

describe("a ledger", () => {
  it("is read from the text of a backup", () => {
    const lines = [{ xpcsLedger: 2, base: 0 }, ...EVENTS.map((event) => [EVENT_VERSION, event]), { events: EVENTS.length, sha256: "" }];
    expect(eventsOf(lines.map((line) => JSON.stringify(line)).join("\n"))).toEqual(EVENTS);
  });

  it("tells the times of each job by its last attempt, when slots were there, and when jobs waited", () => {
    const { finished, slots, backlog, outcomes, whole } = storyOf(EVENTS, () => true);
    expect(finished.map(({ job, site, leasedMs, delayS }) => [job, site, leasedMs, delayS])).toEqual([
      ["1", "a", 1_000, 0.5],
      ["3", "a", 2_000, 2.9],
      ["4", "a", 9_000, 0.5],
      ["2", "b-1", 9_000, 0.5],
    ]);
    expect(slots).toEqual([
      { site: "b-1", slots: 1, span: [0, 6_000] },
      { site: "a", slots: 1, span: [0, 14_500] },
      { site: "b-1", slots: 1, span: [9_000, 14_000] },
    ]);
    expect(backlog).toEqual([[1_000, 9_000]]);
    expect(outcomes).toEqual({ finished: 4, lost: 1 });
    expect(whole).toEqual([1_000, 14_000]);
  });

  it("tells of some of its jobs alone", () => {
    const { finished, backlog, whole } = storyOf(EVENTS, (job) => job === "4");
    expect([finished.map(({ job }) => job), backlog, whole]).toEqual([["4"], [[1_000, 9_000]], [1_000, 13_500]]);
  });

  it("takes a resumed attempt as one that was not lost", () => {
    const resumed: LedgerEvent = { type: "resumed", at: 7_000, job: "2", epoch: 1 };
    const events = [...EVENTS.slice(0, 8), resumed, completed("2", 8_000, 3_000)];
    const { slots, outcomes, finished } = storyOf(events, () => true);
    expect(outcomes).toEqual({ finished: 2, lost: 0 });
    expect(slots.filter(({ site }) => site === "b-1").map(({ span }) => span)).toEqual([
      [0, 6_000],
      [7_000, 8_000],
    ]);
    expect(finished.find(({ job }) => job === "2")).toMatchObject({ site: "b-1", leasedMs: 1_000 });
  });
});

describe("figures", () => {
  it("count what lies in windows", () => {
    expect(within([10, 20], [])).toBe(0);
    expect(
      within(
        [10, 20],
        [
          [0, 12],
          [15, 16],
          [18, 40],
        ],
      ),
    ).toBe(5);
  });

  it("hold Little's law", () => {
    const story = storyOf(EVENTS, () => true);
    const a = figuresOf("a", story, isOf("a"));
    expect(a).toMatchObject({ jobs: 3, queueWaitS: 1, stageInS: 0.5, delayS: 0.5, runS: 3, stageOutS: 0.25, totalS: 7.5 });
    // Three jobs of 3 s in 13 s, on a slot that was there all the time.
    expect(a.jobsPerMin).toBeCloseTo((60 * 3) / 13, 9);
    expect(a.running).toBeCloseTo(9 / 13, 9);
    expect(a.utilisation).toBeCloseTo(9 / 13, 9);
    // Runs of 2 to 5 and 5 to 8 s; jobs waited from 1 to 9 s.
    expect(a.utilisationInBacklog).toBeCloseTo(6 / 8, 9);
    const b = figuresOf("b", story, isOf("b"));
    expect(b.slots).toBeCloseTo(10 / 13, 9);
    expect(b.utilisation).toBeCloseTo(3 / 10, 9);
    // The lost attempt was no use.
    expect(b.utilisationInBacklog).toBe(0);
    const all = figuresOf("all", story, () => true);
    expect(all.running).toBeCloseTo(a.running + b.running, 9);
    expect(all.jobsPerMin).toBeCloseTo(a.jobsPerMin + b.jobsPerMin, 9);
  });

  it("of a facility without jobs are none", () => {
    const none = figuresOf(
      "c",
      storyOf(EVENTS, () => true),
      isOf("c"),
    );
    expect(none).toMatchObject({ jobs: 0, utilisation: null, utilisationInBacklog: null, running: 0 });
    expect(none.runS).toBeNaN();
  });

  it("know the pilots of a site by their names", () => {
    expect(["slurm", "slurm-1", "slurm-12", "slurm-", "slurm-x", "slurmy-1", "a-slurm-1"].filter(isOf("slurm"))).toEqual([
      "slurm",
      "slurm-1",
      "slurm-12",
    ]);
  });

  it("take the first work of a pilot that began while jobs waited", () => {
    const story = storyOf(EVENTS, () => true);
    const starts = [
      { site: "b-1", atMs: 8_700 },
      { site: "b-1", atMs: 500 },
      { site: "b-1", atMs: 9_500 },
    ];
    // The one of 0.5 s began before there were jobs, that of 9.5 s when none waited; the work of the other begins at 10 s.
    expect(firstRunsS(starts, story)).toEqual([1.3]);
  });
});

describe("files and faults", () => {
  it("have the sizes that were asked for, in an order by the seed", () => {
    const sizes = drawSizes(200, seeded(1));
    const counts = SIZES.map((size) => sizes.filter((drawn) => drawn === size).length);
    expect(counts).toEqual(SIZES.map(({ share }) => Math.round(200 * share)));
    expect(drawSizes(200, seeded(1))).toEqual(sizes);
    expect(drawSizes(200, seeded(2))).not.toEqual(sizes);
    expect(drawSizes(1, seeded(1))).toHaveLength(1);
    expect(SIZES.map(megabytes)).toEqual([4.8, 9.6, 14.4]);
  });

  it("each come once, and before the last quarter of the jobs", () => {
    for (let seed = 0; seed < 50; seed += 1) {
      const planned = planFaults(seeded(seed));
      expect(new Set(planned.map(({ act }) => act)).size).toBe(planned.length);
      const at = planned.map((fault) => fault.at);
      expect([...at].sort((a, b) => a - b)).toEqual(at);
      expect(at.at(-1)).toBeLessThan(0.75);
    }
  });
});

describe("pilots", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "xpcs-pilots-seen-"));
    mkdirSync(join(folder, "logs"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("are counted by how they ended", () => {
    const leaves = (reason: string) => `not a line\n${JSON.stringify({ event: "site-leaves", reason })}\n`;
    writeFileSync(join(folder, "logs/xpcs.slurm-1.a"), leaves("nothing to do for 5 s"));
    writeFileSync(join(folder, "logs/xpcs.slurm-2.b"), leaves("its batch job ends in 25 s"));
    writeFileSync(join(folder, "logs/xpcs.slurm-3.c"), "{broken");
    const ends = ["done", "done", "node-failed", "canceled"].map((outcome) => ({ event: "pilot-ended", outcome }));
    const log = join(folder, "site.log");
    writeFileSync(log, [...ends, { event: "pilot-withdrawn" }].map((line) => JSON.stringify(line)).join("\n"));
    expect(pilotEnds(folder, log)).toEqual({ idle: 1, walltime: 1, "node-failed": 1, withdrawn: 1 });
    expect(pilotEnds(join(folder, "none"), join(folder, "none"))).toEqual({});
  });

  it("begin when their scripts say so", () => {
    writeFileSync(join(folder, "starts"), "xpcs.slurm-1.abc 1790000000123456789\n");
    expect(pilotStarts(folder)).toEqual([{ site: "slurm-1", atMs: 1790000000123.4568 }]);
    expect(pilotStarts(join(folder, "none"))).toEqual([]);
  });
});

describe("the text", () => {
  const story = storyOf(EVENTS, () => true);
  const report: RunReport = {
    ...{ seed: 7, jobs: 4, faults: ["pilot b-1 killed"], broken: [], outcomes: story.outcomes, published: 4, wholeS: 13 },
    figures: [figuresOf("a", story, isOf("a")), figuresOf("c", story, isOf("c")), figuresOf("all", story, () => true)],
    pilotEnds: { b: { failed: 1, walltime: 2 }, c: {} },
    pilotStarts: 3,
    firstRunsS: [2.5],
    firstRunsAloneS: [0.5, 1.3, 0.7],
  };

  it("has a row for each facility, the goals, and what went wrong", () => {
    const lines = facilitiesText(report).split("\n");
    expect(lines[0]).toBe("4 jobs with seed 7 in 13 s; attempts: 4 finished, 1 lost; 4 results published");
    expect(lines.find((line) => /^\| a /.test(line))).toMatch(
      /\| +3 \| +1\.00 s \| +0\.50 s \| +0\.50 s \| +3\.00 s \| +0\.25 s \| +7\.50 s \|.* 75\.0 % \|$/,
    );
    expect(lines.find((line) => /^\| c /.test(line))).toMatch(/\| +0 \| +- \|/);
    expect(lines).toContain("3 pilots began; they ended: b: 1 failed, 2 walltime; c: none");
    expect(facilitiesText(report)).toContain("0.70 s (median of 3, 0.50 s to 1.30 s) where a pilot begins alone; 2.50 s (median of 1");
    expect(lines.slice(-2)).toEqual(["- pilot b-1 killed", "- 2 pilots left because the walltime was near"]);
  });

  it("says which goals are reached", () => {
    expect(verdicts(report).map(({ reached }) => reached)).toEqual([true, true, false]);
    expect(verdicts({ ...report, firstRunsAloneS: [1, 2], broken: ["P5: gone"] }).map(({ reached }) => reached)).toEqual([
      false,
      false,
      false,
    ]);
    expect(verdicts({ ...report, firstRunsAloneS: [] })[1]).toMatchObject({ reached: null });
    expect(facilitiesText({ ...report, broken: ["P5: gone"] })).toContain("BROKEN P5: gone");
  });
});

describe("npm run facilities", () => {
  const run = (...words: string[]) =>
    spawnSync(process.execPath, ["scripts/facilities.mjs", ...words], { encoding: "utf8", env: { PATH: "" } });

  it("shows its help, and neither sets up nor starts anything", () => {
    const { status, stdout } = run("--help");
    expect([status, stdout.split("\n")[0]]).toEqual([0, "npm run facilities -- [options]"]);
    expect(stdout).toContain("example: ");
  });

  it.each([["--jobs", "0"], ["--jobs", "1.5"], ["--seed", "x"], ["--faults", "some"], ["--what"]])("refuses %s %s", (...words) => {
    const { status, stdout, stderr } = run(...words);
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("npm run facilities -- [options]");
  });
});
