/** `xpcs site`: works for a central on this machine until it is told to stop. Composition root of the site; its other actions are in files of their own. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { availableParallelism, hostname, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { Argument, type Command } from "commander";
import { XpcsError } from "../core/errors.js";
import type { SelfTest } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import { realClock } from "../core/real-clock.js";
import { makeFolder } from "../ledger/make-folder.js";
import { COMMAND_APPS } from "../sites/command-apps.js";
import { ignoreWarnings } from "../sites/job-signals.js";
import { startHost } from "../sites/kernel-host.js";
import { createKernelPool } from "../sites/kernel-pool.js";
import { transfersOf } from "../sites/locations.js";
import { type Identity, resultAccess } from "../sites/result-access.js";
import { runSite } from "../sites/site.js";
import { ordersIn } from "../sites/site-orders.js";
import { SITE_SETTINGS } from "../sites/site-settings.js";
import { openCache } from "../sites/staging/cache.js";
import type { CentralAccess } from "../sites/transfers/define.js";
import { trustOf } from "../wire/trust.js";
import { ableApps } from "./able-apps.js";
import { batchPlace } from "./batch-place.js";
import { addCentralOptions, type CentralOptions, type CentralSettings, centralSettings } from "./client-settings.js";
import { withExample } from "./help.js";
import { machineFeatures } from "./machine-features.js";
import { integerOption, siteNameOption, timeOption } from "./option-values.js";
import type { CliIo } from "./output.js";
import { secondsLeft, watchLife } from "./pilot-life.js";
import { createPinoLogger } from "./pino-logger.js";
import { readSelfTest } from "./self-test-file.js";
import { type KeptSite, keepSite } from "./service/kept-site.js";
import { watchOrders } from "./service/order.js";
import { readSettingsFile } from "./settings-file.js";
import { siteDial } from "./site-dial.js";
import { proxyOf, type Reach, reachIn } from "./site-reach.js";

/** What `xpcs join` takes of them. */
export interface SiteRunOptions {
  readonly work?: string;
  readonly slots: number;
  readonly threads?: number;
  readonly grace: number;
  readonly apps?: string;
  readonly settings?: string;
  readonly gpus: number;
}

export interface SiteOptions extends SiteRunOptions, CentralOptions {
  readonly name?: string;
  readonly work: string;
  readonly idle?: number;
  readonly batch?: string;
  readonly state?: string;
  readonly orders?: string;
  readonly pilotOf?: string;
  /** File of a self-test; absent: that in the work folder, if there is one. */
  readonly measured?: string;
}

function identity(): Identity {
  return { user: process.geteuid!(), groups: [process.getegid!(), ...process.getgroups!()] };
}

/** Central as the transfers see it. */
function centralAccess(settings: CentralSettings, reach: Reach): CentralAccess {
  const { central: url, token, insecure } = settings;
  return { url, token, trust: trustOf(settings), insecure, proxy: proxyOf(reach) };
}

/** Differs from boot to boot; where the system does not say, from start to start. */
function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return randomUUID();
  }
}

/** Each name has its own folder, so that sites may share --work. */
async function workFolder(work: string, name: string): Promise<string> {
  const folder = join(resolve(work), name);
  await makeFolder(folder, "the work folder (--work)");
  return folder;
}

/** What central is told of a self-test: rates of the link to it only where files cross that link. */
function toldOf(measured: SelfTest | null, locations: readonly { readonly by: string }[] | null): SelfTest | null {
  if (measured === null || locations?.some(({ by }) => by === "http")) return measured;
  const { inBytesPerS: _in, outBytesPerS: _out, ...rest } = measured;
  return rest;
}

/** Runs a site until it is told to stop. */
export async function runSiteCommand(options: SiteOptions, io: CliIo): Promise<void> {
  const { name = siteNameOption(hostname()), batch } = options;
  await keepSite(options.state, name, realClock, async (kept) => {
    if (batch === undefined) return workHere(options, name, kept, io);
    // Pilots and other sites that work themselves need not load what starts them.
    return (await import("./site-pilots.js")).runPilotSite({ ...options, batch }, name, kept, io);
  });
}

