/** Runs on virtual time against times that can be worked out by hand, and laws that any run must obey. */

import { describe, expect, it } from "vitest";
import type { JobSpec } from "../../src/core/job.js";
import { LIMITS } from "../../src/core/limits.js";
import { figuresOf } from "../../src/replay/figures.js";
import type { SiteModel } from "../../src/replay/shift.js";
import { parseSynthetic, syntheticShift } from "../../src/replay/synthetic.js";
import { runShift } from "../../src/replay/world.js";
import { POLICIES } from "../../src/router/registry.js";
import { shiftOf, site, spec } from "./shifts.js";

const [soonest, roundRobin] = [POLICIES.soonest!, POLICIES["round-robin"]!];
const ANY = { policy: soonest, dispatchMs: 0 };

describe("a job", () => {
  it("is brought, runs, and its result is sent back, in the times of its site's model", () => {
    const link = { bytesPerMs: 1_000, transfersMax: 1, jobsPerTransfer: 1, lookMs: 0 };
    const model = site("s", { link }, { setUpMs: 500, rateBytesPerMs: 400, outMs: 250, resultBytes: 7 });
    const { tally } = runShift(
      shiftOf([model], [0], () => spec({ inputBytes: 4_000_000 })),
      ANY,
    );
    // 4 MB at 0.4 MB/s are 10 s.
    expect([...tally.answersMs.values]).toEqual([500 + 10_000 + 10_000 + 250]);
    expect(tally.sites.get("s")).toMatchObject({ jobs: 1, busyMs: 10_000, bytesIn: 4_000_000, bytesOut: 7 });
  });

  it("has its files brought while another runs, where the site takes jobs ahead", () => {
    const link = { bytesPerMs: 1_000, transfersMax: 1, jobsPerTransfer: 1, lookMs: 0 };
    const answers = (prefetch: number) => {
      const model = site("s", { link, prefetch }, { rateBytesPerMs: 1_000 });
      return [
        ...runShift(
          shiftOf([model], [0, 0], () => spec({ inputBytes: 8_000_000 })),
          ANY,
        ).tally.answersMs.values,
      ];
    };
    expect(answers(0)).toEqual([18_000, 36_000]);
    expect(answers(1)).toEqual([18_000, 28_000]);
  });
});

describe("transfers", () => {
  const link = { bytesPerMs: 1_000, transfersMax: 2, jobsPerTransfer: 1, lookMs: 0 };
  const ends = (more: object, rates: readonly number[], bytes = 1_000_000) => {
    const model = site(
      "s",
      {
        slots: 8,
        link: { ...link, ...more },
        times: (job) => ({ setUpMs: 0, rateBytesPerMs: rates[job]!, runMs: 0, outMs: 0, resultBytes: 0 }),
      },
      {},
    );
    const specs = rates.map(() => spec({ inputBytes: bytes }));
    const shift = { ...shiftOf([model], []), arrivals: () => [{ atMs: 0, specs }][Symbol.iterator]() };
    return [...runShift(shift, ANY).tally.answersMs.values].map(Math.round);
  };

  it("share a link evenly", () => {
    expect(ends({}, [1_000, 1_000])).toEqual([2_000, 2_000]);
  });

  it("leave to others what they cannot use", () => {
    // The first takes 200 of 1000 bytes/ms; the other has the rest.
    expect(ends({}, [200, 1_000])).toEqual([1_250, 5_000]);
  });

  it("wait for one another beyond the most at a time", () => {
    expect(ends({ transfersMax: 1 }, [1_000, 1_000, 1_000])).toEqual([1_000, 2_000, 3_000]);
  });

  it("stand still while the link is stalled", () => {
    // The first is over at 1 s; of the second half a second is left when the link stalls.
    const stalls = [{ fromMs: 1_500, untilMs: 4_000 }];
    expect(ends({ transfersMax: 1, stalls }, [1_000, 1_000])).toEqual([1_000, 4_500]);
  });

  it("are as their link says where it does, whatever the jobs say", () => {
    const ofTransfer = (atMs: number, nth: number) => ({ setUpMs: 100 * nth, rateBytesPerMs: atMs < 1 ? 1_000 : 500 });
    // The second begins 0.1 s later; the third, at half of the pace, with what the first leaves at 1.9 s.
    expect(ends({ ofTransfer }, [1, 1, 1])).toEqual([1_900, 2_100, 3_900]);
  });

  it("take the files of several jobs along, which are all there when the last byte is", () => {
    expect(ends({ transfersMax: 1, jobsPerTransfer: 2 }, [1_000, 1_000, 1_000])).toEqual([2_000, 2_000, 3_000]);
  });
});

