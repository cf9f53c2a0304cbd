/** Puts a central together from its parts and starts it. No globals: the clock, randomness and the log come from the caller. */
import type { RequestListener } from "node:http";
import { join } from "node:path";
import type { Principal } from "../core/access.js";
import type { Clock } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import type { Logger } from "../core/log.js";
import { VERSION } from "../core/version.js";
import { Ledger, loadState } from "../ledger/ledger.js";
import { openLevelStore } from "../ledger/level-store.js";
import { makeFolder } from "../ledger/make-folder.js";
import type { EventStore } from "../ledger/store.js";
import { DUPLICATE_RULES, type DuplicateRules } from "../router/duplicates.js";
import type { Policy } from "../router/policy.js";
import { type PolicyOf, policyOf } from "../router/policy-rules.js";
import { POLICIES } from "../router/registry.js";
import type { Certificate } from "../wire/http-server.js";
import type { Link } from "../wire/link.js";
import { pinOf } from "../wire/trust.js";
import { type Listener, listenWebSocket } from "../wire/websocket-server.js";
import { withinRights } from "./access-rights.js";
import { AttemptLogs } from "./attempt-logs.js";
import { Backups } from "./backups.js";
import { type BundleServer, bundleServer, type ServedBundle } from "./bundle-server.js";
import { Central } from "./central.js";
import { ownCertificate } from "./certificate.js";
import { clientSession } from "./client-session.js";
import { CROSS_CHECK_RULES } from "./cross-checks.js";
import { type DataFolders, dataRights } from "./data-rights.js";
import { dataServer } from "./data-server.js";
import { DiskRoom } from "./disk-room.js";
import { GuardedDoor } from "./door.js";
import { downtimeAdmin } from "./downtime-admin.js";
import { FeedWatch } from "./feed-watch.js";
import type { FeedSettings } from "./feeds/feed-settings.js";
import { folderServer } from "./folder-server.js";
import { guardLink } from "./gate.js";
import { DEFAULT_KEEPING, Housekeeping, type Keeping } from "./housekeeping.js";
import { type Health, httpApi } from "./http-api.js";
import { createIdSource } from "./ids.js";
import { ledgerAdmin } from "./ledger-admin.js";
import { createMetrics } from "./metrics.js";
import type { QuotaRules } from "./quotas.js";
import { resultServer } from "./result-server.js";
import { tokenAdmin } from "./token-admin.js";
import { Tokens } from "./tokens.js";
import { type PageFiles, pageServer } from "./web-page.js";

export interface StartOptions {
  /** Folder of the ledger and the tokens; made if it is not there. */
  readonly dir: string;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly randomBytes: (size: number) => Uint8Array;
  /** Name of a routing policy (default "soonest"). */
  readonly policy?: string;
  /** For jobs with these tags; the first that fits counts. */
  readonly policyFor?: readonly { readonly key: string; readonly value: string; readonly policy: string }[];
  /** Which running jobs get a second attempt (default "late"). */
  readonly duplicates?: DuplicateRules["when"];
  /** Of the jobs that do not say themselves, those that run again at another site to compare the results, 0 to 1 (default 0). */
  readonly crossCheckShare?: number;
  /** Absent: no bounds. */
  readonly quotas?: QuotaRules;
  /** Folders whose files may move through this central to and from sites; absent: none. */
  readonly data?: DataFolders | null;
  /** Feeds of facilities, by name; absent: none. */
  readonly feeds?: Readonly<Record<string, FeedSettings>>;
  /** What new sites can fetch; absent: nothing. */
  readonly bundle?: ServedBundle | undefined;
  /** The browser's page; absent: there is none. */
  readonly page?: PageFiles;
  /** Speak TLS: with a certificate of one's own, or with one that is made in `dir` ("made"). */
  readonly tls?: Certificate | "made";
  /** How long what is kept; what is left out is as in `DEFAULT_KEEPING`. */
  readonly keeping?: Partial<Keeping>;
  /** Below so much room on the disk nothing new is taken, bytes (default 256 MB). */
  readonly diskReserveBytes?: number;
  /** Allow a plain websocket on an address that is not loopback. */
  readonly insecure?: boolean;
}

