/**
 * The tests of the page in a real Chromium: `npm run test:web`. Installs it where it may; `npm run test:long` runs them too where it is there already.
 * `--screenshots FOLDER`: writes a picture of every view in both themes instead. `--tour FOLDER`: those of docs/tour.md.
 * `--map SIDE`: measures a two-time map of so many frames.
 * Exit codes: 0 passed, 1 failed, 2 they cannot run here (the text says why).
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { install } from "./schedulers/daemons.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const [option = "", value = ""] = process.argv.slice(2);
/** @type {Record<string, { test: string, env: () => Record<string, string>, fits: RegExp }>} */
const KINDS = {
  "--screenshots": { test: "test/web/screenshots.test.ts", env: () => ({ XPCS_SCREENSHOTS: resolve(value) }), fits: /./ },
  "--tour": { test: "test/web/tour.test.ts", env: () => ({ XPCS_TOUR: resolve(value) }), fits: /./ },
  "--map": { test: "test/web/map-speed.test.ts", env: () => ({ XPCS_MAP_SIDE: value }), fits: /^[1-9]\d{1,4}$/ },
};
const kind = KINDS[option];
if (option !== "" && !kind?.fits.test(value)) {
  console.error("web: npm run test:web [-- --screenshots FOLDER | --tour FOLDER | --map SIDE]");
  process.exit(2);
}
const named = process.env.XPCS_CHROMIUM;
const obstacle =
  named === undefined ? install(["chromium"], ["chromium", "fonts-dejavu-core"]) : existsSync(named) ? null : `${named} is not there`;
if (obstacle !== null) {
  console.error(`web: the tests of the page cannot run here: ${obstacle}`);
  process.exit(2);
}
const done = spawnSync(process.execPath, [join(ROOT, "node_modules/vitest/vitest.mjs"), "run", kind?.test ?? "test/web"], {
  cwd: ROOT,
  stdio: "inherit",
  env: { ...process.env, ...kind?.env() },
});
process.exit(done.status === 0 ? 0 : 1);
