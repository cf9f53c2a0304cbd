/** One run of each measured program, as a whole process. Decides nothing about the numbers. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { CorrSummary } from "../src/core/analysis.js";
import type { ChildReport, NativeTool } from "./native-tool.js";

export interface OurRun extends ChildReport {
  readonly summary: CorrSummary;
}

/** The program said that it does not have this yet. */
export interface Unsupported {
  readonly unsupported: string;
}

/** Words after `corr`, but for the output and what every run has. */
export interface OurCommand {
  readonly args: readonly string[];
  readonly threads: number;
}

export interface Workplace {
  readonly tool: NativeTool;
  /** The project's folder. */
  readonly root: string;
  /** Scratch folder of the runs. */
  readonly scratch: string;
}

/** Makes the scratch folder anew. */
export function clearScratch(place: Workplace): void {
  rmSync(place.scratch, { recursive: true, force: true });
  mkdirSync(place.scratch, { recursive: true });
}

export function ourResult(place: Workplace): string {
  return join(place.scratch, "ours.hdf");
}

/** Runs `xpcs corr`; the result is published at `ourResult`. */
export function runOurs(place: Workplace, command: OurCommand): OurRun | Unsupported {
  const out = ourResult(place);
  rmSync(out, { force: true });
  const at = { cwd: place.scratch, env: process.env, stdout: join(place.scratch, "ours.json"), stderr: join(place.scratch, "ours.err") };
  const words = [...command.args, "--out", out, "--threads", `${command.threads}`, "--json"];
  const report = place.tool.run([process.execPath, join(place.root, "dist/cli/main.js"), "corr", ...words], at);
  if (report.exitCode === 0) return { ...report, summary: JSON.parse(readFileSync(at.stdout, "utf8")) as CorrSummary };
  const message = readFileSync(at.stderr, "utf8").trim();
  if (report.exitCode === 2 && message.includes('"UNSUPPORTED"')) return { unsupported: message };
  throw new Error(`xpcs corr ${words.join(" ")} ended with ${report.exitCode}: ${message}`);
}

/** The same, of a case that has to be supported. @param name of the case, for the error */
export function runSupported(place: Workplace, command: OurCommand, name: string): OurRun {
  const run = runOurs(place, command);
  if ("unsupported" in run) throw new Error(`${name}: ${run.unsupported}`);
  return run;
}

export function contenderResult(place: Workplace): string {
  return join(place.scratch, "contender.hdf");
}

/**
 * Runs XPCS-Eigen on a copy of the job file, into which it writes its result. Its exit code is 0 even when it fails, so
 * the caller looks at the result.
 */
export function runContender(place: Workplace, program: string, job: string, flags: readonly string[], threads: number): ChildReport {
  const copy = contenderResult(place);
  copyFileSync(job, copy);
  const at = {
    cwd: place.scratch,
    env: { ...process.env, OMP_NUM_THREADS: `${threads}` },
    stdout: join(place.scratch, "contender.out"),
    stderr: join(place.scratch, "contender.err"),
  };
  const report = place.tool.run([program, copy, ...flags], at);
  if (report.exitCode !== 0) throw new Error(`${program} ended with ${report.exitCode}: ${readFileSync(at.stderr, "utf8").slice(0, 500)}`);
  return report;
}

/** The built `corr` of XPCS-Eigen that the environment names, or null. */
export function findContender(): string | null {
  const program = process.env.XPCS_EIGEN;
  if (program === undefined || program === "") return null;
  if (!existsSync(program)) throw new Error(`XPCS_EIGEN names ${program}, which does not exist`);
  return program;
}
