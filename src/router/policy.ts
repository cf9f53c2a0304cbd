/**
 * What a routing policy is: a pure function of one job, the view of the sites, and the time. The view comes from ledger events and from
 * who is connected, so a recorded ledger replays every choice. A policy is one file in policies/, listed in registry.ts, and passes
 * test/router/policies.test.ts: it never picks a site that `ineligible` names, and the same question has the same answer.
 */
import { lackedFeature } from "../core/features.js";
import type { JobId, Resources, SiteCapacity, SiteName } from "../core/job.js";
import type { SiteLearnt } from "../core/learning.js";
import { isPilotName } from "../core/pilot-names.js";
import { notTaken, type Submitter, type SubmitterRule, takesFrom } from "../core/submitters.js";
import { closedNow, closesTooSoon, type Opening } from "./downtime.js";
import { cannotFinish, type Outlook } from "./estimates.js";
import { isForOthers, keptAway, type SiteProbation } from "./probation.js";

export interface RoutedJob {
  readonly id: JobId;
  readonly app: string;
  /** Pinned to this site, or null. */
  readonly site: SiteName | null;
  /** Sites where an attempt of it failed or was lost: taken only when no other can. */
  readonly avoid: readonly SiteName[];
  /** Who submitted it. */
  readonly submitter?: Submitter;
  /** Sites that said they can never run it. */
  readonly refusedBy: readonly SiteName[];
  readonly resources: Resources;
  /** Size of the files that it reads; null: not known. */
  readonly inputBytes: number | null;
  /** Since it could run. */
  readonly waitedMs: number;
  /** Attempts that it has, this one included; absent: not known. */
  readonly attemptsLeft?: number;
  /** When its answer is wanted, ms since 1970; absent: as soon as can be. */
  readonly deadlineMs?: number;
}

/** What the jobs of a site share. */
export const SHARED = ["slots", "cores", "memoryGb", "gpus", "nodes"] as const;
export type Shared = Readonly<Record<(typeof SHARED)[number], number>>;

export const NOTHING: Shared = { slots: 0, cores: 0, memoryGb: 0, gpus: 0, nodes: 0 };

/** What a job takes of what is shared: one slot unless it says more. Nodes that it asks for it has for itself among those that ask for nodes. */
export function needOf({ slots = 1, cores = 0, memoryGb = 0, gpus = 0, nodes = 0 }: Resources): Shared {
  return { slots, cores, memoryGb, gpus, nodes };
}

/** The sum of two. */
export function plus(a: Shared, b: Shared): Shared {
  return {
    slots: a.slots + b.slots,
    cores: a.cores + b.cores,
    memoryGb: a.memoryGb + b.memoryGb,
    gpus: a.gpus + b.gpus,
    nodes: a.nodes + b.nodes,
  };
}

/** How fast files cross a link. */
export interface LinkRate {
  readonly bytesPerS: number;
  /** By the site's self-test: no job's files have crossed yet. */
  readonly tested: boolean;
  /** How far one crossing may be off, as a share of its time. */
  readonly spread: number;
  /** How the time goes with all that is on its way at the same time; absent: too little was seen. */
  readonly line?: { readonly fixedMs: number; readonly msPerByte: number };
}

/** What is known of a site, but for its work. */
export interface SiteFacts {
  readonly name: SiteName;
  /** It is connected and renews. */
  readonly up: boolean;
  /** The site that started it as a pilot, or null. */
  readonly pilotOf: SiteName | null;
  /** Whose jobs it takes; absent: not known, so that it has to refuse them itself. */
  readonly submitters?: SubmitterRule | undefined;
  /** Why it takes no work at present, in the words of its admin; null: it does. */
  readonly draining: string | null;
  /** Its downtimes; absent: none is known. */
  readonly opening?: Opening | undefined;
  /** It failed what others finished; absent: it is trusted. */
  readonly probation?: SiteProbation | undefined;
  readonly slots: number;
  /** Null: not known, and then only slots count. */
  readonly capacity: SiteCapacity | null;
  readonly apps: readonly string[];
  /** Jobs ever given to it. */
  readonly granted: number;
  /** What its completions have taught; for a pilot, also those of the site's other pilots. */
  readonly learnt: SiteLearnt;
  /** The same of all sites together. */
  readonly common: SiteLearnt;
  /** Of files that cross to it and back; null: none do, or it is not known. */
  readonly links: { readonly in: LinkRate | null; readonly out: LinkRate | null };
  /** Until it can bring files of another job, ms; absent: it can now. */
  readonly filesWaitMs?: number | undefined;
  /** Photon events that a core of it correlates, 1/s, by its self-test; null: not known. */
  readonly eventsPerCoreS: number | null;
  /** Present for a site that runs nothing itself, and has no slots: pilots of it do, sites of their own, some of which are still to begin. */
  readonly pilots?: ComingPilots | undefined;
}

