/**
 * Three facilities on this machine, and jobs through them: `npm run facilities` (docs/facilities.md). Sets up what is missing, installs and starts a Slurm and
 * a Grid Engine, builds and runs bench/facilities, and stops them.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runBesideSchedulers } from "./beside-schedulers.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const USAGE = readFileSync(join(ROOT, "bench/facilities/usage.txt"), "utf8");

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

process.exit(
  await runBesideSchedulers({
    ...{ name: "facilities", main: "facilities/main.js", variable: "XPCS_FACILITIES", schedulers: true },
    settings: (folder, schedulers) => ({ ...settings, folder, schedulers }),
  }),
);
