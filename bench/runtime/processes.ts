/** Central and sites as whole processes of the built command, their folders, and what the system says of them. For measurements alone. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Of a clock tick in /proc, s: fixed by the kernel's interface. */
const TICK_S = 0.01;

export interface Started {
  readonly pid: number;
  /** The first JSON line on its stdout. */
  readonly ready: Readonly<Record<string, string>>;
  /** Sends a signal; resolves when the process is gone. */
  stop(signal: NodeJS.Signals): Promise<void>;
}

export interface CentralProcess extends Started {
  readonly url: string;
  readonly operatorToken: string;
  readonly siteToken: string;
}

export interface Facility {
  /** Its folder; empty at first. */
  readonly folder: string;
  startCentral(more?: readonly string[]): Promise<CentralProcess>;
  startSite(name: string, slots: number, more?: readonly string[]): Promise<Started>;
  /** Runs a command to its end. @throws it failed */
  run(args: readonly string[]): Promise<void>;
  /** Ends all that still runs and removes the folder, unless it is to be kept. */
  end(keep?: boolean): Promise<void>;
}

function gone(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once("exit", () => resolve()));
}

/** The first line of JSON that a child prints. */
export function firstLine(child: ChildProcess, what: string): Promise<Record<string, string>> {
  return new Promise((resolve, reject) => {
    let out = "";
    child.stdout?.on("data", (text) => {
      out += text;
      if (out.includes("\n")) resolve(JSON.parse(out.slice(0, out.indexOf("\n"))) as Record<string, string>);
    });
    child.once("exit", (code, signal) => reject(new Error(`${what} ended early (${signal ?? code})`)));
  });
}

/** Log lines go to a file, as they would to a system's journal. */
function launch(cli: string, folder: string, name: string, args: readonly string[]): ChildProcess {
  const log = openSync(join(folder, `${name}.log`), "a");
  const child = spawn(process.execPath, [cli, ...args, "--json"], { stdio: ["ignore", "pipe", log] });
  closeSync(log);
  return child;
}

async function started(child: ChildProcess, what: string): Promise<Started> {
  return {
    pid: child.pid!,
    ready: await firstLine(child, what),
    async stop(signal) {
      child.kill(signal);
      await gone(child);
    },
  };
}

/**
 * A facility that has not begun.
 *
 * @param root the project's folder
 * @param folder removed first
 */
export function createFacility(root: string, folder: string): Facility {
  const cli = join(root, "dist/cli/main.js");
  const children = new Set<ChildProcess>();
  let central: CentralProcess | null = null;
  /** Shown at the first start only. */
  let tokens = { operatorToken: "", siteToken: "" };
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const start = (name: string, args: readonly string[]): Promise<Started> => {
    const child = launch(cli, folder, name, args);
    children.add(child);
    return started(child, `xpcs ${args[0]}`);
  };
  return {
    folder,
    async startCentral(more = []) {
      // The jobs of made ledgers ended long ago.
      const address = ["--listen", "127.0.0.1:0", "--archive-after", "never"];
      const process = await start("central", ["central", "--data", join(folder, "central"), ...address, ...more]);
      const { url = "", operatorToken, siteToken } = process.ready;
      // Null from the second start on.
      tokens = { operatorToken: operatorToken ?? tokens.operatorToken, siteToken: siteToken ?? tokens.siteToken };
      central = { ...process, url, ...tokens };
      return central;
    },
    async startSite(name, slots, more = []) {
      if (central === null) throw new Error("there is no central for this site");
      const where = ["--central", central.url, "--token", central.siteToken, "--work", join(folder, "work")];
      return start(name, ["site", ...where, "--name", name, "--slots", `${slots}`, "--threads", "1", ...more]);
    },
    async run(args) {
      const child = launch(cli, folder, args[0] ?? "", args);
      children.add(child);
      await gone(child);
      if (child.exitCode !== 0)
        throw new Error(`xpcs ${args.join(" ")} ended with ${child.exitCode}: ${readFileSync(join(folder, `${args[0]}.log`), "utf8")}`);
    },
    async end(keep = false) {
      for (const child of children) child.kill("SIGKILL");
      await Promise.all([...children].map(gone));
      if (!keep) rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
}

/** User and system time that a process has taken so far, all threads, s. */
export function cpuS(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_S;
}

/** Memory of a process that is in RAM and its own, bytes: without pages of mapped files, which the system drops when it needs room. */
export function ownBytes(pid: number): number {
  const kilobytes = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) * 1024;
}
