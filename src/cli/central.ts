/** `xpcs central`: the ledger and the router of all jobs. Composition root of central; runs until Ctrl-C or SIGTERM. */
import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { ServedBundle } from "../actors/bundle-server.js";
import { CENTRAL_SETTINGS } from "../actors/central-settings.js";
import { readCertificate } from "../actors/certificate.js";
import { FEEDS_FILE } from "../actors/feeds/feed-settings.js";
import type { Keeping } from "../actors/housekeeping.js";
import { startCentral } from "../actors/start-central.js";
import { XpcsError } from "../core/errors.js";
import { realClock } from "../core/real-clock.js";
import { digestFile } from "../files/digest.js";
import type { DuplicateRules } from "../router/duplicates.js";
import { POLICIES } from "../router/registry.js";
import type { Certificate } from "../wire/http-server.js";
import { installerText } from "./bundle/installer.js";
import { readManifest } from "./bundle/manifest.js";
import { withExample } from "./help.js";
import { durationOption, percentOption, positiveOption } from "./option-values.js";
import type { CliIo } from "./output.js";
import { readPageFiles } from "./page-files.js";
import { createPinoLogger } from "./pino-logger.js";
import { readSettingsFile } from "./settings-file.js";

interface Address {
  readonly host: string;
  readonly port: number;
}

interface PolicyRule {
  readonly key: string;
  readonly value: string;
  readonly policy: string;
}

interface CentralOptions {
  readonly data: string;
  readonly listen: Address;
  readonly policy: string;
  readonly policyFor?: readonly PolicyRule[];
  readonly duplicates: DuplicateRules["when"];
  /** 0 to 1. */
  readonly crossCheck: number;
  readonly settings?: string;
  readonly feeds?: string;
  readonly bundle?: string;
  readonly tls?: true;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly insecure?: true;
  /** Seconds; Infinity: for ever. */
  readonly archiveAfter: number;
  readonly keepEvents: number;
  readonly eventsGb: number;
  readonly keepLogs: number;
  readonly logsGb: number;
  readonly diskReserveGb: number;
}

const DAY_S = 86_400;
const DEFAULT_LISTEN: Address = { host: "127.0.0.1", port: 7878 };

/** `HOST:PORT` or `[IPV6]:PORT`. */
function addressOption(text: string): Address {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port > 65_535)
    throw new InvalidArgumentError("It must be HOST:PORT, such as 127.0.0.1:7878; port 0 takes any.");
  return { host, port };
}

/** Collects `TAG=VALUE:POLICY`. */
function policyForOption(text: string, before: readonly PolicyRule[] = []): PolicyRule[] {
  const [, key, value, policy] = /^([^=]+)=(.*):([^:]+)$/.exec(text) ?? [];
  if (key === undefined || value === undefined || policy === undefined || !Object.hasOwn(POLICIES, policy))
    throw new InvalidArgumentError(`It must be TAG=VALUE:POLICY, with a policy of ${Object.keys(POLICIES).join(", ")}.`);
  return [...before, { key, value, policy }];
}

/** @throws INVALID_ARGUMENT one of the pair is missing · NOT_FOUND */
async function tlsOf({ tls, tlsCert, tlsKey }: CentralOptions): Promise<{ tls?: Certificate | "made" }> {
  if (tlsCert !== undefined && tlsKey !== undefined) return { tls: await readCertificate(tlsCert, tlsKey) };
  if (tlsCert !== undefined || tlsKey !== undefined)
    throw new XpcsError("INVALID_ARGUMENT", "--tls-cert and --tls-key belong together: give both, or --tls alone for a made certificate");
  return tls === true ? { tls: "made" } : {};
}

const GB = 1e9;

function keepingOf({ archiveAfter, keepEvents, eventsGb, keepLogs, logsGb }: CentralOptions): Keeping {
  const ms = (seconds: number) => (seconds === Infinity ? null : 1_000 * seconds);
  return { liveMs: ms(archiveAfter), eventsMs: ms(keepEvents), eventsBytes: GB * eventsGb, logsMs: ms(keepLogs), logsBytes: GB * logsGb };
}

/** @throws NOT_FOUND · INVALID_ARGUMENT it is no bundle */
async function bundleOf({ bundle }: CentralOptions): Promise<ServedBundle | undefined> {
  if (bundle === undefined) return undefined;
  const path = resolve(bundle);
  const digest = await digestFile(path);
  return { installer: installerText(readManifest(path), digest), archive: { path, ...digest } };
}

/** Shown at the first start only. */
function firstTokensText({ operatorToken, siteToken }: { operatorToken: string; siteToken: string }): string[] {
  return [
    "The first tokens; they are shown this once, and kept nowhere:",
    `  operator  ${operatorToken}`,
    `  site      ${siteToken}`,
    "xpcs token create makes more, one for each person and site.",
  ];
}

