/**
 * Three facilities on this machine, and jobs through them: `npm run facilities` (docs/facilities.md). Sets up what is missing, installs and starts a Slurm and
 * a Grid Engine, builds and runs bench/facilities, and stops them.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { REAL, startReal } from "./schedulers/real.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const USAGE = readFileSync(join(ROOT, "bench/facilities/usage.txt"), "utf8");
const INTERRUPTED = 130;

/**
 * @param {number} code
 * @param {string} text
 * @returns {never}
 */
function stopWith(code, text) {
  console.error(`facilities: ${text}`);
  process.exit(code);
}

/** @param {string} name @param {string} text */
function count(name, text) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 100_000)
    stopWith(2, `--${name} ${text} is no whole number from 1 to 100000\n${USAGE}`);
  return value;
}

function options() {
  try {
    const { values } = parseArgs({
      options: {
        jobs: { type: "string", default: "200" },
        seed: { type: "string", default: "1" },
        faults: { type: "string", default: "all" },
        json: { type: "boolean", default: false },
        record: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    return values;
  } catch (error) {
    return stopWith(2, `${/** @type {Error} */ (error).message}\n${USAGE}`);
  }
}

const { jobs, seed, faults, json, record, help } = options();
if (help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
if (faults !== "all" && faults !== "none") stopWith(2, `--faults ${faults}: it is all or none\n${USAGE}`);
const settings = { jobs: count("jobs", jobs), seed: count("seed", seed), faults: faults === "all", json, record };

for (const step of [["scripts/setup.mjs"], ["node_modules/typescript/bin/tsc", "-p", "bench/tsconfig.json"]]) {
  // stdout is for the report.
  const { status } = spawnSync(process.execPath, step, { cwd: ROOT, stdio: ["ignore", 2, "inherit"] });
  if (status !== 0) stopWith(status === 2 ? 3 : 1, `failed: ${step.join(" ")}`);
}

/** @type {import("node:child_process").ChildProcess | null} */
let running = null;
let interrupted = false;
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"]))
  process.on(signal, () => {
    interrupted = true;
    running?.kill("SIGTERM");
  });

const { reached, stop } = await startReal(Object.keys(REAL));
const lacking = Object.entries(reached).flatMap(([name, { skip, failure }]) =>
  skip === undefined ? (failure === undefined ? [] : [`${name} did not start: ${failure}`]) : [`no ${name} here: ${skip}`],
);
let code = 0;
if (lacking.length > 0) {
  for (const text of lacking) console.error(`facilities: ${text}`);
  code = Object.values(reached).some(({ failure }) => failure !== undefined) ? 1 : 3;
} else if (!interrupted) {
  const folder = mkdtempSync(join(tmpdir(), "xpcs-facilities-"));
  const schedulers = Object.fromEntries(Object.entries(reached).map(([name, { env }]) => [name, env]));
  const main = join(ROOT, "build/bench/bench/facilities/main.js");
  const env = { ...process.env, XPCS_FACILITIES: JSON.stringify({ ...settings, folder: join(folder, "run"), schedulers }) };
  running = spawn(process.execPath, [main], { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"], env });
  const child = running;
  code = await new Promise((resolve) => child.once("exit", (status) => resolve(status ?? 1)));
  try {
    rmdirSync(folder);
  } catch {
    // It keeps what is to be looked at.
  }
}
await stop();
process.exit(interrupted ? INTERRUPTED : code);
