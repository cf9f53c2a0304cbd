/**
 * Runs the command lines of one attempt, within a kernel host: each in a process group of its own, without a shell, its output into bounded
 * files. What a command leaves running is ended with it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import type { Readable } from "node:stream";
import type { Clock } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import type { CommandRun, LogStream } from "../core/protocols.js";
import { signalOf } from "./job-signals.js";

/** What a command sees of the environment of its site: no token. */
type Environment = Readonly<Record<string, string | undefined>>;

/** For the message of a failed command. */
const LAST_WORDS_CHARS = 500;

/** For output after the end of the process, from one that left its group. */
const OUTPUT_PATIENCE_MS = 1_000;

interface LogFile {
  take(stream: Readable): void;
  /** The end of what was written. */
  lastWords(): string;
  close(): void;
}

/** Keeps the first bytes in the file at once; of the rest the last are added when it is closed. */
function openLog(path: string): LogFile {
  const file = openSync(path, "w", 0o600);
  let written = 0;
  let dropped = 0;
  let tail = Buffer.alloc(0);
  let words = "";
  return {
    take(stream) {
      stream.on("data", (data: Buffer) => {
        words = (words + data.toString()).slice(-LAST_WORDS_CHARS);
        const head = data.subarray(0, Math.max(0, LIMITS.logHeadBytes - written));
        writeSync(file, head);
        written += head.length;
        const rest = Buffer.concat([tail, data.subarray(head.length)]);
        tail = Buffer.from(rest.subarray(Math.max(0, rest.length - LIMITS.logTailBytes)));
        dropped += rest.length - tail.length;
      });
    },
    lastWords: () => words.trim(),
    close() {
      if (dropped > 0) writeSync(file, `\n... ${dropped} bytes left out ...\n`);
      writeSync(file, tail);
      closeSync(file);
    },
  };
}

/** Ends a process group; one that is gone is fine. */
export function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

type Ended = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

/** The output may end later than the process, if something else still holds it; that is ended, or else no longer listened to. */
function ended(child: ChildProcess, clock: Clock): Promise<Ended | Error> {
  return new Promise((resolve) => {
    let how: Ended = { code: null, signal: null };
    child.once("error", resolve);
    child.once("exit", (code, signal) => {
      how = { code, signal };
      killGroup(child.pid!, "SIGKILL");
      const patience = clock.after(OUTPUT_PATIENCE_MS, () => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      });
      child.once("close", () => patience.cancel());
    });
    child.once("close", () => resolve(how));
  });
}

function failure(argv: readonly string[], how: Ended | Error, words: string): XpcsError | null {
  if (how instanceof Error) return new XpcsError("COMMAND_FAILED", `${argv[0]} cannot be started: ${how.message}`);
  if (how.code === 0) return null;
  const what = how.signal === null ? `ended with exit code ${how.code}` : `was ended by ${how.signal}`;
  const details = { signal: signalOf(how.code, how.signal) };
  return new XpcsError("COMMAND_FAILED", `${argv[0]} ${what}${words === "" ? "" : `; its last words: ${words}`}`, details);
}

/** Runs command lines until the first that fails. */
export interface CommandRunner {
  /** @throws COMMAND_FAILED · CANCELED */
  run(command: CommandRun, signal: AbortSignal): Promise<void>;
  /** Kills what runs, at once. */
  kill(): void;
}

/** @param environment of the site */
export function createCommandRunner(environment: Environment, clock: Clock): CommandRunner {
  let group: number | null = null;
  const inherited = Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith("XPCS_")));

  async function step(command: CommandRun, argv: readonly string[], env: Environment, logs: Readonly<Record<LogStream, LogFile>>) {
    const [program, ...words] = argv as [string, ...string[]];
    const child = spawn(program, words, {
      cwd: command.cwd,
      env: { ...inherited, ...command.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
      shell: false,
    });
    logs.stdout.take(child.stdout);
    logs.stderr.take(child.stderr);
    if (child.pid !== undefined) {
      group = child.pid;
      writeFileSync(command.pidFile, String(child.pid));
    }
    const how = await ended(child, clock);
    group = null;
    rmSync(command.pidFile, { force: true });
    return { how, failed: failure(argv, how, logs.stderr.lastWords()) };
  }

  return {
    async run(command, signal) {
      const logs = { stdout: openLog(command.logs.stdout), stderr: openLog(command.logs.stderr) };
      const terminate = (): void => void (group !== null && killGroup(group, "SIGTERM"));
      signal.addEventListener("abort", terminate);
      const stopped = new XpcsError("CANCELED", "the work was stopped");
      const one = async (argv: readonly string[], env: Environment = {}) => {
        if (signal.aborted) throw stopped;
        const done = await step(command, argv, env, logs);
        if (signal.aborted) throw stopped;
        return done;
      };
      try {
        for (const argv of command.before) {
          const { failed } = await one(argv);
          if (failed !== null) throw failed;
        }
        const { how, failed } = await one(command.argv);
        const exit = how instanceof Error || how.code === null ? "-1" : String(how.code);
        let worst = failed;
        for (const argv of command.after) {
          const hook = await one(argv, { XPCS_EXIT_CODE: exit });
          worst ??= hook.failed;
        }
        if (worst !== null) throw worst;
      } finally {
        signal.removeEventListener("abort", terminate);
        for (const log of Object.values(logs)) log.close();
      }
    },
    kill() {
      if (group !== null) killGroup(group, "SIGKILL");
    },
  };
}
