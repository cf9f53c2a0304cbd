/** How a site is started by something that is not this shell: its words, folder and environment, kept so that it can be started the same way again. */
import { existsSync, readlinkSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { Command } from "commander";
import { z } from "zod";
import { XpcsError } from "../../core/errors.js";
import { readSettings, siteSettingsPath } from "../client-settings.js";
import { jsonIfThere, replaceFile, type SiteFiles } from "./site-folder.js";

const LAUNCH = z.object({
  name: z.string(),
  /** Relative paths in the words begin here. */
  cwd: z.string(),
  /** After `xpcs site`. */
  words: z.array(z.string()),
  /** Beside what there is. */
  environment: z.record(z.string(), z.string()),
  /** Its own time for what runs when it stops, s. */
  graceS: z.number(),
});
export type Launch = z.output<typeof LAUNCH>;

/** Variables by which a site finds central, its settings, and the programs that it calls. */
const KEPT = [
  ...["XPCS_CENTRAL", "XPCS_TOKEN_FILE", "XPCS_PIN", "XPCS_CA", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "PATH", "TMPDIR"],
  ...["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"],
  ...["HDF5_PLUGIN_PATH", "HDF5_EXT_PREFIX", "HDF5_VDS_PREFIX"],
];
/** Options that are not the site's own. */
const OTHERS = new Set(["name", "state", "systemd", "scrontab", "follow", "lines", "reason", "profile", "json", "token"]);

/** A token that came by option, or by an environment that is not there later: null where the site finds it by itself. */
function tokenToKeep(command: Command, name: string): string | null {
  const { token, tokenFile } = command.opts<{ token?: string; tokenFile?: string }>();
  if (token !== undefined) return token;
  if (tokenFile !== undefined || readSettings(siteSettingsPath(name)).token !== undefined) return null;
  return process.env.XPCS_TOKEN || null;
}

/** True when options say how the site works. */
export function saysHow(command: Command): boolean {
  return command.options.some(
    (option) =>
      command.getOptionValueSource(option.attributeName()) === "cli" &&
      (!OTHERS.has(option.attributeName()) || option.attributeName() === "token"),
  );
}

/** The launch that options and environment describe; a token goes to a file of the state folder, which only its owner can read. */
export function launchOf(command: Command, name: string, files: SiteFiles): Launch {
  const options = command.opts<Record<string, unknown> & { grace: number }>();
  const words = command.options.flatMap((option) => {
    const attribute = option.attributeName();
    if (OTHERS.has(attribute) || command.getOptionValueSource(attribute) !== "cli") return [];
    return options[attribute] === true ? [option.long!] : [option.long!, String(options[attribute])];
  });
  const token = tokenToKeep(command, name);
  if (token !== null) writeFileSync(files.token, `${token}\n`, { mode: 0o600 });
  return {
    name,
    cwd: process.cwd(),
    words: ["--name", name, "--state", files.folder, ...(token === null ? [] : ["--token-file", files.token]), ...words],
    environment: Object.fromEntries(KEPT.flatMap((variable) => (process.env[variable] ? [[variable, process.env[variable]!]] : []))),
    graceS: options.grace,
  };
}

/** Keeps it for the next start. */
export function keepLaunch(files: SiteFiles, launch: Launch): void {
  replaceFile(files.launch, `${JSON.stringify(launch, null, 2)}\n`);
}

/** The one that was kept. @throws INVALID_ARGUMENT there is none, or it is damaged */
export function keptLaunch(files: SiteFiles, name: string): Launch {
  const launch = jsonIfThere(files.launch, LAUNCH);
  if (launch !== null) return launch;
  if (!existsSync(files.launch))
    throw new XpcsError(
      "INVALID_ARGUMENT",
      `site ${name} was not started before: say how, e.g. xpcs site start ${name} --work FOLDER --slots 4`,
    );
  throw new XpcsError("INVALID_ARGUMENT", `${files.launch} is damaged: say anew how site ${name} is started`);
}

/**
 * A program's path by the link `current` of a bundle's folder, where there is one that leads to it: the next version is then found as well.
 */
export function byCurrent(path: string): string {
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    const link = join(dirname(folder), "current");
    try {
      if (join(dirname(folder), readlinkSync(link)) === folder) return join(link, relative(folder, path));
    } catch {
      // No such link here.
    }
  }
  return path;
}

/** The whole command line. @param main the program's main file */
export function commandLine(launch: Launch, main: string): [string, ...string[]] {
  return [byCurrent(process.execPath), byCurrent(main), "site", ...launch.words];
}
