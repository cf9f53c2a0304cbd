/** A site's budget of node-hours: what counts, what it allows, and that it outlives the site. */
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { type NodeHourBudget, type NodeUse, openNodeHours, withinBudget } from "../../src/sites/node-hours.js";
import { seeded } from "../ledger/world.js";

const HOUR = 3_600_000;
const at = (iso: string): number => Date.parse(`${iso}Z`);
const NOW = at("2026-11-26T12:00");
const none: NodeHourBudget = { day: null, month: null, all: null };
const use = (start: string, hours: number, nodes = 1): NodeUse => {
  const startedMs = at(start);
  return { tag: `t${start}`, nodes, startedMs, endedMs: startedMs + hours * HOUR };
};
const allowed = (
  budget: Partial<NodeHourBudget>,
  ended: NodeUse[] = [],
  running: string[] = [],
  nodes = 1,
  walltimeS = 3_600,
  nowMs = NOW,
) => withinBudget({ ...none, ...budget }, { ended, runningSinceMs: running.map(at), nodes, walltimeS }, nowMs);

describe("a budget", () => {
  it("that is not there bounds nothing", () => {
    expect(allowed({}, [use("2026-11-26T00:00", 1_000)])).toBeNull();
  });

  it.each<[string, number, Parameters<typeof allowed>]>([
    ["allows what is left of a day", 3, [{ day: 5 }, [use("2026-11-26T01:00", 2)]]],
    ["counts nodes", 1, [{ day: 10 }, [use("2026-11-26T01:00", 2, 2)], [], 4]],
    ["counts only the part of a job that is in the day", 4, [{ day: 5 }, [use("2026-11-25T20:00", 5)]]],
    ["does not count the day before", 5, [{ day: 5 }, [use("2026-11-25T10:00", 13)]]],
    ["counts the day before in the month", 2, [{ month: 15 }, [use("2026-11-25T10:00", 13)]]],
    ["does not count the month before in the month", 15, [{ month: 15 }, [use("2026-10-31T10:00", 13)]]],
    ["counts everything in all", 2, [{ all: 15 }, [use("2020-10-31T10:00", 13)]]],
    ["holds what a running one may take yet", 1, [{ day: 4 }, [], ["2026-11-26T11:30"], 1, 2 * 3_600]],
    ["holds of that only what is in the day", 1, [{ day: 40 }, [], ["2026-11-26T11:30"], 1, 24 * 3_600, at("2026-11-26T22:30")]],
    ["thinks of the next day", 0, [{ day: 11 }, [], ["2026-11-26T23:30"], 1, 12 * 3_600, at("2026-11-26T23:45")]],
    ["counts a pilot of a week as one of a day", 1, [{ day: 30 }, [], [], 1, 7 * 24 * 3_600]],
    ["goes on holding one that is over its walltime", 2, [{ day: 5 }, [], ["2026-11-26T09:00"], 1, 3_600]],
    ["takes the narrowest", 1, [{ day: 9, month: 1, all: 100 }]],
    ["allows none when it is used up", 0, [{ day: 5 }, [use("2026-11-26T01:00", 5)]]],
    ["allows none when it is more than used up", 0, [{ day: 5 }, [use("2026-11-26T01:00", 50, 3)]]],
    ["allows none that would take more than is left", 0, [{ day: 5 }, [use("2026-11-26T01:00", 4.5)]]],
    ["of nothing allows nothing", 0, [{ all: 0 }]],
    ["allows what just fits", 10, [{ all: 1 }, [], [], 1, 360]],
  ])("%s", (_what, queuedMax, words) => {
    expect(allowed(...words)).toMatchObject({ queuedMax });
  });

  it("says which bound it is, and when there is more", () => {
    expect(allowed({ day: 5, all: 1_000 }, [use("2026-11-26T01:00", 4.5)], ["2026-11-26T11:45"])!.why).toBe(
      "the budget of 5 node-hours a day allows 0 in the queue (4.5 taken, 1 held by 1 that run, one may take 1); the next day begins at 2026-11-27 00:00 UTC",
    );
    expect(allowed({ month: 0 })!.why).toContain("the next month begins at 2026-12-01 00:00 UTC");
    expect(allowed({ all: 0 })!.why).not.toContain("begins");
  });

  it("is never exceeded, whatever pilots do, when no more are submitted than it allows", () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const rng = seeded(seed);
      const budget = { day: 5 + rng() * 30, month: 20 + rng() * 100, all: 60 + rng() * 200 };
      const days = ["27", "28", "29", "30"].map((day) => at(`2026-11-${day}T00:00`));
      const nodes = 1 + Math.floor(rng() * 3);
      const walltimeS = 1_800 + Math.floor(rng() * 20_000);
      const ended: NodeUse[] = [];
      const running: number[] = [];
      let queued = 0;
      let nowMs = at("2026-11-28T00:00");
      for (let step = 0; step < 300; step += 1) {
        nowMs += rng() * 1_800_000;
        // Some end early, all at their walltime.
        for (const [place, startedMs] of [...running.entries()].reverse()) {
          const limitMs = startedMs + walltimeS * 1_000;
          if (nowMs < limitMs && rng() > 0.1) continue;
          ended.push({ tag: `${ended.length}`, nodes, startedMs, endedMs: Math.min(nowMs, limitMs) });
          running.splice(place, 1);
        }
        const answer = withinBudget(budget, { ended, runningSinceMs: running, nodes, walltimeS }, nowMs)!;
        queued = answer.queuedMax < queued ? answer.queuedMax : Math.min(answer.queuedMax, queued + 2);
        while (queued > 0 && rng() < 0.5) {
          running.push(nowMs);
          queued -= 1;
        }
      }
      for (const startedMs of running) ended.push({ tag: `${ended.length}`, nodes, startedMs, endedMs: startedMs + walltimeS * 1_000 });
      const sum = (fromMs: number, toMs: number) =>
        ended.reduce(
          (all, job) => all + (job.nodes * Math.max(0, Math.min(job.endedMs, toMs) - Math.max(job.startedMs, fromMs))) / HOUR,
          0,
        );
      const context = `seed ${seed}`;
      expect(sum(0, Number.MAX_VALUE), context).toBeLessThanOrEqual(budget.all + 1e-6);
      expect(sum(at("2026-11-01T00:00"), at("2026-12-01T00:00")), context).toBeLessThanOrEqual(budget.month + 1e-6);
      for (const day of days) expect(sum(day, day + 24 * HOUR), context).toBeLessThanOrEqual(budget.day + 1e-6);
    }
  });
});

