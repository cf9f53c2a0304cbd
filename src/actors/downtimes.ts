/**
 * The downtimes of sites: what people and feeds have said (in the ledger), and what central knows by itself: the ends of the token with which a site is
 * connected, and of the batch job in which it works. Puts them together for the router and for people; entering and removing them is downtime-admin.ts's, asking feeds feed-watch.ts's.
 */
import type { Downtime, DowntimeView, FacilityState, FeedView } from "../core/downtime.js";
import type { SiteName } from "../core/job.js";
import { pilotSiteOf } from "../core/pilot-names.js";
import type { SiteRecord, State } from "../ledger/state.js";
import { type Opening, openingOf } from "../router/downtime.js";
import type { Sites } from "./presence.js";

/** What is heard of facilities besides what is in the ledger. */
export interface FeedNews {
  views(): readonly FeedView[];
  /** When the feed last answered, ms since 1970; null: not since central started, or there is no such feed. */
  heardMs(feed: string): number | null;
  /** What the feeds say of a site now; null: none watches it. */
  facility(site: SiteName): FacilityState | null;
}

export const NO_FEEDS: FeedNews = { views: () => [], heardMs: () => null, facility: () => null };

function tokenEnd(site: SiteName, endsMs: number | null, seenAt: number): Downtime[] {
  if (endsMs === null) return [];
  const text = "the token with which it is connected ends: give it another";
  return [{ id: `token-${site}`, site, fromMs: endsMs, toMs: null, kind: "planned", source: "token", fetchedMs: seenAt, text }];
}

function allocationEnd({ name: site, present, endsAt, joinedAt }: SiteRecord): Downtime[] {
  if (!present || endsAt === undefined) return [];
  const whole = { site, fromMs: endsAt, toMs: null, kind: "planned", source: "allocation", fetchedMs: joinedAt } as const;
  return [{ ...whole, id: `allocation-${site}`, text: "the batch job ends in which it works" }];
}

/** What central knows by itself. Asked in each turn, and mostly it is nothing. */
function ownDowntimes(state: State, sites: Sites): Downtime[] {
  const own: Downtime[] = [];
  for (const site of state.sites.values()) if (site.endsAt !== undefined) own.push(...allocationEnd(site));
  for (const [site, { tokenEndsMs, seenAt }] of sites.entries()) if (tokenEndsMs !== null) own.push(...tokenEnd(site, tokenEndsMs, seenAt));
  for (const [site, { tokenEndsMs, saidMs }] of sites.pilotSites) own.push(...tokenEnd(site, tokenEndsMs, saidMs));
  return own;
}

/** All that are not over. */
function known(state: State, sites: Sites, nowMs: number): Downtime[] {
  const all =
    state.downtimes.size === 0 ? ownDowntimes(state, sites) : [...[...state.downtimes.values()].flat(), ...ownDowntimes(state, sites)];
  return all.filter(({ toMs }) => toMs === null || toMs > nowMs);
}

/** All that are not over, by when they begin. */
export function allDowntimes(state: State, sites: Sites, nowMs: number): Downtime[] {
  return known(state, sites, nowMs).sort((a, b) => a.fromMs - b.fromMs || (a.id < b.id ? -1 : 1));
}

/** Those that hold for a site: its own, and those of the site whose pilot it is. In the order in which they are given. */
export function bySite(downtimes: readonly Downtime[]): (name: SiteName, pilotOf: SiteName | null) => readonly Downtime[] {
  const said = new Map<SiteName, Downtime[]>();
  for (const downtime of downtimes) {
    const others = said.get(downtime.site);
    if (others === undefined) said.set(downtime.site, [downtime]);
    else others.push(downtime);
  }
  return (name, pilotOf) => {
    const whose = new Set([name, pilotOf, pilotSiteOf(name)]);
    return [...whose].flatMap((site) => (site === null ? [] : (said.get(site) ?? [])));
  };
}

/** Of a batch job's time this share is gone at most while it counts as whole. */
const WHOLE_SHARE = 0.2;

/** It closes with its batch job, and that has only begun. */
function isWhole(site: SiteRecord | undefined, { leftMs }: Opening, nowMs: number): boolean {
  if (site?.endsAt === undefined || leftMs === null || leftMs !== site.endsAt - nowMs) return false;
  return nowMs - site.joinedAt <= WHOLE_SHARE * (site.endsAt - site.joinedAt);
}

/** As the router sees a site; an empty one where nothing is known. */
export function openings(state: State, sites: Sites, nowMs: number): (name: SiteName, pilotOf: SiteName | null) => { opening?: Opening } {
  const all = known(state, sites, nowMs);
  if (all.length === 0) return () => ({});
  const ofSite = bySite(all);
  return (name, pilotOf) => {
    const own = ofSite(name, pilotOf);
    if (own.length === 0) return {};
    const opening = openingOf(own, nowMs);
    return { opening: isWhole(state.sites.get(name), opening, nowMs) ? { ...opening, isWhole: true } : opening };
  };
}

const iso = (ms: number) => new Date(ms).toISOString();

function stateOf({ fromMs, degraded, removedBy }: Downtime, nowMs: number): DowntimeView["state"] {
  if (removedBy !== undefined) return "removed";
  if (fromMs > nowMs) return "to-come";
  return degraded ? "degraded" : "in-force";
}

/** As people see it. @param heardMs when its source last said so, where that is known */
export function downtimeView(downtime: Downtime, nowMs: number, heardMs: number | null): DowntimeView {
  const { id, site, fromMs, toMs, kind, source, fetchedMs, text, by, removedBy } = downtime;
  return {
    ...{ id, site, from: iso(fromMs), to: toMs === null ? null : iso(toMs), kind, source },
    ...{ fetchedAt: iso(Math.max(fetchedMs, heardMs ?? 0)), text, state: stateOf(downtime, nowMs), by: removedBy ?? by ?? null },
  };
}

/** The one that is in force, else the next that is to come; what does not keep jobs away comes last. */
export function firstDowntime(views: readonly DowntimeView[]): DowntimeView | null {
  for (const state of ["in-force", "to-come", "degraded"] as const) {
    const [first] = views.filter((view) => view.state === state).sort((a, b) => (a.from < b.from ? -1 : 1));
    if (first !== undefined) return first;
  }
  return null;
}
