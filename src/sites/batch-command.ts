/**
 * Runs the commands of a batch scheduler: without a shell, each within a time limit, and no more of them in a minute than the site's rules
 * allow. What they print is bounded.
 */
import { spawn } from "node:child_process";
import type { Clock } from "../core/clock.js";
import { XpcsError } from "../core/errors.js";
import { createTurns } from "./batch-turns.js";
import { killGroup } from "./command-runner.js";
import type { BatchCommand, CommandResult, Machine } from "./schedulers/define.js";

/** A listing of thousands of jobs in JSON. */
const OUTPUT_MAX_BYTES = 64 * 1024 * 1024;

export interface MachineOptions {
  /** Of one command, ms. */
  readonly timeoutMs: number;
  /** Commands in any minute; more wait. */
  readonly perMinute: number;
  /** What the commands see of it: nothing of ours. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Name of the person whose jobs they are. */
  readonly user: string;
}

const noApi = (): XpcsError => new XpcsError("INTERNAL", "this machine has commands, and no API");

/** The outside of a scheduler's adapter. */
export function createMachine({ timeoutMs, perMinute, environment, clock, user }: MachineOptions): Machine {
  const myTurn = createTurns(perMinute, clock);
  const inherited = Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith("XPCS_")));
  return {
    user,
    clock,
    ask: () => Promise.reject(noApi()),
    api: () => {
      throw noApi();
    },
    run: async (command) => {
      await myTurn();
      // Words of the schedulers in English, numbers with a point.
      return runOnce(command, { ...inherited, LC_ALL: "C" }, timeoutMs, clock);
    },
    start: ([program, ...words]) =>
      new Promise((resolve, reject) => {
        const child = spawn(program, words, { cwd: "/", env: inherited, stdio: "ignore", detached: true, shell: false });
        child.once("error", (error) => reject(new XpcsError("NOT_FOUND", `${program} cannot be started: ${error.message}`)));
        child.once("exit", resolve);
        child.unref();
      }),
  };
}

function runOnce(
  { argv, stdin = "", env: own = {} }: BatchCommand,
  env: Readonly<Record<string, string | undefined>>,
  timeoutMs: number,
  clock: Clock,
): Promise<CommandResult> {
  const [program, ...words] = argv;
  return new Promise((resolve, reject) => {
    // From "/": the scheduler must not depend on where this process runs, and the script goes to its own folder.
    const child = spawn(program, words, {
      cwd: "/",
      env: { ...env, ...own },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
      shell: false,
    });
    let fault: XpcsError | null = null;
    const end = (reason: XpcsError): void => {
      fault ??= reason;
      if (child.pid !== undefined) killGroup(child.pid, "SIGKILL");
      // Who left the group may hold the pipes for ever.
      for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.destroy();
    };
    const timer = clock.after(timeoutMs, () =>
      end(new XpcsError("DEADLINE_EXCEEDED", `${program} gave no answer within ${timeoutMs / 1000} s and was ended`)),
    );
    const parts = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    let bytes = 0;
    for (const name of ["stdout", "stderr"] as const)
      child[name].on("data", (data: Buffer) => {
        bytes += data.length;
        if (bytes > OUTPUT_MAX_BYTES)
          end(new XpcsError("IO_FAILED", `${program} printed more than ${OUTPUT_MAX_BYTES} bytes and was ended`));
        else parts[name].push(data);
      });
    child.once("error", (error: NodeJS.ErrnoException) => {
      timer.cancel();
      const missing = error.code === "ENOENT" || error.code === "EACCES";
      const advice = "load the scheduler's module, or run the site where its commands are";
      reject(
        missing
          ? new XpcsError("NOT_FOUND", `there is no program ${program} on PATH: ${advice}`)
          : new XpcsError("IO_FAILED", `${program} cannot be started: ${error.message}`),
      );
    });
    child.once("close", (code) => {
      timer.cancel();
      const text = (name: "stdout" | "stderr"): string => Buffer.concat(parts[name]).toString("utf8");
      if (fault !== null) reject(fault);
      else resolve({ code, stdout: text("stdout"), stderr: text("stderr") });
    });
    // A command that does not read its input is no fault.
    child.stdin.on("error", () => {});
    child.stdin.end(stdin);
  });
}