describe("a site that falls silent", () => {
  const twice = [
    { fromMs: 0, untilMs: 5_000, leaves: false },
    { fromMs: 60_000, untilMs: Number.POSITIVE_INFINITY, leaves: false },
  ];

  it("loses its work, which others do when its leases have run out", () => {
    const shift = shiftOf([site("a", { presence: twice }), site("b", { presence: [{ ...twice[1]!, fromMs: 6_000 }] })], [0]);
    const { tally } = runShift(shift, ANY);
    expect(tally).toMatchObject({ submitted: 1, finished: 1, lost: 1 });
    expect([...tally.answersMs.values]).toEqual([5_000 + LIMITS.leaseMs + 10_000]);
    expect(tally.sites.get("a")).toMatchObject({ jobs: 0, lostMs: 5_000 });
  });

  it("does it itself when it is back and nobody else is there", () => {
    const { tally } = runShift(shiftOf([site("a", { presence: twice })], [0]), ANY);
    expect([...tally.answersMs.values]).toEqual([70_000]);
  });

  it("gives its work back when it says goodbye", () => {
    const leaving = [{ fromMs: 0, untilMs: 5_000, leaves: true }];
    const { tally } = runShift(
      shiftOf([site("a", { presence: leaving }), site("b", { presence: [{ ...twice[1]!, fromMs: 1_000 }] })], [0]),
      ANY,
    );
    expect(tally).toMatchObject({ finished: 1, lost: 0 });
    expect([...tally.answersMs.values]).toEqual([15_000]);
  });
});

describe("a job that waits at a site", () => {
  const link = { bytesPerMs: 1_000, transfersMax: 4, jobsPerTransfer: 1, lookMs: 0 };
  const with2 = (more: Partial<SiteModel>) => [site("a", { prefetch: 4, ...more }), site("b", { presence: LATE, ...more })];
  const LATE = [{ fromMs: 1_000, untilMs: Number.POSITIVE_INFINITY, leaves: false }];
  const answers = (sites: readonly SiteModel[], of: (at: number) => JobSpec) => {
    const { tally, world } = runShift(shiftOf(sites, [0, 0, 0], of), ANY);
    const moves = [...world.state.jobs.values()].map(({ moves = 0 }) => moves);
    return { finished: tally.finished, moves, atB: tally.sites.get("b")!.jobs, bytesIn: tally.sites.get("a")!.bytesIn };
  };

  it("is recalled for the free slot of one that comes, and runs there", () => {
    const one = answers(with2({}), () => spec());
    expect(one).toMatchObject({ finished: 3, atB: 1 });
    expect(one.moves.reduce((sum, count) => sum + count, 0)).toBe(1);
  });

  it("stays where it is pinned", () => {
    expect(answers(with2({}), () => spec({ site: "a" }))).toMatchObject({ finished: 3, atB: 0, moves: [0, 0, 0] });
  });

  it("leaves no transfer behind when it goes", () => {
    // Files of 20 s each: those of the job that goes are given up, and the site has those of the others alone.
    const one = answers(with2({ link }), () => spec({ inputBytes: 20_000 }));
    expect(one.finished).toBe(3);
    expect(one.bytesIn).toBe((3 - one.atB) * 20_000);
  });
});

describe("a site that turns slower", () => {
  it("takes longer over what is left of a run too", () => {
    const model = site("s", { slower: [{ fromMs: 4_000, factor: 3 }] });
    expect([...runShift(shiftOf([model], [0]), ANY).tally.answersMs.values]).toEqual([4_000 + 3 * 6_000]);
  });

  it("is as fast as before when that is over", () => {
    const slower = [
      { fromMs: 4_000, factor: 3 },
      { fromMs: 7_000, factor: 1 },
    ];
    expect([...runShift(shiftOf([site("s", { slower })], [0]), ANY).tally.answersMs.values]).toEqual([4_000 + 3_000 + 5_000]);
  });
});

