/**
 * The tests of `xpcs bundle` with the real one on a bare machine: `npm run test:bundle`. Installs the Debian packages that they need where it may; `npm test` runs
 * them too where they are there already. Exit codes: 0 passed, 1 failed, 2 they cannot run here (the text says why).
 */
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { install } from "./schedulers/daemons.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const root = process.geteuid?.() === 0;
const obstacle = root
  ? install(["patchelf", "objdump", "ip", "curl", "unshare", "nsenter"], ["patchelf", "binutils", "iproute2", "curl", "util-linux"])
  : "a root folder and a network of its own need root";
if (obstacle !== null) {
  console.error(`bundle: the tests on a bare machine cannot run here: ${obstacle}`);
  process.exit(2);
}
const done = spawnSync(
  process.execPath,
  [join(ROOT, "node_modules/vitest/vitest.mjs"), "run", "test/bundle", "test/actors/bundle-server.test.ts"],
  {
    cwd: ROOT,
    stdio: "inherit",
  },
);
process.exit(done.status === 0 ? 0 : 1);
