/**
 * The suite of the schedulers against real ones: `npm run test:schedulers -- [slurm] [grid-engine]`. Installs Debian packages where it may,
 * starts each in a folder of its own, runs the suite and stops them. What cannot be started is skipped, with the reason.
 * Exit codes: 0 all passed, 1 a test failed or a scheduler did not start, 2 usage.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { prepareGridEngine, startGridEngine, stopGridEngine } from "./schedulers/grid-engine.mjs";
import { prepareSlurm, startSlurm, stopSlurm } from "./schedulers/slurm.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
/** @type {Record<string, { prepare: () => string | null, start: (folder: string) => Promise<Record<string, string>>, stop: (folder: string) => Promise<void> }>} */
const KNOWN = {
  slurm: { prepare: prepareSlurm, start: startSlurm, stop: stopSlurm },
  "grid-engine": { prepare: prepareGridEngine, start: startGridEngine, stop: stopGridEngine },
};

const asked = process.argv.slice(2);
const unknown = asked.find((name) => KNOWN[name] === undefined);
if (unknown !== undefined) {
  console.error(`schedulers: there is no real "${unknown}": ${Object.keys(KNOWN).join(", ")}`);
  process.exit(2);
}

/** @type {Record<string, { env?: Record<string, string>, skip?: string }>} */
const reached = {};
/** @type {(() => Promise<void>)[]} */
const stops = [];
let failed = false;
for (const [name, { prepare, start, stop }] of Object.entries(KNOWN)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  const skip = prepare();
  if (skip !== null) {
    console.log(`skipped ${name}: ${skip}`);
    reached[name] = { skip };
    continue;
  }
  const folder = mkdtempSync(join(tmpdir(), `xpcs-${name}-`));
  stops.push(async () => {
    await stop(folder);
    rmSync(folder, { recursive: true, force: true });
  });
  const beganMs = Date.now();
  try {
    reached[name] = { env: await start(folder) };
    console.log(`${name} is up after ${((Date.now() - beganMs) / 1000).toFixed(1)} s, in ${folder}`);
  } catch (error) {
    failed = true;
    console.error(`${name} did not start: ${/** @type {Error} */ (error).message}`);
  }
}
// Ctrl-C reaches the suite too; here it must not keep the schedulers from being stopped.
process.on("SIGINT", () => {});
const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
const done = spawnSync(process.execPath, [vitest, "run", "test/sites/schedulers"], {
  cwd: ROOT,
  stdio: "inherit",
  env: { ...process.env, XPCS_TEST_SCHEDULERS: JSON.stringify(reached) },
});
for (const stop of stops.reverse()) await stop();
process.exit(done.status === 0 && !failed ? 0 : 1);
