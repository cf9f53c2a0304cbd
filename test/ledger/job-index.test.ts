/** Listings through the index against plain filtering of all jobs, over random histories; and a page of a very long list. */
import { describe, expect, it } from "vitest";
import { XpcsError } from "../../src/core/errors.js";
import { experimentOf, type JobState } from "../../src/core/job.js";
import { decide } from "../../src/ledger/decide.js";
import { findJobs, type JobFilter } from "../../src/ledger/job-index.js";
import { JobSet, lastCommon } from "../../src/ledger/job-set.js";
import { reduce } from "../../src/ledger/reduce.js";
import { emptyState, type JobRecord, lastSite, type State } from "../../src/ledger/state.js";
import { randomCommand, seeded, spec } from "./world.js";

const phaseOf = ({ state }: JobRecord): JobState => (state === "leased" ? "running" : state);

/** The plain answer: every job looked at, in turn. */
function plainly(state: State, filter: JobFilter, from: number): string[] {
  const all = [...state.order].filter((id) => state.jobs.get(id)!.index < from).map((id) => state.jobs.get(id)!);
  const same = <T>(wanted: T | undefined, has: T) => wanted === undefined || wanted === has;
  return all
    .filter((job) => filter.ids?.includes(job.id) ?? true)
    .filter((job) => filter.states?.includes(phaseOf(job)) ?? true)
    .filter((job) => same(filter.experiment, experimentOf(job.spec)) && same(filter.app, job.spec.work.app as string))
    .filter((job) => same(filter.site, lastSite(job) ?? undefined) || (filter.site !== undefined && lastSite(job) === filter.site))
    .filter((job) => filter.parent === undefined || (job.spec.parents ?? []).includes(filter.parent))
    .filter((job) => Object.entries(filter.tags ?? {}).every(([key, value]) => job.spec.tags[key] === value))
    .filter((job) => job.submittedAt >= Date.parse(filter.submittedAfter ?? "1970-01-01T00:00:00Z"))
    .filter((job) => job.submittedAt < Date.parse(filter.submittedBefore ?? "9999-01-01T00:00:00Z"))
    .map(({ id }) => id)
    .reverse();
}

function randomFilter(rng: () => number, state: State): JobFilter {
  const some = <T>(items: readonly T[]): T => items[Math.floor(rng() * items.length)]!;
  const filter: Record<string, unknown> = {};
  if (rng() < 0.4) filter.states = ["ready", "running", "finished", "failed", "canceled", "awaiting-parents"].filter(() => rng() < 0.5);
  if (rng() < 0.3) filter.tags = { a: "b" };
  if (rng() < 0.3) filter.site = some(["a", "b", "z"]);
  if (rng() < 0.2) filter.experiment = some(["local/default", "x/y"]);
  if (rng() < 0.2) filter.app = some(["xpcs.noop", "xpcs.corr"]);
  if (rng() < 0.2) filter.parent = some(["j1", "j2"]);
  if (rng() < 0.2) filter.ids = [...state.order].filter(() => rng() < 0.5);
  if (rng() < 0.3) filter.submittedAfter = new Date(Math.floor(rng() * 60_000)).toISOString();
  if (rng() < 0.3) filter.submittedBefore = new Date(Math.floor(rng() * 120_000)).toISOString();
  return filter;
}

