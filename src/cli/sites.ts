/** `xpcs sites`: the sites that central knows, and what they are doing. */
import type { Command } from "commander";
import type { SiteChecks, SiteView } from "../core/job.js";
import { addCentralOptions, type CentralOptions, withClient } from "./client-settings.js";
import { withExample } from "./help.js";
import { shortTime } from "./job-text.js";
import { type CliIo, type Column, formatTable } from "./output.js";

const COLUMNS: readonly Column[] = [
  { title: "SITE" },
  { title: "STATE" },
  { title: "FACILITY" },
  { title: "RUNNING", align: "right" },
  { title: "SLOTS", align: "right" },
  { title: "FINISHED", align: "right" },
  { title: "MEAN RUN s", align: "right" },
  { title: "IN MB/s", align: "right" },
  { title: "OUT MB/s", align: "right" },
  { title: "HOST" },
  { title: "LAST SEEN UTC" },
  { title: "WHY" },
];

const megabytes = (bytesPerS: number | null): string => (bytesPerS === null ? "-" : (bytesPerS / 1e6).toPrecision(3));

/** Null: there is nothing to be told of. */
function checksText(checks: SiteChecks | undefined): string | null {
  if (checks === undefined || checks.wrong + checks.differed === 0) return null;
  const { wrong, differed, agreed } = checks;
  return `cross-checks: ${wrong} wrong, ${differed} differing, ${agreed} agreeing`;
}

function siteTable(sites: readonly SiteView[]): string {
  if (sites.length === 0) return "no sites: start one with xpcs site";
  return formatTable(
    COLUMNS,
    sites.map((site) => [
      site.name,
      site.state,
      site.facility ?? "-",
      String(site.running),
      String(site.slots),
      String(site.finishedJobs),
      site.meanRunS === null ? "-" : site.meanRunS.toFixed(2),
      megabytes(site.stageInBytesPerS),
      megabytes(site.stageOutBytesPerS),
      site.host,
      shortTime(site.lastSeenAt),
      [site.reason, checksText(site.crossChecks)].filter(Boolean).join("; "),
    ]),
  );
}

/** Adds the command to the program. */
export function registerSites(program: Command, io: CliIo): void {
  const command = program.command("sites").description("List the sites and what they are doing.");
  addCentralOptions(command).action(async (options: CentralOptions) => {
    const sites = await withClient(options, (client) => client.sites());
    io.result(sites, () => siteTable(sites));
  });
  withExample(command, "xpcs sites");
}
