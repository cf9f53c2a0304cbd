/**
 * What a batch scheduler is to a site: a way to have a script run on nodes, and to hear how it went.
 * An adapter is one file that exports a value of type `Scheduler`, listed in registry.ts; test/sites/schedulers/conformance.test.ts runs
 * every one of them through the same suite, and docs/add-a-scheduler.md has the steps.
 *
 * The contract:
 * - An adapter builds command lines and reads what they print. Commands are arrays of words, never a line for a shell, and run through
 *   `Machine.run`, which ends each one that takes too long. One of a facility's HTTP API builds requests and reads answers instead, through
 *   `Machine.ask`; its nodes share no folder with the site (`ApiAccess`).
 * - A batch job carries its tag as its name, so that `find` recognises it. A lost reply to `submit` may mean that the job is there: batch-jobs.ts
 *   looks for the tag before each submission and after each failed one.
 * - `status` is one call for all jobs. A job that it does not list is not taken for ended: that is decided in batch-jobs.ts.
 * - A word of the scheduler that the adapter does not know is the phase "unknown", never an error.
 * - The script is run once: where the scheduler would start it again after a failure, `submit` says that it must not.
 */
import type { ZodType } from "zod";
import type { Clock } from "../../core/clock.js";
import { XpcsError } from "../../core/errors.js";
import type { ApiSettings } from "../api-settings.js";
import type { BatchSettings, SettingName } from "../batch-settings.js";