/** A site as a policy sees it; work-ahead.ts makes it. */
export interface SiteLoad extends SiteFacts {
  /** Jobs that run there. */
  readonly running: number;
  /** Jobs ahead of this one for which this site was chosen, and which wait for a place there. */
  readonly queued: number;
  /** Neither taken by running jobs nor kept for those that are queued, so that a large job is not overtaken for ever; below 0: so much is lacking. */
  readonly free: Shared;
  /** Of jobs whose files are taken to be on their way there. */
  readonly inboundBytes: number;
  /** How many jobs that is; one half of whose bytes is to come still counts half. */
  readonly inboundJobs: number;
  /** When each slot is expected to be free of all that runs and is queued there, the earliest first, ms since 1970. */
  readonly freeAtMs: readonly number[];
}

/** Pilots that are still to begin. */
export interface ComingPilots {
  /** At least one. */
  readonly count: number;
  readonly slotsEach: number;
  /** From asking for one to its beginning, as measured once. */
  readonly queueWaitMs: number;
}

/**
 * Run now at `site`; or wait, for a slot at `site` or (null) for something that no slot will bring. The sentence that says why is made when somebody asks:
 * dispatch looks at many jobs for each that it gives away. Asked for before the sites change, and before another job alike is asked about.
 */
export type Choice =
  | { readonly action: "run"; readonly site: SiteName; readonly why: () => string }
  | { readonly action: "wait"; readonly site: SiteName | null; readonly why: () => string };

/**
 * What jobs alike have in common at one time, but for their very sizes, the time that they waited, and their deadlines: worked out for the first of them and kept
 * for the others, which are asked about the same sites, in the same order, with other work at most. Empty before the first.
 */
export interface Alike {
  /** Sites, as places in the list, that may have such jobs as far as the work there is not asked. */
  able?: readonly number[];
  /** Of those: some whose work has to be asked. */
  asksMore?: boolean;
  outlook?: Outlook;
}

export interface Policy {
  readonly name: string;
  /**
   * @param sites sorted by name
   * @param alike where the jobs before were alike: what they had in common
   */
  choose(job: RoutedJob, sites: readonly SiteLoad[], nowMs: number, alike?: Alike): Choice;
}

/** What the job lacks there at present; empty when it could begin at once. What it does not ask for it cannot lack. */
function lacks(job: RoutedJob, site: SiteLoad): readonly (keyof Shared)[] {
  const need = needOf(job.resources);
  return SHARED.filter((what) => need[what] > 0 && need[what] > site.free[what]);
}

/** True when the job could begin there at once. Asked for each job and site, so it makes nothing. */
export function fits({ resources }: Pick<RoutedJob, "resources">, { free }: Pick<SiteLoad, "free">): boolean {
  const { slots = 1, cores = 0, memoryGb = 0, gpus = 0, nodes = 0 } = resources;
  const has = (need: number, left: number): boolean => need <= 0 || need <= left;
  return has(slots, free.slots) && has(cores, free.cores) && has(memoryGb, free.memoryGb) && has(gpus, free.gpus) && has(nodes, free.nodes);
}

const UNBOUNDED: SiteCapacity = {
  cores: Number.POSITIVE_INFINITY,
  memoryGb: Number.POSITIVE_INFINITY,
  gpus: Number.POSITIVE_INFINITY,
  nodes: Number.POSITIVE_INFINITY,
  walltimeS: null,
};

