/**
 * Who runs a site: a file that is made whole and for one process at a time, also on a file system that several machines share. It is a courtesy between people: that two
 * sites of one name do no harm is central's to see to.
 */
import { randomUUID } from "node:crypto";
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { type Clock, sleep } from "../../core/clock.js";
import { XpcsError } from "../../core/errors.js";
import { type Life, lifeNow, PROCESS_ID, type ProcessId } from "./process-id.js";
import { jsonIfThere, type SiteFiles, textIfThere } from "./site-folder.js";

const HOLDER = z.object({
  name: z.string(),
  /** Random, of each start. */
  run: z.string(),
  process: PROCESS_ID,
  user: z.string(),
  /** ISO 8601 UTC. */
  since: z.string(),
  version: z.string(),
});
export type Holder = z.output<typeof HOLDER>;

/** A site elsewhere that writes nothing for so long is not there: it writes every 2 s (site-status.ts). */
export const SILENCE_MS = 10_000;
const LOOK_MS = 500;
const TRIES = 5;

/** Who runs it, as the file says; null: nobody. What cannot be read is nobody's. */
export function holderOf(files: SiteFiles): Holder | null {
  return jsonIfThere(files.run, HOLDER);
}

/** One sentence: who, where, since when. */
export function holderText({ name, user, since, process: { pid, host } }: Holder): string {
  return `site ${name} is run by ${user} since ${since}: process ${pid} on ${host}`;
}

/** Whether a site of another machine still writes its status. Compares what is written, not clocks. */
async function stillWrites(files: SiteFiles, clock: Clock): Promise<boolean> {
  const before = textIfThere(files.status);
  const endMs = clock.monotonicMs() + SILENCE_MS;
  while (clock.monotonicMs() < endMs) {
    await sleep(clock, LOOK_MS);
    if (textIfThere(files.status) !== before) return true;
  }
  return false;
}

/** Whether the process that runs it is there. Takes `SILENCE_MS` where it cannot be looked at and is silent. */
export async function holderLife(files: SiteFiles, holder: Holder, clock: Clock): Promise<Life> {
  const life = lifeNow(holder.process);
  return life === "elsewhere" && !(await stillWrites(files, clock)) ? "gone" : life;
}

/** Makes the file, whole; false: there is one. */
function make(files: SiteFiles, holder: Holder): boolean {
  const made = `${files.run}.${holder.run}`;
  writeFileSync(made, `${JSON.stringify(holder)}\n`, { mode: 0o600, flush: true });
  try {
    linkSync(made, files.run);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(made, { force: true });
  }
}

/** Takes away what a process that is gone has left; puts back what turns out to be somebody else's. */
function clear(files: SiteFiles, seen: string): void {
  const aside = `${files.run}.${randomUUID()}`;
  try {
    renameSync(files.run, aside);
    if (readFileSync(aside, "utf8") !== seen) linkSync(aside, files.run);
  } catch (error) {
    // Another was faster, in either step.
    if (!["ENOENT", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
  rmSync(aside, { force: true });
}

/** Takes away what a run that is gone has left, so that nobody has to look for it again. @throws REFUSED somebody runs it, who is named */
export async function freeSite(files: SiteFiles, clock: Clock): Promise<void> {
  const seen = textIfThere(files.run);
  const holder = holderOf(files);
  if (holder !== null && (await holderLife(files, holder, clock)) !== "gone")
    throw new XpcsError("REFUSED", `${holderText(holder)}; stop it first (xpcs site stop ${holder.name}), or give this one another name`);
  if (seen !== null) clear(files, seen);
}

/** Makes `holder` the one that runs the site. @throws REFUSED somebody does */
export async function takeSite(
  files: SiteFiles,
  name: string,
  own: ProcessId,
  facts: Pick<Holder, "user" | "since" | "version">,
  clock: Clock,
): Promise<Holder> {
  const holder: Holder = { name, run: randomUUID(), process: own, ...facts };
  for (let tries = 0; tries < TRIES; tries += 1) {
    if (make(files, holder)) return holder;
    await freeSite(files, clock);
  }
  throw new XpcsError("REFUSED", `others start site ${name} at the same time: look with xpcs site status ${name}`);
}

/** Another run has taken the site. A file that cannot be read says nothing. */
export function isAnothers(files: SiteFiles, { run }: Holder): boolean {
  try {
    return (holderOf(files)?.run ?? run) !== run;
  } catch {
    return false;
  }
}

/** Nobody runs it any more. */
export function releaseSite(files: SiteFiles, holder: Holder): void {
  if (!isAnothers(files, holder)) rmSync(files.run, { force: true });
}
