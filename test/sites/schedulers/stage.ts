/** What a scheduler is tested on: the real one, a fake of it, or for local processes this machine. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { realClock } from "../../../src/core/real-clock.js";
import { createMachine } from "../../../src/sites/batch-command.js";
import { type BatchJobs, type BatchRequest, type BatchStatus, createBatchJobs } from "../../../src/sites/batch-jobs.js";
import { type BatchSettings, settingsSchema } from "../../../src/sites/batch-settings.js";
import type { BatchCommand, BatchRef, CommandResult, Machine, Scheduler } from "../../../src/sites/schedulers/define.js";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Stage {
  readonly environment: Environment;
  /** Settings of every job there, beside the walltime. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** The shortest walltime that the scheduler keeps, and how long after it a job may go on, s. */
  readonly shortWalltimeS: number;
  readonly overrunS: number;
  /** Makes a fake that counts in minutes keep that time limit. */
  readonly shortEnvironment?: Environment;
  /** Seconds from an end to its accounting. */
  readonly accountingLagS: number;
  /** Makes a listing say a state that nobody knows. Null: there are no listings. */
  readonly strangeState: ((listing: string) => string) | null;
  /** Settings that pass the schema and that the scheduler refuses. Null: it refuses nothing. */
  readonly refused: Readonly<Record<string, unknown>> | null;
  end(): Promise<void>;
}

export interface Rig {
  readonly kind: "real" | "fake" | "itself";
  /** Why it cannot be tested here; null: it can. */
  readonly skip: string | null;
  start(): Promise<Stage>;
}

export type Run = Machine["run"];

/** Settings of a job on a stage. */
function jobSettings(scheduler: Scheduler, stage: Stage, own: Readonly<Record<string, unknown>> = {}): BatchSettings {
  const { walltimeS = 60, ...rest } = { ...stage.settings, ...own };
  // Shorter than people may ask for: tests do not wait a minute.
  return { ...settingsSchema(scheduler.takes).parse({ ...rest, walltimeS: 60 }), walltimeS: Number(walltimeS) };
}

let number = 0;
export const newTag = (): string => `t${process.pid}-${number++}`;
export const sh = (script: string, ...words: string[]) => ["/bin/sh", "-c", script, "sh", ...words] as const;

/** A script that leaves a mark per run in its job's folder. */
export const counted = (then: string): string => `printf x >>runs; ${then}`;

/** Whether a command hands a job in. */
export function isSubmission({ stdin = "", argv }: BatchCommand): boolean {
  return stdin !== "" || /^(sbatch|qsub|bsub)$/.test(argv[0]);
}

/** One test's own folders, and jobs of the scheduler in them. */
export interface Place {
  readonly stage: Stage;
  settings(own?: Readonly<Record<string, unknown>>): BatchSettings;
  /** A job of a shell script, with a tag of its own. */
  request(script: string, own?: Readonly<Record<string, unknown>>): BatchRequest;
  /** How often a job of a `counted` script has run. */
  runs(tag: string): number;
  readonly folder: string;
  /** Commands that were run, in order. */
  readonly ran: BatchCommand[];
  jobs(options?: { readonly wrap?: (run: Run) => Run; readonly environment?: Environment; readonly timeoutMs?: number }): BatchJobs;
  machine(wrap?: (run: Run) => Run, environment?: Environment, timeoutMs?: number): Machine;
  /** Commands of the scheduler's names that do what the text of a shell script says: a folder for PATH. */
  impostors(script: string): Environment;
  remove(): void;
}

/** Of all schedulers. */
const COMMANDS =
  "sbatch squeue sacct scancel sinfo qsub qstat qselect qdel qacct qconf bsub bjobs bacct bkill bqueues sacctmgr qhost pbsnodes timeout".split(
    " ",
  );

export const STRIKE_MS = 300;
const POLL_MS = 600;

/** @param name of the folder for the batch jobs, below a new one */
export function createPlace(scheduler: Scheduler, stage: Stage, name = "jobs"): Place {
  const top = mkdtempSync(join(tmpdir(), "xpcs-batch-"));
  const folder = join(top, name);
  const ran: BatchCommand[] = [];
  const settings = (own: Readonly<Record<string, unknown>> = {}) => jobSettings(scheduler, stage, own);
  const machine = (wrap: (run: Run) => Run = (run) => run, environment = stage.environment, timeoutMs = 20_000): Machine => {
    const real = createMachine({ timeoutMs, perMinute: 10_000, environment, clock: realClock, user: userInfo().username });
    const noting: Run = (command) => {
      ran.push(command);
      return real.run(command);
    };
    return { ...real, run: wrap(noting) };
  };
  return {
    stage,
    folder,
    ran,
    machine,
    settings,
    request: (script, own = {}) => ({ tag: newTag(), argv: sh(script), settings: settings(own) }),
    runs: (tag) => {
      const path = join(folder, tag, "runs");
      return existsSync(path) ? readFileSync(path, "utf8").length : 0;
    },
    jobs: ({ wrap, environment, timeoutMs } = {}) =>
      createBatchJobs({ scheduler, machine: machine(wrap, environment, timeoutMs), folder, clock: realClock, strikeMs: STRIKE_MS }),
    impostors: (script) => {
      const path = join(top, "impostors");
      mkdirSync(path, { recursive: true });
      for (const command of COMMANDS) writeFileSync(join(path, command), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      return { ...stage.environment, PATH: `${path}:/usr/bin:/bin` };
    },
    remove: () => removeFolder(top),
  };
}

/** Jobs of other tests' schedulers may be writing their last words there. */
function removeFolder(path: string): void {
  for (let attempt = 1; ; attempt += 1) {
    try {
      rmSync(path, { recursive: true, force: true });
      return;
    } catch (error) {
      if (attempt === 20 || (error as NodeJS.ErrnoException).code !== "ENOTEMPTY") throw error;
    }
  }
}

/** Polls until a job is in a phase. */
export async function reaches(jobs: BatchJobs, ref: BatchRef, phase: BatchStatus["phase"], patienceS = 60): Promise<BatchStatus> {
  const endMs = Date.now() + patienceS * 1000;
  for (;;) {
    const [status] = await jobs.poll([ref]);
    if (status!.phase === phase) return status!;
    if (Date.now() > endMs || status!.phase === "ended") throw new Error(`${ref.tag} is not ${phase}: ${JSON.stringify(status)}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Runs commands, then says something else about the one of that kind. */
export function replying(isIt: (command: BatchCommand) => boolean, reply: (result: CommandResult) => CommandResult): (run: Run) => Run {
  return (run) => async (command) => {
    const result = await run(command);
    return isIt(command) ? reply(result) : result;
  };
}

/** Processes of a group that are not waiting to be reaped. */
export function aliveInGroup(group: number): number[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const [state, , pgrp] = readFileSync(`/proc/${name}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ");
      return Number(pgrp) === group && state !== "Z" && state !== "X" ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}
