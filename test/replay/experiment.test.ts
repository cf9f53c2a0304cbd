/** The parts of the experiment on virtual time: published agents, the bound, intervals, and how transfers are foretold. Small runs; the experiment itself is `npm run experiment`. */
import { beforeAll, describe, expect, it } from "vitest";
import { answeredAt, bestPlan, everything } from "../../bench/experiment/clairvoyant.js";
import { FACILITIES, facilitySites, jobOf, MEASURED, setUpS, TRANSFERS, XPCS } from "../../bench/experiment/facilities.js";
import { gapClosed, meanInterval, student975 } from "../../bench/experiment/intervals.js";
import { RATE_SHARE } from "../../bench/experiment/published.js";
import { batchesOf, runOnce, type Setting } from "../../bench/experiment/published-run.js";
import { PHASES, PUBLISHED, runSurge, type SurgeRun, submitsMs } from "../../bench/experiment/surge.js";
import { surgeText, surgeVerdicts } from "../../bench/experiment/surge-table.js";
import { type LinkLine, lineOf, lineWith } from "../../src/core/link-line.js";
import { runShift } from "../../src/replay/world.js";
import { POLICIES } from "../../src/router/registry.js";

const RATES = { theta: 1, cori: 1, summit: 1 };
const SMALL: Setting = { source: "aps", workload: "xpcs", jobs: 96, periodMs: 20_000, rateShare: RATES };
/** The mix at 0.5, as compared. */
const LONG: Setting = { source: "aps", workload: "mix", jobs: 400, periodMs: 20_521.27, rateShare: RATE_SHARE };

describe("the model of a facility", () => {
  it.each(FACILITIES)("has the published median of stage-in at %s, where one job comes after the other", (name) => {
    const stages: number[] = [];
    for (let seed = 1; seed <= 40; seed += 1) {
      const sites = facilitySites({ source: "aps", seed, prefetch: 0, rateShare: RATES }).filter((site) => site.name === name);
      const arrivals = () => [0, 1, 2, 3].map((at) => ({ atMs: 1_000_000 * at + 700 * seed, specs: [jobOf(XPCS)] }))[Symbol.iterator]();
      const shift = { name, startMs: 0, sites, arrivals };
      runShift(shift, { policy: POLICIES.soonest!, onDone: ({ stagedMs, leasedMs }) => stages.push((stagedMs - leasedMs) / 1_000) });
    }
    const median = stages.sort((a, b) => a - b)[stages.length >> 1]!;
    expect(median / MEASURED[name].xpcs.aps.in).toBeGreaterThan(0.85);
    expect(median / MEASURED[name].xpcs.aps.in).toBeLessThan(1.15);
    expect(setUpS(name, "aps")).toBeGreaterThan(0);
  });
});

describe("the published agents", () => {
  it("take the sites in turn, a batch at a time", () => {
    const { sites, left } = runOnce("rr-agent", SMALL, 1);
    expect([left, sites.theta.jobs, sites.cori.jobs, sites.summit.jobs]).toEqual([0, 32, 32, 32]);
  });

  it("take the site with the fewest that wait, the first of equals", () => {
    const { sites } = runOnce("sb-agent", { ...SMALL, jobs: 48, periodMs: 1_000 }, 1);
    // Nothing begins within 3 s.
    expect([sites.theta.jobs, sites.cori.jobs, sites.summit.jobs]).toEqual([16, 16, 16]);
  });
});

describe("the bound", () => {
  it.each([
    ["a few batches", SMALL, 3],
    ["one that comes as another job ends, just before a look at the transfers", LONG, 18],
  ])("foretells to the ms what its run does: %s", (_, setting, seed) => {
    const batches = batchesOf(setting);
    const sites = facilitySites({ source: "aps", seed, prefetch: 4_000, rateShare: setting.rateShare });
    const known = everything(sites, batches);
    const plan = bestPlan(known, "last", seed, 1_200);
    const foretold = sites.flatMap((_site, site) => {
      const jobs = [...plan.keys()].filter((job) => plan[job] === site);
      return [...answeredAt(known, site, jobs)].map((ms, at) => [jobs[at]!, Math.round(ms)]);
    });
    const seen: number[][] = [];
    runOnce("clairvoyant-last", setting, seed, ({ job, answeredMs }) => seen.push([job, Math.round(answeredMs)]));
    const sorted = (pairs: number[][]) => pairs.sort((a, b) => a[0]! - b[0]!);
    expect(sorted(seen)).toEqual(sorted(foretold));
    expect(TRANSFERS.transfersMax).toBe(3);
  });

  it("is never worse than the policies and agents", () => {
    for (let seed = 1; seed <= 2; seed += 1) {
      const [median, p95, last] = (["median", "p95", "last"] as const).map((aim) => runOnce(`clairvoyant-${aim}`, SMALL, seed));
      for (const name of ["rr-agent", "sb-agent", "soonest", "round-robin", "highest-throughput"]) {
        const run = runOnce(name, SMALL, seed);
        expect(median!.medianS, name).toBeLessThanOrEqual(run.medianS);
        expect(p95!.p95S, name).toBeLessThanOrEqual(run.p95S);
        expect(last!.jobsPerMin, name).toBeGreaterThanOrEqual(run.jobsPerMin);
      }
    }
  });
});

