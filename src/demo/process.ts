/** One `xpcs` command of the demo as a process of its own, as a person would start it; its first line says that it is ready. */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { XpcsError } from "../core/errors.js";

const CLI = fileURLToPath(new URL("../cli/main.js", import.meta.url));
const READY_MS = 20_000;
/** Time for a clean goodbye before a process is killed. */
const STOP_MS = 5_000;

export interface Started {
  readonly child: ChildProcess;
  /** The first line on its stdout, as JSON. Rejects with UNAVAILABLE when it did not get ready · CANCELED */
  readonly ready: Promise<unknown>;
}

export interface ProcessOptions {
  /** Names the process in errors, and its log. */
  readonly label: string;
  /** Without --json. */
  readonly args: readonly string[];
  /** Beside the demo's own environment: tokens, which must not be on a command line. */
  readonly env: Readonly<Record<string, string>>;
  /** Folder of the log. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** Starts it. */
export function startProcess({ label, args, env, folder, signal }: ProcessOptions): Started {
  const log = join(folder, `${label}.log`);
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
    signal.addEventListener("abort", () => fail("CANCELED", "stopped while starting"), { once: true });
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

/** Ends a process, with SIGKILL when it does not go; returns when it is gone. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
  });
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  await gone;
  clearTimeout(timer);
}
