/**
 * `xpcs site --batch FILE`: does not work itself, but keeps pilots in the queue of a batch scheduler: sites of their own, on batch nodes, that dial
 * central. Composition root of src/sites/pilots.ts.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { XpcsError } from "../core/errors.js";
import type { SiteCapacity, SiteName } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { WorkSource } from "../core/protocols.js";
import { realClock } from "../core/real-clock.js";
import { makeFolder } from "../ledger/make-folder.js";
import { createMachine } from "../sites/batch-command.js";
import { BATCH_FILE, type BatchFile } from "../sites/batch-file.js";
import { createBatchJobs } from "../sites/batch-jobs.js";
import { COMMAND_APPS } from "../sites/command-apps.js";
import { type ExpectedStart, walltimesToTry } from "../sites/pilot-shape.js";
import { createPilots } from "../sites/pilots.js";
import { schedulerNamed } from "../sites/schedulers/registry.js";
import { SITE_SETTINGS } from "../sites/site-settings.js";
import type { Connection } from "../wire/connect.js";
import { ableApps } from "./able-apps.js";
import { type CentralSettings, centralSettings } from "./client-settings.js";
import type { CliIo } from "./output.js";
import { openPilotWays } from "./pilot-ways.js";
import { createPinoLogger } from "./pino-logger.js";
import { readSelfTest, selfTestPath } from "./self-test-file.js";
import { readSettingsFile } from "./settings-file.js";
import type { SiteOptions } from "./site.js";
import { siteDial } from "./site-dial.js";
import { userName } from "./user-name.js";
import { keepSecret } from "./whole-file.js";

const MAIN = fileURLToPath(new URL("./main.js", import.meta.url));
/** Room for what a pilot's name has beside it. */
const NAME_CHARS_MAX = 45;
const STRIKE_MS = 10_000;
/** From a pilot's first to its first job, and what it leaves at its end (pilot-life.ts), s. */
const BEGIN_S = 45;

/** The file with the numbers of a self-test: the one that is named, else that in the folder of the batch file, where there is one. */
function measuredFile(named: string | undefined, folder: string): string | undefined {
  if (named !== undefined) return resolve(named);
  return existsSync(selfTestPath(folder)) ? selfTestPath(folder) : undefined;
}

/** What goes to a pilot beside its name: where central is, by files that it may read, and how it works. */
function pilotWords(
  options: SiteOptions,
  file: BatchFile,
  { central, pin, insecure }: CentralSettings,
  files: { token: string; ca: string | null },
): string[] {
  const { slots, threads, grace, gpus, apps, settings, work, measured } = options;
  const named: [string, string | number | null | undefined][] = [
    ["--central", central],
    ["--token-file", files.token],
    ["--pin", pin],
    ["--ca", files.ca],
    ["--work", resolve(work)],
    ["--slots", slots],
    ["--threads", threads],
    ["--grace", grace],
    ["--gpus", gpus],
    ["--apps", apps === undefined ? undefined : resolve(apps)],
    ["--settings", settings === undefined ? undefined : resolve(settings)],
    ["--measured", measuredFile(measured, file.folder)],
    ["--idle", file.pilots.idleS],
  ];
  return [
    ...named.flatMap(([name, value]) => (value === undefined || value === null ? [] : [name, String(value)])),
    ...(insecure ? ["--insecure"] : []),
    "--json",
  ];
}

/** As far as the batch file tells; what it does not tell does not keep a job from counting. */
function pilotCapacity({ job, pilots }: BatchFile, gpus: number): SiteCapacity {
  const { resourceMax } = LIMITS;
  const nodes = pilots.per === "job" ? job.nodes : 1;
  const inAll = (ofOne: number | undefined): number => (ofOne === undefined ? resourceMax : ofOne * nodes);
  return { cores: inAll(job.cpusPerNode), memoryGb: inAll(job.memoryGbPerNode), gpus, nodes, walltimeS: job.walltimeS };
}

