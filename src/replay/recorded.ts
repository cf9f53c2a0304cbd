/**
 * A recorded shift: what came when, which sites were there, and how long things took, out of the events of a ledger. How long a job would have taken at a site
 * where it did not run nobody knows: it is taken to be as much longer or shorter than the others of its app as it was where it ran.
 */
import { XpcsError } from "../core/errors.js";
import type { JobId, JobSpec, SiteCapacity, SiteName, Work } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { Completed, Leased, LedgerEvent, SiteJoined } from "../ledger/events.js";
import { changedSpec } from "../ledger/reduce.js";
import { needOf } from "../router/policy.js";
import { stream, uniformOf } from "./chance.js";
import { type Arrival, type JobTimes, type LinkModel, type Presence, replayId, type Shift, type SiteModel } from "./shift.js";

/** Transfers of a site at a time, where the ledger tells nothing of it. */
const TRANSFERS_MAX = 8;
/** Width of the windows whose busiest tells what a link carries at least, ms. */
const BUSY_MS = 60_000;
/** Runs of an app that are kept to draw those of jobs from that never ended. */
const KEPT_RUNS = 1_000;

interface Job {
  spec: JobSpec;
  readonly atMs: number;
  canceled: boolean;
  /** Of its completion; null: it has none. */
  run: { readonly site: SiteName; readonly ms: number; readonly resultBytes: number; readonly outMs: number } | null;
  readonly attempts: Attempt[];
}

/** A lease of a job; several may run at a time. */
interface Attempt {
  readonly epoch: number;
  readonly site: SiteName;
  readonly leasedMs: number;
  /** Its slots are taken. */
  holds: boolean;
}

class Mean {
  count = 0;
  total = 0;
  add(value: number): void {
    this.count += 1;
    this.total += value;
  }
  get value(): number {
    return this.total / this.count;
  }
}

interface Site {
  slots: number;
  apps: readonly string[];
  capacity: SiteCapacity | undefined;
  readonly presence: Presence[];
  sinceMs: number | null;
  heldSlots: number;
  heldMax: number;
  readonly runMs: Map<string, Mean>;
  readonly in: { bytes: number; ms: number; readonly windows: Map<number, number> };
}

/** What a ledger tells, and what it does not. */
export interface Recorded {
  readonly shift: Shift;
  readonly jobs: number;
  /** Jobs that somebody canceled: they are left out. */
  readonly canceled: number;
  /** Jobs whose run time was drawn from others', since they never ended well. */
  readonly drawn: number;
}

const number = (value: unknown): number => (typeof value === "number" && Number.isFinite(value) ? value : 0);
/** One object for all jobs of an app. */
const works = new Map<string, Work>();
function workOf(app: string): Work {
  const known = works.get(app) ?? { app, parameters: {}, inputs: {}, outputs: {}, overwrite: false };
  works.set(app, known);
  return known;
}

class Reading {
  readonly jobs = new Map<JobId, Job>();
  readonly sites = new Map<SiteName, Site>();
  /** Of the last completion. */
  lastMs = 0;

  take(event: LedgerEvent): void {
    switch (event.type) {
      case "submitted":
        for (const [place, id] of event.jobs.entries()) {
          const { work, ...spec } = event.specs[place]!;
          this.jobs.set(id, { spec: { ...spec, work: workOf(work.app) }, atMs: event.at, canceled: false, run: null, attempts: [] });
        }
        return;
      case "siteJoined":
        this.#joined(event);
        return;
      case "siteLeft":
        this.#gone(event.site, event.at, true);
        return;
      case "leased":
        this.#leased(event);
        return;
      default:
        if ("job" in event) this.#ofJob(event);
    }
  }

