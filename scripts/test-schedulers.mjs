/**
 * The suite of the schedulers against real ones: `npm run test:schedulers -- [slurm] [grid-engine] [oar]`. Installs Debian packages where it may,
 * starts each in a folder of its own, runs the suite, and with Slurm and Grid Engine a few jobs through three facilities, and stops them. What cannot be started is skipped, with the reason.
 * Exit codes: 0 all passed, 1 a test failed or a scheduler did not start, 2 usage.
 */
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { REAL, startReal } from "./schedulers/real.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const asked = process.argv.slice(2);
const unknown = asked.find((name) => REAL[name] === undefined);
if (unknown !== undefined) {
  console.error(`schedulers: there is no real "${unknown}": ${Object.keys(REAL).join(", ")}`);
  process.exit(2);
}

const { reached, stop } = await startReal(asked.length > 0 ? asked : Object.keys(REAL));
for (const [name, { skip, failure }] of Object.entries(reached)) {
  if (skip !== undefined) console.log(`skipped ${name}: ${skip}`);
  if (failure !== undefined) console.error(`${name} did not start: ${failure}`);
}
// Ctrl-C reaches the suite too; here it must not keep the schedulers from being stopped.
process.on("SIGINT", () => {});
/** One file at a time: they want the same nodes. @param {string} tests */
const passes = (tests) =>
  spawnSync(process.execPath, [join(ROOT, "node_modules/vitest/vitest.mjs"), "run", "--no-file-parallelism", tests], {
    cwd: ROOT,
    stdio: "inherit",
    env: { ...process.env, XPCS_TEST_SCHEDULERS: JSON.stringify(reached) },
  }).status === 0;
// The facilities have the nodes for themselves, and are skipped where a scheduler is missing.
const passed = ["test/sites/schedulers", "test/bench/real-facilities.test.ts"].map(passes);
await stop();
const failed = Object.values(reached).some(({ failure }) => failure !== undefined);
process.exit(passed.every(Boolean) && !failed ? 0 : 1);