/** What a site has in all. */
export function hasInAll({
  slots,
  capacity,
  pilots,
}: Pick<SiteLoad, "slots" | "capacity" | "pilots">): Shared & Pick<SiteCapacity, "walltimeS"> {
  const { cores, memoryGb, gpus, nodes, walltimeS } = capacity ?? UNBOUNDED;
  return { slots: pilots?.slotsEach ?? slots, cores, memoryGb, gpus, nodes, walltimeS };
}

const UNITS = { slots: "slots", cores: "cores", memoryGb: "GB of memory", gpus: "GPUs", nodes: "nodes" } as const;

/** As `tooLarge`, of the many that are not: asked for each job and site, so it makes nothing. */
function isSmallEnough(resources: Resources, { slots: own, capacity, pilots }: Pick<SiteLoad, "slots" | "capacity" | "pilots">): boolean {
  const { slots = 0, cores = 0, memoryGb = 0, gpus = 0, nodes = 0, walltimeS = 0, features } = resources;
  if (slots > (pilots?.slotsEach ?? own)) return false;
  if (features !== undefined && lackedFeature(features, capacity?.features ?? []) !== null) return false;
  if (capacity === null) return true;
  if (cores > capacity.cores || memoryGb > capacity.memoryGb || gpus > capacity.gpus || nodes > capacity.nodes) return false;
  return capacity.walltimeS === null || walltimeS <= capacity.walltimeS;
}

/** Why the site can never have a job with these needs, or null. */
export function tooLarge(resources: Resources, site: Pick<SiteLoad, "name" | "slots" | "capacity" | "pilots">): string | null {
  if (isSmallEnough(resources, site)) return null;
  const { name } = site;
  const has = hasInAll(site);
  for (const what of SHARED) {
    const need = resources[what] ?? 0;
    if (need > has[what]) return `the job needs ${need} ${UNITS[what]}, site ${name} has ${has[what]}`;
  }
  const { walltimeS = 0 } = resources;
  if (has.walltimeS !== null && walltimeS > has.walltimeS) return `the job may run ${walltimeS} s, site ${name} allows ${has.walltimeS} s`;
  const lacked = lackedFeature(resources.features ?? [], site.capacity?.features ?? []);
  if (lacked !== null) return `the job needs ${lacked}, which site ${name} does not have`;
  return null;
}

/** What is pinned to a site may run there, and in its pilots. */
export function belongs(pinned: SiteName, { name, pilotOf }: Pick<SiteLoad, "name" | "pilotOf">): boolean {
  return pinned === name || pinned === pilotOf;
}

/** Why this site cannot have this job at present, whatever the work there, or null. */
function barred(job: RoutedJob, site: SiteLoad): string | null {
  if (job.site !== null && !belongs(job.site, site)) return `the job is pinned to site ${job.site}`;
  if (!site.apps.includes(job.app)) return `site ${site.name} does not offer ${job.app}`;
  const { pilots, submitters = null } = site;
  if (
    job.refusedBy.length > 0 &&
    job.refusedBy.some((name) => name === site.name || (pilots !== undefined && isPilotName(site.name, name)))
  )
    return `site ${site.name} refused the job`;
  if (!takesFrom(submitters, job.submitter ?? {})) return notTaken(site.name, job.submitter ?? {});
  const large = tooLarge(job.resources, site);
  if (large !== null) return large;
  const closed = closedNow(site);
  if (closed !== null) return closed;
  if (!site.up) return `site ${site.name} is silent`;
  if (site.draining !== null) return `site ${site.name} takes no work: ${site.draining}`;
  return null;
}

/** Why this site cannot have this job at present, or null. */
export function ineligible(job: RoutedJob, site: SiteLoad): string | null {
  return barred(job, site) ?? keptAway(site);
}

/** Why this site cannot have this job, or could not finish it; null: it can. */
export function whyNot(job: RoutedJob, site: SiteLoad, nowMs: number): string | null {
  return ineligible(job, site) ?? cannotFinish(job, site, nowMs) ?? closesTooSoon(job, site, nowMs);
}

