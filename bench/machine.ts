/** What a measurement ran on, in one line: numbers of different machines are not compared. */
import { spawnSync } from "node:child_process";
import { cpus, loadavg, totalmem } from "node:os";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGB: number;
  readonly compiler: string;
  readonly node: string;
  /** Commit of the measured program; `+` when files differ from it. */
  readonly commit: string;
  /** Processes that wanted a core when the measurement began: above 0.5 the times are noisy. */
  readonly load: number;
}

function firstLine(command: readonly string[], cwd: string): string {
  const [program, ...args] = command;
  const done = spawnSync(program ?? "", args, { cwd, encoding: "utf8" });
  return done.status === 0 ? (done.stdout.split("\n")[0]?.trim() ?? "") : "unknown";
}

/**
 * @param root the project's folder
 */
export function thisMachine(root: string): Machine {
  const changed = firstLine(["git", "status", "--porcelain", "--untracked-files=no"], root) === "" ? "" : "+";
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGB: Math.round(totalmem() / 2 ** 30),
    compiler: firstLine([process.env.CXX ?? "c++", "--version"], root),
    node: process.version,
    commit: firstLine(["git", "rev-parse", "--short", "HEAD"], root) + changed,
    load: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

/** The line for a person. */
export function machineLine(machine: Machine, date: string): string {
  const { cpu, cores, memoryGB, compiler, node, commit, load } = machine;
  return `${date}: ${cpu}, ${cores} cores, ${memoryGB} GiB; ${compiler}; Node ${node}; commit ${commit}; load ${load} at the start`;
}
