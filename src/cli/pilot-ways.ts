/**
 * What a site keeps for pilots that cannot dial central: a relay that listens for them, or boxes in a shared folder. Either dies, for a pilot, with its
 * batch job.
 */
import { createHmac, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { connect as dial, isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { ownCertificate } from "../actors/certificate.js";
import type { Clock } from "../core/clock.js";
import { toXpcsError, XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import type { Logger } from "../core/log.js";
import type { PilotWay } from "../sites/batch-file.js";
import type { Link } from "../wire/link.js";
import { joinLinks, serveMailboxes } from "../wire/mailbox-server.js";
import { proxyFor } from "../wire/proxy.js";
import { listenRelay } from "../wire/relay-server.js";
import { pinOf } from "../wire/trust.js";
import { openTunnel } from "../wire/tunnel.js";
import type { CentralSettings } from "./client-settings.js";
import { openLink } from "./site-reach.js";
import { keepSecret } from "./whole-file.js";

export interface PilotWays {
  /** For the script of a batch job. */
  env(tag: string): Record<string, string>;
  /** The batch jobs that are there. */
  onTags(tags: readonly string[]): void;
  close(): Promise<void>;
}

export interface WayOptions {
  readonly way: PilotWay;
  /** What it keeps has names that begin so, in a folder that the pilots see. */
  readonly place: string;
  readonly central: () => CentralSettings;
  readonly clock: Clock;
  readonly logger: Logger;
}

const STRAIGHT: PilotWays = { env: () => ({}), onTags: () => {}, close: async () => {} };

/** The address of an interface, or an address that is one of this machine. @throws INVALID_ARGUMENT */
function addressOf(text: string): string {
  const all = networkInterfaces();
  const named = all[text]?.find(({ family }) => family === "IPv4") ?? all[text]?.[0];
  if (named !== undefined) return named.address;
  const mine = Object.values(all).some((each) => each?.some(({ address }) => address === text));
  if (isIP(text) !== 0 && mine) return text;
  throw new XpcsError("INVALID_ARGUMENT", `this machine has no interface or address ${text}: it has ${Object.keys(all).join(", ")}`);
}

/** Where central listens, as `host:port`. */
function targetOf(central: string): string {
  const { hostname, port, protocol } = new URL(central);
  return `${hostname}:${port || (protocol === "wss:" ? 443 : 80)}`;
}

/** A connection to central, through the proxy of this machine's environment where that says so. */
async function openTo(central: string, target: string): Promise<Duplex> {
  const proxy = proxyFor(new URL(central), "environment");
  if (proxy !== null) {
    const peer = new URL(proxy);
    const words = [peer.username, peer.password].map(decodeURIComponent).join(":");
    return openTunnel({ peer, target, ...(words === ":" ? {} : { authorization: `Basic ${Buffer.from(words).toString("base64")}` }) });
  }
  const { hostname } = new URL(central);
  const timeout = LIMITS.callDeadlineMs;
  return new Promise((resolve, reject) => {
    const socket = dial({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(target.slice(target.lastIndexOf(":") + 1)), timeout });
    socket.once("error", reject);
    socket.once("timeout", () => socket.destroy(new Error(`no answer within ${timeout} ms`)));
    socket.once("connect", () => {
      // From now on it may be silent.
      socket.setTimeout(0).removeListener("error", reject);
      resolve(socket);
    });
  });
}

/** A key for the tokens of batch jobs, which are found again after a restart. */
async function ownKey(path: string): Promise<string> {
  const before = await readFile(path, "utf8").catch(() => "");
  const key = /^[0-9a-f]{64}$/.test(before) ? before : randomBytes(32).toString("hex");
  await keepSecret(path, key);
  return key;
}

async function openRelay(way: Extract<PilotWay, { by: "relay" }>, options: WayOptions): Promise<PilotWays> {
  const { place, central, clock, logger } = options;
  const own = `${place}.relay`;
  await mkdir(own, { recursive: true, mode: 0o700 });
  const tls = await ownCertificate(own, clock, randomBytes);
  const key = await ownKey(join(own, "key"));
  const tokenOf = (tag: string): string => createHmac("sha256", key).update(tag).digest("base64url");
  const server = await listenRelay({
    host: addressOf(way.interface),
    port: way.port,
    tls,
    target: () => targetOf(central().central),
    open: (target) => openTo(central().central, target),
    onRefused: (peer, reason) => logger.warn("relay-refused", { peer, reason }),
  });
  const file = join(own, "relay.json");
  await keepSecret(file, JSON.stringify({ url: server.url, pin: pinOf(tls.cert) }));
  logger.info("relay-listens", { url: server.url });
  return {
    env: (tag) => ({ XPCS_BATCH_RELAY: file, XPCS_BATCH_RELAY_TOKEN: tokenOf(tag) }),
    onTags: (tags) => server.admit(new Set(tags.map(tokenOf))),
    close: () => server.close(),
  };
}

async function openBoxes({ place, central, clock, logger }: WayOptions): Promise<PilotWays> {
  const own = `${place}.mail`;
  await mkdir(own, { recursive: true, mode: 0o700 });
  let tags: readonly string[] = [];
  const stop = new AbortController();
  const fault = (reason: string): void => logger.warn("mailbox-failed", { reason });
  const onLink = (pilot: Link): void => {
    openLink({ by: "dialling" }, central(), clock).then(
      (link) => joinLinks(pilot, link),
      (error: unknown) => pilot.close(toXpcsError(error)),
    );
  };
  const serving = serveMailboxes({ folders: () => tags.map((tag) => join(own, tag)), clock, onLink, onFault: fault }, stop.signal);
  const keep = async (): Promise<void> => {
    const wanted = tags;
    for (const tag of wanted) await mkdir(join(own, tag), { recursive: true, mode: 0o700 });
    const left = (await readdir(own)).filter((name) => !wanted.includes(name));
    for (const name of left) await rm(join(own, name), { recursive: true, force: true });
  };
  let kept = Promise.resolve();
  return {
    env: (tag) => ({ XPCS_BATCH_MAILBOX: join(own, tag) }),
    onTags(now) {
      tags = [...now];
      kept = kept.then(keep).catch((error: Error) => fault(error.message));
    },
    async close() {
      stop.abort();
      await Promise.all([serving, kept]);
    },
  };
}

/** Opens what the pilots of a site need. @throws INVALID_ARGUMENT · REFUSED of the relay's address */
export async function openPilotWays(options: WayOptions): Promise<PilotWays> {
  const { way } = options;
  if (way.by === "relay") return openRelay(way, options);
  return way.by === "folder" ? openBoxes(options) : STRAIGHT;
}
