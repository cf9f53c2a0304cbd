/**
 * `xpcs site --batch FILE`: does not work itself, but keeps pilots in the queue of a batch scheduler: sites of their own, on batch nodes, that dial
 * central. Composition root of src/sites/pilots.ts.
 */
import { join } from "node:path";
import { isCode, toXpcsError, XpcsError } from "../core/errors.js";
import type { SiteCapacity, SiteName } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { WorkSource } from "../core/protocols.js";
import { realClock } from "../core/real-clock.js";
import { makeFolder } from "../ledger/make-folder.js";
import { BATCH_FILE, type BatchFile } from "../sites/batch-file.js";
import { COMMAND_APPS } from "../sites/command-apps.js";
import { openBatch } from "../sites/open-batch.js";
import { createPilots } from "../sites/pilots.js";
import type { Connection } from "../wire/connect.js";
import { ableApps } from "./able-apps.js";
import { type CentralSettings, centralSettings } from "./client-settings.js";
import type { CliIo } from "./output.js";
import { createPilotFiles } from "./pilot-files.js";
import { createPinoLogger } from "./pino-logger.js";
import { readSelfTest } from "./self-test-file.js";
import { readSettingsFile } from "./settings-file.js";
import type { SiteOptions } from "./site.js";
import { siteDial } from "./site-dial.js";
import { userName } from "./user-name.js";

/** Room for what a pilot's name has beside it. */
const NAME_CHARS_MAX = 45;

/** What goes to a pilot beside its name: where central is, by files that it may read, and how it works. */
function pilotWords(
  options: SiteOptions,
  file: BatchFile,
  { central, pin, insecure }: CentralSettings,
  files: readonly string[],
): string[] {
  const { slots, threads, grace, gpus } = options;
  const named: [string, string | number | undefined][] = [
    ["--central", central],
    ["--pin", pin],
    ["--slots", slots],
    ["--threads", threads],
    ["--grace", grace],
    ["--gpus", gpus],
    ["--idle", file.pilots.idleS],
  ];
  return [
    ...named.flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)])),
    ...files,
    ...(insecure ? ["--insecure"] : []),
    "--json",
  ];
}

/** As far as the batch file tells; what it does not tell does not keep a job from counting. */
function pilotCapacity({ job }: BatchFile, gpus: number): SiteCapacity {
  const { resourceMax } = LIMITS;
  return { cores: job.cpusPerNode ?? resourceMax, memoryGb: job.memoryGbPerNode ?? resourceMax, gpus, nodes: 1, walltimeS: job.walltimeS };
}

/** Keeps pilots until it is told to stop. */
export async function runPilotSite(options: SiteOptions & { readonly batch: string }, name: SiteName, io: CliIo): Promise<void> {
  if (name.length > NAME_CHARS_MAX)
    throw new XpcsError("INVALID_ARGUMENT", `a site with pilots has a name of at most ${NAME_CHARS_MAX} characters`);
  const { slots, gpus } = options;
  const file = readSettingsFile(BATCH_FILE, options.batch);
  const commands = Object.keys(readSettingsFile(COMMAND_APPS, options.apps));
  const whereCentral = (): CentralSettings => centralSettings(options, name);
  const logger = createPinoLogger({ json: io.json, base: { site: name } });
  const clock = realClock;
  const { signal } = io;
  const batch = openBatch(file, { environment: process.env, clock, user: userName() });
  await makeFolder(join(file.folder, name), "the folder of the batch file");
  const files = createPilotFiles(options, name, file, batch, whereCentral().ca !== undefined);
  await files.keep(whereCentral()).catch((error: unknown) => {
    // What a facility does not do now it may do at the next look.
    if (isCode(error, "INVALID_ARGUMENT")) throw error;
    logger.warn("pilots-not-planned", { site: name, reason: toXpcsError(error).message });
  });
  let link: Connection<WorkSource> | null = null;
  const dial = siteDial({ settings: whereCentral, clock, logger });
  const measured = readSelfTest(options.measured, file.folder);
  const { min, max, queuedMax, everyS } = file.pilots;
  const like = {
    ...{ slots, apps: [...ableApps(logger), ...commands], capacity: pilotCapacity(file, gpus), pilotsMax: max },
    ...(measured === null ? {} : { selfTest: measured }),
  };
  const pilots = createPilots({
    name,
    batch: batch.jobs(name),
    settings: file.job,
    limits: { pilotsMin: min, pilotsMax: max, queuedMax, slotsPerPilot: slots },
    argv: (site) => [...files.program, "site", "--name", site, ...pilotWords(options, file, whereCentral(), files.words)],
    async backlog(sites) {
      await files.keep(whereCentral());
      link ??= await dial();
      const mine = link;
      void mine.closed.then(() => {
        if (link === mine) link = null;
      });
      return mine.remote.backlog({ site: name, pilots: sites, ...like });
    },
    clock,
    logger,
    rng: Math.random,
    everyMs: everyS * 1000,
  });
  const { central } = whereCentral();
  io.result(
    { site: name, scheduler: file.scheduler, central },
    () => `site ${name} keeps up to ${max} pilots for ${central} by ${file.scheduler}`,
  );
  await pilots.run(signal);
  (link as Connection<WorkSource> | null)?.close();
}
