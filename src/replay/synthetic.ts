/**
 * A made-up shift: facilities of unequal size, speed and links, some of which fail for a while, and jobs of two apps in requests of unequal size. All of it
 * follows from a seed. For questions of scale; figures that were published are in bench/experiment.
 */
import { XpcsError } from "../core/errors.js";
import type { JobSpec } from "../core/job.js";
import { normalOf, type Spread, stream, uniformOf, valueAt } from "./chance.js";
import { ALWAYS, type Arrival, type JobTimes, type Presence, type Shift, type SiteModel } from "./shift.js";

export interface Synthetic {
  readonly jobs: number;
  readonly sites: number;
  readonly seed: number;
  /** Of what the sites can do, as far as runs and links go. */
  readonly load: number;
}

const START_MS = Date.UTC(2026, 0, 1);
const CORR = "xpcs.corr";
const PROXY = "diagonalise";
/** Share of jobs of the proxy application. */
const PROXY_SHARE = 0.2;
/** Share of jobs that have a deadline, and how long after their submission it is, ms. */
const DUE_SHARE = 0.05;
const DUE_MS = 1_800_000;
/** Jobs of a request: one, a few, or a scan. */
const REQUEST = [1, 1, 4, 16] as const;
const SLOTS = [8, 16, 32, 64] as const;
/** Sizes of inputs, bytes: an XPCS dataset of the published experiment, and a matrix of 5000 x 5000. */
const INPUT: Readonly<Record<string, Spread>> = {
  [CORR]: { kind: "around", median: 878e6, sigma: 0.5 },
  [PROXY]: { kind: "exactly", value: 200e6 },
};
const RESULT_BYTES: Readonly<Record<string, number>> = { [CORR]: 55e6, [PROXY]: 1e5 };
/** Run times on the middle one of the sites, ms. */
const RUN_MS: Readonly<Record<string, Spread>> = {
  [CORR]: { kind: "around", median: 70_000, sigma: 0.2 },
  [PROXY]: { kind: "around", median: 17_000, sigma: 0.1 },
};
const SET_UP: Spread = { kind: "around", median: 4_000, sigma: 0.3 };
/** Of the link, per slot: a slot's jobs need 13 000. */
const LINK_BYTES_PER_MS = 25_000;
const OUTAGE_MS = 1_200_000;

const KEYS = ["jobs", "sites", "seed", "load"] as const;

/**
 * `jobs=100000,sites=20,seed=1,load=0.8`, in any order; what is left out is as here.
 *
 * @throws INVALID_ARGUMENT
 */
export function parseSynthetic(text: string): Synthetic {
  const given: Record<(typeof KEYS)[number], number> = { jobs: 10_000, sites: 5, seed: 1, load: 0.8 };
  for (const part of text.split(",")) {
    const [key = "", value = ""] = part.split("=");
    const number = Number(value);
    if (!KEYS.includes(key as "jobs") || value === "" || !(number > 0))
      throw new XpcsError(
        "INVALID_ARGUMENT",
        `"${part}" of the synthetic shift: it is made of ${KEYS.map((name) => `${name}=N`).join(",")}`,
      );
    if (key !== "load" && (!Number.isInteger(number) || number > 100_000_000))
      throw new XpcsError("INVALID_ARGUMENT", `"${part}" of the synthetic shift: ${key} is a whole number`);
    given[key as "jobs"] = number;
  }
  if (given.sites > 1_000) throw new XpcsError("INVALID_ARGUMENT", "a synthetic shift has 1000 sites at most");
  return given;
}

interface Made {
  readonly model: SiteModel;
  /** Jobs a ms that it can do. */
  readonly jobsPerMs: number;
}

/** Means of both apps together. */
const meanOf = (spreads: Readonly<Record<string, Spread>>): number =>
  (1 - PROXY_SHARE) * valueAt(spreads[CORR]!, 0) + PROXY_SHARE * valueAt(spreads[PROXY]!, 0);