export interface RunningCentral {
  /** Archives and forgets what is due now, in place of waiting for its time. */
  tidy(): Promise<void>;
  readonly url: string;
  /** What clients may pin; null without TLS. */
  readonly pin: string | null;
  /** At the first start on a folder: the tokens that were made then. They are kept nowhere. */
  readonly firstTokens: { readonly operatorToken: string; readonly siteToken: string } | null;
  /** Resolves when the ledger cannot be written any more: nothing is accepted from then on, and the process should end. */
  readonly failed: Promise<XpcsError>;
  /** Closes all links and the ledger. */
  stop(): Promise<void>;
}

/** Mode of the data folder: the ledger tells of every experiment. */
const PRIVATE = 0o700;

/** Some events for each of a hundred thousand jobs. */
const DISK_RESERVE_BYTES = 256e6;

function policyNamed(name: string): Policy {
  const policy = Object.hasOwn(POLICIES, name) ? POLICIES[name] : undefined;
  if (policy === undefined)
    throw new XpcsError("INVALID_ARGUMENT", `there is no policy "${name}": take one of ${Object.keys(POLICIES).join(", ")}`);
  return policy;
}

/** @throws INVALID_ARGUMENT */
function policiesOf({ policy = "soonest", policyFor = [] }: StartOptions): PolicyOf {
  return policyOf(
    policyNamed(policy),
    policyFor.map(({ policy: name, ...tag }) => ({ ...tag, policy: policyNamed(name) })),
  );
}

async function openLedger(store: EventStore): Promise<Ledger> {
  try {
    return new Ledger(store, await loadState(store));
  } catch (error) {
    await store.close();
    throw error;
  }
}

/**
 * Starts central on `dir`, continuing where the last one stopped.
 *
 * @throws REFUSED another central has `dir` open, the port is taken, or the address is not loopback; INVALID_ARGUMENT the folder or the address
 *   cannot be used; CORRUPT_DATA; VERSION_MISMATCH; IO_FAILED
 */
export async function startCentral(options: StartOptions): Promise<RunningCentral> {
  const { host, port, clock } = options;
  policiesOf(options);
  let serving: Serving = {
    onLink: (link) => link.close(new XpcsError("UNAVAILABLE", "central is starting")),
    onRequest: (_request, response) => void response.writeHead(503, { "retry-after": "1" }).end(),
  };
  const tls = options.tls === "made" ? await madeCertificate(options) : options.tls;
  // The address comes before the ledger: when it is refused, no data have been made.
  const listener = await listenWebSocket({
    host,
    port,
    clock,
    ...(tls === undefined ? {} : { tls }),
    insecure: options.insecure ?? false,
    onLink: (link, peer) => serving.onLink(link, peer),
    onRequest: (request, response) => serving.onRequest(request, response),
  });
  try {
    const started = await startOn(listener, options, (next) => {
      serving = next;
    });
    return { ...started, pin: tls === undefined ? null : pinOf(tls.cert) };
  } catch (error) {
    await listener.close();
    throw error;
  }
}

async function madeCertificate({ dir, clock, randomBytes }: StartOptions): Promise<Certificate> {
  await makeFolder(dir, "the data folder", PRIVATE);
  return ownCertificate(dir, clock, randomBytes);
}

interface Serving {
  readonly onLink: (link: Link, peer: string) => void;
  readonly onRequest: RequestListener;
}

