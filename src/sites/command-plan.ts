/**
 * A job's parameters into the command lines of its app. Pure. Every value is checked against the type that the site declared, and ends up within
 * one argument: no value can add an argument, name an option, or reach a shell.
 */
import { basename, join } from "node:path";
import { XpcsError } from "../core/errors.js";
import type { CommandJob, FileRef, Lease, ParameterValue } from "../core/job.js";
import { LIMITS } from "../core/limits.js";
import type { CommandRun } from "../core/protocols.js";
import { type Argv, type CommandApp, type GIVEN, LAUNCHER, type Parameter } from "./command-apps.js";
import { jobLauncher } from "./launch.js";

type Value = string | number | boolean;

/** Folder of the log files and results of an attempt, within its own. */
export const PID_FILE = "command.pid";

/** Where the command writes an output: under its own name, because programs look at endings. */
export function outputPath(folder: string, name: string, ref: FileRef): string {
  return join(folder, "out", name, basename(ref.path));
}

function refuse(app: string, what: string): XpcsError {
  return new XpcsError("REFUSED", `app ${app}: ${what}`);
}

function numberOf(value: ParameterValue, { type, min = -Infinity, max = Infinity }: Extract<Parameter, { min?: number | undefined }>) {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  const fits = typeof number === "number" && Number.isFinite(number) && number >= min && number <= max;
  if (fits && (type === "number" || Number.isSafeInteger(number))) return number;
  const range = [min === -Infinity ? [] : [`at least ${min}`], max === Infinity ? [] : [`at most ${max}`]].flat().join(" and ");
  return new Error(`must be ${type === "integer" ? "a whole number" : "a number"}${range === "" ? "" : ` of ${range}`}`);
}

function textOf(value: ParameterValue, { choices, pattern }: Extract<Parameter, { type: "text" }>) {
  const text = String(value);
  if (choices !== undefined) return choices.includes(text) ? text : new Error(`must be one of ${choices.join(", ")}`);
  if (pattern !== undefined) return new RegExp(`^(?:${pattern})$`, "u").test(text) ? text : new Error(`must match ${pattern}`);
  // A program would take it for an option.
  return text.startsWith("-") ? new Error("must not begin with a dash") : text;
}

type Plain = Exclude<Parameter, { type: "input" | "output" }>;

/** The value as declared, or what is wrong with it. */
function typed(value: ParameterValue, declared: Plain): Value | Error {
  if (declared.type === "integer" || declared.type === "number") return numberOf(value, declared);
  if (declared.type === "text") return textOf(value, declared);
  if (value === true || value === "true") return true;
  return value === false || value === "false" ? false : new Error("must be true or false");
}

/** @throws REFUSED naming the parameter */
function valuesOf(app: CommandApp, job: CommandJob): Map<string, Value> {
  const values = new Map<string, Value>();
  for (const kind of ["parameters", "inputs", "outputs"] as const) {
    for (const name of Object.keys(job[kind])) {
      const declared = Object.hasOwn(app.parameters, name) ? app.parameters[name] : undefined;
      const isFile = declared?.type === "input" || declared?.type === "output";
      const fits = kind === "parameters" ? declared !== undefined && !isFile : declared?.type === kind.slice(0, -1);
      if (!fits)
        throw refuse(job.app, `it has no ${kind.slice(0, -1)} "${name}"; it has ${Object.keys(app.parameters).join(", ") || "none"}`);
    }
  }
  for (const [name, declared] of Object.entries(app.parameters)) {
    const isFile = declared.type === "input" || declared.type === "output";
    const value = isFile ? (declared.type === "input" ? job.inputs : job.outputs)[name]?.path : (job.parameters[name] ?? declared.default);
    if (value === undefined) {
      if (declared.optional === true) continue;
      throw refuse(job.app, `${declared.type} "${name}" is missing`);
    }
    const checked = isFile ? value : typed(value, declared);
    if (checked instanceof Error) throw refuse(job.app, `parameter "${name}" is ${JSON.stringify(value)}: it ${checked.message}`);
    values.set(name, checked);
  }
  return values;
}