describe("deadlines", () => {
  it("are missed by jobs that nobody begins in time, and by those that are answered too late", () => {
    const due = (ms: number) => ({ deadline: new Date(Date.UTC(2026, 0, 1) + ms).toISOString() });
    const specs = [spec(due(5_000)), spec(due(8_000)), spec(due(60_000))];
    const { tally } = runShift(
      shiftOf([site("s")], [0, 0, 0], (at) => specs[at]!),
      ANY,
    );
    expect(tally).toMatchObject({ submitted: 3, finished: 2, failed: 1, due: 3, late: 2 });
  });
});

describe("a long queue of jobs alike", () => {
  it("hides no other job, and is not asked about to its end each time", () => {
    const asked = new Map<number, number>();
    const choose: typeof soonest.choose = (job, sites, nowMs) => {
      asked.set(nowMs, (asked.get(nowMs) ?? 0) + 1);
      return soonest.choose(job, sites, nowMs);
    };
    const sites = [site("s", {}, { runMs: 1_300 }), site("t", { apps: ["b"] }, { runMs: 1_300 })];
    const other = spec({ work: { app: "b", parameters: {}, inputs: {}, outputs: {}, overwrite: false } });
    const specs = [...Array.from({ length: 80 }, () => spec()), other];
    const shift = { ...shiftOf(sites, []), arrivals: () => [{ atMs: 0, specs }][Symbol.iterator]() };
    const { tally } = runShift(shift, { policy: { ...soonest, choose }, dispatchMs: 0 });
    expect(tally.finished).toBe(81);
    expect(tally.answersMs.values.slice(0, 2)).toEqual(Float64Array.of(1_300, 1_300));
    // Two that begin, and those that wait in a row; central may look twice at one moment.
    expect(Math.max(...asked.values())).toBeLessThan(80);
  });
});

describe("any run", () => {
  const shift = syntheticShift(parseSynthetic("jobs=400,sites=5,seed=3,load=0.9"));
  const runs = [soonest, roundRobin].map((policy) => figuresOf(policy.name, runShift(shift, { policy }).tally, shift.sites));

  it.each(runs)("of $policy keeps all its jobs", ({ jobs, finished, failed, left, sites }) => {
    expect(jobs).toBe(400);
    expect(finished + failed).toBe(400);
    expect(left).toBe(0);
    expect(sites.reduce((sum, { jobs: own }) => sum + own, 0)).toBe(finished);
  });

  it.each(runs)("of $policy obeys Little's law", ({ underWay, underWayByLittle, failed }) => {
    expect(failed).toBe(0);
    expect(underWayByLittle / underWay).toBeCloseTo(1, 2);
  });

  it.each(runs)("of $policy uses no more slots than there are", ({ sites }) => {
    for (const { utilisation } of sites) expect(utilisation).toBeLessThanOrEqual(1);
  });

  it("is the same again", () => {
    expect(figuresOf("soonest", runShift(shift, { policy: soonest }).tally, shift.sites)).toEqual(runs[0]);
  });

  it("is another with another seed", () => {
    const other = syntheticShift(parseSynthetic("jobs=400,sites=5,seed=4,load=0.9"));
    expect(figuresOf("soonest", runShift(other, { policy: soonest }).tally, other.sites)).not.toEqual(runs[0]);
  });

  it("brings every job's bytes once where nothing is lost", () => {
    const lossless = { ...shift, sites: shift.sites.filter((_, at) => at % 5 !== 4) };
    const { tally } = runShift(lossless, { policy: soonest });
    let bytes = 0;
    const given = lossless.arrivals();
    for (let next = given.next(); next.done !== true; next = given.next())
      for (const { inputBytes = 0 } of next.value.specs) bytes += inputBytes;
    expect(figuresOf("soonest", tally, lossless.sites).bytesIn).toBe(bytes);
  });

  it("ends though some jobs find no site", () => {
    const { tally } = runShift(
      shiftOf([site("s")], [0, 0], (at) => spec(at === 0 ? { site: "nowhere" } : {})),
      ANY,
    );
    expect(figuresOf("soonest", tally, [site("s")])).toMatchObject({ finished: 1, left: 1 });
  });
});
