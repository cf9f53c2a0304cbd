/**
 * When a job would be answered at a site, stage by stage, each with its spread: the one estimate that policies, grants and `xpcs explain` share. From what
 * jobs have shown there, before that from the site's self-test, before that from other sites. Pure.
 */
import { type Promised, STAGES, type StageName } from "../core/promise.js";
import type { LinkRate, RoutedJob, SiteFacts, SiteLoad } from "./policy.js";
import { type Prospect, prospectOf, type RunEstimate, runEstimate, runMs, type Sized, UNTRIED_SPREAD } from "./run-times.js";

/** Files on their way over a link. */
export interface Crossing {
  readonly ms: number;
  readonly sdMs: number;
  readonly bytes: number;
  /** The rate is that of the self-test: no job's files have crossed yet. */
  readonly tested: boolean;
}

const crossingMs = (bytes: number, { bytesPerS }: LinkRate): number => (1000 * bytes) / bytesPerS;

/** Null: nothing crosses, or size or rate are not known. */
function crossing(bytes: number | null, rate: LinkRate | null): Crossing | null {
  if (bytes === null || rate === null) return null;
  const ms = crossingMs(bytes, rate);
  return { ms, sdMs: rate.spread * ms, bytes, tested: rate.tested };
}

/** What crosses to a site, whatever else does. */
export function estimateStageIn({ inputBytes }: Pick<Sized, "inputBytes">, { links }: SiteFacts): Crossing | null {
  return crossing(inputBytes, links.in);
}

/** The time of that, ms; 0: nothing, or it is not known. */
export function aloneInMs({ inputBytes }: Pick<Sized, "inputBytes">, { links }: Pick<SiteFacts, "links">): number {
  return inputBytes === null || links.in === null ? 0 : crossingMs(inputBytes, links.in);
}

/** What crosses to a site beside so much, ms; 0: nothing, or it is not known. */
export function besideInMs(job: Pick<Sized, "inputBytes">, site: Pick<SiteFacts, "links">, bytes: number): number {
  const line = site.links.in?.line;
  if (line === undefined || job.inputBytes === null) return aloneInMs(job, site);
  return line.fixedMs + line.msPerByte * (bytes + job.inputBytes);
}

/** The same beside all that is on its way there. */
export function stageInMs(job: Pick<Sized, "inputBytes">, site: SiteLoad): number {
  return besideInMs(job, site, site.inboundBytes);
}

/** Stages of an answer at a site. Files come while the job waits for an allocation and for its turn, so the longer of both counts. */
export interface Estimate {
  readonly site: SiteLoad;
  readonly stageIn: Crossing | null;
  /** Until a pilot begins; 0 where none is waited for. */
  readonly allocationMs: number;
  /** Until what runs and is queued there makes room. */
  readonly aheadMs: number;
  readonly run: RunEstimate;
  /** The time of it. */
  readonly runMs: number;
  readonly stageOut: Crossing | null;
  /** From now to the answer. */
  readonly ms: number;
  readonly sdMs: number;
  /** How much sooner it may really come, as little as is known. */
  readonly doubtMs: number;
  /** How much later all those together would be answered that wait there, for their files or for slots. */
  readonly othersMs: number;
}

/** What has outlasted what was expected is none of the usual ones: it is taken to need as long again as it has taken. */
export function remainingMs(expectedMs: number, elapsedMs: number): number {
  return elapsedMs < expectedMs ? expectedMs - elapsedMs : elapsedMs;
}

/** Places of the numbers of a site in an outlook: first what goes by the job, as of the last one; */
const [IN, ALLOCATION, AHEAD, RUN, ALL, DOUBT, OTHERS] = [0, 1, 2, 3, 4, 5, 6] as const;
/** then what goes by the work of the site, the last one the jobs that wait there by this one's share of the slots, */
const [FREE_IN, INBOUND_BYTES, INBOUND_JOBS, QUEUED_BY_SLOTS] = [7, 8, 9, 10] as const;
/** and what jobs alike have in common: the line of the link and the run time of a size, where there are such, and the way back. */
const [FIXED, PER_BYTE, OUT, MEAN, NOMINAL] = [11, 12, 13, 14, 15] as const;
const NUMBERS = 16;

/**
 * Estimates for jobs alike at each of some sites: what they have in common is worked out once, what a site has to do when that has changed, and of each job what
 * estimates are compared by. In rows of numbers, by the places of the sites: it is asked for each waiting job.
 */
export class Outlook {
  readonly #nowMs: number;
  readonly #slots: number;
  readonly known: Prospect[] = [];
  readonly #sites: SiteLoad[];
  readonly #rows: Float64Array;