  #ofJob(event: Extract<LedgerEvent, { job: JobId }>): void {
    const job = this.jobs.get(event.job);
    if (job === undefined) return;
    if (event.type === "modified") job.spec = changedSpec(job.spec, event.changes);
    if (event.type === "canceled" || event.type === "cancelRequested") job.canceled = true;
    if (event.type === "retried") job.canceled = false;
    const attempt = "epoch" in event ? job.attempts.find(({ epoch }) => epoch === event.epoch) : undefined;
    if (attempt === undefined) return;
    if (event.type === "resumed") this.#hold(job, attempt, event.at);
    if (event.type === "completed") {
      this.lastMs = Math.max(this.lastMs, event.at);
      // What else of it runs ends with it.
      for (const one of job.attempts) this.#free(job, one);
      this.#completed(job, attempt, event);
    }
    if (event.type !== "attemptEnded") return;
    this.#free(job, attempt);
    // It has been silent for a lease term when its leases run out.
    if (event.outcome === "lost") this.#gone(attempt.site, event.at - LIMITS.leaseMs, false);
  }

  #joined({ site: name, slots, apps, capacity, at }: SiteJoined): void {
    const made = { presence: [], sinceMs: null, heldSlots: 0, heldMax: 0, runMs: new Map(), in: { bytes: 0, ms: 0, windows: new Map() } };
    const site = this.sites.get(name) ?? { slots, apps, capacity, ...made };
    Object.assign(site, { slots: Math.max(site.slots, slots), apps, capacity });
    this.sites.set(name, site);
    this.#there(name, at);
  }

  #there(name: SiteName, atMs: number): void {
    const site = this.sites.get(name);
    if (site !== undefined) site.sinceMs ??= atMs;
  }

  #gone(name: SiteName, atMs: number, leaves: boolean): void {
    const site = this.sites.get(name);
    if (site === undefined || site.sinceMs === null) return;
    if (atMs > site.sinceMs) site.presence.push({ fromMs: site.sinceMs, untilMs: atMs, leaves });
    site.sinceMs = null;
    site.heldSlots = 0;
  }

  #leased({ job: id, epoch, site, at }: Leased): void {
    const job = this.jobs.get(id);
    if (job === undefined) return;
    const attempt = { epoch, site, leasedMs: at, holds: false };
    job.attempts.push(attempt);
    this.#hold(job, attempt, at);
  }

  #hold(job: Job, attempt: Attempt, atMs: number): void {
    const site = this.sites.get(attempt.site);
    if (site === undefined || attempt.holds) return;
    attempt.holds = true;
    this.#there(attempt.site, atMs);
    site.heldSlots += needOf(job.spec.resources ?? {}).slots;
    site.heldMax = Math.max(site.heldMax, site.heldSlots);
  }

  #free(job: Job, attempt: Attempt): void {
    if (!attempt.holds) return;
    attempt.holds = false;
    const site = this.sites.get(attempt.site)!;
    site.heldSlots = Math.max(0, site.heldSlots - needOf(job.spec.resources ?? {}).slots);
  }

  #completed(job: Job, attempt: Attempt, { runMs, outputs, summary }: Completed): void {
    const site = this.sites.get(attempt.site);
    if (site === undefined) return;
    const { app } = job.spec.work;
    const resultBytes = outputs.reduce((sum, { bytes }) => sum + bytes, 0);
    job.run = { site: attempt.site, ms: runMs, resultBytes, outMs: 1_000 * number(summary.stageOutS) };
    const mean = site.runMs.get(app) ?? new Mean();
    mean.add(runMs);
    site.runMs.set(app, mean);
    const [bytes, ms] = [number(summary.stageInBytes), 1_000 * number(summary.stageInS)];
    if (bytes === 0 || ms === 0) return;
    if (job.spec.inputBytes === undefined) job.spec = { ...job.spec, inputBytes: bytes };
    site.in.bytes += bytes;
    site.in.ms += ms;
    const window = Math.floor((attempt.leasedMs + ms) / BUSY_MS);
    site.in.windows.set(window, (site.in.windows.get(window) ?? 0) + bytes);
  }
}

/** Run times of an app as a share of the mean of their site, to draw from. */
function sharesOf({ jobs, sites }: Reading): Map<string, number[]> {
  const shares = new Map<string, number[]>();
  for (const { run, spec } of jobs.values()) {
    const known = shares.get(spec.work.app) ?? [];
    if (run === null || known.length >= KEPT_RUNS) continue;
    const mean = sites.get(run.site)!.runMs.get(spec.work.app)!.value;
    known.push(mean > 0 ? run.ms / mean : 1);
    shares.set(spec.work.app, known);
  }
  return shares;
}

function linkOf({ in: { bytes, ms, windows } }: Site): { link: LinkModel; rateBytesPerMs: number } | null {
  if (ms === 0) return null;
  const rateBytesPerMs = bytes / ms;
  const busiest = Math.max(...windows.values()) / BUSY_MS;
  const link = { bytesPerMs: Math.max(busiest, rateBytesPerMs), transfersMax: TRANSFERS_MAX, jobsPerTransfer: 1, lookMs: 0 };
  return { link, rateBytesPerMs };
}

