/** Dispatch, which leaves out the rest of a group once nothing of it can go anywhere, against a plain loop that looks at each waiting job. */
import { expect, it } from "vitest";
import { planGrants, routed } from "../../src/actors/dispatch.js";
import { Sites } from "../../src/actors/presence.js";
import { siteLoads } from "../../src/actors/site-loads.js";
import { XpcsError } from "../../src/core/errors.js";
import type { JobSpec } from "../../src/core/job.js";
import { sizeClass } from "../../src/core/learning.js";
import { LIMITS } from "../../src/core/limits.js";
import { type Command, decide } from "../../src/ledger/decide.js";
import { groupOf } from "../../src/ledger/ready-group.js";
import { reduce } from "../../src/ledger/reduce.js";
import { emptyState, type JobRecord, type State } from "../../src/ledger/state.js";
import { needOf, type SiteLoad } from "../../src/router/policy.js";
import { type PolicyOf, policyOf } from "../../src/router/policy-rules.js";
import { POLICIES } from "../../src/router/registry.js";
import { withJob, withMany } from "../../src/router/work-ahead.js";
import { seeded, spec } from "../ledger/world.js";

const SITES = ["a", "b", "c", "d"];
const NOW_MS = 50_000;
type Rng = () => number;
const pick = <T>(rng: Rng, items: readonly T[]): T => items[Math.floor(rng() * items.length)]!;

function randomSpec(rng: Rng, isCrowd: boolean): JobSpec {
  const maybe = (share: number, more: Partial<JobSpec>): Partial<JobSpec> => (rng() < share ? more : {});
  if (isCrowd)
    return { ...spec(2), tags: { scan: "2" }, ...maybe(0.3, { deadline: new Date(NOW_MS + pick(rng, [200_000, 600_000])).toISOString() }) };
  return {
    ...spec(2),
    tags: { scan: pick(rng, ["1", "2"]) },
    ...maybe(0.6, { inputBytes: pick(rng, [1e6, 3e6, 1e9]) }),
    ...maybe(0.1, { experiment: "2026-3/xu" }),
    ...maybe(0.1, { site: pick(rng, [...SITES, "nowhere"]) }),
    ...maybe(0.2, { resources: { slots: pick(rng, [2, 2, 100]) } }),
    ...maybe(0.2, { priority: 1 }),
    ...maybe(0.2, { deadline: new Date(NOW_MS + 1_000 * Math.ceil(rng() * 100)).toISOString() }),
    ...maybe(0.2, { policy: pick(rng, ["soonest", "round-robin"]) }),
  };
}

/**
 * Sites of which some are full, jobs of which some have failed somewhere, were refused, or wait for their next attempt.
 *
 * @param isCrowd jobs that are alike, for sites of which the fast ones are full
 */
function randomWorld(rng: Rng, isCrowd = false): { state: State; loads: SiteLoad[] } {
  const state = emptyState();
  const sites = new Sites(LIMITS.leaseMs);
  let nowMs = 1;
  const obey = (command: Command): void => {
    const events = decide(state, command, nowMs);
    if (events instanceof XpcsError) return;
    for (const event of events) reduce(state, event);
  };
  for (const site of SITES) {
    obey({
      type: "join",
      site,
      instance: "1",
      host: "h",
      slots: isCrowd && site === "a" ? 40 : pick(rng, [1, 2, 8]),
      apps: ["xpcs.noop"],
      held: [],
    });
    sites.take(site, "1", 0, 0).links = 1;
  }
  const slowness = new Map(SITES.map((site, at) => [site, isCrowd ? [50, 100, 200, 400][at]! * (1 + rng()) : 1]));
  for (let at = 0; at < 400; at += 1) {
    const job = `j${at}`;
    nowMs += Math.floor(rng() * 100);
    obey({ type: "submit", key: job, digest: "d", jobs: [{ id: job, spec: randomSpec(rng, isCrowd) }] });
    if (isCrowd && at >= 350) {
      obey({ type: "grant", job, site: pick(rng, ["a", "a", "a", "a", "b"]), why: "" });
      continue;
    }
    if (rng() > 0.2) continue;
    const site = pick(rng, SITES);
    obey({ type: "grant", job, site, why: "" });
    const lease = { job, epoch: 1 };
    const what = rng();
    if (what < 0.3) obey({ type: "complete", site, lease, outputs: [], summary: {}, runMs: slowness.get(site)! * (100 + 1_000 * rng()) });
    else if (what < 0.6) obey({ type: "fail", site, lease, code: pick(rng, ["INTERNAL", "REFUSED"] as const), reason: "so" });
    else if (what < 0.8) obey({ type: "expire", lease });
    else if (rng() < 0.5) obey({ type: "modify", ids: [`j${at - 1}`], changes: { resources: { slots: 1 } } });
  }
  return { state, loads: siteLoads(state, sites, NOW_MS, 0) };
}

