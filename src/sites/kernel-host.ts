/**
 * The site's side of one kernel host: starts the child process, runs work in it, watches for signs of life, and ends the
 * whole process group. A host that failed in any way but an orderly error is never used again (kernel-pool.ts).
 */
import { type ChildProcess, fork } from "node:child_process";
import { getPriority, setPriority } from "node:os";
import { fileURLToPath } from "node:url";
import type { CorrProgress, CorrSummary } from "../core/analysis.js";
import { type Clock, sleep, WOKEN } from "../core/clock.js";
import { isCode, XpcsError } from "../core/errors.js";
import { LIMITS } from "../core/limits.js";
import { KERNEL_HOST_METHODS, type KernelHost } from "../core/protocols.js";
import { childLink } from "../wire/child-link.js";
import { connect } from "../wire/connect.js";
import type { HostRules } from "./supervision.js";

const HOST_MAIN = fileURLToPath(new URL("./kernel-host-main.js", import.meta.url));
/** What is kept of the child's stderr for the error message. */
const STDERR_TAIL_CHARS = 2000;
/** The last words may arrive just after the exit. */
const STDERR_WAIT_MS = 200;
/** A call that fails with its link may be heard of just before that. */
const CLOSED_WAIT_MS = 100;
const PROGRESS_WAIT_MS = 1_000;
/** A run is asked for its progress after this time; shorter ones never. */
const FIRST_PROGRESS_MS = 200;
/** Unanswered polls in a row before a host is given up: one may be this process's own fault, if it was suspended. */
const SILENT_POLLS = 2;

export type KernelWork = Parameters<KernelHost["run"]>[0]["work"];

export interface KernelRun {
  readonly work: KernelWork;
  readonly onProgress: (progress: CorrProgress) => void;
  /** Aborting it stops the work: asked first, killed after `LIMITS.kernelStopMs`. */
  readonly signal: AbortSignal;
}

export interface HostProcess {
  readonly pid: number;
  /** Resolves when it has answered its first call. Rejects with NATIVE_CRASHED when it ended before, or was ended because it took too long. */
  readonly ready: Promise<void>;
  /** How it ended, whoever ended it. */
  readonly ended: Promise<string>;
  /** False once the process has ended, crashed, or was ended. */
  readonly usable: boolean;
  /** @throws NATIVE_CRASHED the process died or fell silent · CANCELED · what the work throws */
  run(request: KernelRun): Promise<{ summary: CorrSummary | null }>;
  /** A running stream ends with what it has, and `run` answers with its result. */
  finish(): void;
  /** Kills the process group; resolves when the process is gone. */
  kill(): Promise<void>;
}

export interface HostOptions {
  readonly clock: Clock;
  readonly rules: HostRules;
  /** The child's program; default: the built kernel-host-main.js. */
  readonly main?: string;
}

/** What the child starts later inherits it. One that is gone already needs none. */
function beNice(child: ChildProcess, niceness: number): void {
  try {
    if (child.pid !== undefined) setPriority(child.pid, Math.min(19, getPriority() + niceness));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_SYSTEM_ERROR") throw error;
  }
}

function tail(child: ChildProcess): () => string {
  let kept = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    kept = (kept + text).slice(-STDERR_TAIL_CHARS);
  });
  return () => kept.trim();
}

/** How a process ended, as a sentence for a person. */
function endedHow(child: ChildProcess, lastWords: string): string {
  const { signalCode, exitCode } = child;
  const how = signalCode ? `was ended by ${signalCode}` : `ended with exit code ${exitCode}`;
  const hint = signalCode === "SIGKILL" ? " (killed by hand, or by the system when memory ran out)" : "";
  return `the kernel host process ${how}${hint}${lastWords === "" ? "" : `; its last words: ${lastWords}`}`;
}

/** Through which a bound on memory is set before the host begins: what the process may write to, of whatever kind. */
const PRLIMIT = "/usr/bin/prlimit";

/** The program of a host and what comes before its own: Node, or prlimit and Node. */
function programOf({ memoryGb }: HostRules): { execPath?: string; execArgv: string[] } {
  if (memoryGb === null) return { execArgv: [] };
  return { execPath: PRLIMIT, execArgv: [`--data=${Math.round(memoryGb * 1e9)}`, process.execPath] };
}