async function run(options: CentralOptions, io: CliIo): Promise<void> {
  const { quotas, data } = readSettingsFile(CENTRAL_SETTINGS, options.settings);
  const feeds = options.feeds === undefined ? {} : readSettingsFile(FEEDS_FILE, options.feeds).feeds;
  const dir = resolve(options.data);
  const bundle = await bundleOf(options);
  const central = await startCentral({
    dir,
    ...options.listen,
    clock: realClock,
    logger: createPinoLogger({ json: io.json }),
    randomBytes,
    policy: options.policy,
    ...(options.policyFor === undefined ? {} : { policyFor: options.policyFor }),
    duplicates: options.duplicates,
    crossCheckShare: options.crossCheck,
    ...(await tlsOf(options)),
    quotas,
    data,
    feeds,
    bundle,
    page: readPageFiles(),
    insecure: options.insecure === true,
    keeping: keepingOf(options),
    diskReserveBytes: GB * options.diskReserveGb,
  });
  const { url, pin, firstTokens } = central;
  const { operatorToken = null, siteToken = null } = firstTokens ?? {};
  io.result({ url, pin, operatorToken, siteToken, bundle: bundle?.archive.sha256 ?? null }, () =>
    [
      `central listens on ${url}`,
      ...(pin === null ? [] : [`its key is ${pin}: what clients and sites pin (--pin)`]),
      ...(bundle === undefined ? [] : [`new sites fetch ${bundle.archive.path} from it (sha256 ${bundle.archive.sha256})`]),
      ...(firstTokens === null ? [] : firstTokensText(firstTokens)),
    ].join("\n"),
  );
  const { signal } = io;
  const interrupted = new Promise<null>((settle) => {
    if (signal.aborted) settle(null);
    else signal.addEventListener("abort", () => settle(null), { once: true });
  });
  const failure = await Promise.race([central.failed, interrupted]);
  await central.stop();
  if (failure !== null) throw failure;
}

/** How long something is kept, s; null: for ever. */
function kept(flags: string, meaning: string, days: number): Option {
  return new Option(flags, meaning).argParser(durationOption).default(days * DAY_S, `${days}d`);
}

/** Adds the command to the program. */
export function registerCentral(program: Command, io: CliIo): void {
  const command = program
    .command("central")
    .description("Keep the ledger of all jobs and give them to sites. Ctrl-C or SIGTERM stops it; it goes on where it was.")
    .requiredOption("--data <folder>", "folder of the ledger and the tokens, made if missing")
    .option("--listen <host:port>", "address to listen on; port 0 takes any", addressOption, DEFAULT_LISTEN)
    .addOption(new Option("--policy <name>", "how a site is chosen for a job").choices(Object.keys(POLICIES)).default("soonest"))
    .option("--policy-for <tag=value:policy>", "how it is for jobs with this tag (repeat for more; the first that fits)", policyForOption)
    .addOption(
      new Option("--duplicates <when>", "which running jobs begin at an idle site as well, the first answer wins (docs/leases.md)")
        .choices(["never", "late", "stragglers"])
        .default("late"),
    )
    .option("--cross-check <percent>", "share of jobs that run again elsewhere to compare the results (docs/leases.md)", percentOption, 0)
    .option("--settings <file>", "quotas, and folders whose files go through central (docs/settings.md)")
    .option("--feeds <file>", "what facilities publish of their downtimes (docs/downtimes.md)")
    .option("--bundle <file>", "let new sites fetch this bundle (xpcs bundle; docs/bundle.md)")
    .option("--tls", "speak TLS, with a certificate made in the data folder, for clients to pin")
    .option("--tls-cert <file>", "speak TLS with this certificate chain (PEM); needs --tls-key")
    .option("--tls-key <file>", "private key of the certificate (PEM)")
    .option("--insecure", "allow an address that is not loopback without TLS: tokens cross the network in clear text")
    .addOption(kept("--archive-after <time>", "jobs go into the archive so long after their end: 12h, 30d, never", 30))
    .addOption(kept("--keep-events <time>", "ledger events are kept at least so long", 365))
    .option("--events-gb <size>", "past ledger events may take so many GB; the oldest are forgotten first", positiveOption, 10)
    .addOption(kept("--keep-logs <time>", "what commands have written is kept so long", 90))
    .option("--logs-gb <size>", "logs may take so many GB; the oldest are deleted first", positiveOption, 10)
    .option("--disk-reserve-gb <size>", "with less room on the disk nothing new is taken", positiveOption, 0.25)
    .action((options: CentralOptions) => run(options, io));
  command.options.find(({ long }) => long === "--listen")!.defaultValueDescription = "127.0.0.1:7878";
  withExample(
    command,
    "xpcs central --data /var/lib/xpcs --listen 127.0.0.1:7878",
    "xpcs central --data /var/lib/xpcs --listen 0.0.0.0:7878 --tls",
  );
}