/** A command line as words. `stdin` is what it reads. */
export interface BatchCommand {
  readonly argv: readonly [program: string, ...words: string[]];
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface CommandResult {
  /** Null: ended by a signal. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A request to an HTTP API. One body at most. */
export interface ApiRequest {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** Below the address of the settings; its parts are encoded already. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly form?: Readonly<Record<string, string>>;
  /** A small file, as `multipart/form-data`. */
  readonly file?: { readonly name: string; readonly text: string };
}

export interface ApiAnswer {
  readonly status: number;
  readonly text: string;
}

/** What an adapter has of the outside. */
export interface Machine {
  /** @throws DEADLINE_EXCEEDED it took too long and was ended · NOT_FOUND there is no such program · IO_FAILED */
  readonly run: (command: BatchCommand) => Promise<CommandResult>;
  /**
   * Starts a program that goes on without this process.
   *
   * @returns resolves with its exit code (null: a signal), if this process is still there
   */
  readonly start: (argv: BatchCommand["argv"]) => Promise<number | null>;
  /**
   * Asks the API of the settings, with its credential.
   *
   * @returns the answer, whatever its status
   * @throws UNAVAILABLE it was not reached, or asked for a pause · DEADLINE_EXCEEDED · INVALID_ARGUMENT the credential's file
   */
  readonly ask: (request: ApiRequest) => Promise<ApiAnswer>;
  /** @throws INTERNAL it has none: a machine with commands */
  readonly api: () => ApiSettings;
  /** Name of the person whose jobs they are. */
  readonly user: string;
  readonly clock: Clock;
}

/** A batch job that is known. */
export interface BatchRef {
  readonly tag: string;
  readonly id: string;
  /** Its own folder: script, output, exit code. */
  readonly folder: string;
}

/** A batch job to be submitted. */
export interface BatchJob {
  readonly tag: string;
  readonly folder: string;
  /** The script's file, and its text. */
  readonly scriptPath: string;
  readonly script: string;
  readonly settings: BatchSettings;
}

export const PHASES = ["queued", "held", "running", "suspended", "ending", "ended", "unknown"] as const;
export type Phase = (typeof PHASES)[number];

export const OUTCOMES = [
  "done",
  "failed",
  "canceled",
  "time-limit",
  "out-of-memory",
  "preempted",
  "node-failed",
  "refused",
  "gone",
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** How a batch job ended, as the scheduler tells it. */
export interface Ending {
  readonly outcome: Outcome;
  /** Null: not told. */
  readonly exitCode: number | null;
  /** One sentence for people. */
  readonly sentence: string;
}

/** What the scheduler says of one job. */
export interface Sighting {
  readonly id: string;
  readonly phase: Phase;
  /** The scheduler's own words for state and reason. */
  readonly words: string;
  /** The same as a sentence for people. */
  readonly sentence: string;
  /** For the phase "ended", where this listing tells it. */
  readonly ending: Ending | null;
}

/** How the scheduler is recognised. */
export interface Detection {
  /** Asks for the version; several schedulers share the names of their commands. */
  readonly probe: BatchCommand;
  /** @returns the version; null: that is not this scheduler */
  readonly recognise: (result: CommandResult) => string | null;
}

/** How programs get onto the nodes of a job, from its script: templates of words, filled in by launch.ts. */
export interface Launch {
  /** Bash that prints the names of the job's nodes, one a line; {nodes} is their number. */
  readonly nodes: string;
  /** Words before a command that run it once on each of {nodes} nodes. With {host}, and without any words, they run it on one, and are repeated for each. */
  readonly pilots: readonly string[];
  /** Words before the program of a job that needs {nodes} nodes, those of {hosts}: {ranks} processes in all, {ranksPerNode}, {coresPerRank}. */
  readonly jobs: readonly string[];
}

/** A queue or partition. Null: no limit, or not told. */
export interface Queue {
  readonly name: string;
  readonly open: boolean;
  readonly walltimeMaxS: number | null;
  readonly nodes: number | null;
}

/** Who asks an HTTP API. */
export interface Credential {
  /** @throws INVALID_ARGUMENT its file is not there, or others may read it · UNAVAILABLE there is none now */
  token(): Promise<string>;
  /** This token was not taken: another one is asked for. */
  refused(token: string): void;
}

/** Of a scheduler that is the HTTP API of a facility. */
export interface ApiAccess {
  /** What a batch file says under `api`. */
  readonly settings: ZodType<ApiSettings>;
  readonly credential: (settings: ApiSettings, clock: Clock) => Credential;
  /** @returns one sentence: what answered, to this credential */
  greet(machine: Machine): Promise<string>;
  /** Writes a small file at the facility for its owner alone, with the folder that it is in. */
  put(path: string, text: string, machine: Machine): Promise<void>;
  /** A small file at the facility, or the beginning of one; null: it is not there, or cannot be read. */
  get(path: string, machine: Machine): Promise<string | null>;
}

/** What a person's jobs may be charged to. */
export interface Account {
  readonly name: string;
  /** Taken where a job names none. */
  readonly isDefault: boolean;
  /** Qualities of service that its jobs may ask for; empty: not told. */
  readonly qos: readonly string[];
}

/** Nodes that are alike. Null: not told. */
export interface NodeKind {
  readonly count: number;
  /** As the scheduler counts them: mostly hardware threads. */
  readonly cpus: number;
  readonly cores: number | null;
  /** GB of 10^9 bytes. */
  readonly memoryGb: number | null;
  readonly gpus: number | null;
  /** Queues that have such nodes; empty: not told. */
  readonly queues: readonly string[];
}

export interface Scheduler {
  readonly name: string;
  /** One sentence for people: what it is, and where it is met. */
  readonly about: string;
  /** The settings beside nodes, walltime, modules and lines that it takes; any other is refused. */
  readonly takes: readonly SettingName[];
  /** A bash word that, in a running job, is the job's id as `submit` returns it. */
  readonly ownId: string;
  readonly launch: Launch;
  /** Null: an API, which no machine has on its PATH. */
  readonly detection: Detection | null;
  /** Of one that is an API; any other is a set of commands, on a machine that shares a folder with the nodes. */
  readonly api?: ApiAccess;
  /**
   * @returns the id
   * @throws REFUSED the scheduler said no, in its words · UNAVAILABLE · DEADLINE_EXCEEDED the job may be there or not
   */
  submit(job: BatchJob, machine: Machine): Promise<string>;
  /** Ids of the jobs that have this tag and have not ended. An API tells those that have ended too: what a job has left is far away. */
  find(tag: string, folder: string, machine: Machine): Promise<string[]>;
  /** What is said of these jobs, in one call; nothing of those that are no longer listed. It may tell of others too. */
  status(jobs: readonly BatchRef[], machine: Machine): Promise<Sighting[]>;
  /** How jobs ended, from accounting: nothing of those of which it does not know (yet). Empty where accounting is switched off. */
  account(jobs: readonly BatchRef[], machine: Machine): Promise<ReadonlyMap<string, Ending>>;
  /** Ends a job, in whatever phase. One that has ended already is fine. */
  cancel(job: BatchRef, machine: Machine): Promise<void>;
  /** The queues that a person may name. */
  queues(machine: Machine): Promise<Queue[]>;
  /**
   * Where the scheduler tells: how long a job with these settings would wait with each of these walltimes, if it were submitted now, s. Null where it does not.
   */
  waits?(settings: BatchSettings, walltimesS: readonly number[], machine: Machine): Promise<(number | null)[]>;
  /** The accounts of the person; empty where the scheduler does not tell. */
  accounts(machine: Machine): Promise<Account[]>;
  /** The nodes, by kind, most first; empty where the scheduler does not tell. */
  nodes(machine: Machine): Promise<NodeKind[]>;
}

/** One node, for `nodeKinds`. */
export interface SeenNode extends Omit<NodeKind, "count" | "queues"> {
  readonly name: string;
  readonly queues: readonly string[];
}

/** Nodes by what they have; one that is seen several times (in several queues) counts once. */
export function nodeKinds(seen: readonly SeenNode[]): NodeKind[] {
  const kinds = new Map<string, { kind: NodeKind; names: Set<string>; queues: Set<string> }>();
  for (const { name, queues, ...shape } of seen) {
    const key = JSON.stringify(shape);
    const found = kinds.get(key) ?? { kind: { count: 0, ...shape, queues: [] }, names: new Set(), queues: new Set() };
    found.names.add(name);
    for (const queue of queues) found.queues.add(queue);
    kinds.set(key, found);
  }
  return [...kinds.values()]
    .map(({ kind, names, queues }) => ({ ...kind, count: names.size, queues: [...queues].sort() }))
    .sort((a, b) => b.count - a.count);
}

/** The first line that says something, for a message. */
export function lastWords({ stderr, stdout }: Pick<CommandResult, "stdout" | "stderr">): string {
  const line = `${stderr}\n${stdout}`
    .split("\n")
    .map((text) => text.trim())
    .find((text) => text !== "");
  return (line ?? "it said nothing").slice(0, 300);
}

/**
 * What a failed command means: the scheduler could not be asked, or it said no.
 *
 * @param unreachable what its commands print when they do not reach the scheduler
 */
export function commandFailure(program: string, result: CommandResult, unreachable: RegExp): XpcsError {
  const words = lastWords(result);
  const how = result.code === null ? "was ended by a signal" : `failed with exit code ${result.code}`;
  const all = `${result.stderr}\n${result.stdout}`;
  if (result.code === null || unreachable.test(all))
    return new XpcsError("UNAVAILABLE", `${program} did not reach the scheduler: ${words}`);
  return new XpcsError("REFUSED", `${program} ${how}: ${words}`);
}

/** The reason in the JSON of a refusal: of RFC 9457, or what others call it. Null: it gives none, as a page of a proxy. */
export function reasonIn(text: string): string | null {
  try {
    const { detail, error, title, message } = JSON.parse(text) as Record<string, unknown>;
    const found = [detail, error, message, title].find((words) => words !== undefined && words !== null && words !== "");
    if (found !== undefined) return (typeof found === "string" ? found : JSON.stringify(found)).slice(0, 300);
  } catch {
    // Not JSON: a proxy's page, say.
  }
  return null;
}

/** Statuses that say nothing about the request itself. */
const NOT_NOW = new Set([401, 407, 408, 409, 425, 429]);

/**
 * What a refusal of an API means: it could not be asked now, or it said no.
 *
 * @param what that was asked for: `the submission of TAG`
 */
export function apiFailure(what: string, { status, text }: ApiAnswer): XpcsError {
  const said = `${what}: the API answered ${status}: ${reasonIn(text) ?? lastWords({ stderr: "", stdout: text })}`;
  if (status === 401) return new XpcsError("UNAVAILABLE", `${said}; a new credential in its file is used without a restart`);
  const now = status >= 400 && status < 500 ? !NOT_NOW.has(status) : status === 501;
  return new XpcsError(now ? "REFUSED" : "UNAVAILABLE", said);
}
