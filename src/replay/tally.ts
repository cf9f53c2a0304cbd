/** What a run adds up to while it goes on: times of jobs in plain arrays, so that a million of them take some MB. */
import type { SiteName } from "../core/job.js";

/** A list of numbers that grows. */
export class Numbers {
  #values = new Float64Array(1_024);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(value: number): void {
    if (this.#size === this.#values.length) {
      const larger = new Float64Array(2 * this.#size);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#size] = value;
    this.#size += 1;
  }

  /** A view of it, valid until the next `add`. */
  get values(): Float64Array {
    return this.#values.subarray(0, this.#size);
  }
}

/** Quantile of sorted values, by linear interpolation (type 7 of Hyndman and Fan 1996); NaN of none. */
export function quantileOf(sorted: Float64Array | readonly number[], share: number): number {
  if (sorted.length === 0) return Number.NaN;
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const [low, high] = [sorted[below]!, sorted[Math.min(below + 1, sorted.length - 1)]!];
  return low + (at - below) * (high - low);
}

/** Of one site. */
export interface SiteTally {
  jobs: number;
  /** Slots x time of runs, ms; of those that were lost too. */
  busyMs: number;
  lostMs: number;
  /** When the last job of it was answered, ms since the beginning of the shift. */
  lastMs: number;
  bytesIn: number;
  bytesOut: number;
}

/** Of a whole run. */
export interface Tally {
  submitted: number;
  finished: number;
  failed: number;
  canceled: number;
  /** Attempts that were lost with their site. */
  lost: number;
  /** Jobs that were answered after their deadline, or were not begun before it. */
  late: number;
  /** Jobs that had a deadline. */
  due: number;
  /** From submission to answer, ms, in the order of the answers. */
  readonly answersMs: Numbers;
  /** When that was, ms since the beginning of the shift. */
  readonly atMs: Numbers;
  /** Integral of the number of jobs that are under way, ms. */
  underWayMs: number;
  firstMs: number;
  lastMs: number;
  readonly sites: Map<SiteName, SiteTally>;
}

/** Nothing yet. */
export function noTally(): Tally {
  const none = { submitted: 0, finished: 0, failed: 0, canceled: 0, lost: 0, late: 0, due: 0, underWayMs: 0 };
  return { ...none, answersMs: new Numbers(), atMs: new Numbers(), firstMs: Number.NaN, lastMs: 0, sites: new Map() };
}

/** That of a site. */
export function siteTally(tally: Tally, site: SiteName): SiteTally {
  const known = tally.sites.get(site);
  if (known !== undefined) return known;
  const made: SiteTally = { jobs: 0, busyMs: 0, lostMs: 0, lastMs: 0, bytesIn: 0, bytesOut: 0 };
  tally.sites.set(site, made);
  return made;
}
