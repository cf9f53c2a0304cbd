/** `npm run experiment -- live`: reads its options, and runs bench/experiment/live beside real schedulers, or without them. */
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runBesideSchedulers } from "./beside-schedulers.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const USAGE = readFileSync(join(ROOT, "bench/experiment/live/usage.txt"), "utf8");

/**
 * @param {string} text
 * @returns {never}
 */
function stopWith(text) {
  console.error(`experiment: ${text}\n${USAGE}`);
  process.exit(2);
}

/** @param {string} name @param {string} text @param {number} least */
function count(name, text, least) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > 100_000)
    stopWith(`--${name} ${text} is no whole number from ${least} to 100000`);
  return value;
}

/** @param {string[]} args */
function read(args) {
  try {
    const { values } = parseArgs({
      args,
      options: {
        jobs: { type: "string", default: "180" },
        seed: { type: "string", default: "1" },
        outage: { type: "string", default: "40" },
        policy: { type: "string", default: "central" },
        direct: { type: "boolean", default: false },
        json: { type: "string" },
        plot: { type: "string" },
        record: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    return values;
  } catch (error) {
    return stopWith(/** @type {Error} */ (error).message);
  }
}

/** @param {string | undefined} path */
const fileOf = (path) => (path === undefined ? null : resolve(path));

/**
 * @param {string[]} args
 * @returns {Promise<number>} the exit code
 */
export async function live(args) {
  const { jobs, seed, outage, policy, direct, json, plot, record, help } = read(args);
  if (help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (policy !== "central" && policy !== "agent") return stopWith(`--policy ${policy}: it is central or agent`);
  const wish = {
    // A lease may last 10 s after its site has gone: a shorter outage would show nothing.
    ...{ jobs: count("jobs", jobs, 30), seed: count("seed", seed, 1), outageMs: 1000 * count("outage", outage, 15), policy, record },
    ...{ json: fileOf(json), plot: fileOf(plot) },
  };
  return runBesideSchedulers({
    ...{ name: "experiment", main: "experiment/live/main.js", variable: "XPCS_LIVE", schedulers: !direct },
    settings: (folder, schedulers) => ({ ...wish, folder, schedulers }),
  });
}
