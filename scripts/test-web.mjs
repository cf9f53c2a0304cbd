/**
 * The tests of the page in a real Chromium: `npm run test:web`. Installs it where it may; `npm run test:long` runs them too where it is there already.
 * `--screenshots FOLDER`: writes a picture of every view in both themes instead. `--tour FOLDER`: those of docs/tour.md.
 * Exit codes: 0 passed, 1 failed, 2 they cannot run here (the text says why).
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { install } from "./schedulers/daemons.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const [option, folder] = process.argv.slice(2);
/** @type {Record<string, { variable: string, test: string } | undefined>} */
const PICTURES = {
  "--screenshots": { variable: "XPCS_SCREENSHOTS", test: "test/web/screenshots.test.ts" },
  "--tour": { variable: "XPCS_TOUR", test: "test/web/tour.test.ts" },
};
const pictures = PICTURES[option ?? ""];
if (option !== undefined && (pictures === undefined || folder === undefined)) {
  console.error("web: npm run test:web [-- --screenshots FOLDER | --tour FOLDER]");
  process.exit(2);
}
const named = process.env.XPCS_CHROMIUM;
const obstacle =
  named === undefined ? install(["chromium"], ["chromium", "fonts-dejavu-core"]) : existsSync(named) ? null : `${named} is not there`;
if (obstacle !== null) {
  console.error(`web: the tests of the page cannot run here: ${obstacle}`);
  process.exit(2);
}
const where = pictures === undefined ? {} : { [pictures.variable]: resolve(folder ?? "") };
const tests = pictures?.test ?? "test/web";
const done = spawnSync(process.execPath, [join(ROOT, "node_modules/vitest/vitest.mjs"), "run", tests], {
  cwd: ROOT,
  stdio: "inherit",
  env: { ...process.env, ...where },
});
process.exit(done.status === 0 ? 0 : 1);
