/**
 * Central and sites as real processes of the built command, for tests that kill them. Each is started anew on the same
 * folders; everything is ended and removed by `end`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect, type XpcsClient } from "../../dist/index.js";
import { freePort } from "./free-port.js";

const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export interface StartedSite {
  /** Sends a signal; resolves with the exit code. */
  stop(signal: NodeJS.Signals): Promise<number | null>;
}

export interface Facility {
  readonly folder: string;
  /** Connected as an operator. */
  readonly client: XpcsClient;
  readonly url: string;
  readonly operatorToken: string;
  startCentral(): Promise<void>;
  startSite(name: string, slots?: number, more?: readonly string[]): Promise<StartedSite>;
  /** What each process printed when it was ready. */
  readonly ready: Readonly<Record<string, Record<string, string>>>;
  /** SIGSTOP or SIGCONT to the process alone; its kernel hosts go on. */
  signal(name: string, signal: "SIGSTOP" | "SIGCONT"): void;
  /** SIGKILL; resolves when the process is gone. */
  kill(name: string): Promise<void>;
  /** SIGKILL to the kernel hosts of a site. @returns how many there were */
  killHosts(site: string): number;
  /** What all processes have logged. */
  log(): string;
  end(): Promise<void>;
}

/** Process ids of the children of a process, from /proc. */
export function childrenOf(pid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === pid;
      } catch {
        return false;
      }
    })
    .map(Number);
}

interface Started {
  readonly child: ChildProcess;
  /** The first JSON line on its stdout. */
  readonly ready: Promise<Record<string, string>>;
  readonly log: () => string;
}

export interface StartOptions {
  /** Words before the command line, such as those that enter a network. */
  readonly before?: readonly string[];
  /** On top of this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the command with --json. */
export function startCommand(args: readonly string[], { before = [], env = {} }: StartOptions = {}): Started {
  const [program, ...words] = [...before, process.execPath, CLI, ...args, "--json"] as string[];
  const child = spawn(program!, words, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  let err = "";
  child.stderr?.on("data", (text) => {
    err = (err + text).slice(-20_000);
  });
  const ready = new Promise<Record<string, string>>((resolve, reject) => {
    let out = "";
    child.stdout?.on("data", (text) => {
      out += text;
      if (out.includes("\n")) resolve(JSON.parse(out.slice(0, out.indexOf("\n"))));
    });
    child.once("exit", (code, signal) => reject(new Error(`xpcs ${args[0]} ended early (${signal ?? code}): ${err}`)));
  });
  return { child, ready, log: () => err };
}

export function gone(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once("exit", () => resolve()));
}

/** Starts a central and connects to it. @param more options of central, in its folder */
export async function startFacility(more: (folder: string) => readonly string[] = () => []): Promise<Facility> {
  const folder = mkdtempSync(join(tmpdir(), "xpcs-chaos-"));
  const options = more(folder);
  const port = await freePort();
  const children = new Map<string, ChildProcess>();
  const logs: (() => string)[] = [];
  const printed: Record<string, Record<string, string>> = {};
  const kill = async (name: string): Promise<void> => {
    const child = children.get(name)!;
    child.kill("SIGKILL");
    await gone(child);
  };
  const start = async (name: string, args: readonly string[]): Promise<Record<string, string>> => {
    // One that a failed test has left.
    if (children.has(name)) await kill(name);
    const { child, ready, log } = startCommand(args);
    children.set(name, child);
    logs.push(() => `--- ${name}, process ${child.pid}\n${log()}`);
    printed[name] = await ready;
    return printed[name];
  };
  const central = () => start("central", ["central", "--data", join(folder, "central"), "--listen", `127.0.0.1:${port}`, ...options]);
  const { url, operatorToken, siteToken } = (await central()) as { url: string; operatorToken: string; siteToken: string };
  const client = await connect(url, { token: operatorToken });
  return {
    folder,
    client,
    log: () => logs.map((log) => log()).join("\n"),
    url,
    operatorToken,
    ready: printed,
    async startCentral() {
      await central();
    },
    async startSite(name, slots = 2, more = []) {
      const where = ["--central", url, "--token", siteToken, "--work", join(folder, "work")];
      await start(name, ["site", ...where, "--name", name, "--slots", String(slots), "--threads", "1", ...more]);
      const child = children.get(name)!;
      return {
        async stop(signal) {
          child.kill(signal);
          await gone(child);
          return child.exitCode;
        },
      };
    },
    signal: (name, signal) => void children.get(name)!.kill(signal),
    kill,
    killHosts(site) {
      const hosts = childrenOf(children.get(site)!.pid!);
      for (const pid of hosts) process.kill(pid, "SIGKILL");
      return hosts.length;
    },
    async end() {
      client.close();
      await Promise.all([...children.keys()].map(kill));
      rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
}
