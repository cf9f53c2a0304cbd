/** Sites and jobs as routing policies see them, made for tests. */
import { NOTHING_LEARNT, PooledRuns, type SiteLearnt } from "../../src/core/learning.js";
import { ableAt, type Policy, type RoutedJob, type SiteFacts, type SiteLoad } from "../../src/router/policy.js";
import { type HeldJob, loadOf, withJob } from "../../src/router/work-ahead.js";

const APPS = ["xpcs.corr", "xpcs.noop"];

export const cross = (bytesPerS: number, tested = true) => ({ bytesPerS, tested, spread: 0 });

/** What a site is and holds; `queued` jobs wait there, as this one would. */
export interface Made extends Partial<SiteFacts> {
  readonly held?: readonly HeldJob[];
  readonly queued?: number;
}

export function job(more: Partial<RoutedJob> = {}): RoutedJob {
  return { id: "j", app: "xpcs.corr", site: null, avoid: [], refusedBy: [], resources: {}, inputBytes: null, waitedMs: 0, ...more };
}

export function site(name: string, { held = [], queued = 0, ...more }: Made = {}): SiteLoad {
  const facts: SiteFacts = {
    ...{ name, up: true, pilotOf: null, draining: null, slots: 2, apps: APPS, capacity: null, granted: 0 },
    ...{ learnt: NOTHING_LEARNT, common: NOTHING_LEARNT, links: { in: null, out: null }, eventsPerCoreS: null },
    ...more,
  };
  let load = loadOf(facts, held, 0);
  for (let n = 0; n < queued; n += 1) load = withJob(load, job(), "wait", 0);
  return load;
}

/** Sites that know of each other, as central's view has them. */
export function among(made: readonly SiteLoad[]): SiteLoad[] {
  const common = new PooledRuns().of(made.map(({ learnt }) => learnt));
  return made.map((load) => ({ ...load, common }));
}

export const running = (elapsedMs: number, more: Partial<HeldJob> = {}): HeldJob => ({
  ...{ app: "xpcs.corr", resources: {}, inputBytes: null, sinceMs: -elapsedMs },
  ...more,
});
export const busy = (n: number) => Array.from({ length: n }, () => running(0));
/** So many runs of the app took so long, and made so much. */
export function mean(meanMs: number, count = 5, resultBytes?: number): SiteLearnt {
  const of = (value: number) => ({ mean: value, variance: 0, count, at: 0 });
  const result = resultBytes === undefined ? {} : { resultBytes: of(resultBytes) };
  return { runs: { "xpcs.corr": { "-": { ms: of(meanMs), ...result } } } };
}

/** The sites that can have a job. */
export function able(question: RoutedJob, sites: readonly SiteLoad[], nowMs: number): SiteLoad[] {
  return ableAt(question, sites, nowMs, {}, false).map((at) => sites[at]!);
}

/** What a policy answers, with its sentence. */
export function asked(policy: Policy | undefined, question: RoutedJob, sites: readonly SiteLoad[], nowMs = 0) {
  const choice = policy!.choose(question, among(sites), nowMs);
  return { ...choice, why: choice.why() };
}

export function randomWorld(rng: () => number): { question: RoutedJob; sites: SiteLoad[] } {
  const count = Math.floor(rng() * 5);
  const names = ["a", "b", "c", "d"].slice(0, count);
  const sites = names.map((name) => {
    const slots = 1 + Math.floor(rng() * 4);
    const held = Array.from({ length: Math.floor(rng() * (slots + 1)) }, () =>
      running(rng() * 9_000, { app: rng() < 0.5 ? "xpcs.corr" : "xpcs.noop", resources: rng() < 0.8 ? {} : { cores: 4, memoryGb: 8 } }),
    );
    return site(name, {
      up: rng() < 0.7,
      slots,
      held,
      queued: Math.floor(rng() * 6),
      capacity: rng() < 0.5 ? null : { cores: 8, memoryGb: 16, gpus: rng() < 0.3 ? 1 : 0, nodes: 1, walltimeS: null },
      granted: Math.floor(rng() * 50),
      apps: rng() < 0.7 ? APPS : ["xpcs.noop"],
      learnt: rng() < 0.5 ? NOTHING_LEARNT : mean(rng() * 20_000, 1 + Math.floor(rng() * 9)),
      eventsPerCoreS: rng() < 0.5 ? null : 1e6 + rng() * 40e6,
      links: { in: rng() < 0.5 ? null : cross(1e6 + rng() * 1e9, rng() < 0.5), out: rng() < 0.5 ? null : cross(1e6 + rng() * 1e9) },
    });
  });
  const pinned = rng() < 0.2 ? "abcdz"[Math.floor(rng() * 5)]! : null;
  const needs = [{}, { slots: 2 }, { cores: 6 }, { memoryGb: 12, slots: 1 }, { gpus: 1 }][Math.floor(rng() * 10)] ?? {};
  return {
    question: job({
      site: pinned,
      avoid: rng() < 0.3 ? ["a"] : [],
      refusedBy: rng() < 0.2 ? ["b"] : [],
      resources: needs,
      inputBytes: rng() < 0.4 ? null : rng() * 5e9,
    }),
    sites: among(sites),
  };
}
