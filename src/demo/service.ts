/**
 * The demo's central and sites as processes of their own, started through the `xpcs` command as a person would start them,
 * and stopped whatever happens.
 */
import { join } from "node:path";
import { z } from "zod";
import { endProcess, type Started, startProcess } from "./process.js";

const CentralReady = z.object({ url: z.string(), operatorToken: z.string(), siteToken: z.string() });
const SiteReady = z.object({ site: z.string() });

export type CentralAddress = z.infer<typeof CentralReady>;

export interface Service {
  readonly central: CentralAddress;
  /** Process ids: central, then the sites. */
  readonly pids: readonly number[];
  /** Ends all processes; returns when they are gone. */
  stop(): Promise<void>;
}

export interface ServiceOptions {
  /** Folder for the ledger, the sites' work and the logs. */
  readonly folder: string;
  readonly siteNames: readonly string[];
  readonly signal: AbortSignal;
}

/**
 * Starts a central on a free port and its sites; returns when all are ready.
 * @throws UNAVAILABLE one of them did not get ready; the message has its log · CANCELED
 */
export async function startService({ folder, siteNames, signal }: ServiceOptions): Promise<Service> {
  const started: Started[] = [];
  const start = (label: string, args: readonly string[], env: Readonly<Record<string, string>>): Started => {
    const one = startProcess({ label, args, env, folder, signal });
    started.push(one);
    return one;
  };
  const stop = async (): Promise<void> => {
    // Sites first: they say goodbye to central.
    const [central, ...sites] = started.map(({ child }) => child);
    await Promise.all(sites.map(endProcess));
    if (central) await endProcess(central);
  };
  try {
    const central = start("central", ["central", "--data", join(folder, "central"), "--listen", "127.0.0.1:0"], {});
    const address = CentralReady.parse(await central.ready);
    const env = { XPCS_CENTRAL: address.url, XPCS_TOKEN: address.siteToken };
    const work = join(folder, "work");
    const sites = siteNames.map((name) =>
      start(`site-${name}`, ["site", "--name", name, "--slots", "1", "--threads", "1", "--grace", "0", "--work", work], env),
    );
    for (const site of sites) SiteReady.parse(await site.ready);
    return { central: address, pids: started.map(({ child }) => child.pid ?? -1), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