describe("the run of faults and a surge", () => {
  let run: SurgeRun;
  beforeAll(() => {
    run = runSurge(1, true);
  });

  it("submits as many jobs as were published, at the rates that were reached", () => {
    const times = submitsMs();
    expect(Math.abs(times.length / PUBLISHED.jobs - 1)).toBeLessThan(0.01);
    const [, surge] = PHASES;
    const perS = times.filter((at) => at >= surge.fromMs && at < surge.untilMs).length / ((surge.untilMs - surge.fromMs) / 1_000);
    expect(Math.abs(perS / PUBLISHED.surgePerS - 1)).toBeLessThan(0.05);
  });

  it("answers every job, though launchers are killed under it", () => {
    expect(run).toMatchObject({ jobs: submitsMs().length, left: 0, kills: 8 });
    expect(run.lost).toBeGreaterThan(8);
    // A kill is known when its leases run out.
    expect(run.againS.median).toBeGreaterThanOrEqual(9);
    expect(run.phases.reduce((sum, { answered }) => sum + answered, 0)).toBe(run.jobs);
    for (const { nodes } of run.phases) expect(nodes).toBeLessThanOrEqual(PUBLISHED.nodes);
  });

  it("takes longer than one without the stall of the link", () => {
    expect(runSurge(1, false).lastRunMin).toBeLessThan(run.lastRunMin - 5);
  });

  it("says what is short", () => {
    const short = (more: object) => surgeVerdicts({ free: [run], stalled: [{ ...run, ...more }] }).map(({ reached }) => reached);
    expect(short({})).toEqual([true, true]);
    expect(short({ left: 1 })).toEqual([false, true]);
    expect(short({ lastRunMin: 77 })).toEqual([true, false]);
    expect(surgeText({ free: [run], stalled: [run] })).toContain(`about ${PUBLISHED.lastRunMin}`);
  });
});

describe("intervals", () => {
  it("have Student's quantiles", () => {
    // Tables: 2.5706, 2.2281, 2.0452.
    expect([5, 10, 29].map((dof) => student975(dof))).toEqual([
      expect.closeTo(2.5706, 2),
      expect.closeTo(2.2281, 3),
      expect.closeTo(2.0452, 3),
    ]);
  });

  it("are of the mean", () => {
    const { mean, half } = meanInterval([1, 2, 3, 4, 5, 6]);
    expect(mean).toBe(3.5);
    expect(half).toBeCloseTo(2.571 * Math.sqrt(3.5 / 6), 2);
  });

  it("tell how much of a gap is closed", () => {
    expect(gapClosed([10, 12], [7, 9], [6, 6]).mean).toBeCloseTo(3 / 5);
    expect(gapClosed([10, 10, 10], [10, 10, 10], [5, 5, 5])).toEqual({ mean: 0, half: 0 });
  });
});

describe("the line of a link", () => {
  const lineAfter = (pairs: readonly (readonly [number, number])[]): LinkLine | undefined =>
    pairs.reduce((line: LinkLine | undefined, [bytes, ms]) => lineWith(line, bytes, ms), undefined);

  it("is found where times go with the bytes that share it", () => {
    const pairs = Array.from({ length: 400 }, (_, at) => [(1 + (at % 10)) * 1e9, 20_000 + (1 + (at % 10)) * 8_000] as const);
    const line = lineOf(lineAfter(pairs))!;
    expect(line.msPerByte * 1e9).toBeGreaterThan(7_000);
    expect(line.msPerByte * 1e9).toBeLessThan(10_500);
    expect(line.fixedMs + line.msPerByte * 5.5e9).toBeCloseTo(64_000, -3);
  });

  it("goes through the mean, and has no part below 0", () => {
    const line = lineOf(
      lineAfter([
        [1e9, 9_000],
        [2e9, 7_000],
        [3e9, 5_000],
        [4e9, 3_000],
        [5e9, 1_000],
      ]),
    )!;
    expect(line.msPerByte).toBeGreaterThanOrEqual(0);
    expect(line.fixedMs).toBeGreaterThanOrEqual(0);
  });

  it("is none before something was seen", () => {
    expect(lineOf(undefined)).toBeNull();
    expect(lineOf(lineAfter([[1e9, 9_000]]))).toBeNull();
  });
});
