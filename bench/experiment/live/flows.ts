/** Where jobs went in a run, and how many each facility finished, before, during and after an outage. Pure. */
import { basename } from "node:path";
import type { JobId, JobSpec } from "../../../src/core/job.js";
import type { LedgerEvent } from "../../../src/ledger/events.js";
import { isOf } from "../../facilities/facilities.js";
import { SIZES } from "../../facilities/inputs.js";
import type { Span } from "../../facilities/story.js";

/** A lease may last so long after its site has gone, ms. */
export const NOTICED_MS = 10_000;

/** What one facility did; rates in jobs/min. */
export interface Flow {
  readonly name: string;
  readonly finished: number;
  /** Of those, by kind: the sizes of XPCS jobs, and the proxy application. */
  readonly kinds: Readonly<Record<string, number>>;
  readonly perMin: number;
  /** Leases: before the outage, while it was known, after it. */
  readonly leases: readonly [before: number, away: number, after: number];
  /** Finished in each window of time, per min. */
  readonly windows: readonly number[];
}

export interface Flows {
  /** Each facility, then all. */
  readonly flows: readonly Flow[];
  /** Length of a window, s; the first begins with the first submission. */
  readonly windowS: number;
  readonly wholeS: number;
  /** From the first submission: when the link was cut, and when it was back, s. */
  readonly outageS: readonly [number, number];
  /** From the end of the outage until the facility got its next job, s; null: it got none. */
  readonly backAfterS: number | null;
}

export const PROXY = "proxy";
export const KINDS = [...SIZES.map(({ name }) => name), PROXY];

/** Which kind of job it is: by the name of its file, as inputs.ts writes it. */
export function kindOf({ work }: JobSpec): string {
  if (work.app !== "xpcs.corr" || !("input" in work)) return PROXY;
  const name = basename(work.input?.path ?? "", ".bin");
  return name.slice(name.lastIndexOf("_") + 1);
}

interface Seen {
  readonly site: string;
  readonly at: number;
  readonly kind: string;
}

const count = <T>(of: readonly T[], is: (one: T) => boolean): number => of.filter(is).length;

/**
 * @param events of the whole ledger; sites have one outage
 * @param outage of the facility `victim`: when its link was cut, and when it was back
 */
export function flowsOf(
  events: readonly LedgerEvent[],
  facilities: readonly string[],
  victim: string,
  outage: Span,
  windowS: number,
): Flows {
  const kinds = new Map<JobId, string>();
  const leasedAt = new Map<JobId, string>();
  const leases: Seen[] = [];
  const finished: Seen[] = [];
  let firstMs = Number.POSITIVE_INFINITY;
  let lastMs = 0;
  for (const event of events) {
    if (event.type === "submitted") {
      firstMs = Math.min(firstMs, event.at);
      for (const [at, job] of event.jobs.entries()) kinds.set(job, kindOf(event.specs[at]!));
    } else if (event.type === "leased") {
      leasedAt.set(event.job, event.site);
      leases.push({ site: event.site, at: event.at, kind: kinds.get(event.job) ?? "" });
    } else if (event.type === "completed") {
      finished.push({ site: leasedAt.get(event.job) ?? "", at: event.at, kind: kinds.get(event.job) ?? "" });
      lastMs = event.at;
    }
  }
  const [cutMs, backMs] = outage;
  const wholeS = Math.max(0, lastMs - firstMs) / 1000;
  const windows = Math.max(1, Math.ceil(wholeS / windowS));
  const flowOf = (name: string, has: (site: string) => boolean): Flow => {
    const mine = finished.filter(({ site }) => has(site));
    const got = leases.filter(({ site }) => has(site));
    const perWindow = new Array<number>(windows).fill(0);
    for (const { at } of mine) perWindow[Math.min(windows - 1, Math.floor((at - firstMs) / (1000 * windowS)))]! += 1;
    return {
      name,
      finished: mine.length,
      kinds: Object.fromEntries(KINDS.map((kind) => [kind, count(mine, (one) => one.kind === kind)])),
      perMin: wholeS > 0 ? (60 * mine.length) / wholeS : 0,
      leases: [
        count(got, ({ at }) => at < cutMs),
        count(got, ({ at }) => at >= cutMs + NOTICED_MS && at < backMs),
        count(got, ({ at }) => at >= backMs),
      ],
      windows: perWindow.map((jobs) => (60 * jobs) / windowS),
    };
  };
  const next = leases.find(({ site, at }) => isOf(victim)(site) && at >= backMs);
  return {
    flows: [...facilities.map((name) => flowOf(name, isOf(name))), flowOf("all", () => true)],
    windowS,
    wholeS,
    outageS: [(cutMs - firstMs) / 1000, (backMs - firstMs) / 1000],
    backAfterS: next === undefined ? null : (next.at - backMs) / 1000,
  };
}

/** Part of the leases of a phase that went to a facility; null: nothing was leased then. */
export function shareOf({ leases }: Flow, all: Flow, phase: 0 | 1 | 2): number | null {
  return all.leases[phase] === 0 ? null : leases[phase] / all.leases[phase];
}

/** What must hold of them. @returns what does not */
export function flowFaults({ flows }: Flows, victim: string): string[] {
  const all = flows.at(-1)!;
  const flow = flows.find(({ name }) => name === victim);
  if (flow === undefined) return [`there is no facility ${victim}`];
  const [before, away, after] = flow.leases;
  const faults: string[] = [];
  if (before === 0) faults.push(`${victim} had no job before its outage`);
  if (all.leases[1] === 0) faults.push(`no job was leased while ${victim} was away`);
  if (away > 0) faults.push(`${victim} got ${away} jobs while it was away`);
  if (after === 0) faults.push(`${victim} got no job after its outage`);
  return faults;
}