/** Keeps pilots until it is told to stop. */
export async function runPilotSite(options: SiteOptions & { readonly batch: string }, name: SiteName, io: CliIo): Promise<void> {
  if (name.length > NAME_CHARS_MAX)
    throw new XpcsError("INVALID_ARGUMENT", `a site with pilots has a name of at most ${NAME_CHARS_MAX} characters`);
  const { slots, gpus } = options;
  const file = readSettingsFile(BATCH_FILE, options.batch);
  const commands = Object.keys(readSettingsFile(COMMAND_APPS, options.apps));
  const { locations } = readSettingsFile(SITE_SETTINGS, options.settings);
  const whereCentral = (): CentralSettings => centralSettings(options, name);
  const logger = createPinoLogger({ json: io.json, base: { site: name } });
  const clock = realClock;
  const { signal } = io;
  const folder = join(file.folder, name);
  await makeFolder(folder, "the folder of the batch file");
  const files = { token: join(file.folder, `${name}.token`), ca: whereCentral().ca === undefined ? null : join(file.folder, `${name}.ca`) };
  const keepFiles = async ({ token, ca }: CentralSettings): Promise<void> => {
    await keepSecret(files.token, `${token}\n`);
    if (files.ca !== null && ca !== undefined) await keepSecret(files.ca, ca);
  };
  const scheduler = schedulerNamed(file.scheduler);
  const { timeoutS, perMinute } = file.commands;
  const limits = { timeoutMs: timeoutS * 1000, perMinute };
  const machine = createMachine({ ...limits, environment: process.env, clock, user: userName() });
  let link: Connection<WorkSource> | null = null;
  const dial = siteDial({ settings: whereCentral, reach: { by: "dialling" }, clock, logger });
  const { min, max, queuedMax, everyS, per } = file.pilots;
  const onEachNode = per === "node" && file.job.nodes > 1;
  const sitesMax = onEachNode ? max * file.job.nodes : max;
  if (sitesMax > LIMITS.pilotsMax)
    throw new XpcsError("INVALID_ARGUMENT", `${options.batch} allows ${sitesMax} pilots at a time, ${LIMITS.pilotsMax} are the limit`);
  const measured = readSelfTest(options.measured, file.folder);
  const like = {
    ...{ slots, apps: [...ableApps(logger), ...commands], capacity: pilotCapacity(file, gpus), pilotsMax: sitesMax },
    ...(measured === null ? {} : { selfTest: measured }),
  };
  const { pilots: onNodes = scheduler.launch.pilots, jobs: ofJobs = scheduler.launch.jobs } = file.launch;
  const launch = { nodes: scheduler.launch.nodes, pilots: onNodes, jobs: ofJobs };
  if (file.pilots.reach.by === "folder" && locations?.some(({ by }) => by === "http"))
    throw new XpcsError(
      "INVALID_ARGUMENT",
      "pilots that reach central through a folder cannot bring files from it: use another location, or a relay",
    );
  const ways = await openPilotWays({ way: file.pilots.reach, place: folder, central: whereCentral, clock, logger });
  const pilots = createPilots({
    name,
    batch: createBatchJobs({ scheduler, machine, launch, folder, clock, strikeMs: STRIKE_MS }),
    settings: file.job,
    limits: { pilotsMin: min, pilotsMax: max, queuedMax, slotsPerPilot: onEachNode ? slots * file.job.nodes : slots },
    onEachNode,
    expectedStarts:
      scheduler.waits === undefined
        ? null
        : async () => {
            const tried = walltimesToTry(file.job.walltimeS, file.pilots.walltimeMinS ?? null);
            const waits = await scheduler.waits!(file.job, tried, machine);
            const starts = tried.map((walltimeS, at) => ({ walltimeS, waitS: waits[at] ?? null }));
            return starts as [ExpectedStart, ...ExpectedStart[]];
          },
    overheadS: options.grace + BEGIN_S,
    argv: (site) => [process.execPath, MAIN, "site", "--name", site, ...pilotWords(options, file, whereCentral(), files)],
    env: ways.env,
    onTags: ways.onTags,
    async backlog(sites) {
      await keepFiles(whereCentral());
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
    { site: name, scheduler: scheduler.name, central },
    () => `site ${name} keeps up to ${max} pilots for ${central} by ${scheduler.name}`,
  );
  await pilots.run(signal).finally(() => ways.close());
  (link as Connection<WorkSource> | null)?.close();
}