/** @param kept null: it has no state folder */
async function workHere(options: SiteOptions, given: string, kept: KeptSite | null, io: CliIo): Promise<void> {
  const { slots } = options;
  const { endsS, queueWaitS, hosts, launcher, pilot } = batchPlace(process.env, Date.now() / 1_000 - process.uptime());
  if (endsS !== null) ignoreWarnings();
  const reach = reachIn(process.env);
  const name = pilot === null ? given : `${given}.${pilot}`;
  const whereCentral = (): CentralSettings => centralSettings(options, name);
  const { central } = whereCentral();
  const commands = readSettingsFile(COMMAND_APPS, options.apps);
  const { results, submitters, roots, locations, cache, prefetch, transfersMax, supervision, features } = readSettingsFile(
    SITE_SETTINGS,
    options.settings,
  );
  const logger = createPinoLogger({ json: io.json || kept !== null, base: { site: name }, ...(kept === null ? {} : { stream: kept.log }) });
  const workDir = await workFolder(options.work, name);
  const clock = realClock;
  const life = { idleS: options.idle ?? null, endsS, graceS: options.grace, clock };
  const measured = toldOf(readSelfTest(options.measured, options.work), locations);
  const site = runSite({
    ...(measured === null ? {} : { selfTest: measured }),
    name,
    instance: randomUUID(),
    host: hostname(),
    slots,
    ...(options.pilotOf === undefined ? {} : { pilotOf: options.pilotOf }),
    prefetch: prefetch ?? (locations?.some(({ by }) => by !== "shared-path") ? 1 : 0),
    ...(transfersMax === null ? {} : { transfersMax }),
    threadsPerSlot: options.threads ?? Math.max(1, Math.floor(availableParallelism() / slots)),
    apps: ableApps(logger),
    commands,
    access: resultAccess(results, identity(), clock),
    transfers: transfersOf(locations, {
      site: name,
      central: () => centralAccess(whereCentral(), reach),
      cache: openCache({ folder: join(workDir, "staged"), bytesMax: cache.gb * 1e9, clock, boot: bootId() }),
      clock,
      rng: Math.random,
    }),
    roots,
    submitters,
    hosts,
    launcher,
    // Its nodes are taken to be like the one on which it runs.
    capacity: {
      cores: availableParallelism() * hosts.length,
      memoryGb: (Math.floor(totalmem() / 1e8) / 10) * hosts.length,
      gpus: options.gpus,
      nodes: hosts.length,
      walltimeS: secondsLeft(life),
      features: [...machineFeatures(), ...features],
    },
    endsInS: () => secondsLeft(life),
    queueWaitS,
    workDir,
    dial: siteDial({ settings: whereCentral, reach, clock, logger }),
    kernels: createKernelPool({
      ...{ slots, clock, logger, rules: supervision.restart },
      start: () => startHost({ clock, rules: supervision.hosts }),
    }),
    clock,
    logger,
    rng: Math.random,
    onRefused: (reason, patienceMs) => io.note(`xpcs: ${reason}; trying for ${patienceMs / 1000} s, as that one may have died just now`),
  });
  void site.joined.then(() => io.result({ site: name, slots, central }, () => `site ${name} has joined ${central} with ${slots} slots`));
  const stop = (): void => void site.stop({ graceMs: 1000 * (kept?.stopping() ?? options.grace) });
  const ordersFolder = resolve(options.orders ?? options.state ?? workDir);
  kept?.tell(
    () => {
      const { connected, jobs } = site.view();
      const orders = { folder: ordersFolder, ...ordersIn(ordersFolder) };
      return { central: { url: central, reached: connected }, slots, orders, jobs: [...jobs], pilots: null };
    },
    (reason) => {
      logger.info("site-leaves", { reason });
      stop();
    },
  );
  const { signal } = io;
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  const unwatch = watchLife(site, life, (reason) => {
    logger.info("site-leaves", { reason });
    stop();
  });
  const unwatchOrders = watchOrders(ordersFolder, clock, (orders) => {
    site.obey(orders);
    // A pilot that may do nothing gives its nodes back.
    if (orders.halt !== null && life.endsS !== null) void site.stop({ graceMs: 0 });
  });
  await site.ended.finally(() => {
    unwatch();
    unwatchOrders();
  });
}

