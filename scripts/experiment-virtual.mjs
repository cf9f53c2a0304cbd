/** The experiments on virtual time: builds what they need and runs bench/experiment/main.ts. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * @param {string} name
 * @param {string[]} args
 */
export async function virtual(name, args) {
  if (args.includes("--help")) {
    process.stdout.write(readFileSync(join(ROOT, "bench/experiment/usage.txt"), "utf8"));
    return 0;
  }
  for (const step of [["scripts/setup.mjs"], ["node_modules/typescript/bin/tsc", "-p", "bench/tsconfig.json"]]) {
    // stdout is for the report.
    const { status } = spawnSync(process.execPath, step, { cwd: ROOT, stdio: ["ignore", 2, "inherit"] });
    if (status !== 0) return 1;
  }
  const main = join(ROOT, "build/bench/bench/experiment/main.js");
  return spawnSync(process.execPath, [main, name, ...args], { cwd: ROOT, stdio: "inherit" }).status ?? 1;
}
