/** Runs a compiled program of bench/ beside a real Slurm and a real Grid Engine, which are installed and started for it and stopped afterwards; or without them. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { startReal } from "./schedulers/real.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const INTERRUPTED = 130;
/** Something is missing, and cannot be installed. */
const LACKING = 3;

/**
 * Sets up what is missing, builds bench/, starts the schedulers and runs the program with its settings as JSON in an environment variable.
 *
 * @param {object} run
 * @param {string} run.name for messages and folders
 * @param {string} run.main the program, from build/bench/bench
 * @param {string} run.variable of its settings
 * @param {(folder: string, schedulers: Record<string, Record<string, string> | undefined> | null) => object} run.settings by a folder of its own, and the environment of each scheduler's
 *   commands; null: there are none
 * @param {boolean} run.schedulers
 * @returns {Promise<number>} the exit code
 */
export async function runBesideSchedulers({ name, main, variable, settings, schedulers }) {
  for (const step of [["scripts/setup.mjs"], ["node_modules/typescript/bin/tsc", "-p", "bench/tsconfig.json"]]) {
    // stdout is for the report.
    const { status } = spawnSync(process.execPath, step, { cwd: ROOT, stdio: ["ignore", 2, "inherit"] });
    if (status !== 0) {
      console.error(`${name}: failed: ${step.join(" ")}`);
      return status === 2 ? LACKING : 1;
    }
  }
  /** @type {import("node:child_process").ChildProcess | null} */
  let running = null;
  let interrupted = false;
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"]))
    process.on(signal, () => {
      interrupted = true;
      running?.kill("SIGTERM");
    });
  const { reached, stop } = await startReal(schedulers ? ["slurm", "grid-engine"] : []);
  const lacking = Object.entries(reached).flatMap(([scheduler, { skip, failure }]) =>
    skip === undefined ? (failure === undefined ? [] : [`${scheduler} did not start: ${failure}`]) : [`no ${scheduler} here: ${skip}`],
  );
  let code = 0;
  if (lacking.length > 0) {
    for (const text of lacking) console.error(`${name}: ${text}`);
    code = Object.values(reached).some(({ failure }) => failure !== undefined) ? 1 : LACKING;
  } else if (!interrupted) {
    const folder = mkdtempSync(join(tmpdir(), `xpcs-${name}-`));
    const environments = Object.fromEntries(Object.entries(reached).map(([scheduler, { env }]) => [scheduler, env]));
    const env = { ...process.env, [variable]: JSON.stringify(settings(join(folder, "run"), schedulers ? environments : null)) };
    const program = join(ROOT, "build/bench/bench", main);
    const child = spawn(process.execPath, [program], { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"], env });
    running = child;
    code = await new Promise((resolve) => child.once("exit", (status) => resolve(status ?? 1)));
    try {
      rmdirSync(folder);
    } catch {
      // It keeps what is to be looked at.
    }
  }
  await stop();
  return interrupted ? INTERRUPTED : code;
}
