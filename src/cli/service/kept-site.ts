/** A site that has a state folder (`--state`): one process at a time runs it, its log goes to a file there, and what it does can be seen. */
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import type { Clock } from "../../core/clock.js";
import { toXpcsError, XpcsError } from "../../core/errors.js";
import { VERSION } from "../../core/version.js";
import { NO_ORDERS } from "../../sites/site-orders.js";
import { userName } from "../user-name.js";
import { type BoundedLog, openLog } from "./bounded-log.js";
import { takeSite } from "./holder.js";
import { ownProcess } from "./process-id.js";
import { siteFiles } from "./site-folder.js";
import { keepStatus, type SiteNow, type StatusWriter } from "./site-status.js";

export interface KeptSite {
  readonly log: BoundedLog;
  /** Begins to tell what it does. @param onStop it was asked to stop by its folder */
  tell(now: () => SiteNow, onStop: (reason: string) => void): void;
  /** It is stopping. @returns time for what runs, s, as whoever stops it wants it; null: its own */
  stopping(): number | null;
}

/** Makes a state folder, for its owner alone. @throws IO_FAILED */
export function makeStateFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new XpcsError("IO_FAILED", `the state folder ${folder} cannot be made: ${(error as Error).message}; --state names another`);
  }
}

/**
 * Runs `work` as that site; without a state folder it keeps none.
 * @throws REFUSED somebody runs it already · what `work` throws
 */
export async function keepSite(
  state: string | undefined,
  name: string,
  clock: Clock,
  work: (kept: KeptSite | null) => Promise<void>,
): Promise<void> {
  if (state === undefined) return work(null);
  const files = siteFiles(resolve(state));
  makeStateFolder(files.folder);
  const since = new Date(clock.nowMs()).toISOString();
  const holder = await takeSite(files, name, ownProcess(), { user: userName(), since, version: VERSION }, clock);
  const log = openLog(files.log);
  let status: StatusWriter | null = null;
  const nothing: SiteNow = { central: { url: "", reached: false }, slots: 0, orders: { folder: "", ...NO_ORDERS }, jobs: [], pilots: null };
  const end = (failure: XpcsError | null): void => {
    status ??= keepStatus({ files, holder, clock, now: () => nothing, onStop() {} });
    status.end(failure);
    log.close();
  };
  try {
    await work({
      log,
      tell(now, onStop) {
        status = keepStatus({ files, holder, clock, now, onStop });
      },
      stopping() {
        status?.stopping();
        return status?.graceS() ?? null;
      },
    });
  } catch (error) {
    end(toXpcsError(error));
    throw error;
  }
  end(null);
}
