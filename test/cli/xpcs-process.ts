/** Runs the built command as a process, with an environment of its own. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Xpcs {
  readonly result: Promise<Result>;
  readonly kill: (signal: NodeJS.Signals) => void;
  readonly pid: number;
  /** What it has printed so far. */
  readonly printed: () => string;
  /** What it has told on stderr so far. */
  readonly told: () => string;
}

/** Starts `xpcs ARGS...`; settings of the person who runs the tests do not reach it. */
export function startXpcs(args: readonly string[], env: Readonly<Record<string, string>>): Xpcs {
  const { XPCS_CENTRAL: _central, XPCS_TOKEN: _token, ...clean } = process.env;
  const child = spawn(process.execPath, [CLI, ...args], { env: { ...clean, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (text) => {
    stdout += text;
  });
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  const result = new Promise<Result>((resolve) => child.once("close", (code) => resolve({ code, stdout, stderr })));
  return { result, kill: (signal) => void child.kill(signal), pid: child.pid!, printed: () => stdout, told: () => stderr };
}
