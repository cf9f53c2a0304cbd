/**
 * The demo's central and sites as processes of their own, started through the `xpcs` command as a person would start them,
 * and stopped whatever happens. Tokens travel in the environment, not on the command line.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { XpcsError } from "../core/errors.js";

const CLI = fileURLToPath(new URL("../cli/main.js", import.meta.url));
const READY_MS = 20_000;
/** Time for a clean goodbye before a process is killed. */
const STOP_MS = 5_000;

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
export async function startService(options: ServiceOptions): Promise<Service> {
  const children: ChildProcess[] = [];
  const stop = async (): Promise<void> => {
    // Sites first: they say goodbye to central.
    const [central, ...sites] = children;
    await Promise.all(sites.map(endProcess));
    if (central) await endProcess(central);
  };
  try {
    const central = start("central", ["central", "--data", join(options.folder, "central"), "--listen", "127.0.0.1:0"], {}, options);
    children.push(central.child);
    const address = CentralReady.parse(await central.ready);
    const sites = options.siteNames.map((name) =>
      start(
        `site-${name}`,
        ["site", "--name", name, "--slots", "1", "--threads", "1", "--grace", "0", "--work", join(options.folder, "work")],
        { XPCS_CENTRAL: address.url, XPCS_TOKEN: address.siteToken },
        options,
      ),
    );
    children.push(...sites.map((site) => site.child));
    for (const site of sites) SiteReady.parse(await site.ready);
    return { central: address, pids: children.map((child) => child.pid ?? -1), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Started {
  readonly child: ChildProcess;
  /** The first line on its stdout, as JSON. */
  readonly ready: Promise<unknown>;
}

function start(label: string, args: readonly string[], env: Readonly<Record<string, string>>, options: ServiceOptions): Started {
  const log = join(options.folder, `${label}.log`);
  // A process group of its own: Ctrl-C in the terminal reaches only the demo, which then stops the others in order.
  const child = spawn(process.execPath, [CLI, ...args, "--json"], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  child.stderr?.pipe(createWriteStream(log));
  const ready = new Promise<unknown>((resolve, reject) => {
    const fail = (code: "UNAVAILABLE" | "CANCELED", what: string): void => reject(new XpcsError(code, what));
    const timer = setTimeout(() => fail("UNAVAILABLE", `${label} was not ready within ${READY_MS / 1000} s; see ${log}`), READY_MS);
    options.signal.addEventListener("abort", () => fail("CANCELED", "stopped while starting"), { once: true });
    child.once("error", (error) => fail("UNAVAILABLE", `${label} did not start: ${error.message}`));
    child.once("exit", (code, signal) => fail("UNAVAILABLE", `${label} ended (${signal ?? code}) before it was ready; see ${log}`));
    const lines = createInterface({ input: child.stdout! });
    lines.once("line", (line) => {
      clearTimeout(timer);
      try {
        resolve(JSON.parse(line));
      } catch {
        fail("UNAVAILABLE", `${label} printed "${line.slice(0, 200)}" instead of its address`);
      }
    });
  });
  ready.catch(() => {});
  return { child, ready };
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
  });
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  await gone;
  clearTimeout(timer);
}
