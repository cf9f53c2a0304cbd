/** Builds the soak and runs it: `npm run test:chaos -- [--minutes N] [--seed N] [--json]` (test/chaos/soak-main.ts). */
import { spawnSync } from "node:child_process";
import { existsSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const BUILT = join(ROOT, "build/chaos");

/** @param {readonly string[]} args */
function run(args) {
  return spawnSync(process.execPath, args, { cwd: ROOT, stdio: "inherit" }).status ?? 1;
}

if (run(["node_modules/typescript/bin/tsc", "-p", "test/chaos/tsconfig.json"]) !== 0) process.exit(1);
// The soak drives the built command, which its compiled files look for where their sources do.
if (!existsSync(join(BUILT, "dist"))) symlinkSync("../../dist", join(BUILT, "dist"));
process.exit(run([join(BUILT, "test/chaos/soak-main.js"), ...process.argv.slice(2)]));