/** Adds the options that say how a site works. */
export function addSiteOptions(command: Command): Command {
  return command
    .option("--slots <n>", "jobs at a time", integerOption(1, LIMITS.siteSlotsMax), 1)
    .option("--threads <n>", "threads of a job that asks for none (default: cores / slots)", integerOption(1, LIMITS.threadsMax))
    .option("--apps <file>", "commands that jobs may run here, by name (docs/apps.md)")
    .option("--settings <file>", "rules of this site: results, paths, child processes (docs/settings.md)")
    .option("--gpus <n>", "GPUs that jobs may take", integerOption(0, LIMITS.resourceMax), 0)
    .option("--grace <s>", "on stopping, time for running jobs to finish before they are given back", integerOption(0, 86_400), 30);
}

const ACTIONS = ["init", "start", "stop", "status", "logs", "drain", "halt", "downtime", "probation"] as const;
export type SiteAction = (typeof ACTIONS)[number];

/** Adds the command to the program. */
export function registerSite(program: Command, io: CliIo): void {
  const command = program
    .command("site")
    .description("Work for a central on this machine: take jobs, analyse, report. Ctrl-C or SIGTERM stops it cleanly.");
  addCentralOptions(command)
    .addArgument(
      new Argument(
        "[action]",
        "init: write a file of batch settings; downtime, probation: keep jobs from a site; the others: of a site that goes on without this shell",
      ).choices(ACTIONS),
    )
    .argument("[what]", "init: the file; else: the site's name")
    .argument("[switch]", "drain (finish what runs), halt (stop it), probation: on or off")
    .option("--profile <name>", "init: take over what is known of a facility's machine (docs/profiles.md)")
    .option("--work <folder>", "folder for unfinished results; fast and local, or on the results' file system")
    .option("--name <name>", "name of the site, unique at this central (default: the host's name)", siteNameOption)
    .option("--state <folder>", "folder of its state and log (with an action: ~/.local/state/xpcs-sites/NAME; else it has none)")
    .option("--systemd", "start: write a systemd user unit instead")
    .option("--scrontab", "start: print an entry for Slurm's scrontab instead")
    .option("--orders <folder>", "folder whose files drain and halt it obeys (default: that of --state, else its own in --work)")
    .option("--pilot-of <site>", "of a pilot: the site that started it, whose pinned jobs it takes too", siteNameOption)
    .option("--reason <text>", "drain, halt, downtime, probation: why, for others to read")
    .option("--from <time>", "downtime: since or from when: 2026-12-07T15:00:00Z, +2h (default: now)", timeOption(1))
    .option("--to <time>", "downtime: until when (default: nobody knows)", timeOption(1))
    .option("--remove <id>", "downtime: remove this one; what a feed has said counts no more")
    .option("--lines <n>", "logs: the last so many lines", integerOption(0, 1_000_000), 100)
    .option("-f, --follow", "logs: go on with what comes, until Ctrl-C")
    .option("--idle <s>", "leave when there has been nothing to do for this long", integerOption(1, 86_400))
    .option("--measured <file>", "numbers of a self-test, told to central (default: self-test.json in --work; docs/self-test.md)")
    .option("--batch <file>", "work in jobs of a batch scheduler, started as needed (docs/pilots.md)");
  addSiteOptions(command).action(async (action: SiteAction | undefined, what: string | undefined, how: string | undefined) => {
    if (action !== undefined) return (await import("./service/actions.js")).actOnSite(action, { what, how }, command, io);
    const options = command.opts<Omit<SiteOptions, "work"> & { work?: string; profile?: string }>();
    const { work, profile } = options;
    if (profile !== undefined) throw new XpcsError("INVALID_ARGUMENT", "--profile is for the file that xpcs site init writes");
    if (work === undefined) throw new XpcsError("INVALID_ARGUMENT", "a site needs a folder for unfinished results: give --work FOLDER");
    return runSiteCommand({ ...options, work }, io);
  });
  withExample(
    command,
    "xpcs site init batch.yaml --profile polaris",
    "xpcs site --central ws://127.0.0.1:7878 --token SITE_TOKEN --name polaris --slots 2 --work /tmp/xpcs-work",
    "xpcs site start polaris --work /tmp/xpcs-work --slots 2",
    "xpcs site downtime polaris --from 2026-12-07T15:00:00Z --to 2026-12-07T23:00:00Z --reason maintenance",
  );
}
