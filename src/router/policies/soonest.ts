/**
 * Where the job would be answered soonest (estimates.ts); with a deadline the site that meets it with the fewest core seconds, if any does. A site of which
 * little is known is taken to be a little better than expected, so it gets tried. A free slot is left idle only where waiting for a busy site gains more than
 * the estimates can be wrong.
 */
import { type Crossing, type Estimate, estimateOf, Outlook } from "../estimates.js";
import { figure, seconds } from "../figures.js";
import { type Alike, ableAt, busyText, type Choice, fits, type Policy, type RoutedJob, type SiteLoad, whyNone } from "../policy.js";
import { coresOf, type RunEstimate } from "../run-times.js";

/** Waiting while a slot is free must gain this share of the answer from the free slot, half of what both may be off, and at least so long. */
const WAIT_GAIN_SHARE = 0.25;
const WAIT_GAIN_SD = 0.5;
const WAIT_GAIN_MIN_MS = 1_000;
/** A deadline is taken to be met where this many standard deviations are left. */
const DEADLINE_SD = 1;

function runText({ ms, by, count }: RunEstimate): string {
  if (by === "runs") return `${seconds(ms)} by ${count} run${count === 1 ? "" : "s"}`;
  return by === "self-test" ? `${seconds(ms)} by its self-test` : "run time not measured yet";
}

function crossingText(what: string, crossing: Crossing | null): string[] {
  if (crossing === null) return [];
  const { ms, bytes, tested } = crossing;
  return [
    `${seconds(ms)} to ${what} ${bytes < 1e9 ? `${figure(bytes / 1e6, 2)} MB` : `${figure(bytes / 1e9, 2)} GB`}${tested ? " by its self-test" : ""}`,
  ];
}

function describe(job: RoutedJob, { site, run, stageIn, stageOut, allocationMs, aheadMs }: Estimate): string {
  const wait =
    site.pilots !== undefined
      ? `a pilot in ${seconds(allocationMs + aheadMs)}`
      : fits(job, site)
        ? `${site.free.slots} of ${site.slots} slots free`
        : `a slot in ${seconds(aheadMs)}`;
  const parts = [wait, ...crossingText("bring", stageIn), runText(run), ...crossingText("send back", stageOut)];
  return `${site.name} (${parts.join(", ")})`;
}

/** What the sites are ranked by: a little doubt is to their good, and what others lose counts as what the job itself does. */
const rank = ({ ms, doubtMs, othersMs }: Estimate) => ms - doubtMs + othersMs;

/** A job can begin there now. */
const hasRoom = (job: RoutedJob, site: SiteLoad): boolean => site.pilots === undefined && fits(job, site);

/** Whether one of rank `a` is better than one of rank `b`; the same: more slots free, then the name. */
function isBetter(a: number, site: SiteLoad, b: number, other: SiteLoad): boolean {
  const byTime = a - b;
  if (byTime !== 0) return byTime < 0;
  if (site.free.slots !== other.free.slots) return site.free.slots > other.free.slots;
  return site.name < other.name;
}

function bestOf(all: readonly Estimate[]): Estimate {
  return all.reduce((best, one) => (isBetter(rank(one), one.site, rank(best), best.site) ? one : best));
}

function costOf(job: RoutedJob, site: SiteLoad, runMs: number): number {
  return (coresOf(job, site) * runMs) / 1000;
}

function whyHere(job: RoutedJob, chosen: Estimate, best: Estimate, all: readonly Estimate[]): string {
  if (job.site !== null) return `pinned to site ${job.site}`;
  if (best.site !== chosen.site) return `a free slot at ${describe(job, chosen)}: waiting for ${describe(job, best)} would not gain enough`;
  const others = all.filter(({ site }) => site !== best.site);
  if (others.length === 0) return `only ${describe(job, best)} can run it now`;
  const next = bestOf(others);
  const isTried = best.ms - best.doubtMs <= next.ms - next.doubtMs;
  const word = best.ms <= next.ms ? "soonest" : isTried ? "tried, as little is known of it of late," : "it delays others less";
  return `${word} at ${describe(job, best)}, before ${describe(job, next)}`;
}

