/** What the model's sites can do: jobs per minute of each with all its work waiting, from the first quarter of the answers to the third. */
import type { Shift } from "../../src/replay/shift.js";
import { quantileOf } from "../../src/replay/tally.js";
import { runShift } from "../../src/replay/world.js";
import { POLICIES } from "../../src/router/registry.js";
import { FACILITIES, type Facility, facilitySites } from "./facilities.js";
import { batchesOf, type Setting } from "./published-run.js";

const JOBS = 600;
const SEEDS = 3;
const UNBOUNDED = 4_000;

function rateOf(site: Facility, setting: Pick<Setting, "source" | "workload" | "rateShare">, seed: number): number {
  const sites = facilitySites({ ...setting, seed, prefetch: UNBOUNDED }).filter(({ name }) => name === site);
  const batches = batchesOf({ workload: setting.workload, jobs: JOBS, periodMs: 0 }).map(({ atMs, specs }) => ({
    atMs,
    specs: specs.map((spec) => ({ ...spec, site })),
  }));
  const shift: Shift = { name: site, startMs: 0, sites, arrivals: () => batches[Symbol.iterator]() };
  const times = runShift(shift, { policy: POLICIES.soonest! }).tally.atMs.values;
  return (JOBS / 2 / (quantileOf(times, 0.75) - quantileOf(times, 0.25))) * 60_000;
}

/** Jobs per minute of each site, mean over some seeds. */
export function capacities(setting: Pick<Setting, "source" | "workload" | "rateShare">): Record<Facility, number> {
  const of = (site: Facility) =>
    Array.from({ length: SEEDS }, (_, at) => rateOf(site, setting, 1_000 + at)).reduce((sum, rate) => sum + rate / SEEDS, 0);
  return Object.fromEntries(FACILITIES.map((site) => [site, of(site)])) as Record<Facility, number>;
}
