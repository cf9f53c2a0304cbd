/** One process of the built command that is kept running: whenever it ends it is started again, as a supervisor of the system would. */
import type { ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { childrenOf, gone, startCommand } from "./processes.js";

/** As systemd's RestartSec. */
const RESTART_MS = 1_000;

export interface Sample {
  readonly pid: number;
  readonly residentMb: number;
  readonly files: number;
  /** Since this process was started, s. */
  readonly ageS: number;
}

export class KeptProcess {
  readonly name: string;
  readonly #args: readonly string[];
  #child: ChildProcess | null = null;
  #log: () => string = () => "";
  #startedMs = 0;
  #down = false;
  #ended = false;
  #ready: Promise<Record<string, string>> = Promise.resolve({});
  /** Ends that nobody asked for: exit code or signal, with the last words. */
  readonly surprises: string[] = [];
  starts = 0;
  paused = false;

  constructor(name: string, args: readonly string[]) {
    this.name = name;
    this.#args = args;
  }

  /** Starts it; resolves with what it printed when it was ready. */
  start(): Promise<Record<string, string>> {
    const { child, ready, log } = startCommand(this.#args);
    this.#child = child;
    this.#log = log;
    this.#startedMs = Date.now();
    this.#down = false;
    this.paused = false;
    this.starts += 1;
    ready.catch(() => {});
    this.#ready = ready;
    child.once("exit", (code, signal) => {
      if (this.#down || this.#ended) return;
      const words = log().trim().split("\n").at(-1) ?? "";
      this.surprises.push(`${signal ?? `exit ${code}`}: ${words.slice(0, 300)}`);
      this.#startLater(RESTART_MS);
    });
    return ready;
  }

  #startLater(ms: number): void {
    setTimeout(() => {
      if (!this.#ended) void this.start();
    }, ms);
  }

  get up(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves when it, or one that was started after it, is ready. */
  async ready(): Promise<void> {
    for (;;) {
      const waited = this.#ready;
      const fine = await waited.then(
        () => true,
        () => false,
      );
      if (fine && this.up && waited === this.#ready) return;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  /** SIGKILL; it comes back after `downMs`. @returns false: it is not there */
  async kill(downMs: number, whileDown: () => void = () => {}): Promise<boolean> {
    if (!this.up || this.#down) return false;
    this.#down = true;
    this.#child!.kill("SIGKILL");
    await gone(this.#child!);
    whileDown();
    this.#startLater(downMs);
    return true;
  }

  /** SIGSTOP and SIGCONT, to it alone: its kernel hosts go on. */
  pause(): boolean {
    if (!this.up) return false;
    this.paused = true;
    return this.#child!.kill("SIGSTOP");
  }
  resume(): void {
    this.paused = false;
    this.#child?.kill("SIGCONT");
  }

  /** SIGKILL to its kernel hosts. @returns how many */
  killHosts(): number {
    const hosts = this.up ? childrenOf(this.#child!.pid!) : [];
    for (const pid of hosts) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended by itself.
      }
    }
    return hosts.length;
  }

  /** Null while it is not there, or starts. */
  sample(): Sample | null {
    const pid = this.#child?.pid;
    if (!this.up || pid === undefined) return null;
    try {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      const residentMb = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
      return { pid, residentMb, files: readdirSync(`/proc/${pid}/fd`).length, ageS: (Date.now() - this.#startedMs) / 1000 };
    } catch {
      return null;
    }
  }

  log(): string {
    return this.#log();
  }

  /** SIGKILL, for good. */
  end(): void {
    this.#ended = true;
    if (this.up) this.#child?.kill("SIGKILL");
  }

  /** SIGTERM, for good. @returns the exit code; null when it had to be killed */
  async stop(withinMs: number): Promise<number | null> {
    this.#ended = true;
    const child = this.#child;
    if (child === null || !this.up) return child?.exitCode ?? null;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), withinMs);
    await gone(child);
    clearTimeout(timer);
    return child.exitCode;
  }
}
