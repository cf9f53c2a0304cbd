/**
 * Running estimates of what is seen again and again: a mean and a variance that forget. Pure, and in the order of the events that they come from, so a
 * replayed ledger gives the same. What is learnt at a site is kept in its record (src/ledger) and read by the router (src/router).
 */

/** A quantity as the past tells it. */
export interface Learnt {
  /** Exponentially weighted. */
  readonly mean: number;
  readonly variance: number;
  /** Observations ever. */
  readonly count: number;
  /** Of the last one, ms since 1970. */
  readonly at: number;
}

/** What the newest observation counts: after four of them, two thirds of the mean are theirs. */
const NEWEST_SHARE = 0.25;
/** Observations that the mean stands for at most. */
const COUNT_MAX = 2 / NEWEST_SHARE - 1;
/** Without a new observation it counts half as much after this time, ms. */
const HALF_LIFE_MS = 30 * 60_000;
/** For so long after an observation nothing fades, ms. */
export const FRESH_MS = 60_000;
/** Relative spread to expect while few have been seen. */
const FIRST_SPREAD = 0.3;

/** The estimate with one more observation. */
export function learn(before: Learnt | undefined, value: number, at: number): Learnt {
  if (before === undefined) return { mean: value, variance: 0, count: 1, at };
  const share = Math.max(1 / (before.count + 1), NEWEST_SHARE);
  const off = value - before.mean;
  return {
    mean: before.mean + share * off,
    variance: (1 - share) * (before.variance + share * off * off),
    count: before.count + 1,
    // A clock that was set back makes nothing young again.
    at: Math.max(before.at, at),
  };
}

/** Standard deviation to expect of one more. */
export function spreadOf({ mean, variance, count }: Learnt): number {
  return Math.sqrt(variance + (FIRST_SPREAD * mean) ** 2 / count);
}

/** How many recent observations it is worth now; in the first minute nothing fades. */
export function weightOf({ count, at }: Learnt, nowMs: number): number {
  const worth = Math.min(count, COUNT_MAX);
  const ageMs = nowMs - at;
  return ageMs < FRESH_MS ? worth : worth * 2 ** (-ageMs / HALF_LIFE_MS);
}

/** That of several places together; undefined without any. */
export function pooled(all: readonly (Learnt | undefined)[]): Learnt | undefined {
  let [weight, sum, count, at] = [0, 0, 0, 0];
  for (const one of all) {
    if (one === undefined) continue;
    const worth = Math.min(one.count, COUNT_MAX);
    weight += worth;
    sum += worth * one.mean;
    count += one.count;
    at = Math.max(at, one.at);
  }
  if (weight === 0) return undefined;
  const mean = sum / weight;
  let squares = 0;
  for (const one of all) {
    if (one !== undefined) squares += Math.min(one.count, COUNT_MAX) * (one.variance + (one.mean - mean) ** 2);
  }
  return { mean, variance: squares / weight, count, at };
}

/** Class of jobs whose size nobody knows. */
export const UNSIZED = "-";
/** Powers of two in one class. */
const CLASS_BITS = 2;

/** Names of the classes, and the sizes that they stand for, up to the largest whole number: looking is quicker than working out. */
const CLASSES = Array.from({ length: 64 / CLASS_BITS }, (_, at) => ({ name: String(at), bytes: 2 ** (CLASS_BITS * (at + 0.5)) }));
const NOMINAL = new Map(CLASSES.map(({ name, bytes }) => [name, bytes]));

let lastBytes: number | null = null;
let lastClass = UNSIZED;

/** The class of a job that reads so many bytes: sizes within a factor of four. Asked of one job for each site, so the last answer is kept. */
export function sizeClass(bytes: number | null): string {
  if (bytes === lastBytes) return lastClass;
  lastBytes = bytes;
  lastClass =
    bytes === null || bytes < 1 ? UNSIZED : CLASSES[Math.min(CLASSES.length - 1, Math.floor(Math.log2(bytes) / CLASS_BITS))]!.name;
  return lastClass;
}

/** The size that a class stands for, bytes; null: none. */
export function nominalBytes(name: string): number | null {
  return NOMINAL.get(name) ?? null;
}

