/**
 * `xpcs site --batch FILE`: does not work itself, but keeps pilots in the queue of a batch scheduler: sites of their own, on batch nodes, that dial
 * central. Composition root of src/sites/pilots.ts.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
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
import { batchPerson } from "../sites/batch-settings.js";
import { COMMAND_APPS } from "../sites/command-apps.js";
import { openNodeHours } from "../sites/node-hours.js";
import { createPilots } from "../sites/pilots.js";
import { schedulerNamed } from "../sites/schedulers/registry.js";
import { ordersIn } from "../sites/site-orders.js";
import { SITE_SETTINGS } from "../sites/site-settings.js";
import type { Connection } from "../wire/connect.js";
import { ableApps } from "./able-apps.js";
import { type CentralSettings, centralSettings } from "./client-settings.js";
import type { CliIo } from "./output.js";
import { createPinoLogger } from "./pino-logger.js";
import { readSelfTest, selfTestPath } from "./self-test-file.js";
import type { KeptSite } from "./service/kept-site.js";
import { readSettingsFile } from "./settings-file.js";
import type { SiteOptions } from "./site.js";
import { siteDial } from "./site-dial.js";
import { userName } from "./user-name.js";
import { writeWhole } from "./whole-file.js";

const MAIN = fileURLToPath(new URL("./main.js", import.meta.url));
/** Room for what a pilot's name has beside it. */
const NAME_CHARS_MAX = 45;
const STRIKE_MS = 10_000;

/** Writes a file for the owner alone, when it is not what is there. */
async function keepSecret(path: string, text: string): Promise<void> {
  const before = await readFile(path, "utf8").catch(() => null);
  if (before !== text) await writeWhole(path, [text], async () => {});
}

/** The file with the numbers of a self-test: the one that is named, else that in the folder of the batch file, where there is one. */
function measuredFile(named: string | undefined, folder: string): string | undefined {
  if (named !== undefined) return resolve(named);
  return existsSync(selfTestPath(folder)) ? selfTestPath(folder) : undefined;
}

/** What goes to a pilot beside its name: where central is, by files that it may read, and how it works. */
function pilotWords(
  options: SiteOptions,
  name: SiteName,
  file: BatchFile,
  { central, pin, insecure }: CentralSettings,
  files: { token: string; ca: string | null; orders: string },
): string[] {
  const { slots, threads, grace, gpus, apps, settings, work, measured } = options;
  const named: [string, string | number | null | undefined][] = [
    ["--central", central],
    ["--token-file", files.token],
    ["--pin", pin],
    ["--ca", files.ca],
    ["--orders", files.orders],
    ["--pilot-of", name],
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
function pilotCapacity({ job }: BatchFile, gpus: number): SiteCapacity {
  const { resourceMax } = LIMITS;
  return { cores: job.cpusPerNode ?? resourceMax, memoryGb: job.memoryGbPerNode ?? resourceMax, gpus, nodes: 1, walltimeS: job.walltimeS };
}

/** Keeps pilots until it is told to stop. @param kept null: it has no state folder */
export async function runPilotSite(
  options: SiteOptions & { readonly batch: string },
  name: SiteName,
  kept: KeptSite | null,
  io: CliIo,
): Promise<void> {
  if (name.length > NAME_CHARS_MAX)
    throw new XpcsError("INVALID_ARGUMENT", `a site with pilots has a name of at most ${NAME_CHARS_MAX} characters`);
  const { slots, gpus } = options;
  const file = readSettingsFile(BATCH_FILE, options.batch);
  const commands = Object.keys(readSettingsFile(COMMAND_APPS, options.apps));
  const whereCentral = (): CentralSettings => centralSettings(options, name);
  const logger = createPinoLogger({ json: io.json || kept !== null, base: { site: name }, ...(kept === null ? {} : { stream: kept.log }) });
  const clock = realClock;
  const leaving = new AbortController();
  const signal = AbortSignal.any([io.signal, leaving.signal]);
  const folder = join(file.folder, name);
  await makeFolder(folder, "the folder of the batch file");
  const orders = resolve(options.orders ?? join(file.folder, `${name}.orders`));
  await makeFolder(orders, "the folder of the site's orders");
  const files = {
    orders,
    token: join(file.folder, `${name}.token`),
    ca: whereCentral().ca === undefined ? null : join(file.folder, `${name}.ca`),
  };
  const keepFiles = async ({ token, ca }: CentralSettings): Promise<void> => {
    await keepSecret(files.token, `${token}\n`);
    if (files.ca !== null && ca !== undefined) await keepSecret(files.ca, ca);
  };
  const scheduler = schedulerNamed(file.scheduler);
  const { timeoutS, perMinute } = file.commands;
  const limits = { timeoutMs: timeoutS * 1000, perMinute };
  const machine = createMachine({ ...limits, environment: process.env, clock, user: userName() });
  let link: Connection<WorkSource> | null = null;
  const dial = siteDial({ settings: whereCentral, clock, logger });
  const { submitters } = readSettingsFile(SITE_SETTINGS, options.settings);
  const measured = readSelfTest(options.measured, file.folder);
  const { min, max, queuedMax, everyS } = file.pilots;
  const like = {
    ...{ slots, apps: [...ableApps(logger), ...commands], capacity: pilotCapacity(file, gpus) },
    ...(measured === null ? {} : { selfTest: measured }),
    ...(submitters === null ? {} : { submitters }),
  };
  const pilots = createPilots({
    name,
    batch: createBatchJobs({ scheduler, machine, folder, clock, strikeMs: STRIKE_MS }),
    settings: { ...file.job, person: file.job.person ?? batchPerson(submitters, userName()) },
    limits: { pilotsMin: min, pilotsMax: max, queuedMax, slotsPerPilot: slots },
    argv: (site) => [process.execPath, MAIN, "site", "--name", site, ...pilotWords(options, name, file, whereCentral(), files)],
    async backlog(sites, pilotsMax) {
      await keepFiles(whereCentral());
      link ??= await dial();
      const mine = link;
      void mine.closed.then(() => {
        if (link === mine) link = null;
      });
      const { why } = pilots.view();
      return mine.remote.backlog({
        site: name,
        pilots: sites,
        pilotsMax,
        ...like,
        ...(why === null ? {} : { says: why.slice(0, LIMITS.reasonCharsMax) }),
      });
    },
    orders: () => ordersIn(orders),
    hours: { budget: file.nodeHours, taken: await openNodeHours(join(file.folder, `${name}.hours`)) },
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
  kept?.tell(
    () => ({
      central: { url: central, reached: link !== null },
      slots,
      orders: { folder: orders, ...ordersIn(orders) },
      jobs: [],
      pilots: pilots.view(),
    }),
    (reason) => {
      logger.info("site-leaves", { reason });
      leaving.abort();
    },
  );
  signal.addEventListener("abort", () => kept?.stopping(), { once: true });
  await pilots.run(signal);
  (link as Connection<WorkSource> | null)?.close();
}
