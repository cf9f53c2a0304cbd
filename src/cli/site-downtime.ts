/** `xpcs site downtime`: when sites are not there, as people, feeds and central itself know; lists, adds and removes. `xpcs site probation`. Through central. */
import { XpcsError } from "../core/errors.js";
import type { DowntimeView, FeedView, XpcsClient } from "../index.js";
import { type CentralOptions, withClient } from "./client-settings.js";
import { shortTime } from "./job-text.js";
import { siteNameOption } from "./option-values.js";
import { type CliIo, type Column, formatTable } from "./output.js";

export interface DowntimeOptions extends CentralOptions {
  readonly from?: string;
  readonly to?: string;
  readonly remove?: string;
  readonly reason?: string;
}

const COLUMNS: readonly Column[] = ["ID", "SITE", "STATE", "FROM UTC", "TO UTC", "KIND", "SAID BY", "HEARD UTC", "WHY"].map((title) => ({
  title,
}));
const FEED_COLUMNS: readonly Column[] = ["FEED", "KIND", "STATE", "HEARD UTC", "SITE", "NOW", "SCHEDULE", "NOTE"].map((title) => ({
  title,
}));

function downtimeTable(downtimes: readonly DowntimeView[]): string {
  if (downtimes.length === 0) return "no downtimes";
  return formatTable(
    COLUMNS,
    downtimes.map(({ id, site, state, from, to, kind, source, fetchedAt, text, by }) => [
      id,
      site,
      state === "removed" ? `removed by ${by}` : state,
      shortTime(from),
      to === null ? "open" : shortTime(to),
      kind,
      source === "hand" ? (by ?? source) : source,
      shortTime(fetchedAt),
      text,
    ]),
  );
}

function feedTable(feeds: readonly FeedView[]): string {
  const rows = feeds.flatMap(({ name, kind, state, heardAt, sites, reason }) =>
    sites.map(({ site, now, schedule }) => [name, kind, state, shortTime(heardAt), site, now, schedule, reason ?? ""]),
  );
  return formatTable(FEED_COLUMNS, rows);
}

async function list(client: XpcsClient, site: string | undefined, io: CliIo): Promise<void> {
  const { downtimes, feeds } = await client.downtimes();
  const shown = downtimes.filter((downtime) => (site ?? downtime.site) === downtime.site);
  // What somebody has entered and taken back is of no use to anybody; of a feed's word one wants to know that it does not count.
  const standing = shown.filter(({ source, state }) => !(source === "hand" && state === "removed"));
  io.result({ downtimes: shown, feeds }, () => [downtimeTable(standing), ...(feeds.length === 0 ? [] : ["", feedTable(feeds)])].join("\n"));
}

async function add(client: XpcsClient, site: string, { from, to, reason }: DowntimeOptions, io: CliIo): Promise<void> {
  const downtime = await client.addDowntime({
    site,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(reason === undefined ? {} : { text: reason }),
  });
  const end = downtime.to === null ? "until somebody removes it" : `to ${shortTime(downtime.to)} UTC`;
  io.result(downtime, () => `${downtime.id}: site ${site} is down from ${shortTime(downtime.from)} ${end}`);
  const sites = await client.sites();
  if (!sites.some(({ name }) => name === site || name.startsWith(`${site}-`)))
    io.note(`central has not heard of a site ${site} so far: is the name right? (xpcs site downtime --remove ${downtime.id})`);
}

/** Lists them, of one site where it is named alone; with a time it adds one; with `--remove` it removes one. */
export async function siteDowntime(named: string | undefined, options: DowntimeOptions, io: CliIo): Promise<void> {
  const { from, to, remove } = options;
  const site = named === undefined ? undefined : siteNameOption(named);
  if (remove !== undefined) {
    if (site !== undefined || from !== undefined || to !== undefined)
      throw new XpcsError("INVALID_ARGUMENT", "--remove takes the id alone: xpcs site downtime --remove ID");
    return withClient(options, async (client) => {
      const removed = await client.removeDowntime(remove);
      io.result(removed, () => `${removed.id} of site ${removed.site} is removed`);
    });
  }
  if (from === undefined && to === undefined) return withClient(options, (client) => list(client, site, io));
  if (site === undefined) throw new XpcsError("INVALID_ARGUMENT", "which site? xpcs site downtime SITE --from TIME --to TIME");
  return withClient(options, (client) => add(client, site, options, io));
}

/** Puts a site on probation, or lifts that. */
export async function siteProbation(
  named: string | undefined,
  how: string | undefined,
  options: DowntimeOptions,
  io: CliIo,
): Promise<void> {
  if (named === undefined || (how !== "on" && how !== "off"))
    throw new XpcsError("INVALID_ARGUMENT", "which site, on or off? xpcs site probation SITE off");
  const site = siteNameOption(named);
  const reason = how === "off" ? null : (options.reason ?? "somebody said so");
  await withClient(options, (client) => client.setProbation(site, reason));
  io.result({ site, probation: reason }, () => `site ${site} is ${how === "on" ? `on probation: ${reason}` : "trusted again"}`);
}
