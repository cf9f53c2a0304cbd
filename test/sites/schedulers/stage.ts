/** What a scheduler is tested on: the real one, a fake of it, or for local processes this machine. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { realClock } from "../../../src/core/real-clock.js";
import type { ApiSettings } from "../../../src/sites/api-settings.js";
import { createApiMachine } from "../../../src/sites/batch-api.js";
import { createMachine } from "../../../src/sites/batch-command.js";
import { type BatchJobs, type BatchRequest, type BatchStatus, createBatchJobs } from "../../../src/sites/batch-jobs.js";
import { type BatchSettings, settingsSchema } from "../../../src/sites/batch-settings.js";
import type {
  ApiAnswer,
  ApiRequest,
  BatchCommand,
  BatchRef,
  CommandResult,
  Machine,
  Scheduler,
} from "../../../src/sites/schedulers/define.js";

export type Environment = Readonly<Record<string, string | undefined>>;

/** What is said to a scheduler, and what it answers: by a command, or by a request to an API. */
export type Call = BatchCommand | ApiRequest;
export type Reply = CommandResult | ApiAnswer;
/** Either way of asking. */
export type Run = (call: Call) => Promise<Reply>;

export interface Stage {
  readonly environment: Environment;
  /** Of one that is an API; `folder` is each test's own. */
  readonly api?: Omit<ApiSettings, "folder">;
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
  /** What it tells people of; `memory` of nodes, and the account that is taken where a job names none. */
  readonly tells: readonly ("nodes" | "memory" | "queues" | "accounts" | "usualAccount")[];
  /** Settings that pass the schema and that the scheduler refuses. Null: it refuses nothing. */
  readonly refused: Readonly<Record<string, unknown>> | null;
  end(): Promise<void>;
}

/** A stage on which nothing is slow or told. */
export const PLAIN: Omit<Stage, "environment" | "end"> = {
  settings: {},
  shortWalltimeS: 1,
  overrunS: 10,
  accountingLagS: 0,
  strangeState: null,
  tells: [],
  refused: null,
};

export interface Rig {
  /** The reference: other people's server, over jobs of this machine. */
  readonly kind: "real" | "fake" | "reference" | "itself";
  /** Commands on PATH, an HTTP API, or neither. */
  readonly asked: "by commands" | "by HTTP" | "not at all";
  /** Why it cannot be tested here; null: it can. */
  readonly skip: string | null;
  start(): Promise<Stage>;
}

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

/** Whether it hands a job in. */
export function isSubmission(call: Call): boolean {
  if ("argv" in call) return call.stdin !== undefined || /^(sbatch|qsub|bsub|oarsub)$/.test(call.argv[0]);
  return call.method === "POST" && /^\/compute\/jobs?\//.test(call.path);
}

/** Whether it handed a job in: an API may have said that it has no store for keys, and be asked again without one. */
export const handedIn = (call: Call, reply: Reply): boolean => isSubmission(call) && !("status" in reply && reply.status >= 400);

/** A call that failed, as the scheduler tells it. */
export function saying(call: Call, words: string): Reply {
  return "argv" in call ? { code: 1, stdout: "", stderr: words } : { status: 500, text: JSON.stringify({ detail: words }) };
}

/** The same reply with another text. */
export function reworded(reply: Reply, change: (text: string) => string): Reply {
  return "status" in reply ? { ...reply, text: change(reply.text) } : { ...reply, stdout: change(reply.stdout) };
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
  /** What the nodes see as that folder. */
  readonly there: string;
  /** What the scheduler was asked, in order. */
  readonly ran: Call[];
  jobs(options?: {
    readonly wrap?: (run: Run) => Run;
    readonly environment?: Environment;
    readonly timeoutMs?: number;
    readonly strikeMs?: number;
  }): BatchJobs;
  machine(wrap?: (run: Run) => Run, environment?: Environment, timeoutMs?: number): Machine;
  /** Commands of the scheduler's names that do what the text of a shell script says: a folder for PATH. */
  impostors(script: string): Environment;
  remove(): void;
}

/** The commands of all schedulers: `impostors` stands in for each. */
const COMMANDS =
  "sbatch squeue sacct scancel sinfo qsub qstat qselect qdel qacct qconf bsub bjobs bacct bkill bqueues sacctmgr qhost pbsnodes oarsub oarstat oardel oarnodes timeout".split(
    " ",
  );

export const STRIKE_MS = 300;
const POLL_MS = 600;

/** @param name of the folder for the batch jobs, below a new one */
export function createPlace(scheduler: Scheduler, stage: Stage, name = "jobs"): Place {
  const top = mkdtempSync(join(tmpdir(), "xpcs-batch-"));
  const folder = join(top, name);
  const there = stage.api === undefined ? folder : join(top, "there", name);
  const ran: Call[] = [];
  const settings = (own: Readonly<Record<string, unknown>> = {}) => jobSettings(scheduler, stage, own);
  const real = (environment: Environment, timeoutMs: number): Machine => {
    const common = { timeoutMs, perMinute: 10_000, clock: realClock, user: userInfo().username };
    if (stage.api === undefined) return createMachine({ ...common, environment });
    const api = { ...stage.api, folder: there };
    return createApiMachine({ ...common, settings: api, credential: scheduler.api!.credential(api, realClock) });
  };
  const machine = (wrap: (run: Run) => Run = (run) => run, environment = stage.environment, timeoutMs = 20_000): Machine => {
    const asked = real(environment, timeoutMs);
    const run = wrap((call) => {
      ran.push(call);
      return "argv" in call ? asked.run(call) : asked.ask(call);
    });
    return { ...asked, run: run as Machine["run"], ask: run as Machine["ask"] };
  };
  return {
    stage,
    folder,
    there,
    ran,
    machine,
    settings,
    request: (script, own = {}) => ({ tag: newTag(), argv: sh(script), settings: settings(own) }),
    runs: (tag) => {
      const path = join(there, tag, "runs");
      return existsSync(path) ? readFileSync(path, "utf8").length : 0;
    },
    jobs: ({ wrap, environment, timeoutMs, strikeMs = STRIKE_MS } = {}) =>
      createBatchJobs({
        ...{ scheduler, machine: machine(wrap, environment, timeoutMs), folder, clock: realClock, strikeMs, lateMs: 0 },
        ...(stage.api === undefined ? {} : { there }),
      }),
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

/** Asks, then says something else about what is of that kind. */
export function replying(isIt: (call: Call, reply: Reply) => boolean, other: (reply: Reply, call: Call) => Reply): (run: Run) => Run {
  return (run) => async (call) => {
    const reply = await run(call);
    return isIt(call, reply) ? other(reply, call) : reply;
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