describe("what was taken", () => {
  const root = mkdtempSync(join(tmpdir(), "xpcs-hours-"));
  afterAll(() => rmSync(root, { recursive: true }));
  let path: string;
  beforeEach(() => {
    path = join(mkdtempSync(join(root, "h-")), "farm.hours");
  });

  it("is there after a restart, each batch job once", async () => {
    const first = await openNodeHours(path);
    expect(first.ended()).toEqual([]);
    await first.add(use("2026-11-26T01:00", 2));
    await first.add(use("2026-11-26T02:00", 3));
    await first.add(use("2026-11-26T01:00", 2));
    const second = await openNodeHours(path);
    await second.add(use("2026-11-26T01:00", 2));
    expect(second.ended()).toEqual(first.ended());
    expect(second.ended().length).toBe(2);
    expect(readFileSync(path, "utf8").split("\n").length).toBe(3);
  });

  it("is whole again after a crash in the middle of a line", async () => {
    const first = await openNodeHours(path);
    await first.add(use("2026-11-26T01:00", 2));
    await first.add(use("2026-11-26T02:00", 3));
    for (let bytes = readFileSync(path).length - 1; readFileSync(path, "utf8").split("\n").length > 1 && bytes > 0; bytes -= 7) {
      truncateSync(path, bytes);
      const next = await openNodeHours(path);
      const left = next.ended().length;
      expect(left).toBeLessThanOrEqual(2);
      await next.add({ ...use("2026-11-26T05:00", 1), tag: `after${bytes}` });
      expect((await openNodeHours(path)).ended().length).toBe(left + 1);
      truncateSync(path, bytes);
    }
    appendFileSync(path, "no line of ours\n");
    await expect(openNodeHours(path)).resolves.toBeDefined();
  });

  it("keeps the site from starting when it cannot be read, and its job from being forgotten when it cannot be written", async () => {
    mkdirSync(path);
    await expect(openNodeHours(path)).rejects.toMatchObject({ code: "IO_FAILED" });
    rmSync(path, { recursive: true });
    const taken = await openNodeHours(path);
    mkdirSync(path);
    await expect(taken.add(use("2026-11-26T01:00", 2))).rejects.toMatchObject({ code: "IO_FAILED" });
    expect(taken.ended()).toEqual([]);
    rmSync(path, { recursive: true });
    await taken.add(use("2026-11-26T01:00", 2));
    expect((await openNodeHours(path)).ended().length).toBe(1);
  });
});
