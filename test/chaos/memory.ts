/** Whether the memory of long-running processes is flat, from samples over a soak. */
import type { Sample } from "./kept-process.js";

export interface Growth {
  /** Median over the first and the last third of the longest-lived process of that name, after it has warmed up. */
  readonly firstMb: number;
  readonly lastMb: number;
  readonly firstFiles: number;
  readonly lastFiles: number;
  readonly minutes: number;
  /** Null: no process lived long enough to tell. */
  readonly flat: boolean | null;
}

/** Caches fill, and the engine compiles: not counted. */
const WARM_UP_S = 30;
/** Shorter is too short to tell. */
const LEAST_S = 90;
/** What is allowed: jobs that central must remember, and the collector's rhythm. */
const SLACK_MB = 24;
const SLACK_SHARE = 0.15;
const FILES_SLACK = 10;

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/**
 * @param samples of all processes that had the name
 * @param jobsMb what central may keep of the jobs that came meanwhile
 */
export function growthOf(samples: readonly Sample[], jobsMb: number): Growth {
  const byProcess = new Map<number, Sample[]>();
  for (const sample of samples) byProcess.set(sample.pid, [...(byProcess.get(sample.pid) ?? []), sample]);
  const longest = [...byProcess.values()].sort((a, b) => b.at(-1)!.ageS - a.at(-1)!.ageS)[0] ?? [];
  const warm = longest.filter(({ ageS }) => ageS >= WARM_UP_S);
  const third = Math.floor(warm.length / 3);
  const [first, last] = [warm.slice(0, third), warm.slice(warm.length - third)];
  const firstMb = median(first.map(({ residentMb }) => residentMb));
  const lastMb = median(last.map(({ residentMb }) => residentMb));
  const firstFiles = median(first.map(({ files }) => files));
  const lastFiles = median(last.map(({ files }) => files));
  const lived = longest.at(-1)?.ageS ?? 0;
  const flat = lastMb <= firstMb * (1 + SLACK_SHARE) + SLACK_MB + jobsMb && lastFiles <= firstFiles + FILES_SLACK;
  return { firstMb, lastMb, firstFiles, lastFiles, minutes: lived / 60, flat: lived < LEAST_S || third === 0 ? null : flat };
}