function siteOf(at: number, { seed, sites }: Synthetic, outage: Presence[] | null): Made {
  const name = `site-${String(at + 1).padStart(String(sites).length, "0")}`;
  const id = stream(name);
  const slots = SLOTS[Math.floor(uniformOf(seed, id, 0) * SLOTS.length)]!;
  const slowness = valueAt({ kind: "around", median: 1, sigma: 0.4 }, normalOf(seed, id, 1));
  const linkBytesPerMs = valueAt({ kind: "around", median: LINK_BYTES_PER_MS * slots, sigma: 0.5 }, normalOf(seed, id, 2));
  const times = (job: number, { work, inputBytes = 0 }: JobSpec): JobTimes => {
    const size = inputBytes / valueAt(INPUT[work.app]!, 0);
    const resultBytes = RESULT_BYTES[work.app]!;
    return {
      setUpMs: valueAt(SET_UP, normalOf(seed, id, job, 1)),
      rateBytesPerMs: linkBytesPerMs / 2,
      runMs: slowness * size * valueAt(RUN_MS[work.app]!, normalOf(seed, id, job, 2)),
      outMs: valueAt(SET_UP, normalOf(seed, id, job, 3)) + resultBytes / linkBytesPerMs,
      resultBytes,
    };
  };
  const link = { bytesPerMs: linkBytesPerMs, transfersMax: 4, jobsPerTransfer: 8, lookMs: 0 };
  // One in four has no proxy application.
  const apps = at % 4 === 3 ? [CORR] : [CORR, PROXY];
  const model = { name, slots, prefetch: slots / 2, apps, presence: outage ?? ALWAYS, slower: [], link, times };
  return { model, jobsPerMs: Math.min(slots / (slowness * meanOf(RUN_MS)), linkBytesPerMs / meanOf(INPUT)) };
}

function specOf(job: number, atMs: number, seed: number): JobSpec {
  const id = stream("jobs");
  const app = uniformOf(seed, id, job, 0) < PROXY_SHARE ? PROXY : CORR;
  const inputBytes = Math.round(valueAt(INPUT[app]!, normalOf(seed, id, job, 1)));
  const isDue = uniformOf(seed, id, job, 4) < DUE_SHARE;
  const deadline = isDue ? { deadline: new Date(START_MS + Math.floor(atMs) + DUE_MS).toISOString() } : {};
  const work = { app, parameters: {}, inputs: {}, outputs: {}, overwrite: false };
  return { work, tags: {}, attemptsMax: 5, inputBytes, ...deadline };
}

/** The shift. */
export function syntheticShift(synthetic: Synthetic): Shift {
  const { jobs, sites, seed, load } = synthetic;
  const id = stream("requests");
  const plain = Array.from({ length: sites }, (_, at) => siteOf(at, synthetic, null));
  const jobsPerMs = load * plain.reduce((sum, site) => sum + site.jobsPerMs, 0);
  const lengthMs = jobs / jobsPerMs;
  const made = plain.map(({ model }, at) => {
    // One in five fails once on the way.
    if (at % 5 !== 4) return model;
    const fromMs = lengthMs * (0.2 + 0.5 * uniformOf(seed, id, at, 2));
    const outage = [
      { fromMs: 0, untilMs: fromMs, leaves: false },
      { fromMs: fromMs + OUTAGE_MS, untilMs: Number.POSITIVE_INFINITY, leaves: false },
    ];
    return siteOf(at, synthetic, outage).model;
  });
  const meanRequest = REQUEST.reduce((sum, size) => sum + size, 0) / REQUEST.length;
  function* arrivals(): Generator<Arrival> {
    let atMs = 0;
    for (let job = 0, request = 0; job < jobs; request += 1) {
      const size = Math.min(jobs - job, REQUEST[Math.floor(uniformOf(seed, id, request, 0) * REQUEST.length)]!);
      const first = job;
      yield { atMs, specs: Array.from({ length: size }, (_, at) => specOf(first + at, atMs, seed)) };
      job += size;
      atMs += (-Math.log(uniformOf(seed, id, request, 1)) * meanRequest) / jobsPerMs;
    }
  }
  return { name: `synthetic, ${jobs} jobs, ${sites} sites, seed ${seed}, load ${load}`, startMs: START_MS, sites: made, arrivals };
}
