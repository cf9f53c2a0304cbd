/**
 * Where the job would be answered soonest (estimates.ts); with a deadline the site that meets it with the fewest core seconds, if any does. A site of which
 * little is known is taken to be a little better than expected, so it gets tried. A free slot is left idle only where waiting for a busy site gains more than
 * the estimates can be wrong.
 */
import { type Crossing, type Estimate, estimate } from "../estimates.js";
import { figure, seconds } from "../figures.js";
import { type Alike, ableAt, busyText, type Choice, fits, type Policy, type RoutedJob, type SiteLoad, whyNone } from "../policy.js";
import { coresOf, prospectOf, type RunEstimate } from "../run-times.js";

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

/** Whether `a` is the better one; the same time: more slots free, then the name. */
function isSooner(a: Estimate, b: Estimate): boolean {
  const byTime = rank(a) - rank(b);
  if (byTime !== 0) return byTime < 0;
  if (a.site.free.slots !== b.site.free.slots) return a.site.free.slots > b.site.free.slots;
  return a.site.name < b.site.name;
}

function bestOf(all: readonly Estimate[]): Estimate {
  let best = all[0]!;
  for (let nth = 1; nth < all.length; nth += 1) if (isSooner(all[nth]!, best)) best = all[nth]!;
  return best;
}

function costOf(job: RoutedJob, { site, runMs }: Estimate): number {
  return (coresOf(job, site) * runMs) / 1000;
}

/** The cheapest that answers in time, or null. */
function cheapest(job: RoutedJob, all: readonly Estimate[], leftMs: number): Estimate | null {
  let [best, least]: [Estimate | null, number] = [null, Number.POSITIVE_INFINITY];
  for (const one of all) {
    const cost = costOf(job, one);
    if (best !== null && (cost > least || (cost === least && !isSooner(one, best)))) continue;
    if (one.ms > leftMs || one.ms + DEADLINE_SD * one.sdMs > leftMs) continue;
    [best, least] = [one, cost];
  }
  return best;
}

function whyHere(job: RoutedJob, chosen: Estimate, best: Estimate, all: readonly Estimate[]): string {
  if (job.site !== null) return `pinned to site ${job.site}`;
  if (best !== chosen) return `a free slot at ${describe(job, chosen)}: waiting for ${describe(job, best)} would not gain enough`;
  const others = all.filter((one) => one !== best);
  if (others.length === 0) return `only ${describe(job, best)} can run it now`;
  const next = bestOf(others);
  const isTried = best.ms - best.doubtMs <= next.ms - next.doubtMs;
  const word = best.ms <= next.ms ? "soonest" : isTried ? "tried, as little is known of it of late," : "its files delay others less";
  return `${word} at ${describe(job, best)}, before ${describe(job, next)}`;
}

/** Waits for, or runs at, the cheapest site in time. */
function withinDeadline(job: RoutedJob, chosen: Estimate, leftMs: number): Choice {
  const { site } = chosen;
  const why = () =>
    `the cheapest in time is ${describe(job, chosen)}: ${figure(costOf(job, chosen), 2)} core seconds, answered ${seconds(leftMs - chosen.ms)} before its deadline`;
  return { action: site.pilots === undefined && fits(job, site) ? "run" : "wait", site: site.name, why };
}

/** Of the sites at these places, one after the other. */
function estimates(job: RoutedJob, sites: readonly SiteLoad[], nowMs: number, at: readonly number[], alike: Alike): Estimate[] {
  alike.known ??= sites.map((site) => prospectOf(job, site, nowMs));
  const all: Estimate[] = [];
  for (let nth = 0; nth < at.length; nth += 1) all.push(estimate(job, sites[at[nth]!]!, nowMs, alike.known[at[nth]!]!));
  return all;
}

function choose(job: RoutedJob, sites: readonly SiteLoad[], nowMs: number, alike: Alike = {}): Choice {
  const able = ableAt(job, sites, nowMs, alike, true);
  if (able.length === 0) return { action: "wait", site: null, why: () => whyNone(job, sites, nowMs, true) };
  const all = estimates(job, sites, nowMs, able, alike);
  if (job.deadlineMs !== undefined && job.site === null) {
    const leftMs = job.deadlineMs - nowMs;
    const chosen = cheapest(job, all, leftMs);
    if (chosen !== null) return withinDeadline(job, chosen, leftMs);
  }
  const best = bestOf(all);
  const free = fits(job, best.site) && best.site.pilots === undefined ? best : null;
  const alternatives = free === null ? all.filter(({ site }) => site.pilots === undefined && fits(job, site)) : [];
  const here = free ?? (alternatives.length === 0 ? null : bestOf(alternatives));
  if (here === null) {
    const ahead = best.site.queued > 0 ? `, ${best.site.queued} ahead` : "";
    const busy = () =>
      busyText(
        job,
        all.map(({ site }) => site),
      );
    return { action: "wait", site: best.site.name, why: () => `${busy()}; soonest at ${describe(job, best)}${ahead}` };
  }
  const gainMs = here.ms - best.ms;
  if (gainMs >= Math.max(WAIT_GAIN_MIN_MS, WAIT_GAIN_SHARE * here.ms, WAIT_GAIN_SD * Math.hypot(here.sdMs, best.sdMs))) {
    const what = best.site.pilots === undefined ? "slot" : "pilot";
    return {
      action: "wait",
      site: best.site.name,
      why: () => `a ${what} of ${describe(job, best)} answers ${seconds(gainMs)} sooner than ${describe(job, here)}`,
    };
  }
  return { action: "run", site: here.site.name, why: () => whyHere(job, here, best, all) };
}

export const soonest: Policy = { name: "soonest", choose };