/** Of the jobs of one app and class. */
export interface RunsLearnt {
  /** Run time of one of the size that the class stands for, ms: times go with the size within a class. */
  readonly ms: Learnt;
  /** What one makes, bytes; absent: nothing. */
  readonly resultBytes?: Learnt;
}

/** How many jobs finished of late: each counts half after `FINISHED_HALF_LIFE_MS`. */
export interface Finished {
  readonly weight: number;
  readonly at: number;
}

const FINISHED_HALF_LIFE_MS = 120_000;

/** With one more, at this time. */
export function finishedWith(before: Finished | undefined, at: number): Finished {
  if (before === undefined) return { weight: 1, at };
  const since = Math.max(0, at - before.at);
  return { weight: 1 + before.weight * 2 ** (-since / FINISHED_HALF_LIFE_MS), at: Math.max(before.at, at) };
}

/** Finished jobs in an hour, as of late. */
export function finishedPerHour(finished: Finished | undefined, nowMs: number): number {
  if (finished === undefined) return 0;
  const weight = finished.weight * 2 ** (-Math.max(0, nowMs - finished.at) / FINISHED_HALF_LIFE_MS);
  return (3_600_000 * weight * Math.LN2) / FINISHED_HALF_LIFE_MS;
}

/** What was learnt at a site. */
export interface SiteLearnt {
  /** By app, then by class of size. */
  readonly runs: Readonly<Record<string, Readonly<Record<string, RunsLearnt>>>>;
  /** Time that files take to cross, over what the rate of before told. */
  readonly in?: Learnt;
  readonly out?: Learnt;
  /** Time from grant to answer, over what was promised. */
  readonly kept?: Learnt;
  readonly finished?: Finished;
}

export const NOTHING_LEARNT: SiteLearnt = { runs: {} };

/** What was learnt of an app, by class of size. */
export function runsOf({ runs }: SiteLearnt, app: string): Readonly<Record<string, RunsLearnt>> | undefined {
  // An app may have the name of something that every object has.
  return Object.hasOwn(runs, app) ? runs[app] : undefined;
}

type Classes = Readonly<Record<string, RunsLearnt>>;

/** Of one app or class at several sites: from what, in their order, and what it is. */
interface PooledApp {
  readonly from: readonly (Classes | undefined)[];
  readonly lists: ReadonlyMap<string, readonly RunsLearnt[]>;
  readonly as: Classes;
}

const isSame = <T>(a: readonly T[], b: readonly T[]): boolean => a.length === b.length && a.every((one, at) => one === b[at]);

function pooledApp(from: readonly (Classes | undefined)[], before: PooledApp | undefined): PooledApp {
  const lists = new Map<string, RunsLearnt[]>();
  for (const classes of from) {
    for (const name in classes) {
      const list = lists.get(name);
      if (list === undefined) lists.set(name, [classes[name]!]);
      else list.push(classes[name]!);
    }
  }
  const as: Record<string, RunsLearnt> = {};
  for (const [name, list] of lists) {
    const known = before?.lists.get(name);
    if (known !== undefined && isSame(list, known)) as[name] = before!.as[name]!;
    else {
      const resultBytes = pooled(list.map((one) => one.resultBytes));
      as[name] = { ms: pooled(list.map(({ ms }) => ms))!, ...(resultBytes === undefined ? {} : { resultBytes }) };
    }
  }
  return { from, lists, as };
}

/** Run times of several sites together, asked for again and again: only what is new is worked out. */
export class PooledRuns {
  #apps = new Map<string, PooledApp>();

  of(sites: readonly SiteLearnt[]): SiteLearnt {
    if (sites.length === 1) return sites[0]!;
    const apps = new Map<string, PooledApp>();
    for (const { runs } of sites) {
      for (const app of Object.keys(runs)) {
        if (apps.has(app)) continue;
        const from = sites.map((site) => runsOf(site, app));
        const before = this.#apps.get(app);
        apps.set(app, before !== undefined && isSame(from, before.from) ? before : pooledApp(from, before));
      }
    }
    this.#apps = apps;
    // As entries, since an app may have the name of something that every object has.
    return { runs: Object.fromEntries([...apps].map(([app, { as }]) => [app, as])) };
  }
}
