/**
 * `xpcs site --batch FILE`: does not work itself, but keeps pilots in the queue of a batch scheduler: sites of their own, on batch nodes, that dial
 * central. Composition root of src/sites/pilots.ts.
 */
import { join, resolve } from "node:path";
import { isCode, toXpcsError, XpcsError } from "../core/errors.js";
import type { SiteCapacity, SiteName } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { WorkSource } from "../core/protocols.js";
import { realClock } from "../core/real-clock.js";
import { makeFolder } from "../ledger/make-folder.js";
import { BATCH_FILE, type BatchFile } from "../sites/batch-file.js";
import { batchPerson } from "../sites/batch-settings.js";
import { COMMAND_APPS } from "../sites/command-apps.js";
import { openNodeHours } from "../sites/node-hours.js";
import { openBatch } from "../sites/open-batch.js";
import { type ExpectedStart, walltimesToTry } from "../sites/pilot-shape.js";
import { createPilots } from "../sites/pilots.js";
import { ordersIn } from "../sites/site-orders.js";
import { SITE_SETTINGS } from "../sites/site-settings.js";
import type { Connection } from "../wire/connect.js";
import { ableApps } from "./able-apps.js";
import { type CentralSettings, centralSettings } from "./client-settings.js";
import type { CliIo } from "./output.js";
import { createPilotFiles } from "./pilot-files.js";
import { openPilotWays } from "./pilot-ways.js";
import { createPinoLogger } from "./pino-logger.js";
import { readSelfTest } from "./self-test-file.js";
import type { KeptSite } from "./service/kept-site.js";
import { readSettingsFile } from "./settings-file.js";
import type { SiteOptions } from "./site.js";
import { siteDial } from "./site-dial.js";
import { userName } from "./user-name.js";

/** Room for what a pilot's name has beside it. */
const NAME_CHARS_MAX = 45;
/** From a pilot's first to its first job, and what it leaves at its end (pilot-life.ts), s. */
const BEGIN_S = 45;

/** What goes to a pilot beside its name: where central is, by files that it may read, and how it works. */
function pilotWords(
  options: SiteOptions,
  name: SiteName,
  file: BatchFile,
  { central, pin, insecure }: CentralSettings,
  files: readonly string[],
): string[] {
  const { slots, threads, grace, gpus } = options;
  const named: [string, string | number | undefined][] = [
    ["--central", central],
    ["--pin", pin],
    ["--pilot-of", name],
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
function pilotCapacity({ job, pilots }: BatchFile, gpus: number): SiteCapacity {
  const { resourceMax } = LIMITS;
  const nodes = pilots.per === "job" ? job.nodes : 1;
  const inAll = (ofOne: number | undefined): number => (ofOne === undefined ? resourceMax : ofOne * nodes);
  return { cores: inAll(job.cpusPerNode), memoryGb: inAll(job.memoryGbPerNode), gpus, nodes, walltimeS: job.walltimeS };
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
  const { locations, submitters, features } = readSettingsFile(SITE_SETTINGS, options.settings);
  const whereCentral = (): CentralSettings => centralSettings(options, name);
  const logger = createPinoLogger({ json: io.json || kept !== null, base: { site: name }, ...(kept === null ? {} : { stream: kept.log }) });
  const clock = realClock;
  const leaving = new AbortController();
  const signal = AbortSignal.any([io.signal, leaving.signal]);
  const batch = openBatch(file, { environment: process.env, clock, user: userName() });
  await makeFolder(join(file.folder, name), "the folder of the batch file");
  const orders = resolve(options.orders ?? join(file.folder, `${name}.orders`));
  await makeFolder(orders, "the folder of the site's orders");
  // Pilots behind an API do not see it.
  const orderWords = file.api === undefined ? ["--orders", orders] : [];
  const files = createPilotFiles(options, name, file, batch, whereCentral().ca !== undefined);
  await files.keep(whereCentral()).catch((error: unknown) => {
    // What a facility does not do now it may do at the next look.
    if (isCode(error, "INVALID_ARGUMENT")) throw error;
    logger.warn("pilots-not-planned", { site: name, reason: toXpcsError(error).message });
  });
  let link: Connection<WorkSource> | null = null;
  const dial = siteDial({ settings: whereCentral, reach: { by: "dialling" }, clock, logger });
  const newLink = async (): Promise<Connection<WorkSource>> => {
    const dialled = await dial();
    link = dialled;
    void dialled.closed.then(() => {
      link = null;
    });
    return dialled;
  };
  const { min, max, queuedMax, everyS, per } = file.pilots;
  const onEachNode = per === "node" && file.job.nodes > 1;
  const sitesMax = onEachNode ? max * file.job.nodes : max;
  if (sitesMax > LIMITS.pilotsMax)
    throw new XpcsError("INVALID_ARGUMENT", `${options.batch} allows ${sitesMax} pilots at a time, ${LIMITS.pilotsMax} are the limit`);
  const measured = readSelfTest(options.measured, file.folder);
  const like = {
    ...{ slots, apps: [...ableApps(logger), ...commands], capacity: { ...pilotCapacity(file, gpus), features } },
    ...(measured === null ? {} : { selfTest: measured }),
    ...(submitters === null ? {} : { submitters }),
  };
  const { scheduler, machine } = batch;
  if (file.pilots.reach.by !== "dialling" && scheduler.api !== undefined)
    throw new XpcsError("INVALID_ARGUMENT", `pilots by ${scheduler.name} share no folder with this site: they must dial central`);
  if (file.pilots.reach.by === "folder" && locations?.some(({ by }) => by === "http"))
    throw new XpcsError(
      "INVALID_ARGUMENT",
      "pilots that reach central through a folder cannot bring files from it: use another location, or a relay",
    );
  const ways = await openPilotWays({ way: file.pilots.reach, place: join(file.folder, name), central: whereCentral, clock, logger });
  const pilots = createPilots({
    name,
    batch: batch.jobs(name),
    settings: { ...file.job, person: file.job.person ?? batchPerson(submitters, userName()) },
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
    argv: (site) => [
      ...files.program,
      "site",
      "--name",
      site,
      ...pilotWords(options, name, file, whereCentral(), [...files.words, ...orderWords]),
    ],
    env: ways.env,
    onTags: ways.onTags,
    async backlog(sites, pilotsMax) {
      await files.keep(whereCentral());
      const { remote } = link ?? (await newLink());
      const { why } = pilots.view();
      return remote.backlog({
        site: name,
        pilots: sites,
        pilotsMax: onEachNode ? pilotsMax * file.job.nodes : pilotsMax,
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
    { site: name, scheduler: file.scheduler, central },
    () => `site ${name} keeps up to ${max} pilots for ${central} by ${file.scheduler}`,
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
  await pilots.run(signal).finally(() => ways.close());
  (link as Connection<WorkSource> | null)?.close();
}