/** Why no site can have the job. */
export function whyNone(job: RoutedJob, all: readonly SiteLoad[], nowMs: number, withComing: boolean): string {
  const sites = withComing && job.site === null ? all : all.filter(({ pilots }) => pilots === undefined);
  if (sites.length === 0) return "no site is connected to central";
  if (job.site !== null) {
    const { site } = job;
    const pinned = sites.filter((load) => belongs(site, load)).map((load) => whyNot(job, load, nowMs));
    return pinned.length === 0 ? `site ${site}, to which it is pinned, is not connected to central` : pinned.join("; ");
  }
  const offering = sites.filter(({ name, apps }) => apps.includes(job.app) && !job.refusedBy.includes(name));
  if (offering.length === 0) return `no ${job.refusedBy.length > 0 ? "other " : ""}site offers ${job.app}`;
  const large = offering.flatMap((site) => tooLarge(job.resources, site) ?? []);
  if (large.length === offering.length) return `no site has what the job needs: ${large.join("; ")}`;
  const fitting = offering.filter((site) => tooLarge(job.resources, site) === null);
  if (fitting.some((site) => site.up || closedNow(site) !== null)) return fitting.map((site) => whyNot(job, site, nowMs)).join("; ");
  return `no site is up (${fitting.map(({ name }) => name).join(", ")} ${fitting.length === 1 ? "is" : "are"} silent)`;
}

/** Whether jobs alike may have it or not goes by their sizes and by the work there. */
function asksMore({ probation, capacity, opening }: SiteLoad): boolean {
  return probation !== undefined || (capacity?.walltimeS ?? null) !== null || (opening !== undefined && opening.leftMs !== null);
}

/** Without those to avoid, if there are others. */
function withoutAvoided(job: RoutedJob, able: readonly number[], all: readonly SiteLoad[]): readonly number[] {
  if (job.avoid.length === 0 && (job.attemptsLeft ?? 2) > 1) return able;
  const fresh = able.filter((at) => !job.avoid.includes(all[at]!.name) && !isForOthers(job, all[at]!));
  // Pilots that may never come are no reason not to take what is there.
  return fresh.some((at) => all[at]!.pilots === undefined) ? fresh : able;
}

/**
 * The sites to choose from, as places in the list, without those to avoid if there are others; none: `whyNone` says why.
 *
 * @param withComing also those whose pilots are still to begin; a job that is pinned to a site does not wait for pilots, which have names of their own
 */
export function ableAt(job: RoutedJob, all: readonly SiteLoad[], nowMs: number, alike: Alike, withComing: boolean): readonly number[] {
  if (alike.able === undefined) {
    const able: number[] = [];
    const takesComing = withComing && job.site === null;
    let more = false;
    for (let at = 0; at < all.length; at += 1) {
      const site = all[at]!;
      if ((site.pilots !== undefined && !takesComing) || barred(job, site) !== null) continue;
      able.push(at);
      more ||= asksMore(site);
    }
    alike.able = more ? able : withoutAvoided(job, able, all);
    alike.asksMore = more;
  }
  if (alike.asksMore !== true) return alike.able;
  const able = alike.able.filter((at) => {
    const site = all[at]!;
    return keptAway(site) === null && cannotFinish(job, site, nowMs) === null && closesTooSoon(job, site, nowMs) === null;
  });
  return withoutAvoided(job, able, all);
}

function busyAt(job: RoutedJob, site: SiteLoad): string {
  const { name, slots, pilots } = site;
  if (pilots !== undefined) return `${pilots.count} pilot${pilots.count === 1 ? "" : "s"} of site ${name} still to begin`;
  const need = needOf(job.resources);
  const { free } = site;
  const lacking = lacks(job, site);
  if (lacking.includes("slots") && need.slots === 1) return `${slots === 1 ? "the only slot" : `all ${slots} slots`} of site ${name} busy`;
  return `site ${name} has ${lacking.map((what) => `${Math.max(0, free[what])} of ${need[what]} ${UNITS[what]}`).join(" and ")} free`;
}

/** "all 2 slots of site a busy", or what else is lacking, for each of `sites`. */
export function busyText(job: RoutedJob, sites: readonly SiteLoad[]): string {
  return sites.map((site) => busyAt(job, site)).join(", ");
}