/** Mean over all sites of an app's runs, ms. */
function commonMs(sites: ReadonlyMap<SiteName, Site>, app: string): number {
  const all = new Mean();
  for (const { runMs } of sites.values()) {
    const mean = runMs.get(app);
    if (mean === undefined) continue;
    all.count += mean.count;
    all.total += mean.total;
  }
  return all.count === 0 ? 0 : all.value;
}

/**
 * Reads the events of a ledger.
 *
 * @param name of the ledger, for people
 * @throws NOT_FOUND no job was submitted, or no site joined
 */
export async function readShift(events: AsyncIterable<LedgerEvent>, name: string): Promise<Recorded> {
  const reading = new Reading();
  for await (const event of events) reading.take(event);
  const { sites } = reading;
  const given = [...reading.jobs].filter(([, { canceled, run }]) => !canceled || run !== null);
  const jobs = given.map(([, job]) => job);
  if (jobs.length === 0) throw new XpcsError("NOT_FOUND", `${name} has no job to replay`);
  if (sites.size === 0) throw new XpcsError("NOT_FOUND", `no site ever joined in ${name}`);
  const startMs = jobs[0]!.atMs;
  const lastAnswerMs = reading.lastMs;
  const places = new Map(given.map(([id], place) => [id, place]));
  const specs = jobs.map(({ spec }) => {
    if (spec.parents === undefined) return spec;
    return { ...spec, parents: spec.parents.flatMap((id) => (places.has(id) ? [replayId(places.get(id)!)] : [])) };
  });
  const shares = sharesOf(reading);
  const drawId = stream("drawn");
  const shareOf = (place: number): number => {
    const { run, spec } = jobs[place]!;
    const { app } = spec.work;
    const known = shares.get(app) ?? [];
    if (run === null) return known.length === 0 ? 1 : known[Math.floor(uniformOf(0, drawId, place) * known.length)]!;
    const mean = sites.get(run.site)!.runMs.get(app)!.value;
    return mean > 0 ? run.ms / mean : 1;
  };
  const models = [...sites].map(([siteName, site]): SiteModel => {
    const link = linkOf(site);
    const times = (place: number, { work }: JobSpec): JobTimes => {
      const { run } = jobs[place]!;
      const meanMs = site.runMs.get(work.app)?.value ?? commonMs(sites, work.app);
      const runMs = run?.site === siteName ? run.ms : meanMs * shareOf(place);
      return { setUpMs: 0, rateBytesPerMs: link?.rateBytesPerMs ?? 1, runMs, outMs: run?.outMs ?? 0, resultBytes: run?.resultBytes ?? 0 };
    };
    const { slots, apps, capacity } = site;
    const told = capacity === undefined ? {} : { capacity };
    const prefetch = Math.max(0, site.heldMax - slots);
    const base = { name: siteName, slots, prefetch, apps, ...told, slower: [], link: link?.link ?? null, times };
    return { ...base, presence: presenceOf(site, startMs, lastAnswerMs) };
  });
  function* arrivals(): Generator<Arrival> {
    for (let from = 0, end = 0; from < jobs.length; from = end) {
      const { atMs } = jobs[from]!;
      while (end < jobs.length && jobs[end]!.atMs === atMs && end - from < LIMITS.submitJobsMax) end += 1;
      yield { atMs: Math.max(0, atMs - startMs), specs: specs.slice(from, end) };
    }
  }
  const shift = { name, startMs, sites: models, arrivals };
  return { shift, jobs: jobs.length, canceled: reading.jobs.size - jobs.length, drawn: jobs.filter(({ run }) => run === null).length };
}

/** Since the beginning of the shift. A site that was there when the last job ended stays, for whoever needs longer. */
function presenceOf({ presence, sinceMs }: Site, startMs: number, lastMs: number): Presence[] {
  const spans = sinceMs === null ? presence : [...presence, { fromMs: sinceMs, untilMs: Number.POSITIVE_INFINITY, leaves: false }];
  return spans.flatMap(({ fromMs, untilMs, leaves }, at) => {
    const isLast = at === spans.length - 1 && untilMs >= lastMs;
    if (!isLast && untilMs <= startMs) return [];
    return [{ fromMs: Math.max(0, fromMs - startMs), untilMs: isLast ? Number.POSITIVE_INFINITY : untilMs - startMs, leaves }];
  });
}