describe("a listing", () => {
  it("is what looking at every job would give, whatever happens to the jobs", () => {
    let found = 0;
    for (let seed = 1; seed <= 60; seed += 1) {
      const rng = seeded(seed);
      const state = emptyState();
      for (let step = 0, now = 1; step < 80; step += 1, now += Math.floor(rng() * 2_000) - 200) {
        const decision = decide(state, randomCommand(rng, state), now);
        if (!(decision instanceof XpcsError)) for (const event of decision) reduce(state, event);
        const filter = randomFilter(rng, state);
        const from = rng() < 0.7 ? state.order.end : Math.floor(rng() * (state.order.end + 1));
        const listed = [...findJobs(state, filter, from, phaseOf)].map(({ id }) => id);
        expect(listed, `seed ${seed} step ${step}: ${JSON.stringify(filter)}`).toEqual(plainly(state, filter, from));
        found += listed.length;
      }
    }
    expect(found).toBeGreaterThan(1_000);
  });

  it("looks at little more than what it shows, also when two large sets have little in common", () => {
    const state = emptyState();
    const count = 50_000;
    for (let index = 0; index < count; index += 1) {
      const tags = {
        parity: String(index % 2),
        block: String(Math.floor(index / 1_000)),
        third: String((index % 2) + (index % 6 === 1 ? 1 : 0)),
      };
      reduce(state, { type: "submitted", at: index, jobs: [`j${index}`], specs: [{ ...spec(), tags }], key: `k${index}`, digest: "d" });
    }
    let looked = 0;
    const counting = (job: JobRecord) => {
      looked += 1;
      return phaseOf(job);
    };
    const page = (filter: JobFilter, from = count) => {
      const ids: string[] = [];
      for (const job of findJobs(state, { states: ["ready"], ...filter }, from, counting)) {
        if (ids.push(job.id) === 100) break;
      }
      return ids;
    };
    expect(page({ tags: { block: "7" } })).toHaveLength(100);
    expect(page({ tags: { block: "7", parity: "1" } }, 7_400)[0]).toBe("j7399");
    expect(page({ submittedBefore: new Date(5_000).toISOString() })[0]).toBe("j4999");
    expect(page({ tags: { block: "absent" } })).toEqual([]);
    expect(looked).toBe(300);
    // Two halves that never meet: nothing is looked at.
    expect(page({ tags: { parity: "1", third: "0" } })).toEqual([]);
    expect(looked).toBe(300);
  });
});

describe("a set of jobs", () => {
  it("holds what a plain set holds, from a few to many and back", () => {
    const rng = seeded(3);
    const set = new JobSet();
    const plain = new Set<number>();
    for (const share of [0.9, 0.1, 0.8, 0.02]) {
      for (let step = 0; step < 4_000; step += 1) {
        const index = Math.floor(rng() * 5_000);
        if (rng() < share) {
          set.add(index);
          plain.add(index);
        } else {
          set.delete(index);
          plain.delete(index);
        }
        if (step % 50 !== 0) continue;
        const limit = Math.floor(rng() * 5_200);
        expect(set.before(limit)).toBe([...plain].filter((member) => member < limit).reduce((last, member) => Math.max(last, member), -1));
        expect(set.has(index)).toBe(plain.has(index));
      }
      expect(set.size).toBe(plain.size);
    }
    for (const index of [...plain]) set.delete(index);
    expect([set.size, set.before(10_000)]).toEqual([0, -1]);
  });
});

describe("what several sets have in common", () => {
  it("is what plain sets have, for sets of any density, with whole blocks that are empty", () => {
    const count = 12_000;
    for (let seed = 1; seed <= 12; seed += 1) {
      const rng = seeded(seed);
      const members = Array.from({ length: 1 + (seed % 3) }, () => {
        const share = [0.5, 0.05, 0.002, 1][Math.floor(rng() * 4)]!;
        const from = rng() < 0.3 ? Math.floor(rng() * count) : 0;
        return Array.from({ length: count }, (_, index) => index).filter((index) => index >= from && rng() < share);
      });
      const sets = members.map((list) => {
        const set = new JobSet();
        for (const index of list) set.add(index);
        return set;
      });
      const common = members.reduce((left, list) => {
        const here = new Set(list);
        return left.filter((index) => here.has(index));
      });
      const found: number[] = [];
      for (let at = lastCommon(sets, count + 100); at >= 0; at = lastCommon(sets, at)) found.push(at);
      expect(found, `seed ${seed}`).toEqual([...common].reverse());
      for (let look = 0; look < 50; look += 1) {
        const limit = Math.floor(rng() * count);
        expect(lastCommon(sets, limit)).toBe(common.filter((index) => index < limit).at(-1) ?? -1);
      }
    }
  });
});
