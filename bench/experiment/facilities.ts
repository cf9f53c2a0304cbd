/**
 * The facilities of the published comparison as models: Theta, Summit and Cori with 32 slots each, and what was measured there of XPCS jobs from the APS and the
 * ALS, and of the proxy application (diagonalising a matrix). docs/experiment.md says what is measured and what is assumed.
 */
import type { JobSpec } from "../../src/core/job.js";
import { normalOf, type Spread, stream, valueAt } from "../../src/replay/chance.js";
import { ALWAYS, type JobTimes, type LinkModel, type SiteModel } from "../../src/replay/shift.js";

export const FACILITIES = ["theta", "cori", "summit"] as const;
export type Facility = (typeof FACILITIES)[number];
export type Source = "aps" | "als";

export const XPCS = "xpcs.corr";
export const PROXY = "diagonalise";
export const SLOTS = 32;

interface Measured {
  /** Medians of stages of an XPCS job where one comes after the other, s. */
  readonly xpcs: Readonly<Record<Source, { readonly in: number; readonly run: number; readonly out: number }>>;
  /** Effective rates of large transfers, MB/s. */
  readonly rate: Readonly<Record<Source, { readonly mean: number; readonly sd: number; readonly min: number; readonly max: number }>>;
  /** Run of the proxy application with a matrix of 5000 x 5000, s. */
  readonly proxyRun: number;
}

/** Least and most of transfers from the ALS were not published: those of the APS in proportion are taken. */
const als = (mean: number, sd: number, [min, max]: readonly [number, number]) => ({ mean, sd, min, max });

export const MEASURED: Readonly<Record<Facility, Measured>> = {
  theta: {
    xpcs: { aps: { in: 25.6, run: 102, out: 10.2 }, als: { in: 31, run: 102, out: 11.3 } },
    rate: { aps: { mean: 197, sd: 167, min: 36, max: 987 }, als: als(107, 29, [20, 300]) },
    proxyRun: 16.8,
  },
  cori: {
    xpcs: { aps: { in: 20.8, run: 50.8, out: 11.4 }, als: { in: 27, run: 66.9, out: 14.2 } },
    rate: { aps: { mean: 311, sd: 210, min: 33, max: 802 }, als: als(283, 155, [30, 730]) },
    proxyRun: 11.8,
  },
  summit: {
    xpcs: { aps: { in: 12.5, run: 107.5, out: 11.7 }, als: { in: 16.7, run: 108, out: 11.3 } },
    rate: { aps: { mean: 360, sd: 276, min: 24, max: 1_170 }, als: als(278, 138, [20, 900]) },
    // Not published: as much longer than at Theta as an XPCS job.
    proxyRun: 17.7,
  },
};

/** Taken as the size of a dataset, and of its result file; of a matrix and what is computed of it. */
export const BYTES: Readonly<Record<string, { readonly in: number; readonly out: number }>> = {
  [XPCS]: { in: 878e6, out: 55e6 },
  [PROXY]: { in: 200e6, out: 1e5 },
};

/** Of the logarithm, assumed: runs of one app at one site differ little, the ways there and back more. */
const SIGMA = { run: 0.1, setUp: 0.25, out: 0.25 };

/** Where central routes, a site's transfers take so much at a time: more of them, and the jobs in a slow one all wait for it. */
export const BYTES_PER_TRANSFER = 7e9;

/** The published agent let a site's service move the files of 16 jobs in one task, three tasks at a time, and look every 5 s. */
export const TRANSFERS: LinkModel = {
  bytesPerMs: Number.POSITIVE_INFINITY,
  transfersMax: 3,
  jobsPerTransfer: 16,
  lookMs: 5_000,
  whole: true,
};

export interface SiteOptions {
  readonly source: Source;
  readonly seed: number;
  readonly prefetch: number;
  /** A site asks for jobs as its transfers can take them along; absent: whatever they do. */
  readonly bytesPerTransfer?: number;
  /** Rates of transfers as a share of those that were published: what a day was like. */
  readonly rateShare: Readonly<Record<Facility, number>>;
  readonly more?: Partial<Record<Facility, Partial<SiteModel>>>;
  /** All times and rates are medians; absent: each is drawn. */
  readonly isTypical?: boolean;
}

