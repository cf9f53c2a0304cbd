/** `xpcs site stop`: asks a site to end within a time, and ends it when it does not. What the site's process cannot be proved to be is never sent a signal. */
import { sleep } from "../../core/clock.js";
import { XpcsError } from "../../core/errors.js";
import { realClock } from "../../core/real-clock.js";
import type { CliIo } from "../output.js";
import { type Holder, holderLife, holderOf, holderText, releaseSite } from "./holder.js";
import { keptLaunch } from "./launch.js";
import { lifeNow, signalProcess } from "./process-id.js";
import { type SiteFiles, siteFiles } from "./site-folder.js";
import { askToStop } from "./site-status.js";
import { GOODBYE_S } from "./units.js";

const LOOK_MS = 100;
const KILLED_MS = 5_000;

function ownGraceS(files: SiteFiles, name: string): number {
  try {
    return keptLaunch(files, name).graceS;
  } catch {
    // It was not started by start.
    return 30;
  }
}

/** True while that run is there, as far as can be seen from here. */
function isThere(files: SiteFiles, { run, process }: Holder): boolean {
  const life = lifeNow(process);
  return life === "alive" || (life === "elsewhere" && holderOf(files)?.run === run);
}

async function waitForEnd(files: SiteFiles, holder: Holder, forMs: number): Promise<boolean> {
  const endMs = realClock.monotonicMs() + forMs;
  while (isThere(files, holder)) {
    if (realClock.monotonicMs() >= endMs) return false;
    await sleep(realClock, LOOK_MS);
  }
  return true;
}

/**
 * Stops a site; one that does not run is fine.
 *
 * @param graceS time for what runs, s; null: the site's own
 * @throws REFUSED it does not end, and is out of reach
 */
export async function stopSite(name: string, folder: string, graceS: number | null, io: CliIo): Promise<void> {
  const files = siteFiles(folder);
  const tell = (how: "was not running" | "stopped" | "killed", why: string): void =>
    io.result({ site: name, how, killed: how === "killed" }, () => `site ${name} ${how}${why}`);
  const holder = holderOf(files);
  if (holder === null) return tell("was not running", "");
  const life = await holderLife(files, holder, realClock);
  if (life === "gone") {
    releaseSite(files, holder);
    return tell("was not running", `: process ${holder.process.pid} of ${holder.process.host} is gone; no signal was sent`);
  }
  const waitS = (graceS ?? ownGraceS(files, name)) + GOODBYE_S;
  askToStop(files, holder, graceS);
  signalProcess(holder.process, "SIGTERM");
  if (await waitForEnd(files, holder, waitS * 1_000)) return tell("stopped", "");
  if (life === "elsewhere")
    throw new XpcsError(
      "REFUSED",
      `${holderText(holder)}; it was asked to stop by its folder, did not within ${waitS} s, and cannot be reached from here`,
    );
  signalProcess(holder.process, "SIGKILL");
  if (!(await waitForEnd(files, holder, KILLED_MS)))
    throw new XpcsError(
      "REFUSED",
      `${holderText(holder)}; it has not ended after SIGKILL: it hangs in the system, often on a file system that does not answer`,
    );
  releaseSite(files, holder);
  tell("killed", `: it had not ended within ${waitS} s; central gives its jobs to others`);
}