/** Starts one kernel host; it is ready when its first call is answered. */
export function startHost({ clock, rules, main = HOST_MAIN }: HostOptions): HostProcess {
  const { startMs, silenceMs } = rules;
  const child = fork(main, [], {
    ...programOf(rules),
    serialization: "advanced",
    // Its own process group, so that killing it also ends whatever it started.
    detached: true,
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  if (rules.niceness !== 0) beNice(child, rules.niceness);
  const lastWords = tail(child);
  const { remote, closed } = connect<KernelHost>(childLink(child), KERNEL_HOST_METHODS, {
    clock,
    unlimited: ["run"],
    // A poll may take its own wait on top.
    callDeadlineMs: silenceMs / SILENT_POLLS - PROGRESS_WAIT_MS,
  });
  let silent = false;
  let spoiled = false;
  const gone = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  const stderrEnd = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
  });
  void closed.then(() => {
    spoiled = true;
  });

  const kill = async (): Promise<void> => {
    spoiled = true;
    try {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
    await gone;
  };

  /** Long-polls progress until the run ends; a host that does not answer is killed, which ends the run. */
  const watch = async (onProgress: KernelRun["onProgress"], done: AbortSignal): Promise<void> => {
    await sleep(clock, FIRST_PROGRESS_MS, done);
    for (let unanswered = 0; !done.aborted && unanswered < SILENT_POLLS; ) {
      try {
        const { progress } = await remote.progress({ waitMs: PROGRESS_WAIT_MS });
        unanswered = 0;
        if (progress && !done.aborted) onProgress(progress);
      } catch (error) {
        if (!isCode(error, "DEADLINE_EXCEEDED")) return;
        unanswered += 1;
      }
    }
    if (done.aborted) return;
    silent = true;
    await kill();
  };
  const stop = async (done: AbortSignal): Promise<void> => {
    remote.cancel({}).catch(() => {});
    await sleep(clock, LIMITS.kernelStopMs, done);
    if (!done.aborted) await kill();
  };

  const failure = async (error: unknown, signal: AbortSignal): Promise<XpcsError> => {
    if (!isCode(error, "UNAVAILABLE")) return error as XpcsError;
    // The work may have thrown it, of a source or a file that is away: then the link is still open, and the host as good as before.
    const isLost = await Promise.race([closed.then(() => true), sleep(clock, CLOSED_WAIT_MS).then(() => spoiled)]);
    if (!isLost) return error as XpcsError;
    await kill();
    await Promise.race([stderrEnd, sleep(clock, STDERR_WAIT_MS)]);
    if (signal.aborted) return new XpcsError("CANCELED", "the work was stopped");
    if (silent) return new XpcsError("NATIVE_CRASHED", `the kernel host process gave no sign of life for ${silenceMs} ms`);
    return new XpcsError("NATIVE_CRASHED", endedHow(child, lastWords()), { signal: child.signalCode });
  };

  const begin = async (): Promise<void> => {
    const giveUpMs = clock.monotonicMs() + startMs;
    for (;;) {
      try {
        await remote.progress({ waitMs: 0 });
        return;
      } catch (error) {
        const late = isCode(error, "DEADLINE_EXCEEDED");
        if (late && clock.monotonicMs() < giveUpMs) continue;
        await kill();
        await Promise.race([stderrEnd, sleep(clock, STDERR_WAIT_MS)]);
        throw new XpcsError(
          "NATIVE_CRASHED",
          late ? `the kernel host process was not ready after ${startMs} ms` : endedHow(child, lastWords()),
        );
      }
    }
  };
  const ready = begin();
  ready.catch(() => {});

  return {
    pid: child.pid ?? -1,
    ready,
    ended: gone.then(() => endedHow(child, lastWords())),
    get usable() {
      return !spoiled;
    },
    async run({ work, onProgress, signal }) {
      if (signal.aborted) throw new XpcsError("CANCELED", "the work was stopped");
      const done = new AbortController();
      const onAbort = (): void => void stop(done.signal);
      signal.addEventListener("abort", onAbort);
      void watch(onProgress, done.signal);
      try {
        const answer = await remote.run({ work });
        // What it told last may not have been asked for: how a stream ended is in it.
        const told = work.app === "xpcs.stream" ? await remote.progress({ waitMs: 0 }).catch(() => null) : null;
        if (told?.progress) onProgress(told.progress);
        return answer;
      } catch (error) {
        throw await failure(error, signal);
      } finally {
        done.abort(WOKEN);
        signal.removeEventListener("abort", onAbort);
      }
    },
    finish: () => void remote.finish({}).catch(() => {}),
    kill,
  };
}
