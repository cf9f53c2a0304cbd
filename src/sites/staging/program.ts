/** Runs a program of a transfer to its end: arguments as they are, no shell; stopped with its signal; its failure as an error of the project. */
import { spawn } from "node:child_process";
import { XpcsError } from "../../core/errors.js";

export interface ProgramRun {
  readonly argv: readonly string[];
  /** What it reads from its standard input. */
  readonly input?: string;
  readonly signal: AbortSignal;
  /** Called with what it has written to its standard output: it lives. */
  readonly onOutput?: (text: string) => void;
}

export interface ProgramEnd {
  /** Null: ended by a signal. */
  readonly code: number | null;
  readonly stdout: string;
  /** Its last lines. */
  readonly stderr: string;
}

const STDERR_CHARS = 2_000;
const STDOUT_CHARS = 16 * 1024 * 1024;

/** @throws CANCELED · UNSUPPORTED the program is not there */
export function runProgram({ argv, input = "", signal, onOutput = () => {} }: ProgramRun): Promise<ProgramEnd> {
  const [program, ...args] = argv;
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new XpcsError("CANCELED", "the transfer was stopped"));
    const child = spawn(program!, args, { stdio: ["pipe", "pipe", "pipe"] });
    const stop = () => void child.kill("SIGTERM");
    signal.addEventListener("abort", stop, { once: true });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (stdout.length < STDOUT_CHARS) stdout += text;
      onOutput(text);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-STDERR_CHARS);
    });
    // A program that ends without reading it is told by its exit code.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    child.once("error", (error: NodeJS.ErrnoException) => {
      signal.removeEventListener("abort", stop);
      const why = error.code === "ENOENT" ? "is not installed at this site" : `cannot be started: ${error.message}`;
      reject(new XpcsError("UNSUPPORTED", `${program} ${why}`));
    });
    child.once("close", (code) => {
      signal.removeEventListener("abort", stop);
      if (signal.aborted) return reject(new XpcsError("CANCELED", "the transfer was stopped"));
      resolve({ code, stdout, stderr });
    });
  });
}
