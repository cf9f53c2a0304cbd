/**
 * What a routing policy is: a pure function of one job, the view of the sites, and the time. The view comes from ledger events and from
 * who is connected, so a recorded ledger replays every choice. A policy is one file in policies/, listed in registry.ts, and passes
 * test/router/policies.test.ts: it never picks a site that `ineligible` names, and the same question has the same answer.
 */
import type { JobId, SiteName } from "../core/job.js";

export interface RoutedJob {
  readonly id: JobId;
  readonly app: string;
  /** Pinned to this site, or null. */
  readonly site: SiteName | null;
  /** Sites where an attempt of it failed or was lost: taken only when no other can. */
  readonly avoid: readonly SiteName[];
}

/** Mean run time of an app, from completions. */
export interface RunMean {
  readonly count: number;
  readonly meanMs: number;
}

export interface RunningJob {
  readonly app: string;
  readonly elapsedMs: number;
}

export interface SiteLoad {
  readonly name: SiteName;
  /** It is connected and renews. */
  readonly up: boolean;
  readonly slots: number;
  readonly apps: readonly string[];
  readonly running: readonly RunningJob[];
  /** Jobs ahead of this one for which this site was chosen, and which wait for a slot there. */
  readonly queued: number;
  /** Jobs ever given to it. */
  readonly granted: number;
  /** Measured mean run time by app. */
  readonly runs: Readonly<Record<string, RunMean>>;
}

/** Run now at `site`; or wait, for a slot at `site` or (null) for something that no slot will bring. */
export type Choice =
  | { readonly action: "run"; readonly site: SiteName; readonly why: string }
  | { readonly action: "wait"; readonly site: SiteName | null; readonly reason: string };

export interface Policy {
  readonly name: string;
  /** `sites` are sorted by name. */
  choose(job: RoutedJob, sites: readonly SiteLoad[], nowMs: number): Choice;
}

/** Slots without a job; jobs that are queued for it may be about to take them. */
export function freeSlots(site: SiteLoad): number {
  return site.slots - site.running.length;
}

/** Why this site cannot have this job at present, or null. */
export function ineligible(job: RoutedJob, site: SiteLoad): string | null {
  if (job.site !== null && job.site !== site.name) return `the job is pinned to site ${job.site}`;
  if (!site.apps.includes(job.app)) return `site ${site.name} does not offer ${job.app}`;
  if (!site.up) return `site ${site.name} is silent`;
  return null;
}

function whyNone(job: RoutedJob, sites: readonly SiteLoad[]): string {
  if (sites.length === 0) return "no site is connected to central";
  if (job.site !== null) {
    const pinned = sites.find(({ name }) => name === job.site);
    return pinned === undefined ? `site ${job.site}, to which it is pinned, is not connected to central` : (ineligible(job, pinned) ?? "");
  }
  const offering = sites.filter(({ apps }) => apps.includes(job.app));
  if (offering.length === 0) return `no site offers ${job.app}`;
  return `no site is up (${offering.map(({ name }) => name).join(", ")} ${offering.length === 1 ? "is" : "are"} silent)`;
}

/** The sites to choose from, without those to avoid if there are others; or the reason why there are none. */
export function candidates(job: RoutedJob, sites: readonly SiteLoad[]): readonly SiteLoad[] | string {
  const able = sites.filter((site) => ineligible(job, site) === null);
  if (able.length === 0) return whyNone(job, sites);
  const fresh = able.filter(({ name }) => !job.avoid.includes(name));
  return fresh.length > 0 ? fresh : able;
}

/** "all 2 slots of site a busy", for each of `sites`. */
export function busyText(sites: readonly SiteLoad[]): string {
  return sites.map(({ name, slots }) => `${slots === 1 ? "the only slot" : `all ${slots} slots`} of site ${name} busy`).join(", ");
}
