/** `xpcs site ACTION`: what is not `xpcs site` itself. Which site is meant, and where its state is. */
import { hostname } from "node:os";
import type { Command } from "commander";
import { XpcsError } from "../../core/errors.js";
import { realClock } from "../../core/real-clock.js";
import { siteNameOption } from "../option-values.js";
import type { CliIo } from "../output.js";
import type { SiteAction } from "../site.js";
import { type DowntimeOptions, siteDowntime, siteProbation } from "../site-downtime.js";
import { writeSiteFile } from "../site-init.js";
import { showLog } from "./log-lines.js";
import { giveOrder } from "./order.js";
import { knownSites, onlySite, siteFiles, stateFolder } from "./site-folder.js";
import { startSite } from "./start.js";
import { showAll, showStatus } from "./status.js";
import { stopSite } from "./stop.js";

interface ActionOptions {
  readonly name?: string;
  readonly state?: string;
  readonly grace: number;
  readonly lines: number;
  readonly follow?: true;
  readonly reason?: string;
  readonly profile?: string;
}

/**
 * Does it.
 *
 * @param words `what` is a file for init, else a site; `how` is on or off for drain and halt
 */
export async function actOnSite(
  action: SiteAction,
  words: { what: string | undefined; how: string | undefined },
  command: Command,
  io: CliIo,
): Promise<void> {
  const { what, how } = words;
  const options = command.opts<ActionOptions>();
  if (action === "init") {
    if (what === undefined) throw new XpcsError("INVALID_ARGUMENT", "which file shall it be? xpcs site init FILE");
    return writeSiteFile(what, options.profile ?? null, io);
  }
  if (action === "downtime") return siteDowntime(what, command.opts<DowntimeOptions>(), io);
  if (action === "probation") return siteProbation(what, how, command.opts<DowntimeOptions>(), io);
  const named = what ?? options.name;
  if (action === "status" && named === undefined && options.state === undefined) {
    const sites = knownSites().map((name) => ({ name, folder: stateFolder(name, undefined) }));
    if (sites.length !== 1) return showAll(sites, io);
  }
  const name = siteNameOption(named ?? (action === "start" ? hostname() : onlySite()));
  const folder = stateFolder(name, options.state);
  switch (action) {
    case "start":
      return startSite(command, name, folder, io);
    case "status":
      return showStatus(name, folder, io);
    case "logs":
      return showLog(siteFiles(folder).log, options.lines, options.follow === true, realClock, io);
    case "stop":
      return stopSite(name, folder, command.getOptionValueSource("grace") === "cli" ? options.grace : null, io);
    case "drain":
    case "halt":
      if (how !== "on" && how !== "off") throw new XpcsError("INVALID_ARGUMENT", `on or off? xpcs site ${action} ${name} on`);
      return giveOrder(name, folder, action, how === "on", options.reason, io);
  }
}
