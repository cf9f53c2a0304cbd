/** Names of pilots: that of the site that starts them, with a number, and with a second one where a batch job has several. */
import type { SiteName } from "./job.js";

/** The site that would have a pilot of that name, or null. */
export function pilotSiteOf(name: SiteName): SiteName | null {
  return /^(.+)-\d+(\.\d+)?$/.exec(name)?.[1] ?? null;
}

/** Whether `name` is that of a pilot of `site`. */
export function isPilotName(site: SiteName, name: SiteName): boolean {
  return name.startsWith(`${site}-`) && /^\d+(\.\d+)?$/.test(name.slice(site.length + 1));
}
