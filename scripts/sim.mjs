/**
 * More of the deterministic simulation than `npm test` runs: `npm run test:sim -- [--seeds N] [--first N] | --seed N [--faults 1,4|none]`.
 * Exit codes: 0 every promise held, 1 a seed broke one (it is printed, with fewer faults and how to run it again), 2 usage.
 */
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const USAGE = "usage: npm run test:sim -- [--seeds N] [--first N]\n       npm run test:sim -- --seed N [--faults 1,4|none]";

/**
 * @param {string} message
 * @returns {never}
 */
function refuse(message) {
  console.error(`sim: ${message}\n${USAGE}`);
  process.exit(2);
}

/**
 * @param {string} name
 * @param {string | undefined} text
 */
function wholeNumber(name, text) {
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text)) refuse(`--${name} ${text} is no whole number`);
  return Number(text);
}

function options() {
  /** @type {Record<string, { type: "string" }>} */
  const known = { seeds: { type: "string" }, first: { type: "string" }, seed: { type: "string" }, faults: { type: "string" } };
  try {
    return parseArgs({ options: known }).values;
  } catch (error) {
    return refuse(/** @type {Error} */ (error).message);
  }
}

const { seeds, first, seed, faults } = /** @type {Record<string, string | undefined>} */ (options());
if (seed !== undefined && (seeds !== undefined || first !== undefined)) refuse("--seed is one seed: leave --seeds and --first out");
if (faults !== undefined && seed === undefined) refuse("--faults are those of one seed: give --seed too");
const places = faults === undefined || faults === "none" ? [] : faults.split(",").map((text) => wholeNumber("faults", text));
const asked = {
  first: wholeNumber("seed", seed) ?? wholeNumber("first", first) ?? 1,
  seeds: seed === undefined ? (wholeNumber("seeds", seeds) ?? 3_000) : 1,
  ...(faults === undefined ? {} : { faults: places }),
};
const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
const done = spawnSync(
  process.execPath,
  [vitest, "run", "test/sim/sim.test.ts", ...(seed === undefined ? [] : ["-t", "break no promise"])],
  {
    cwd: ROOT,
    stdio: "inherit",
    env: { ...process.env, XPCS_SIM: JSON.stringify(asked) },
  },
);
process.exit(done.status === 0 ? 0 : 1);
