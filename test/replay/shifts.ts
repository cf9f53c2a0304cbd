/** Small shifts for tests. */
import type { JobSpec } from "../../src/core/job.js";
import { ALWAYS, type JobTimes, type Shift, type SiteModel } from "../../src/replay/shift.js";

export const START_MS = Date.UTC(2026, 0, 1);

export function spec(more: Partial<JobSpec> = {}): JobSpec {
  return { work: { app: "a", parameters: {}, inputs: {}, outputs: {}, overwrite: false }, tags: {}, attemptsMax: 3, ...more };
}

export const TIMES: JobTimes = { setUpMs: 0, rateBytesPerMs: 1, runMs: 10_000, outMs: 0, resultBytes: 0 };

/** A site of one slot, where files are there already and a run takes 10 s. */
export function site(name: string, more: Partial<SiteModel> = {}, times: Partial<JobTimes> = {}): SiteModel {
  const base = { slots: 1, prefetch: 0, apps: ["a"], presence: ALWAYS, slower: [], link: null };
  return { name, ...base, times: () => ({ ...TIMES, ...times }), ...more };
}

/** Jobs that come at these times, ms. */
export function shiftOf(sites: readonly SiteModel[], arrivalsMs: readonly number[], of: (at: number) => JobSpec = () => spec()): Shift {
  const arrivals = () => arrivalsMs.map((atMs, at) => ({ atMs, specs: [of(at)] }))[Symbol.iterator]();
  return { name: "a shift", startMs: START_MS, sites, arrivals };
}
