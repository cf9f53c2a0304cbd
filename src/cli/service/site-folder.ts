/** The state folder of a site that was started: where its files are, and which sites have one. */
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir, hostname } from "node:os";
import { join, resolve } from "node:path";
import type { z } from "zod";
import { XpcsError } from "../../core/errors.js";

export interface SiteFiles {
  readonly folder: string;
  /** Who runs it (holder.ts); not there when nobody does. */
  readonly run: string;
  /** What it does (site-status.ts), written again and again. */
  readonly status: string;
  /** How it was started last (launch.ts). */
  readonly launch: string;
  /** A token that came by option or environment. */
  readonly token: string;
  /** That it shall stop, and within which time. */
  readonly stop: string;
  /** Its log, JSON lines; the lines before these are in the same name with `.1`. */
  readonly log: string;
  /** What its process said when it ended. */
  readonly lastWords: string;
}

/** The files in a state folder. */
export function siteFiles(folder: string): SiteFiles {
  const file = (name: string): string => join(folder, name);
  return {
    folder,
    run: file("run.json"),
    status: file("status.json"),
    launch: file("launch.json"),
    token: file("token"),
    stop: file("stop.json"),
    log: file("site.log"),
    lastWords: file("last-words"),
  };
}

/** Where sites have their folders unless the person says otherwise. */
export function sitesFolder(): string {
  return join(process.env.XDG_STATE_HOME || join(homedir(), ".local", "state"), "xpcs-sites");
}

/** The folder of a site: what `--state` names, or its default. */
export function stateFolder(name: string, given: string | undefined): string {
  return given === undefined ? join(sitesFolder(), name) : resolve(given);
}

/** Names of the sites that have a folder in the default place, sorted. */
export function knownSites(): string[] {
  try {
    return readdirSync(sitesFolder()).filter((name) => !name.startsWith("."));
  } catch {
    return [];
  }
}

/**
 * The site that is meant when none is named: the only one there is, or the one that has this host's name.
 * @throws NOT_FOUND there is none · INVALID_ARGUMENT there are several
 */
export function onlySite(): string {
  const known = knownSites();
  const own = known.find((name) => known.length === 1 || name === hostname());
  if (own !== undefined) return own;
  if (known.length === 0) throw new XpcsError("NOT_FOUND", `no site was started here: there is nothing in ${sitesFolder()}`);
  throw new XpcsError("INVALID_ARGUMENT", `which site? There are ${known.join(", ")}`);
}

/** The text of a file of a state folder, or null where it is not there. @throws what reading fails with otherwise */
export function textIfThere(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** What a JSON file of a state folder holds, or null where it is not there or damaged. @throws what reading fails with otherwise */
export function jsonIfThere<T>(path: string, schema: z.ZodType<T>): T | null {
  const text = textIfThere(path);
  if (text === null) return null;
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/** Puts a file into a state folder, for its owner alone; readers see the one before or this one. @throws what writing fails with */
export function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