  /** For jobs like this one: of its app, class of sizes and resources. @param rows room for its numbers */
  constructor(job: RoutedJob, sites: readonly SiteLoad[], nowMs: number, rows = new Float64Array(NUMBERS * sites.length)) {
    this.#nowMs = nowMs;
    this.#slots = job.resources.slots ?? 1;
    this.#sites = sites.slice();
    this.#rows = rows;
    for (let at = 0; at < sites.length; at += 1) {
      const site = sites[at]!;
      const { in: into, out } = site.links;
      const known = prospectOf(job, site, nowMs);
      this.known.push(known);
      const from = NUMBERS * at;
      rows[from + OUT] = out === null || known.resultBytes === null ? 0 : crossingMs(known.resultBytes, out);
      rows[from + MEAN] = known.nominal === null ? Number.NaN : known.meanMs;
      rows[from + NOMINAL] = known.nominal ?? Number.NaN;
      rows[from + FIXED] = into?.line?.fixedMs ?? 0;
      rows[from + PER_BYTE] = into?.line?.msPerByte ?? Number.NaN;
      this.#see(at, site);
    }
  }

  /** A site as it is now. */
  #see(at: number, site: SiteLoad): void {
    const { freeAtMs } = site;
    const from = NUMBERS * at;
    this.#sites[at] = site;
    this.#rows[from + FREE_IN] = Math.max(0, (freeAtMs[Math.min(this.#slots, freeAtMs.length) - 1] ?? this.#nowMs) - this.#nowMs);
    this.#rows[from + INBOUND_BYTES] = site.inboundBytes;
    this.#rows[from + INBOUND_JOBS] = site.inboundJobs;
    this.#rows[from + QUEUED_BY_SLOTS] = site.pilots === undefined ? (site.queued * this.#slots) / site.slots : 0;
  }

  /** The estimates for this job at the sites of these places; those for the job before are no more. */
  look(job: RoutedJob, sites: readonly SiteLoad[], able: readonly number[]): void {
    const { inputBytes } = job;
    const bytes = inputBytes ?? 0;
    const rows = this.#rows;
    for (let nth = 0; nth < able.length; nth += 1) {
      const at = able[nth]!;
      const site = sites[at]!;
      if (site !== this.#sites[at]) this.#see(at, site);
      const known = this.known[at]!;
      const from = NUMBERS * at;
      const mean = rows[from + MEAN]!;
      const own = inputBytes === null || Number.isNaN(mean) ? runMs(known, job, site) : (mean * bytes) / rows[from + NOMINAL]!;
      const msPerByte = rows[from + PER_BYTE]!;
      const isLine = !Number.isNaN(msPerByte);
      let inMs = inputBytes === 0 ? 0 : (site.filesWaitMs ?? 0);
      if (inputBytes !== null)
        inMs += isLine ? rows[from + FIXED]! + msPerByte * (rows[from + INBOUND_BYTES]! + bytes) : aloneInMs(job, site);
      let allocationMs = 0;
      let aheadMs = rows[from + FREE_IN]!;
      const { pilots } = site;
      if (pilots !== undefined) {
        // One that has waited longer is taken to wait as long again, so that nobody waits for ever for pilots that do not come.
        allocationMs = remainingMs(pilots.queueWaitMs, job.waitedMs);
        aheadMs = Math.floor((this.#slots - 1 - site.free.slots) / (pilots.count * pilots.slotsEach)) * own;
      }
      rows[from + IN] = inMs;
      rows[from + ALLOCATION] = allocationMs;
      rows[from + AHEAD] = aheadMs;
      rows[from + RUN] = own;
      rows[from + ALL] = Math.max(allocationMs + aheadMs, inMs) + own + rows[from + OUT]!;
      rows[from + DOUBT] = known.doubt * own;
      // Each of those that wait for slots begins later by this one's share of them.
      rows[from + OTHERS] = (isLine ? rows[from + INBOUND_JOBS]! * msPerByte * bytes : 0) + rows[from + QUEUED_BY_SLOTS]! * own;
    }
  }

  inMs(at: number): number {
    return this.#rows[NUMBERS * at + IN]!;
  }

  allocationMs(at: number): number {
    return this.#rows[NUMBERS * at + ALLOCATION]!;
  }

  aheadMs(at: number): number {
    return this.#rows[NUMBERS * at + AHEAD]!;
  }

  runMs(at: number): number {
    return this.#rows[NUMBERS * at + RUN]!;
  }

  ms(at: number): number {
    return this.#rows[NUMBERS * at + ALL]!;
  }

  doubtMs(at: number): number {
    return this.#rows[NUMBERS * at + DOUBT]!;
  }

  othersMs(at: number): number {
    return this.#rows[NUMBERS * at + OTHERS]!;
  }
}

/** What an outlook has for one site. */
class Answer implements Estimate {
  readonly #job: RoutedJob;
  readonly #known: Prospect;
  readonly #inMs: number;
  readonly site: SiteLoad;
  readonly allocationMs: number;
  readonly aheadMs: number;
  readonly runMs: number;
  readonly ms: number;
  readonly doubtMs: number;
  readonly othersMs: number;

  /** @param at its place */
  constructor(job: RoutedJob, site: SiteLoad, outlook: Outlook, at: number) {
    this.#job = job;
    this.#known = outlook.known[at]!;
    this.#inMs = outlook.inMs(at);
    this.site = site;
    this.allocationMs = outlook.allocationMs(at);
    this.aheadMs = outlook.aheadMs(at);
    this.runMs = outlook.runMs(at);
    this.ms = outlook.ms(at);
    this.doubtMs = outlook.doubtMs(at);
    this.othersMs = outlook.othersMs(at);
  }

  get run(): RunEstimate {
    return runEstimate(this.#known, this.runMs, this.#job, this.site);
  }

  get stageIn(): Crossing | null {
    const alone = estimateStageIn(this.#job, this.site);
    const { in: into } = this.site.links;
    return alone === null || into === null ? alone : { ...alone, ms: this.#inMs, sdMs: into.spread * this.#inMs };
  }

  get stageOut(): Crossing | null {
    return crossing(this.#known.resultBytes, this.site.links.out);
  }

  get sdMs(): number {
    const { allocationMs, aheadMs } = this;
    const { in: into, out } = this.site.links;
    const { spread, resultBytes } = this.#known;
    const runSd = spread * this.runMs;
    const waitMs = allocationMs + aheadMs;
    // The work ahead is of jobs whose run times spread as this one's does.
    const aheadSd = this.runMs === 0 ? 0 : (aheadMs * runSd) / this.runMs;
    const inSd = this.#job.inputBytes === null || into === null ? 0 : into.spread * this.#inMs;
    const outSd = resultBytes === null || out === null ? 0 : out.spread * crossingMs(resultBytes, out);
    return Math.hypot(waitMs >= this.#inMs ? Math.hypot(UNTRIED_SPREAD * allocationMs, aheadSd) : inSd, runSd, outSd);
  }
}

const FIRST = [0];
/** Room for one estimate after the other: a new one each time would cost more than what is worked out. */
const ROOM = new Float64Array(NUMBERS);

/** When `job` would be answered at `site`, if it were given to it now. */
export function estimate(job: RoutedJob, site: SiteLoad, nowMs: number): Estimate {
  const outlook = new Outlook(job, [site], nowMs, ROOM);
  outlook.look(job, [site], FIRST);
  return new Answer(job, site, outlook, 0);
}

/** The same, of the site at a place, by an outlook that has looked for the job. */
export function estimateOf(job: RoutedJob, site: SiteLoad, outlook: Outlook, at: number): Estimate {
  return new Answer(job, site, outlook, at);
}

/** Runs have shown that it takes longer than the site lets anything run, by more than they spread: it could not finish there. */
export function cannotFinish(job: RoutedJob, site: SiteLoad, nowMs: number): string | null {
  const limitS = site.capacity?.walltimeS ?? null;
  if (limitS === null) return null;
  const known = prospectOf(job, site, nowMs);
  if (known.seen === null) return null;
  const ms = runMs(known, job, site);
  if (ms - 2 * (known.spread * ms) <= 1000 * limitS) return null;
  return `the job takes about ${Math.round(ms / 1000)} s at site ${site.name}, which allows ${limitS} s`;
}

const STAGE_OF: Readonly<Record<StageName, (at: Estimate) => number>> = {
  stageIn: ({ stageIn }) => stageIn?.ms ?? 0,
  allocation: ({ allocationMs }) => allocationMs,
  ahead: ({ aheadMs }) => aheadMs,
  run: ({ run }) => run.ms,
  stageOut: ({ stageOut }) => stageOut?.ms ?? 0,
};

/** The stages of an estimate that take any time, ms. */
export function stagesOf(at: Estimate): Promised["stagesMs"] {
  const stages = STAGES.map((name) => [name, Math.round(STAGE_OF[name](at))] as const);
  return Object.fromEntries(stages.filter(([, ms]) => ms > 0));
}

/** What is promised when a job is given to a site, with the best of the others beside it. */
export function promiseOf(at: Estimate, next: Estimate | null): Promised {
  return {
    ms: Math.round(at.ms),
    sdMs: Math.round(at.sdMs),
    stagesMs: stagesOf(at),
    ...(next === null ? {} : { next: { site: next.site.name, ms: Math.round(next.ms) } }),
  };
}