async function startOn(listener: Listener, options: StartOptions, serve: (serving: Serving) => void): Promise<Omit<RunningCentral, "pin">> {
  const { dir, clock, logger, randomBytes } = options;
  await makeFolder(dir, "the data folder", PRIVATE);
  // The lock of the ledger comes before the tokens: two centrals that start together must not both make some.
  const ledger = await openLedger(await openLevelStore(join(dir, "ledger")));
  let tellFailed: (error: XpcsError) => void = () => {};
  const failed = new Promise<XpcsError>((resolve) => {
    tellFailed = resolve;
  });
  let broken = false;
  const metrics = createMetrics();
  const room = new DiskRoom(dir, options.diskReserveBytes ?? DISK_RESERVE_BYTES, { clock, logger });
  const central = new Central({
    ledger,
    policyOf: policiesOf(options),
    clock,
    logger,
    newJobId: createIdSource(randomBytes),
    logs: new AttemptLogs(join(dir, "logs")),
    duplicates: { ...DUPLICATE_RULES, ...(options.duplicates === undefined ? {} : { when: options.duplicates }) },
    crossChecks: { ...CROSS_CHECK_RULES, share: options.crossCheckShare ?? 0 },
    ...(options.quotas === undefined ? {} : { quotas: options.quotas }),
    incarnation: Buffer.from(randomBytes(6)).toString("base64url"),
    observer: {
      events: metrics.events,
      committed(durationMs) {
        metrics.committed(durationMs);
        room.written();
      },
    },
    refusal: () => room.refusal(),
    onDead: (error) => {
      broken = true;
      logger.error("ledger-failed", { code: error.code, reason: error.message });
      tellFailed(error);
    },
  });
  let bundle: BundleServer | null = null;
  try {
    if (options.bundle !== undefined) bundle = await bundleServer(options.bundle, { clock, onRequest: metrics.request });
    const { tokens, first } = await Tokens.open(dir, { clock, logger, randomBytes });
    const door = new GuardedDoor(tokens, { clock, logger, onRefused: metrics.refusedLogin });
    metrics.watch(central, () => door.size);
    const clientApi = (principal: Principal) =>
      withinRights(
        {
          ...clientSession(central, principal),
          ...tokenAdmin(tokens, principal, bundle?.installer ?? null),
          ...ledgerAdmin(central, principal, { backups, housekeeping }),
          ...downtimeAdmin(central, principal),
        },
        principal,
      );
    const backups = new Backups(clock, () => Buffer.from(randomBytes(12)).toString("base64url"));
    const housekeeping = new Housekeeping(central, { ...DEFAULT_KEEPING, ...options.keeping }, { clock, logger });
    const health = (): Health => {
      const sites = central.siteViews().filter(({ state }) => state === "up").length;
      return { status: broken ? "failed" : "ok", version: VERSION, jobs: central.state.jobs.size, sites };
    };
    const api = httpApi({ door, clientApi, health, metrics, onRequest: metrics.request, clock, logger });
    const rights = dataRights(central, options.data ?? null);
    const data = dataServer({ door, rights, clock, logger, onRequest: metrics.request });
    const results = resultServer({ door, clientApi, clock, logger, onRequest: metrics.request });
    const listing = folderServer({ door, folders: options.data ?? null, clock, logger, onRequest: metrics.request });
    const page = options.page === undefined ? null : pageServer(options.page, metrics.request, clock);
    serve({
      onLink: (link, peer) => guardLink(link, { central, door, clientApi, clock, logger, peer }),
      onRequest: (request, response) =>
        void (
          data(request, response) ||
          bundle?.handle(request, response) ||
          page?.(request, response) ||
          results(request, response) ||
          listing(request, response) ||
          api(request, response)
        ),
    });
    const feeds = new FeedWatch(central, options.feeds ?? {}, { clock, logger });
    await room.start();
    central.start();
    await feeds.start();
    housekeeping.start();
    door.start();
    logger.info("central-started", { url: listener.url, dir, jobs: central.state.jobs.size });
    return {
      url: listener.url,
      firstTokens: first,
      failed,
      tidy: () => housekeeping.tidy(),
      async stop() {
        door.stop();
        await listener.close();
        await feeds.stop();
        room.stop();
        await backups.stop();
        await housekeeping.stop();
        await central.stop();
        await bundle?.close();
      },
    };
  } catch (error) {
    await bundle?.close();
    await central.stop();
    throw error;
  }
}
