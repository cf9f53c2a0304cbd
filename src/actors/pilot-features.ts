/** The features that pilots of a site will have, as far as the earlier ones have shown: its batch file tells nothing of the nodes' processors. */
import type { Resources, SiteCapacity, SiteName } from "../core/job.js";
import { isPilotName } from "../core/pilot-names.js";
import type { SiteRecord } from "../ledger/state.js";

/** Pilots are called as their site, with a number, and that of a node (src/sites/pilots.ts). The latest first. */
export function pilotsOf(sites: ReadonlyMap<SiteName, SiteRecord>, site: SiteName): SiteRecord[] {
  return [...sites.values()].filter(({ name }) => isPilotName(site, name)).sort((a, b) => b.joinedAt - a.joinedAt);
}

/** A capacity with the features that the site has declared and those of its latest pilot. */
export function withFeaturesOf<T extends SiteCapacity>(capacity: T, latest: SiteRecord | undefined): T {
  return { ...capacity, features: [...new Set([...(capacity.features ?? []), ...(latest?.capacity?.features ?? [])])] };
}

/** What a job asks of pilots that are still to begin: where none has been yet nobody knows their features, and the first one will show them. */
export function askedOfPilots(resources: Resources, latest: SiteRecord | undefined): Resources {
  if (latest !== undefined || resources.features === undefined) return resources;
  const { features: _, ...others } = resources;
  return others;
}