const kindOf = ({ spec: { work, site, resources, inputBytes, experiment, attemptsMax }, owner, refusedBy, ...job }: JobRecord) => {
  const failed = job.attempts.filter(({ outcome }) => outcome === "failed" || outcome === "lost").map((attempt) => attempt.site);
  const isLast = attemptsMax - job.attemptsCounted === 1;
  return JSON.stringify([
    work.app,
    site,
    resources ?? {},
    sizeClass(inputBytes ?? null),
    experiment,
    owner,
    refusedBy ?? [],
    failed,
    isLast,
  ]);
};

/** How often jobs were passed over to get to one for a free slot. */
let leaps = 0;

/** What dispatch promises, written down plainly. */
function plainGrants(state: State, initial: readonly SiteLoad[], of: PolicyOf, asked: ReadonlyMap<string, number>): string[] {
  const [loads, left, grants] = [[...initial], new Map(asked), [] as string[]];
  const [over, waits, passes] = [new Set<string>(), new Map<string, number>(), new Map<string, number>()];
  const order = [...state.jobs.values()]
    .filter((job) => job.state === "ready")
    .map((job) => ({ job, due: job.spec.deadline === undefined ? Infinity : Date.parse(job.spec.deadline) }))
    .sort((a, b) => {
      const byPriority = (b.job.spec.priority ?? 0) - (a.job.spec.priority ?? 0);
      return byPriority || (a.due === b.due ? a.job.index - b.job.index : a.due - b.due);
    });
  for (const { job } of order) {
    if (left.size === 0) break;
    if (job.notBefore > NOW_MS) continue;
    const policy = of(job.spec);
    const kind = `${policy.name} ${kindOf(job)}`;
    const passed = passes.get(kind) ?? 0;
    if (passed > 0) {
      passes.set(kind, passed - 1);
      continue;
    }
    if (over.has(kind) || (waits.get(kind) ?? 0) >= LIMITS.dispatchWaitsMax) continue;
    const question = routed(job, NOW_MS);
    const { action, site } = policy.choose(question, loads, NOW_MS);
    if (site === null || (action === "wait" && question.site !== null)) {
      over.add(kind);
      continue;
    }
    waits.set(kind, (waits.get(kind) ?? 0) + 1);
    const [need, free] = [needOf(question.resources).slots, left.get(site) ?? 0];
    if (action === "run" && free >= need) {
      grants.push(`${job.id} ${site}`);
      waits.set(kind, 0);
      if (free === need) left.delete(site);
      else left.set(site, free - need);
    }
    const at = loads.findIndex(({ name }) => name === site);
    loads[at] = withJob(loads[at]!, question, action, NOW_MS);
    if (waits.get(kind) !== LIMITS.dispatchWaitsMax || passes.has(kind)) continue;
    // Once for each kind: how many more have to wait there until the next one takes a free slot elsewhere.
    passes.set(kind, 0);
    for (let count = 1; count <= Math.min(LIMITS.dispatchScanMax, state.ready.size); count += 1) {
      const after = withMany(loads[at]!, question, count, NOW_MS);
      const then = policy.choose(question, loads.with(at, after), NOW_MS);
      if (then.action !== "run" || need > (left.get(then.site) ?? 0)) continue;
      loads[at] = after;
      passes.set(kind, count);
      waits.set(kind, LIMITS.dispatchWaitsMax - 1);
      leaps += 1;
      break;
    }
  }
  return grants;
}

it("has jobs in one group that are alike in all that matters, and no others", () => {
  let groups = 0;
  for (let seed = 1; seed <= 40; seed += 1) {
    const jobs = [...randomWorld(seeded(seed)).state.jobs.values()];
    const pairs = new Map(jobs.map((job) => [kindOf(job), groupOf(job).alike]));
    for (const job of jobs) expect(groupOf(job).alike, `seed ${seed}, ${job.id}`).toBe(pairs.get(kindOf(job)));
    expect(new Set(pairs.values()).size).toBe(pairs.size);
    groups += pairs.size;
  }
  expect(groups).toBeGreaterThan(1_000);
});

it("gives the same jobs to the same sites, with one policy for all and with policies by tag", () => {
  let made = 0;
  for (let seed = 1; seed <= 80; seed += 1) {
    const rng = seeded(seed);
    const { state, loads } = randomWorld(rng, seed > 40);
    const rules = rng() < 0.5 ? [] : [{ key: "scan", value: "1", policy: POLICIES["shortest-backlog"]! }];
    const of = policyOf(POLICIES[pick(rng, ["soonest", seed > 40 ? "soonest" : "round-robin", "highest-throughput"])]!, rules);
    const free = loads.map(({ name, free: { slots } }) => [name, Math.max(0, slots)] as const);
    const asked = new Map(free.filter(([, slots]) => slots > 0 && rng() < 0.8));
    const grants = planGrants(state, loads, of, asked, NOW_MS).map(({ job, site }) => `${job} ${site}`);
    expect(grants, `seed ${seed}`).toEqual(plainGrants(state, loads, of, asked));
    made += grants.length;
  }
  expect(made).toBeGreaterThan(50);
  expect(leaps).toBeGreaterThan(3);
});