/** A template's words; those of an absent or false parameter's group are left out. @throws REFUSED a word uses an absent parameter */
function fill(app: string, argv: Argv, values: ReadonlyMap<string, Value>, launcher: readonly string[] = []): string[] {
  const word = (template: string): string =>
    template.replace(/\{([^{}]*)\}/g, (_, name: string) => {
      const value = values.get(name);
      if (value === undefined) throw refuse(app, `its template uses "${name}", which was not given: put it in a group with "when"`);
      return String(value);
    });
  return argv.flatMap((part) => {
    if (part === LAUNCHER) return launcher;
    if (typeof part === "string") return [word(part)];
    const on = values.get(part.when) ?? false;
    return on === false ? [] : part.argv.map(word);
  });
}

function ranksPerNode({ ranksPerNode: asked }: CommandApp, values: ReadonlyMap<string, Value>): number {
  return typeof asked === "number" ? asked : Number(values.get(asked) ?? 1);
}

/** What a job has of nodes, and how the site starts programs on them. */
export interface NodesAsked {
  /** 0: it asks for none. */
  readonly nodes: number;
  /** Null: the site has one node, and starts programs there itself. */
  readonly launcher: readonly string[] | null;
}

/** @throws REFUSED */
function checkLaunch(app: CommandApp, job: CommandJob, values: ReadonlyMap<string, Value>, { nodes, launcher }: NodesAsked): void {
  if (![app.argv, ...app.before, ...app.after].some((argv) => argv.includes(LAUNCHER))) return;
  if (nodes === 0) throw refuse(job.app, "it is started on nodes: say on how many (resources.nodes, --nodes)");
  const ranks = ranksPerNode(app, values);
  if (ranks < 1 || ranks > LIMITS.threadsMax) throw refuse(job.app, `${ranks} processes per node are none or too many`);
  if (launcher === null && ranks > 1)
    throw refuse(job.app, `${ranks} processes per node need a launcher, and this site works in no batch job`);
}

/**
 * Checks a job against the app, without anything being there yet.
 *
 * @throws REFUSED
 */
export function checkCommand(app: CommandApp, job: CommandJob, asked: NodesAsked): void {
  checkLaunch(app, job, valuesOf(app, job), asked);
}

export interface CommandPlace {
  readonly folder: string;
  readonly site: string;
  readonly cores: number;
  /** Names of the nodes that it asked for. */
  readonly hosts: readonly string[];
  readonly launcher: readonly string[] | null;
  /** Local paths of the inputs by name. */
  readonly inputs: Readonly<Record<string, string>>;
}

/**
 * The command lines of an attempt.
 *
 * @throws REFUSED
 */
export function commandRun(app: CommandApp, lease: Lease, job: CommandJob, place: CommandPlace): CommandRun {
  const { folder, site, cores, hosts, launcher, inputs } = place;
  const values = valuesOf(app, job);
  for (const [name, path] of Object.entries(inputs)) values.set(name, path);
  for (const [name, ref] of Object.entries(job.outputs)) values.set(name, outputPath(folder, name, ref));
  const given: Readonly<Record<(typeof GIVEN)[number], Value>> = {
    job: lease.job,
    epoch: lease.epoch,
    site,
    cores,
    gpus: lease.resources?.gpus ?? 0,
    folder,
    nodes: hosts.length,
    hosts: hosts.join(","),
  };
  for (const [name, value] of Object.entries(given)) values.set(name, value);
  const launch = jobLauncher(launcher ?? [], { hosts, ranksPerNode: ranksPerNode(app, values), cores });
  const lines = (all: readonly Argv[]) => all.map((argv) => fill(job.app, argv, values, launch));
  const env = Object.fromEntries(Object.entries(app.env).map(([name, text]) => [name, fill(job.app, [text], values)[0]!]));
  return {
    app: "command",
    before: lines(app.before),
    argv: fill(job.app, app.argv, values, launch),
    after: lines(app.after),
    cwd: folder,
    env: { OMP_NUM_THREADS: String(cores), XPCS_JOB: lease.job, XPCS_EPOCH: String(lease.epoch), XPCS_SITE: site, ...env },
    logs: { stdout: join(folder, "stdout.log"), stderr: join(folder, "stderr.log") },
    pidFile: join(folder, PID_FILE),
    exclusive: app.exclusive,
  };
}
