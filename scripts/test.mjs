/**
 * The tests in two parts: `npm test` takes minutes, `npm run test:long` those that kill processes, drive a browser, wait for schedulers or
 * simulate for long. What either is given beside it goes to vitest; `npm test -- test/chaos` runs these files, whichever part they belong to.
 * Exit code: that of vitest.
 */
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { LONE_TESTS, LONG_TESTS } from "./long-tests.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const [first, ...others] = process.argv.slice(2);
const long = first === "--long";
const given = long ? others : process.argv.slice(2);
const part = long
  ? LONG_TESTS
  : [...LONG_TESTS, ...LONE_TESTS].flatMap((path) => ["--exclude", path.endsWith(".ts") ? path : `${path}/**`]);
const chosen = given.some((argument) => argument.startsWith("test/")) ? [] : part;
const done = spawnSync(process.execPath, [join(ROOT, "node_modules/vitest/vitest.mjs"), "run", ...chosen, ...given], {
  cwd: ROOT,
  stdio: "inherit",
});
process.exit(done.status ?? 1);