/** How far from the median, in standard deviations. */
const drawOf = ({ seed, isTypical = false }: Pick<SiteOptions, "seed" | "isTypical">) =>
  isTypical ? () => 0 : (streamId: number, job: number, draw: number) => normalOf(seed, streamId, job, draw);

/** Median of a lognormal of this mean and standard deviation. */
const medianOf = ({ mean, sd }: { mean: number; sd: number }): number => mean / Math.sqrt(1 + (sd / mean) ** 2);

/** Before the bytes of a transfer move, s: what is left of the published median when looking and moving one dataset are taken off. */
export function setUpS(facility: Facility, source: Source): number {
  const { xpcs, rate } = MEASURED[facility];
  return xpcs[source].in - TRANSFERS.lookMs / 2_000 - BYTES[XPCS]!.in / (1e6 * medianOf(rate[source]));
}

/** Run and stage-out of a job at a facility; the same for the same job and seed, whatever else happens. What its transfer needs, the link says. */
export function timesAt(
  facility: Facility,
  { source, ...chance }: Pick<SiteOptions, "source" | "seed" | "isTypical">,
): (job: number, spec: JobSpec) => JobTimes {
  const { xpcs, proxyRun } = MEASURED[facility];
  const id = stream(facility);
  const draw = drawOf(chance);
  const out: Spread = { kind: "around", median: 1_000 * xpcs[source].out, sigma: SIGMA.out };
  const runs: Readonly<Record<string, Spread>> = {
    [XPCS]: { kind: "around", median: 1_000 * xpcs[source].run, sigma: SIGMA.run },
    [PROXY]: { kind: "around", median: 1_000 * proxyRun, sigma: SIGMA.run },
  };
  return (job, { work: { app } }) => ({
    setUpMs: 0,
    rateBytesPerMs: Number.POSITIVE_INFINITY,
    runMs: valueAt(runs[app]!, draw(id, job, 3)),
    outMs: valueAt(out, draw(id, job, 4)),
    resultBytes: BYTES[app]!.out,
  });
}

/** Transfers to a facility: rates and set-up were measured of transfers, so they are a transfer's, the same for whoever begins one at that moment. */
export function transfersTo(
  facility: Facility,
  { source, rateShare, ...chance }: Pick<SiteOptions, "source" | "seed" | "rateShare" | "isTypical">,
): LinkModel {
  const share = rateShare[facility];
  const draw = drawOf(chance);
  const id = stream(`transfers to ${facility}`);
  const rate: Spread = { kind: "measured", ...MEASURED[facility].rate[source] };
  const setUp: Spread = { kind: "around", median: 1_000 * setUpS(facility, source), sigma: SIGMA.setUp };
  const { transfersMax, lookMs } = TRANSFERS;
  const ofTransfer = (atMs: number, nth: number) => {
    const place = Math.round(atMs / lookMs) * transfersMax + nth;
    return {
      setUpMs: valueAt(setUp, draw(id, place, 1)),
      rateBytesPerMs: 1_000 * share * valueAt(rate, draw(id, place, 2)),
    };
  };
  return { ...TRANSFERS, ofTransfer };
}

/** The three of them, in the order of the published agents. */
export function facilitySites(options: SiteOptions): SiteModel[] {
  return FACILITIES.map((name): SiteModel => {
    const base = { name, slots: SLOTS, prefetch: options.prefetch, apps: [XPCS, PROXY], presence: ALWAYS, slower: [] };
    const { bytesPerTransfer } = options;
    const link = { ...transfersTo(name, options), ...(bytesPerTransfer === undefined ? {} : { bytesPerTransfer }) };
    return { ...base, link, times: timesAt(name, options), ...options.more?.[name] };
  });
}

/** A job as the agent submits it. */
export function jobOf(app: string): JobSpec {
  return {
    work: { app, parameters: {}, inputs: {}, outputs: {}, overwrite: false },
    tags: {},
    attemptsMax: 20,
    inputBytes: BYTES[app]!.in,
  };
}
