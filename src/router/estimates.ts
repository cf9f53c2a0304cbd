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
export function aloneInMs({ inputBytes }: Pick<Sized, "inputBytes">, { links }: SiteFacts): number {
  return inputBytes === null || links.in === null ? 0 : crossingMs(inputBytes, links.in);
}

/** What crosses to a site beside all that is on its way there, ms; 0: nothing, or it is not known. */
function stageInMs({ inputBytes }: Pick<Sized, "inputBytes">, { links, inboundBytes }: SiteLoad): number {
  if (inputBytes === null || links.in === null) return 0;
  const { line } = links.in;
  return line === undefined ? crossingMs(inputBytes, links.in) : line.fixedMs + line.msPerByte * (inboundBytes + inputBytes);
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

/** Only the time is worked out at once, the rest when somebody asks: most sites are passed over before. */
class Answer implements Estimate {
  #job!: RoutedJob;
  #prospect!: Prospect;
  #inMs = 0;
  site!: SiteLoad;
  allocationMs = 0;
  aheadMs = 0;
  runMs = 0;
  ms = 0;

  /** The one that it was before is no more. */
  become(job: RoutedJob, site: SiteLoad, nowMs: number, known: Prospect): this {
    this.#job = job;
    this.#prospect = known;
    this.runMs = runMs(known, job, site);
    this.#inMs = stageInMs(job, site);
    this.site = site;
    const { out } = site.links;
    const outMs = out === null || known.resultBytes === null ? 0 : crossingMs(known.resultBytes, out);
    const { slots = 1 } = job.resources;
    const { pilots, freeAtMs } = site;
    if (pilots === undefined) {
      this.allocationMs = 0;
      this.aheadMs = Math.max(0, (freeAtMs[Math.min(slots, freeAtMs.length) - 1] ?? nowMs) - nowMs);
    } else {
      // One that has waited longer is taken to wait as long again, so that nobody waits for ever for pilots that do not come.
      this.allocationMs = remainingMs(pilots.queueWaitMs, job.waitedMs);
      this.aheadMs = Math.floor((slots - 1 - site.free.slots) / (pilots.count * pilots.slotsEach)) * this.runMs;
    }
    this.ms = Math.max(this.allocationMs + this.aheadMs, this.#inMs) + this.runMs + outMs;
    return this;
  }

  get doubtMs(): number {
    return this.#prospect.doubt * this.runMs;
  }

  get othersMs(): number {
    const { inboundJobs, links, queued, slots, pilots } = this.site;
    const { inputBytes, resources } = this.#job;
    const filesMs = inboundJobs * (links.in?.line?.msPerByte ?? 0) * (inputBytes ?? 0);
    // Each of those that wait there begins later by this one's share of the slots.
    const slotsMs = pilots === undefined ? (queued * this.runMs * (resources.slots ?? 1)) / slots : 0;
    return filesMs + slotsMs;
  }

  get run(): RunEstimate {
    return runEstimate(this.#prospect, this.runMs, this.#job, this.site);
  }

  get stageIn(): Crossing | null {
    const alone = estimateStageIn(this.#job, this.site);
    const { in: into } = this.site.links;
    return alone === null || into?.line === undefined ? alone : { ...alone, ms: this.#inMs, sdMs: into.spread * this.#inMs };
  }

  get stageOut(): Crossing | null {
    return crossing(this.#prospect.resultBytes, this.site.links.out);
  }

  get sdMs(): number {
    const { allocationMs, aheadMs, stageIn, stageOut } = this;
    const runSd = this.#prospect.spread * this.runMs;
    const waitMs = allocationMs + aheadMs;
    // The work ahead is of jobs whose run times spread as this one's does.
    const aheadSd = this.runMs === 0 ? 0 : (aheadMs * runSd) / this.runMs;
    const waitSd = waitMs >= this.#inMs ? Math.hypot(UNTRIED_SPREAD * allocationMs, aheadSd) : (stageIn?.sdMs ?? 0);
    return Math.hypot(waitSd, runSd, stageOut?.sdMs ?? 0);
  }
}

/** When `job` would be answered at `site`, if it were given to it now. @param known as `prospectOf` has it */
export function estimate(job: RoutedJob, site: SiteLoad, nowMs: number, known = prospectOf(job, site, nowMs)): Estimate {
  return new Answer().become(job, site, nowMs, known);
}

/** The same, one after the other in one object, for who only compares them. */
export function passingEstimate(): (job: RoutedJob, site: SiteLoad, nowMs: number, known: Prospect) => Estimate {
  const answer = new Answer();
  return (job, site, nowMs, known) => answer.become(job, site, nowMs, known);
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