/** Waits for, or runs at, the cheapest site in time. */
function withinDeadline(job: RoutedJob, chosen: Estimate, leftMs: number): Choice {
  const { site } = chosen;
  const why = () =>
    `the cheapest in time is ${describe(job, chosen)}: ${figure(costOf(job, site, chosen.runMs), 2)} core seconds, answered ${seconds(leftMs - chosen.ms)} before its deadline`;
  return { action: hasRoom(job, site) ? "run" : "wait", site: site.name, why };
}

/** The rank of the site at a place. */
const rankAt = (outlook: Outlook, at: number): number => outlook.ms(at) - outlook.doubtMs(at) + outlook.othersMs(at);

/** The place of the best of the sites, or -1. @param withRoom those that have room for the job now */
function bestAt(job: RoutedJob, sites: readonly SiteLoad[], able: readonly number[], outlook: Outlook, withRoom: boolean): number {
  let [best, bestRank] = [-1, Number.POSITIVE_INFINITY];
  for (let nth = 0; nth < able.length; nth += 1) {
    const at = able[nth]!;
    const site = sites[at]!;
    if (withRoom && !hasRoom(job, site)) continue;
    const rank = rankAt(outlook, at);
    if (best < 0 || isBetter(rank, site, bestRank, sites[best]!)) [best, bestRank] = [at, rank];
  }
  return best;
}

/** The place of the cheapest that answers in time, or -1. */
function cheapestAt(job: RoutedJob, sites: readonly SiteLoad[], able: readonly number[], outlook: Outlook, leftMs: number): number {
  let [best, least] = [-1, Number.POSITIVE_INFINITY];
  for (const at of able) {
    if (outlook.ms(at) > leftMs) continue;
    const site = sites[at]!;
    const cost = costOf(job, site, outlook.runMs(at));
    const isWorse = cost > least || (cost === least && !isBetter(rankAt(outlook, at), site, rankAt(outlook, best), sites[best]!));
    if (best >= 0 && isWorse) continue;
    if (outlook.ms(at) + DEADLINE_SD * estimateOf(job, site, outlook, at).sdMs > leftMs) continue;
    [best, least] = [at, cost];
  }
  return best;
}

function choose(job: RoutedJob, sites: readonly SiteLoad[], nowMs: number, alike: Alike = {}): Choice {
  const able = ableAt(job, sites, nowMs, alike, true);
  if (able.length === 0) return { action: "wait", site: null, why: () => whyNone(job, sites, nowMs, true) };
  alike.outlook ??= new Outlook(job, sites, nowMs);
  const { outlook } = alike;
  outlook.look(job, sites, able);
  const estimateAt = (at: number): Estimate => estimateOf(job, sites[at]!, outlook, at);
  if (job.deadlineMs !== undefined && job.site === null) {
    const leftMs = job.deadlineMs - nowMs;
    const chosen = cheapestAt(job, sites, able, outlook, leftMs);
    if (chosen >= 0) return withinDeadline(job, estimateAt(chosen), leftMs);
  }
  const first = bestAt(job, sites, able, outlook, false);
  const bestSite = sites[first]!;
  const second = hasRoom(job, bestSite) ? first : bestAt(job, sites, able, outlook, true);
  if (second < 0) {
    const why = () => {
      const ahead = bestSite.queued > 0 ? `, ${bestSite.queued} ahead` : "";
      const all = able.map((at) => sites[at]!);
      return `${busyText(job, all)}; soonest at ${describe(job, estimateAt(first))}${ahead}`;
    };
    return { action: "wait", site: bestSite.name, why };
  }
  const gainMs = outlook.ms(second) - outlook.ms(first);
  if (
    gainMs >= Math.max(WAIT_GAIN_MIN_MS, WAIT_GAIN_SHARE * outlook.ms(second)) &&
    gainMs >= WAIT_GAIN_SD * Math.hypot(estimateAt(second).sdMs, estimateAt(first).sdMs)
  ) {
    const what = bestSite.pilots === undefined ? "slot" : "pilot";
    const why = () =>
      `a ${what} of ${describe(job, estimateAt(first))} answers ${seconds(gainMs)} sooner than ${describe(job, estimateAt(second))}`;
    return { action: "wait", site: bestSite.name, why };
  }
  const why = () => whyHere(job, estimateAt(second), estimateAt(first), able.map(estimateAt));
  return { action: "run", site: sites[second]!.name, why };
}

export const soonest: Policy = { name: "soonest", choose };
