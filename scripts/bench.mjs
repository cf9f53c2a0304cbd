/**
 * Builds and runs the speed measurements: `npm run bench -- kernels|boost-corr|scaling|detectors|runtime|staging|stream [options]` (docs/benchmarks.md).
 * Takes `dist` and the addon as they are, and with `--fresh`, as `npm run bench` has it, brings them up to date first. `--help` builds nothing.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const NATIVE = join("build", "bench-native");

/**
 * @param {readonly string[]} command
 * @param {"inherit" | "ignore"} stdout
 */
function run(command, stdout) {
  const [program, ...args] = command;
  const done = spawnSync(/** @type {string} */ (program), args, { cwd: ROOT, stdio: ["ignore", stdout, "inherit"] });
  if (done.error !== undefined) console.error(`bench: ${done.error.message}: ${command.join(" ")}`);
  return done.status ?? 1;
}

const args = process.argv.slice(2).filter((word) => word !== "--fresh");
if (args.length === 0 || args.includes("--help") || args.includes("-h")) {
  process.stdout.write(readFileSync(join(ROOT, "bench", "usage.txt"), "utf8"));
  process.exit(args.length === 0 ? 2 : 0);
}

/** What runtime, transfers and streams are measured with needs nothing native of its own. */
const native = ["runtime", "staging", "stream"].includes(args[0] ?? "")
  ? []
  : [
      ["cmake", "-S", "native/xpcs-core", "-B", NATIVE, "-DXPCS_BENCH=ON", "-DCMAKE_BUILD_TYPE=Release"],
      ["cmake", "--build", NATIVE, "--target", "xpcs_bench"],
    ];
const fresh = process.argv.includes("--fresh") ? [[process.execPath, "scripts/setup.mjs"]] : [];
const steps = [...native, [process.execPath, "node_modules/typescript/bin/tsc", "-p", "bench/tsconfig.json"]];
for (const step of fresh) if (run(step, "inherit") !== 0) process.exit(1);
for (const step of steps) {
  if (run(step, "ignore") === 0) continue;
  console.error(`bench: failed: ${step.join(" ")}`);
  process.exit(1);
}
process.exit(run([process.execPath, join("build", "bench", "bench", "main.js"), ...args], "inherit"));
